"""What an identifier in a Python file is; see `mentions.py`."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from foretype.context.rules.mentions import Mention
from foretype.context.rules.trees import Spot

CLASSES = ("class_definition",)
FUNCTIONS = ("function_definition", "lambda")
IMPORTS = ("import_statement", "import_from_statement", "future_import_statement")
_COMPREHENSIONS = ("list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression")
_PATTERNS = (
    "pattern_list",
    "tuple_pattern",
    "list_pattern",
    "list_splat_pattern",
    "tuple",
    "list",
    "parenthesized_expression",
)
_CASES = ("case_pattern", "union_pattern", "class_pattern", "keyword_pattern")
_PARAMETERS = ("parameters", "lambda_parameters")
_TARGETS = {
    "assignment": "left",
    "augmented_assignment": "left",
    "for_statement": "left",
    "for_in_clause": "left",
    "named_expression": "name",
}


def mention(spot: Spot) -> Mention | None:
    kind, role = spot.type(1), spot.field(0)
    if spot.node.type == "string_content":
        return Mention(spot, "quoted") if "type" in (spot.type(2), spot.type(3)) else None
    if spot.node.type != "identifier":
        return None
    if kind == "attribute" and role == "attribute":
        holder = _assigned(spot, 1)
        return Mention(spot, "member", holder, spot.nodes[1].child_by_field_name("object"))
    if kind == "keyword_argument" and role == "name":
        return Mention(spot, "keyword", None, spot.nodes[3] if spot.type(3) == "call" else None)
    if kind == "keyword_pattern" and role != "value":
        return None
    if kind == "dotted_name" and spot.type(2) in _CASES and spot.nodes[1].named_children[0] != spot.node:
        return Mention(spot, "member", None, spot.nodes[1].named_children[-2])  # `case Color.RED`
    if kind in ("global_statement", "nonlocal_statement"):
        return Mention(spot, "read")
    if kind == "dotted_name" and spot.type(2) in (*IMPORTS, "aliased_import", "relative_import"):
        return _imported(spot)
    if kind == "aliased_import":
        return Mention(spot, "bind", next(_holders(spot, 1)), spot.nodes[1])
    if kind in ("function_definition", "class_definition") and role == "name":
        return Mention(spot, "bind", next(_holders(spot, 1)), spot.nodes[1])
    return _parameter(spot) or _target(spot) or Mention(spot, "read")


def around(spot: Spot) -> Iterator[Node]:
    """The scopes that a bare name at a spot is looked up in, innermost first."""
    inner = False
    for height in range(1, len(spot.nodes)):
        node, field, kind = spot.nodes[height], spot.fields[height - 1], spot.type(height)
        if kind in FUNCTIONS:
            if field == "body":
                yield node
                inner = True
        elif kind in CLASSES:
            if field == "body":
                if not inner:
                    yield node
                inner = True
        elif kind in _COMPREHENSIONS:
            if not _first_iterable(spot, height):
                yield node
                inner = True
        elif kind == "module":
            yield node


def redirected(spot: Spot) -> bool:
    """Whether the name is said here to be a global one or that of a function around."""
    return spot.type(1) in ("global_statement", "nonlocal_statement")


def _imported(spot: Spot) -> Mention | None:
    """A name in an import statement; the parts of a module's name are no names of this file but for the first."""
    alias = spot.type(2) == "aliased_import"
    height = 3 if alias else 2
    statement = spot.nodes[height] if height < len(spot.nodes) else spot.nodes[-1]
    if statement.type == "import_from_statement":
        if spot.field(height - 1) != "name":
            return None
        scope = None if alias else next(_holders(spot, height))
        return Mention(spot, "import", scope, statement)
    if statement.type == "import_statement" and not alias and spot.nodes[1].start_byte == spot.node.start_byte:
        return Mention(spot, "bind", next(_holders(spot, height)), statement)
    return None


def _parameter(spot: Spot) -> Mention | None:
    kind, role = spot.type(1), spot.field(0)
    height = 1
    if kind in ("default_parameter", "typed_default_parameter"):
        if role != "name":
            return None
        height = 2
    elif kind == "typed_parameter":
        if role == "type" or spot.nodes[1].named_children[0] != spot.node:
            return None
        height = 2
    elif kind in ("list_splat_pattern", "dictionary_splat_pattern"):
        height = 3 if spot.type(2) == "typed_parameter" else 2
    if spot.type(height) not in _PARAMETERS:
        return None
    return Mention(spot, "bind", spot.nodes[height + 1], spot.nodes[height - 1])


def _target(spot: Spot) -> Mention | None:
    """A name that a statement or an expression gives a value to."""
    height = _assignment(spot, 0)
    if height:
        node = spot.nodes[height]
        if node.type == "for_in_clause":
            scopes = iter([at for at in spot.nodes[height:] if at.type in _COMPREHENSIONS])
        else:
            scopes = _holders(spot, height)
        return Mention(spot, "bind", next(scopes, spot.nodes[-1]), node)
    if spot.type(1) == "delete_statement" or (spot.type(1) == "expression_list" and spot.type(2) == "delete_statement"):
        return Mention(spot, "bind", next(_holders(spot, 1)), spot.nodes[1])  # makes it a name of the function
    patterns = ("tuple", "list", "as_pattern_target")
    climbed = 1
    while spot.type(climbed) in patterns and spot.type(climbed) != "as_pattern_target":
        climbed += 1
    if spot.type(climbed) == "as_pattern_target":
        return Mention(spot, "bind", next(_holders(spot, climbed)), spot.nodes[climbed + 1])
    if spot.type(1) == "dotted_name" and spot.nodes[1].named_child_count == 1:
        if spot.type(2) in ("case_pattern", "union_pattern", "keyword_pattern"):
            return Mention(spot, "bind", next(_holders(spot, 2)), spot.nodes[2])
        return None
    captures = spot.type(1) == "splat_pattern" or (spot.type(1) == "as_pattern" and spot.type(2) == "case_pattern")
    if captures and spot.nodes[1].named_children[-1] == spot.node:
        return Mention(spot, "bind", next(_holders(spot, 2)), spot.nodes[1])
    return None


def _assigned(spot: Spot, height: int) -> Node | None:
    """The node that assigns to the one so many levels up."""
    at = _assignment(spot, height)
    return spot.nodes[at] if at else None


def _assignment(spot: Spot, height: int) -> int:
    """How far up the node is that gives a value to the one at `height`, 0 if there is none."""
    at = height + 1
    while spot.type(at) in _PATTERNS:
        at += 1
    wanted = _TARGETS.get(spot.type(at))
    return at if wanted is not None and spot.field(at - 1) == wanted else 0


def _holders(spot: Spot, height: int) -> Iterator[Node]:
    """The functions, classes and the module around the node at a height, which a binding there may be of."""
    for at in range(height + 1, len(spot.nodes)):
        kind = spot.type(at)
        if kind == "module" or (kind in (*FUNCTIONS, *CLASSES) and spot.field(at - 1) in ("body", "parameters")):
            yield spot.nodes[at]
    yield spot.nodes[-1]


def _first_iterable(spot: Spot, height: int) -> bool:
    """Whether the spot is in what a comprehension goes over first, which is looked up outside of it."""
    clause = spot.nodes[height - 1]
    if clause.type != "for_in_clause" or height < 2 or spot.fields[height - 2] != "right":
        return False
    first = next(node for node in spot.nodes[height].named_children if node.type == "for_in_clause")
    return first == clause
