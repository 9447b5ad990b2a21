"""What an identifier in a Go file is; see `mentions.py`. A package's scope is that of each of its files."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from foretype.context.rules.mentions import Mention
from foretype.context.rules.trees import Spot

CLASSES = ("type_spec",)
FUNCTIONS = ("function_declaration", "method_declaration", "func_literal")
IMPORTS = ("import_spec",)
_SIGNATURES = ("function_type", "method_elem")
_SCOPES = (
    *(*FUNCTIONS, *_SIGNATURES, "block", "if_statement", "for_statement", "expression_switch_statement"),
    *("type_switch_statement", "expression_case", "default_case", "type_case", "communication_case", "source_file"),
    "type_spec",
)
_LEAVES = ("identifier", "type_identifier", "field_identifier", "package_identifier")
_SPECS = ("var_spec", "const_spec")


def mention(spot: Spot) -> Mention | None:
    leaf, kind, role = spot.node.type, spot.type(1), spot.field(0)
    if leaf not in _LEAVES or kind == "package_clause":
        return None
    if kind == "selector_expression" and role == "field":
        return Mention(spot, "member", _assigned(spot), spot.nodes[1].child_by_field_name("operand"))
    if kind == "qualified_type" and role == "name":
        return Mention(spot, "member", None, spot.nodes[1].child_by_field_name("package"))
    if kind == "literal_element" and spot.type(2) == "keyed_element" and spot.field(1) == "key":
        literal = next((node for node in spot.nodes if node.type == "composite_literal"), None)
        return Mention(spot, "key", None, literal if spot.type(4) == "composite_literal" else None)
    if kind == "keyed_element":
        return Mention(spot, "key")
    if kind == "method_declaration" and role == "name":
        return Mention(spot, "declare", spot.nodes[1], spot.nodes[1])
    if kind in ("field_declaration", "method_elem") and role == "name":
        holder = next((node for node in spot.nodes if node.type == "type_spec"), spot.nodes[-1])
        return Mention(spot, "declare", holder, spot.nodes[1])
    if kind == "import_spec":
        return Mention(spot, "bind", spot.nodes[-1], spot.nodes[1])
    if leaf == "field_identifier":
        return None
    return _binding(spot) or Mention(spot, "read")


def around(spot: Spot) -> Iterator[Node]:
    """The scopes that a bare name at a spot is looked up in, innermost first."""
    return (node for node in spot.nodes[1:] if node.type in _SCOPES)


def _binding(spot: Spot) -> Mention | None:
    kind, role = spot.type(1), spot.field(0)
    if kind in ("function_declaration", "type_spec", "type_alias") and role == "name":
        at = next((height for height in range(2, len(spot.nodes)) if spot.type(height) in _SCOPES), len(spot.nodes) - 1)
        return Mention(spot, "bind", spot.nodes[at], spot.nodes[1])
    if kind in _SPECS and role == "name":
        return _local(spot, 1)
    if kind in ("parameter_declaration", "variadic_parameter_declaration") and role == "name":
        scope = next(node for node in spot.nodes[2:] if node.type in (*FUNCTIONS, *_SIGNATURES))
        return Mention(spot, "bind", scope, spot.nodes[1])
    if kind == "type_parameter_declaration" and role == "name":
        scope = next(node for node in spot.nodes[2:] if node.type in _SCOPES)
        return Mention(spot, "bind", scope, spot.nodes[1])
    if kind == "expression_list":
        above, field = spot.type(2), spot.field(1)
        if above == "short_var_declaration" and field == "left":
            return _local(spot, 2)
        if above == "range_clause" and field == "left" and _declares(spot.nodes[2]):
            return _local(spot, 2)
        if above == "type_switch_statement" and field == "alias":
            return Mention(spot, "bind", spot.nodes[2], spot.nodes[2])
        if above == "receive_statement" and field == "left" and _declares(spot.nodes[2]):
            return _local(spot, 2)
    return None


def _local(spot: Spot, height: int) -> Mention:
    """A binding that holds behind its statement, of a package everywhere."""
    scope = next((node for node in spot.nodes[height + 1 :] if node.type in _SCOPES), spot.nodes[-1])
    since = 0 if scope.type == "source_file" else spot.nodes[height].end_byte
    return Mention(spot, "bind", scope, spot.nodes[height], since)


def _declares(node: Node) -> bool:
    return any(child.type == ":=" for child in node.children)


def _assigned(spot: Spot) -> Node | None:
    if spot.type(2) == "expression_list" and spot.type(3) == "assignment_statement" and spot.field(2) == "left":
        return spot.nodes[3]
    return None
