"""What an identifier in a Rust file is; see `mentions.py`. In the arguments of a macro, which are tokens and no
syntax, a name is a bare use unless it follows a dot or a path."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from foretype.context.rules.mentions import Mention
from foretype.context.rules.trees import Spot

CLASSES = ("struct_item", "enum_item", "trait_item", "union_item", "impl_item")
FUNCTIONS = ("function_item", "closure_expression")
IMPORTS = ("use_declaration", "mod_item")
_SCOPES = (
    *(*FUNCTIONS, "function_signature_item", "block", "source_file", "declaration_list", "match_arm", "for_expression"),
    *("if_expression", "while_expression", *CLASSES),
)
_LEAVES = ("identifier", "type_identifier", "field_identifier", "shorthand_field_identifier")
_ITEMS = (
    *("function_item", "function_signature_item", "struct_item", "enum_item", "union_item", "trait_item", "type_item"),
    *("const_item", "static_item", "mod_item", "macro_definition", "type_parameter"),
)
_PATTERNS = (
    *("tuple_pattern", "tuple_struct_pattern", "struct_pattern", "field_pattern", "ref_pattern", "mut_pattern"),
    *("reference_pattern", "slice_pattern", "captured_pattern", "or_pattern", "match_pattern"),
)
_BINDERS = ("let_declaration", "parameter", "closure_parameters", "for_expression", "let_condition", "match_arm")
_PATHS = ("scoped_identifier", "scoped_type_identifier")


def mention(spot: Spot) -> Mention | None:
    leaf, kind, role = spot.node.type, spot.type(1), spot.field(0)
    if leaf not in _LEAVES:
        return None
    if any(node.type == "use_declaration" for node in spot.nodes[1:]):
        return _used(spot)
    if kind == "token_tree":
        before = spot.node.prev_sibling
        outside = before is not None and before.type in (".", "::")
        return Mention(spot, "member") if outside else Mention(spot, "read")
    if kind == "field_expression" and role == "field":
        return Mention(spot, "member", None, spot.nodes[1].child_by_field_name("value"))
    if kind in _PATHS and role == "name":
        return Mention(spot, "member", None, spot.nodes[1].child_by_field_name("path"))
    if kind in ("field_initializer", "field_pattern") and role in ("field", "name") and leaf == "field_identifier":
        holder = next((node for node in spot.nodes[2:] if node.type in ("struct_expression", "struct_pattern")), None)
        return Mention(spot, "key", None, holder)
    if kind in ("field_declaration", "enum_variant") and role == "name":
        return Mention(spot, "declare", _type(spot), spot.nodes[1])
    if kind in _ITEMS and role == "name":
        if spot.type(3) in ("impl_item", "trait_item") and spot.type(2) == "declaration_list":
            return Mention(spot, "declare", spot.nodes[3], spot.nodes[1])
        return Mention(spot, "bind", _scope(spot, 1 if kind == "type_parameter" else 2), spot.nodes[1])
    return _pattern(spot) or (Mention(spot, "read") if leaf != "field_identifier" else None)


def around(spot: Spot) -> Iterator[Node]:
    """The scopes that a bare name at a spot is looked up in, innermost first."""
    return (node for node in spot.nodes[1:] if node.type in _SCOPES)


def _used(spot: Spot) -> Mention | None:
    """A name in a `use`; the parts of a path but the last are no names of this file."""
    statement = next(node for node in spot.nodes if node.type == "use_declaration")
    if spot.type(1) == "use_as_clause" and spot.field(0) == "alias":
        return Mention(spot, "bind", _scope(spot, 1), statement)
    height = 1
    if spot.type(1) in _PATHS:
        if spot.field(0) != "name" or spot.field(1) == "path":
            return None
        height = 2
    elif spot.field(0) == "path" and spot.type(1) == "scoped_use_list":
        return None
    aliased = spot.type(height) == "use_as_clause"
    return Mention(spot, "import", None if aliased else _scope(spot, 1), statement)


def _pattern(spot: Spot) -> Mention | None:
    at = 0
    while spot.type(at + 1) in _PATTERNS and spot.field(at) not in ("type", "condition"):
        at += 1
    holder = spot.type(at + 1)
    if spot.field(at) == "type" or holder not in _BINDERS:
        return None
    if holder == "closure_parameters":
        return Mention(spot, "bind", _scope(spot, at + 2), spot.nodes[at])
    if spot.field(at) != "pattern" or spot.node.text is None or spot.node.text[:1].isupper():
        return None  # a constant or a variant that is matched
    since = spot.nodes[at + 1].end_byte if holder == "let_declaration" else 0
    return Mention(spot, "bind", _scope(spot, at + 1), spot.nodes[at + 1], since)


def _scope(spot: Spot, height: int) -> Node:
    return next((node for node in spot.nodes[height:] if node.type in _SCOPES), spot.nodes[-1])


def _type(spot: Spot) -> Node:
    return next((node for node in spot.nodes[2:] if node.type in CLASSES), spot.nodes[-1])
