"""What an identifier in a JavaScript or TypeScript file is; see `mentions.py`.

Values and types share one space here, as they do for whoever reads: a type and a value of one name are one symbol.
"""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from foretype.context.rules.mentions import Mention
from foretype.context.rules.trees import Spot

CLASSES = ("class_declaration", "class", "abstract_class_declaration", "interface_declaration", "enum_declaration")
FUNCTIONS = (
    *("function_declaration", "function_expression", "arrow_function", "method_definition"),
    *("generator_function_declaration", "generator_function"),
)
IMPORTS = ("import_statement", "export_statement")
_SIGNATURES = (
    *("function_signature", "abstract_method_signature", "method_signature", "function_type", "call_signature"),
    *("construct_signature", "constructor_type"),
)
_BLOCKS = ("statement_block", "program", "for_statement", "for_in_statement", "switch_body", "catch_clause")
_GENERIC = (*FUNCTIONS, *_SIGNATURES, *CLASSES, "type_alias_declaration")
_SCOPES = (*_BLOCKS, *_GENERIC)
_NAMED = (
    *("function_declaration", "generator_function_declaration", "function_signature", "class_declaration"),
    *("abstract_class_declaration", "interface_declaration", "enum_declaration", "type_alias_declaration"),
    *("internal_module", "module"),
)
_BODIES = ("class_body", "interface_body", "object_type", "enum_body")
_MEMBERS = (
    *("method_definition", "public_field_definition", "field_definition", "abstract_method_signature"),
    *("method_signature", "property_signature", "enum_assignment"),
)
_PATTERNS = (
    *("array_pattern", "object_pattern", "pair_pattern", "rest_pattern", "assignment_pattern"),
    *("object_assignment_pattern", "required_parameter", "optional_parameter"),
)
_LEAVES = (
    *("identifier", "type_identifier", "property_identifier", "private_property_identifier"),
    *("shorthand_property_identifier", "shorthand_property_identifier_pattern"),
)


def mention(spot: Spot) -> Mention | None:
    leaf, kind, role = spot.node.type, spot.type(1), spot.field(0)
    if leaf not in _LEAVES:
        return None
    if kind == "jsx_attribute":
        return Mention(spot, "keyword", None, spot.nodes[2]) if spot.nodes[1].named_children[0] == spot.node else None
    if kind == "member_expression" and role == "property":
        assigned = spot.nodes[2] if spot.type(2) == "assignment_expression" and spot.field(1) == "left" else None
        return Mention(spot, "member", assigned, spot.nodes[1].child_by_field_name("object"))
    if kind == "nested_type_identifier" and role == "name":
        return Mention(spot, "member", None, spot.nodes[1].child_by_field_name("module"))
    if kind == "enum_body":
        return Mention(spot, "declare", spot.nodes[2], spot.nodes[0])
    if kind in _MEMBERS and role in ("name", "property"):
        if spot.type(2) not in _BODIES:
            return Mention(spot, "key", None, spot.nodes[2])
        return Mention(spot, "declare", spot.nodes[3], spot.nodes[1])
    if kind == "pair_pattern" and role == "key" and spot.type(3) == "variable_declarator" and _requires(spot.nodes[3]):
        return Mention(spot, "import", None, spot.nodes[3])
    if kind in ("pair", "pair_pattern") and role == "key":
        return Mention(spot, "key", None, spot.nodes[2])
    if kind in ("import_specifier", "export_specifier"):
        return _specifier(spot)
    if kind in ("import_clause", "namespace_import", "namespace_export", "import_require_clause"):
        return Mention(spot, "bind", spot.nodes[-1], spot.nodes[1])
    if leaf == "property_identifier":
        return None
    return _definition(spot) or _pattern(spot) or Mention(spot, "read")


def around(spot: Spot) -> Iterator[Node]:
    """The scopes that a bare name at a spot is looked up in, innermost first."""
    return (node for node in spot.nodes[1:] if node.type in _SCOPES)


def _specifier(spot: Spot) -> Mention | None:
    specifier, statement = spot.nodes[1], next(node for node in spot.nodes if node.type in IMPORTS)
    alias = specifier.child_by_field_name("alias")
    if specifier.type == "export_specifier":
        if alias is not None and alias != specifier.child_by_field_name("name") and spot.field(0) == "alias":
            return None
        outside = statement.child_by_field_name("source") is not None
        return Mention(spot, "import", None, statement) if outside else Mention(spot, "read", None, statement)
    if spot.field(0) == "alias":
        return Mention(spot, "bind", spot.nodes[-1], specifier)
    return Mention(spot, "import", None if alias is not None else spot.nodes[-1], statement)


def _definition(spot: Spot) -> Mention | None:
    kind = spot.type(1)
    if spot.field(0) != "name":
        return None
    if kind in ("function_expression", "generator_function", "class", "type_parameter"):
        scope = next((node for node in spot.nodes[1:] if node.type in _GENERIC), spot.nodes[-1])
        return Mention(spot, "bind", scope, spot.nodes[1])
    if kind in _NAMED:
        return Mention(spot, "bind", _block(spot, 2), spot.nodes[1])
    return None


def _pattern(spot: Spot) -> Mention | None:
    """A name in what a declaration, a parameter, a loop or a `catch` gives a value to."""
    at = 0
    while spot.type(at + 1) in _PATTERNS and spot.field(at) not in ("right", "value", "type", "key"):
        at += 1
    while spot.type(at + 1) == "pair_pattern" and spot.field(at) == "value":
        at += 1
        while spot.type(at + 1) in _PATTERNS and spot.field(at) not in ("right", "value", "type", "key"):
            at += 1
    holder, field = spot.type(at + 1), spot.field(at)
    if holder == "variable_declarator" and field == "name":
        declares = spot.nodes[at + 1]
        if _requires(declares) and spot.type(1) == "object_pattern":
            return Mention(spot, "import", spot.nodes[-1], declares)
        var = spot.type(at + 2) == "variable_declaration"
        return Mention(spot, "bind", _function(spot, at + 2) if var else _block(spot, at + 2), declares)
    if holder == "formal_parameters":
        return Mention(spot, "bind", spot.nodes[at + 2], spot.nodes[at])
    if holder == "arrow_function" and field == "parameter":
        return Mention(spot, "bind", spot.nodes[at + 1], spot.nodes[at])
    if holder == "catch_clause" and field == "parameter":
        return Mention(spot, "bind", spot.nodes[at + 1], spot.nodes[at + 1])
    if holder == "for_in_statement" and field == "left" and spot.nodes[at + 1].child_by_field_name("kind") is not None:
        return Mention(spot, "bind", spot.nodes[at + 1], spot.nodes[at + 1])
    return None


def _requires(declarator: Node) -> bool:
    """Whether a declaration takes what `require` gives, an import of CommonJS."""
    value = declarator.child_by_field_name("value")
    function = value.child_by_field_name("function") if value is not None and value.type == "call_expression" else None
    return function is not None and function.text == b"require"


def _block(spot: Spot, height: int) -> Node:
    return next((node for node in spot.nodes[height:] if node.type in _BLOCKS), spot.nodes[-1])


def _function(spot: Spot, height: int) -> Node:
    return next((node for node in spot.nodes[height:] if node.type in FUNCTIONS), spot.nodes[-1])
