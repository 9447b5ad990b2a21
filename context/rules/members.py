"""A member was added to a type: the constructor keeps it like the others, and what names them all is due.

A constructor is written for only where each of its other parameters, at least two, is stored under its own name, or for
a declared field, where each other field is a parameter of the constructor with the same type. What goes through all
members of an enum, or builds the type from its fields, is left: which value belongs there is not known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tree_sitter import Node

from foretype.context.rules import declared, member_uses, parameters, scopes, uses
from foretype.context.rules.change import ParameterChange, SymbolChange, aligned
from foretype.context.rules.declared import Parameter, Symbol
from foretype.context.rules.mentions import Mention
from foretype.context.rules.patches import Outcome, Patch
from foretype.context.rules.trees import Parsed
from foretype.context.rules.uses import Use
from foretype.context.rules.view import View

_CONSTRUCTORS = ("__init__", "constructor")
_CHOICES = ("match_statement", "switch_statement", "expression_switch_statement")
_PATTERNS = ("case_pattern", "switch_case", "case_clause", "expression_case")
_LITERALS = ("object", "composite_literal")
_ASSIGNMENTS = ("assignment", "assignment_expression")
_TABLES = ("dictionary", "list", "set", "object", "array", "literal_value")
_MOST_SIBLINGS = 4  # a choice that does not name each of the first few is not about all of them
_CONFIDENCE = 0.9


def stored(view: View, change: SymbolChange, before: Parsed) -> Outcome:
    """A constructor got a parameter: it is stored where all others are."""
    new, file = change.after, view.file(change.path)
    if new is None or file is None or new.name not in _CONSTRUCTORS or new.parameters is None:
        return Outcome()
    function = _function(file, new)
    added = [row.after for row in change.parameters if row.kind == "added" and row.after is not None]
    if function is None or len(added) != 1 or added[0].form not in ("plain", "keyword", "positional"):
        return Outcome()
    rows = _assignments(file, function)
    names = [row.name for row in new.parameters if row.name not in ("self", added[0].name) and row.form != "rest"]
    if len(names) < 2 or any(name not in rows for name in names) or _is_mentioned(file, function, added[0].name):
        return Outcome()
    order = [row.name for row in new.parameters if row.name == added[0].name or row.name in names]
    return Outcome(tuple(_assigned(file, rows, order, added[0].name)))


def declared_field(view: View, change: SymbolChange, before: Parsed) -> Outcome:
    """A field was declared: the constructor takes and stores it, where it does so with all others."""
    new, file = change.after, view.file(change.path)
    node = member_uses.class_node(file, new.container) if new is not None and file is not None else None
    if new is None or file is None or node is None or new.kind != "field":
        return Outcome()
    if file.language.name == "go":
        return Outcome(regions=tuple(_literals(view, new, _struct_fields(file, node))))
    constructor = _constructor(file, new.container)
    fields = {name: kind for name, kind, needed in _fields(file, node) if needed}
    if new.name not in fields:
        return Outcome()
    if constructor is None or constructor.parameters is None:
        built = file.language.name in ("typescript", "tsx")
        return Outcome(regions=tuple(_literals(view, new, list(fields)))) if built else Outcome()
    function = _function(file, constructor)
    taken = {row.name: row.annotation for row in constructor.parameters if row.name != "self" and not row.default}
    others = {name: kind for name, kind in fields.items() if name != new.name}
    rows = _assignments(file, function) if function is not None else {}
    if function is None or len(others) < 2 or taken != others or any(name not in rows for name in others):
        return Outcome()
    order = [name for name in fields if name == new.name or name in taken]
    listed = function.child_by_field_name("parameters")
    nodes = {file.text(_name_of(child)): child for child in listed.named_children} if listed is not None else {}
    before_it = order[: order.index(new.name)]
    anchor = nodes.get(before_it[-1] if before_it else "self")
    if anchor is None:
        return Outcome()
    text = f", {new.name}: {fields[new.name]}"
    why = f"{new.name} was added to {new.container}"
    patch = Patch(file.path, anchor.end_byte, anchor.end_byte, text, "field", why, _CONFIDENCE)
    patches = (patch, *_assigned(file, rows, order, new.name))
    return Outcome(tuple(replace(row, whole=node.start_byte) for row in patches))


def plain_class(view: View, change: SymbolChange, before: Parsed) -> Outcome:
    """A dataclass got or lost a field: the calls that build it follow, as of a function with other parameters."""
    symbol, file = change.after or change.before, view.file(change.path)
    if symbol is None or file is None or symbol.kind != "field" or file.language.name != "python":
        return Outcome()
    old, new = member_uses.class_node(before, symbol.container), member_uses.class_node(file, symbol.container)
    if old is None or new is None or not member_uses.keyword_fields(file, new) or _constructor(file, symbol.container):
        return Outcome()
    was, now = tuple(_as_parameters(before, old)), tuple(_as_parameters(file, new))
    rows: Sequence[ParameterChange] = aligned(was, now)
    if not rows or not any(row.kind in ("added", "removed", "moved") for row in rows):
        return Outcome()
    spot = next((row for row in scopes.mentions(file, symbol.container.rpartition(".")[2]) if row.other == new), None)
    made = declared.symbol(file, spot) if spot is not None else None
    if made is None:
        return Outcome()
    outcome = parameters.carried(view, _resigned(change, made, was, now, tuple(rows)), before)
    return Outcome(
        tuple(replace(row, reason="field") for row in outcome.patches), outcome.left, doubtful=outcome.doubtful
    )


def enum_member(view: View, change: SymbolChange, before: Parsed) -> Outcome:
    """A member was added to an enum: what goes through its members one by one is left."""
    new, file = change.after, view.file(change.path)
    if new is None or file is None or new.kind not in ("member", "constant"):
        return Outcome()
    siblings = (_siblings(file, new) if new.kind == "member" else _constants(file, new))[:_MOST_SIBLINGS]
    named: dict[tuple[str, int, int], set[str]] = defaultdict(set)
    for sibling in siblings:
        if new.kind == "member":
            found = member_uses.members(view, new.path, new.container, sibling).uses
        else:
            found = uses.top_level(view, new.path, sibling)
        for use in found:
            if (whole := _choice(use.mention)) is not None:
                named[_region(use, whole)].add(sibling)
    return Outcome(regions=tuple(sorted(region for region, names in named.items() if len(names) == len(siblings))))


def _choice(mention: Mention) -> Node | None:
    """The statement that chooses by a name, or the table that has it as an entry."""
    nodes = mention.spot.nodes
    if any(node.type in _PATTERNS for node in nodes):
        return next((node for node in nodes if node.type in _CHOICES), None)
    return next((node for node in nodes[1:6] if node.type in _TABLES), None)


@dataclass(frozen=True)
class _Assignment:
    """`self.target = name` as a statement."""

    node: Node
    receiver: str
    target: str


def _assignments(file: Parsed, function: Node) -> dict[str, _Assignment]:
    """The statements of a constructor that store a parameter, by its name."""
    body = function.child_by_field_name("body")
    found: dict[str, _Assignment] = {}
    for statement in body.named_children if body is not None else ():
        inner = statement.named_children[0] if statement.type == "expression_statement" else statement
        left, right = inner.child_by_field_name("left"), inner.child_by_field_name("right")
        if left is None or right is None or right.type != "identifier" or inner.type not in _ASSIGNMENTS:
            continue
        leaf = left.child_by_field_name("attribute") or left.child_by_field_name("property")
        owner = left.child_by_field_name("object")
        if leaf is not None and owner is not None and owner.text in (b"self", b"this"):
            name = file.text(right)
            if file.text(leaf).lstrip("_#") == name.lstrip("_"):
                found[name] = _Assignment(statement, file.text(owner), file.text(leaf))
    return found


def _assigned(file: Parsed, rows: dict[str, _Assignment], order: Sequence[str], name: str) -> Iterator[Patch]:
    """The statement that stores `name`, beside those of its neighbours in `order`."""
    if name in rows:
        return
    at = order.index(name)
    anchor = rows[order[at - 1]] if at else rows[order[at + 1]]
    prefix = anchor.target[: len(anchor.target) - len(anchor.target.lstrip("_#"))]
    first = file.line_start(file.line(anchor.node.start_byte))
    indent = file.source[first : anchor.node.start_byte].decode("utf-8", "replace")
    end = ";" if file.text(anchor.node).endswith(";") else ""
    line = f"{anchor.receiver}.{prefix}{name.lstrip('_')} = {name}{end}"
    break_ = file.line_break(first)
    why = f"{name} is kept like the others"
    if at:
        where, text = anchor.node.end_byte, f"{break_}{indent}{line}"
    else:
        where, text = anchor.node.start_byte, f"{line}{break_}{indent}"
    yield Patch(file.path, where, where, text, "field", why, _CONFIDENCE)


def _is_mentioned(file: Parsed, function: Node, name: str) -> bool:
    body = function.child_by_field_name("body")
    return body is not None and any(
        row.role == "read" and body.start_byte <= row.node.start_byte < body.end_byte
        for row in scopes.mentions(file, name)
    )


def _function(file: Parsed, symbol: Symbol) -> Node | None:
    row = next((row for row in scopes.mentions(file, symbol.name) if row.node.start_byte == symbol.start), None)
    return declared.function_of(row) if row is not None else None


def _constructor(file: Parsed, container: str) -> Symbol | None:
    for name in _CONSTRUCTORS:
        for mention in scopes.mentions(file, name):
            row = declared.symbol(file, mention) if mention.role in ("bind", "declare") else None
            if row is not None and row.container == container:
                return row
    return None


def _fields(file: Parsed, node: Node) -> Iterator[tuple[str, str, bool]]:
    """The declared fields of a class: name, type, and whether they have no value."""
    body = node.child_by_field_name("body")
    for child in body.named_children if body is not None else ():
        inner = child.named_children[0] if child.type == "expression_statement" and child.named_children else child
        if inner.type not in ("assignment", "public_field_definition", "property_signature"):
            continue
        name, kind = _name_of(inner), inner.child_by_field_name("type")
        if kind is not None and name.type in ("identifier", "property_identifier"):
            value = inner.child_by_field_name("right") or inner.child_by_field_name("value")
            optional = any(part.type == "?" for part in inner.children)
            yield file.text(name), file.text(kind).removeprefix(":").strip(), value is None and not optional


def _struct_fields(file: Parsed, node: Node) -> list[str]:
    """The names of the fields of a struct in Go."""
    kind = node.child_by_field_name("type")
    listed = kind.named_children[0] if kind is not None and kind.named_child_count else None
    rows = listed.named_children if listed is not None else []
    return [file.text(name) for row in rows for name in row.children_by_field_name("name")]


def _as_parameters(file: Parsed, node: Node) -> Iterator[Parameter]:
    for name, kind, needed in _fields(file, node):
        if not kind.startswith(("ClassVar", "typing.ClassVar")):
            yield Parameter(name, "plain", "" if needed else "...", kind)


def _resigned(
    change: SymbolChange,
    made: Symbol,
    was: tuple[Parameter, ...],
    now: tuple[Parameter, ...],
    rows: tuple[ParameterChange, ...],
) -> SymbolChange:
    old, new = replace(made, parameters=was), replace(made, parameters=now)
    return replace(change, kind="resigned", before=old, after=new, parameters=rows)


def _name_of(node: Node) -> Node:
    for field in ("name", "pattern", "left"):
        if (found := node.child_by_field_name(field)) is not None:
            return found
    return node.named_children[0] if node.type == "typed_parameter" else node


def _siblings(file: Parsed, new: Symbol) -> list[str]:
    node = member_uses.class_node(file, new.container)
    body = node.child_by_field_name("body") if node is not None else None
    kinds = ("identifier", "property_identifier")
    names = []
    for child in body.named_children if body is not None else ():
        inner = child.named_children[0] if child.type == "expression_statement" and child.named_children else child
        name = _name_of(inner)
        if name.type in kinds and inner.type in ("assignment", "enum_assignment", "property_identifier"):
            names.append(file.text(name))
    return [name for name in names if name != new.name]


def _constants(file: Parsed, new: Symbol) -> list[str]:
    """In Go, the constants of one group with a new one."""
    spot = file.spot(new.start, new.end) if file.language.name == "go" else None
    group = next((node for node in spot.nodes if node.type == "const_declaration"), None) if spot is not None else None
    names = [file.text(_name_of(child)) for child in group.named_children] if group is not None else []
    return [name for name in names if name != new.name]


def _literals(view: View, new: Symbol, fields: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """The literals that build a type by the names of its fields."""
    seen = set()
    for sibling in [name for name in fields if name != new.name][:1]:
        for use in member_uses.members(view, new.path, new.container, sibling).uses:
            whole = next((node for node in use.mention.spot.nodes if node.type in _LITERALS), None)
            if (use.mention.role == "key" or use.key) and whole is not None:
                seen.add(_region(use, whole))
    yield from sorted(seen)


def _region(use: Use, whole: Node) -> tuple[str, int, int]:
    return use.file.path, use.file.line(whole.start_byte), use.file.line(whole.end_byte) + 1
