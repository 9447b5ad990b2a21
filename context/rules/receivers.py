"""Whether an expression is known to be an instance of certain types, or one of them itself.

Known means said in the file: it is `self` or `this` in one of them, is made by a constructor, or is bound to what is,
or has an annotation; a name goes by its binding (`scopes.py`), a field of `self` by its declarations. Nothing
is inferred beyond that.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from tree_sitter import Node

from foretype.context.rules import scopes
from foretype.context.rules.declared import type_around
from foretype.context.rules.mentions import Mention
from foretype.context.rules.trees import Parsed, Spot

_DEEPEST = 6  # of names that are bound to names
_LEAF = {
    "attribute": "attribute",
    "member_expression": "property",
    "selector_expression": "field",
    "qualified_type": "name",
    "nested_type_identifier": "name",
    "field_access": "field",
    "field_expression": "field",
    "scoped_identifier": "name",
    "scoped_type_identifier": "name",
    "generic_type": "name",
}
_WRAPPERS = (
    *(
        "type",
        "type_annotation",
        "parenthesized_expression",
        "parenthesized_type",
        "non_null_expression",
        "pointer_type",
    ),
    *("readonly_type", "expression_list", "asserts_annotation", "union_type", "parenthesized_expression"),
)
_NOTHING = ("None", "null", "undefined", "nil")
_LISTS = ("list", "List", "Sequence", "Iterable", "Iterator", "tuple", "Tuple", "set", "Set", "Array", "ReadonlyArray")
_PROMISES = ("Promise", "Awaitable")


@dataclass(frozen=True)
class Types:
    """Types by their occurrences: `names` are the bytes, by file, that identifiers meaning one of them begin at,
    `bodies` those that their definitions begin at."""

    names: Mapping[str, Set[int]]
    bodies: Mapping[str, Set[int]]

    def means(self, file: Parsed, node: Node | None) -> bool:
        """Whether an expression or a type is the name of one of the types."""
        if node is None:
            return False
        while node.type in _LEAF:
            inner = node.child_by_field_name(_LEAF[node.type]) or node.child_by_field_name("type")
            if inner is None:
                break
            node = inner
        if node.type == "generic_type" and node.named_child_count:
            node = node.named_children[0]
        return node.child_count == 0 and node.start_byte in self.names.get(file.path, ())

    def holds(self, file: Parsed, mention: Mention) -> bool:
        """Whether a mention stands in the definition of one of the types, or in a method of one."""
        around = type_around(mention)
        if around is None:
            return False
        if around.type == "type_identifier":  # the receiver of a method in Go
            return around.start_byte in self.names.get(file.path, ())
        return around.start_byte in self.bodies.get(file.path, ())

    def is_type(self, file: Parsed, node: Node | None) -> bool:
        """Whether an annotation is one of the types, or that or nothing."""
        if node is None:
            return False
        if node.type == "reference_type" and node.named_child_count:  # behind `mut` and lifetimes
            return self.is_type(file, node.named_children[-1])
        if node.text == b"Self":
            spot = file.spot(node.start_byte, node.end_byte)
            return spot is not None and self.holds(file, Mention(spot, "read"))
        if node.type == "string":
            inner = node.named_children[1] if node.named_child_count > 1 else node
            return inner.start_byte in self.names.get(file.path, ())
        if node.type in ("binary_operator", "union_type"):
            parts = [child for child in node.named_children if file.text(child) not in _NOTHING]
            return bool(parts) and all(self.is_type(file, child) for child in parts)
        if node.type == "generic_type" and file.text(node).partition("[")[0].endswith("Optional"):
            return any(self.is_type(file, child) for child in node.named_children[-1].named_children)
        if node.type in _WRAPPERS and node.named_child_count:
            return self.is_type(file, node.named_children[0])
        return self.means(file, node)

    def is_list(self, file: Parsed, node: Node | None) -> bool:
        """Whether an annotation is a sequence of one of the types."""
        if node is None:
            return False
        if node.type in ("array_type", "slice_type"):
            return self.is_type(file, node.child_by_field_name("element") or node.named_children[0])
        if node.type in ("generic_type", "subscript") and node.named_child_count > 1:
            name = file.text(node.named_children[0]).rpartition(".")[2]
            return name in _LISTS and any(self.is_type(file, child) for child in node.named_children[1].named_children)
        if node.type in _WRAPPERS and node.named_child_count:
            return self.is_list(file, node.named_children[0])
        return False

    def is_instance(self, file: Parsed, node: Node | None, depth: int = 0) -> bool:
        """Whether an expression is one of the types or an instance of one."""
        if node is None or depth > _DEEPEST:
            return False
        kind = node.type
        if kind in _WRAPPERS and node.named_child_count:
            return self.is_instance(file, node.named_children[0], depth + 1)
        if kind in ("as_expression", "satisfies_expression") and node.named_child_count > 1:
            return self.is_type(file, node.named_children[1])
        if kind in ("new_expression", "object_creation_expression"):
            return self.means(file, node.child_by_field_name("constructor") or node.child_by_field_name("type"))
        if kind in ("composite_literal", "struct_expression"):
            return self.is_type(file, node.child_by_field_name("type") or node.child_by_field_name("name"))
        if kind in ("subscript", "subscript_expression", "index_expression"):
            value = node.child_by_field_name("value") or node.child_by_field_name("object")
            notes = _annotations(file, value or node.child_by_field_name("operand"))
            return bool(notes) and all(self.is_list(file, note) for note in notes)
        if kind == "unary_expression":
            return self.is_instance(file, node.child_by_field_name("operand"), depth + 1)
        if kind in ("call", "call_expression"):
            return self._called(file, node, depth)
        if self.means(file, node) or (node.text == b"Self" and self.is_type(file, node)):
            return True
        spot = file.spot(node.start_byte, node.end_byte)
        if kind in ("this", "super", "self"):
            spot = file.spot(node.start_byte, node.end_byte)
            return spot is not None and self.holds(file, Mention(spot, "read"))
        if kind in ("identifier", "shorthand_property_identifier") and spot is not None:
            return self._variable(file, spot, depth)
        if kind in _LEAF:
            return self._field(file, node, depth)
        return False

    def _called(self, file: Parsed, node: Node, depth: int) -> bool:
        """What a constructor makes, or a function with such a result."""
        function = node.child_by_field_name("function")
        if function is None:
            return False
        if file.language.name == "python":
            if self.means(file, function):
                return True
            if function.text == b"super":
                spot = file.spot(function.start_byte, function.end_byte)
                return spot is not None and self.holds(file, Mention(spot, "read"))
        if function.type != "identifier":
            return False
        spot = file.spot(function.start_byte, function.end_byte)
        home = scopes.home(file, spot) if spot is not None else None
        rows = scopes.bindings(file, file.text(function), home) if home is not None else ()
        results = [_result(row) for row in rows]
        return bool(results) and all(self.is_type(file, result) for result in results)

    def _variable(self, file: Parsed, spot: Spot, depth: int) -> bool:
        home = scopes.home(file, spot)
        if home is None:
            notes = _annotations(file, spot.node)
            return bool(notes) and all(self.is_type(file, note) for note in notes)
        rows = scopes.bindings(file, file.text(spot.node), home)
        noted = [note for row in rows if (note := _annotation(row)) is not None]
        if noted:
            return all(self.is_type(file, note) for note in noted)
        return bool(rows) and all(self._bound(file, row, depth) for row in rows)

    def _bound(self, file: Parsed, row: Mention, depth: int) -> bool:
        """Whether a binding without an annotation gives one of the types."""
        if _is_self(row):
            return self.holds(file, row)
        holder = row.other
        if holder is None:
            return False
        if holder.type in ("for_statement", "for_in_clause", "for_in_statement", "range_clause"):
            return self._element(file, row, holder, depth)
        value = holder.child_by_field_name("right") or holder.child_by_field_name("value")
        if holder.type in ("short_var_declaration", "var_spec") and value is not None:
            names = [holder.child_by_field_name("left") or holder]
            names = list(names[0].named_children) if names[0] is not holder else holder.children_by_field_name("name")
            at = names.index(row.node) if row.node in names else -1
            values = value.named_children if value.type == "expression_list" else [value]
            if len(values) == len(names) and at >= 0:
                return self.is_instance(file, values[at], depth + 1)
            first = at == 0 and len(values) == 1
            return first and self._first_result(file, values[0], depth)
        direct = (holder.child_by_field_name("left") or holder.child_by_field_name("name")) == row.node
        return direct and self.is_instance(file, value, depth + 1)

    def _first_result(self, file: Parsed, node: Node, depth: int) -> bool:
        """In Go, the first of what a function of this file gives."""
        function = node.child_by_field_name("function") if node.type == "call_expression" else None
        spot = file.spot(function.start_byte, function.end_byte) if function is not None else None
        home = scopes.home(file, spot) if spot is not None else None
        rows = scopes.bindings(file, file.text(spot.node), home) if home is not None and spot is not None else ()
        for row in rows:
            result = _result(row)
            if result is not None and result.type == "parameter_list" and result.named_child_count:
                return self.is_type(file, result.named_children[0].child_by_field_name("type"))
        return False

    def _element(self, file: Parsed, row: Mention, loop: Node, depth: int) -> bool:
        """What a loop takes out of a sequence whose annotation is known."""
        left = loop.child_by_field_name("left")
        if left != row.node and (left is None or left.type != "expression_list" or left.named_children[-1] != row.node):
            return False
        notes = _annotations(file, loop.child_by_field_name("right"))
        return bool(notes) and all(self.is_list(file, note) for note in notes)

    def _field(self, file: Parsed, node: Node, depth: int) -> bool:
        """`self.x`, where the class around declares of which type `x` is."""
        leaf = node.child_by_field_name(_LEAF[node.type])
        owner = (
            node.child_by_field_name("object")
            or node.child_by_field_name("operand")
            or node.child_by_field_name("value")
        )
        spot = file.spot(leaf.start_byte, leaf.end_byte) if leaf is not None else None
        if spot is None or owner is None or leaf is None:
            return False
        around = type_around(Mention(spot, "read"))
        if around is None or not _is_own(file, owner):
            return False
        notes: list[bool] = []
        for row in scopes.mentions(file, file.text(leaf)):
            same = type_around(row)
            if same is None or file.text(_named(same)) != file.text(_named(around)):
                continue
            if row.role == "declare" and row.other is not None and row.other.type == "field_declaration":
                notes.append(self.is_type(file, row.other.child_by_field_name("type")))
            elif row.role in ("declare", "bind") and (note := _annotation(row)) is not None:
                notes.append(self.is_type(file, note))
            elif row.role == "declare" and row.other is not None and (value := row.other.child_by_field_name("value")):
                notes.append(self.is_instance(file, value, depth + 1))
            elif row.role == "member" and row.scope is not None and row.other is not None and _is_own(file, row.other):
                note = row.scope.child_by_field_name("type")
                value = row.scope.child_by_field_name("right")
                notes.append(self.is_type(file, note) if note is not None else self.is_instance(file, value, depth + 1))
        return bool(notes) and all(notes)


def _annotations(file: Parsed, node: Node | None) -> list[Node]:
    """The types that a variable, or a field of `self`, is said to have."""
    if node is None:
        return []
    leaf, rows = node, tuple[Mention, ...]()
    if node.type in _LEAF:
        owner = node.child_by_field_name("object") or node.child_by_field_name("operand")
        leaf = node.child_by_field_name(_LEAF[node.type]) or node
        spot = file.spot(leaf.start_byte, leaf.end_byte)
        around = type_around(Mention(spot, "read")) if spot is not None else None
        if around is not None and owner is not None and _is_own(file, owner):
            rows = tuple(row for row in scopes.mentions(file, file.text(leaf)) if _is_of(file, row, around))
    elif (spot := file.spot(node.start_byte, node.end_byte)) is not None:
        home, around = scopes.home(file, spot), type_around(Mention(spot, "read"))
        if home is not None:
            rows = scopes.bindings(file, file.text(leaf), home)
        elif file.language.name == "java" and around is not None:  # a field of the class around
            rows = tuple(row for row in scopes.mentions(file, file.text(leaf)) if _is_of(file, row, around))
    holders = [row.scope if row.role == "member" else row.other for row in rows]
    return [
        note for holder in holders if holder is not None and (note := holder.child_by_field_name("type")) is not None
    ]


def _is_of(file: Parsed, row: Mention, around: Node) -> bool:
    same = type_around(row)
    declares = row.role in ("declare", "bind") or (row.role == "member" and row.scope is not None)
    return declares and same is not None and file.text(_named(same)) == file.text(_named(around))


def _annotation(row: Mention) -> Node | None:
    """The type that a binding is said to have."""
    holder = row.other
    if holder is None or holder.type in ("function_definition", "class_definition", "type_spec", "method_declaration"):
        return None
    return holder.child_by_field_name("type")


def _result(row: Mention) -> Node | None:
    """The type that a function says it gives."""
    if row.other is None:
        return None
    function = row.other.child_by_field_name("value") or row.other
    if function.children and function.children[0].type == "async":
        return None
    return function.child_by_field_name("return_type") or function.child_by_field_name("result")


def _is_self(row: Mention) -> bool:
    """Whether a binding is the first parameter of a method in Python, or the receiver of one in Go."""
    scope = row.scope
    if scope is None or row.other is None:
        return False
    if scope.type == "method_declaration":
        receiver = scope.child_by_field_name("receiver")
        return receiver is not None and receiver.start_byte <= row.node.start_byte < receiver.end_byte
    if scope.type != "function_definition" or row.spot.type(1) != "parameters":
        return False
    listed = scope.child_by_field_name("parameters")
    nodes = list(row.spot.nodes)
    above = nodes[nodes.index(scope) + 1 : nodes.index(scope) + 4]
    kinds = [node.type for node in above]
    decorated = above[0] if kinds[:1] == ["decorated_definition"] else None
    block = 1 if decorated is not None else 0
    if kinds[block : block + 2] != ["block", "class_definition"] or listed is None:
        return False
    static = decorated is not None and any(child.text == b"@staticmethod" for child in decorated.named_children)
    return not static and listed.named_children[0] == row.node


def _is_own(file: Parsed, owner: Node) -> bool:
    """Whether an expression is `self`, `this` or a receiver."""
    if owner.type in ("this", "self"):
        return True
    spot = file.spot(owner.start_byte, owner.end_byte)
    home = scopes.home(file, spot) if spot is not None and spot.node == owner else None
    rows = scopes.bindings(file, file.text(owner), home) if home is not None else ()
    return len(rows) == 1 and _is_self(rows[0])


def _named(node: Node) -> Node:
    return node.child_by_field_name("name") or node
