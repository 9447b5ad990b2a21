"""What an identifier in a Java file is; see `mentions.py`. A bare name that nothing binds may be a member of
the class around, or of one that it is derived from."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from foretype.context.rules.mentions import Mention
from foretype.context.rules.trees import Spot

CLASSES = ("class_declaration", "interface_declaration", "enum_declaration", "record_declaration")
FUNCTIONS = ("method_declaration", "constructor_declaration", "lambda_expression", "compact_constructor_declaration")
IMPORTS = ("import_declaration",)
_BLOCKS = ("block", "constructor_body", "for_statement", "switch_block", "switch_block_statement_group", "program")
_SCOPES = (
    *(*FUNCTIONS, *_BLOCKS, "enhanced_for_statement", "catch_clause", "try_with_resources_statement"),
    *("class_body", "interface_body", "enum_body", "if_statement", "while_statement"),
)
_LEAVES = ("identifier", "type_identifier")
_PARAMETERS = ("formal_parameter", "catch_formal_parameter", "resource", "enhanced_for_statement")


def mention(spot: Spot) -> Mention | None:
    kind, role = spot.type(1), spot.field(0)
    if spot.node.type not in _LEAVES or kind in ("package_declaration", "labeled_statement", "break_statement"):
        return None
    if kind == "scoped_identifier" and role != "scope" and spot.type(2) == "import_declaration":
        return Mention(spot, "import", spot.nodes[-1], spot.nodes[2])
    if kind == "scoped_identifier":
        return None
    if kind == "method_invocation" and role == "name":
        holder = spot.nodes[1].child_by_field_name("object")
        return Mention(spot, "member", None, holder) if holder is not None else Mention(spot, "read")
    if kind == "field_access" and role == "field":
        return Mention(spot, "member", None, spot.nodes[1].child_by_field_name("object"))
    if kind == "method_reference" and spot.nodes[1].named_children[-1] == spot.node:
        return Mention(spot, "member", None, spot.nodes[1].named_children[0])
    if kind in ("method_declaration", "enum_constant") and role == "name":
        holders = (node for node in spot.nodes[2:] if node.type in CLASSES)
        return Mention(spot, "declare", next(holders, spot.nodes[-1]), spot.nodes[1])
    return _binding(spot) or Mention(spot, "read")


def around(spot: Spot) -> Iterator[Node]:
    """The scopes that a bare name at a spot is looked up in, innermost first."""
    return (node for node in spot.nodes[1:] if node.type in _SCOPES)


def _binding(spot: Spot) -> Mention | None:
    kind, role = spot.type(1), spot.field(0)
    if kind == "variable_declarator" and role == "name":
        if spot.type(2) == "field_declaration":
            holders = (node for node in spot.nodes[3:] if node.type in CLASSES)
            return Mention(spot, "declare", next(holders, spot.nodes[-1]), spot.nodes[2])
        return Mention(spot, "bind", _scope(spot, 3), spot.nodes[2], spot.node.end_byte)
    if kind in _PARAMETERS and role == "name":
        return Mention(spot, "bind", _scope(spot, 1), spot.nodes[1])
    if kind == "inferred_parameters" or (kind == "lambda_expression" and role == "parameters"):
        return Mention(spot, "bind", _scope(spot, 1), spot.nodes[1])
    if kind in ("instanceof_expression", "type_pattern", "record_pattern_component") and role == "name":
        return Mention(spot, "bind", _scope(spot, 2), spot.nodes[1])
    if kind in CLASSES and role == "name":
        return Mention(spot, "bind", _scope(spot, 2), spot.nodes[1])
    return None


def _scope(spot: Spot, height: int) -> Node:
    return next((node for node in spot.nodes[height:] if node.type in _SCOPES), spot.nodes[-1])
