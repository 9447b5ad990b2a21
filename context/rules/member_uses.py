"""The uses of a member of a class or type: where the receiver is known to be one, and where it is not.

A class stands for those that are derived from it, too: a subclass has the member, or overrides it. What is not known to
be an instance may be anything with a member of that name, so that it is a place to look at and no use.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass

from tree_sitter import Node

from foretype.context.rules import components, scopes, uses
from foretype.context.rules.mentions import Mention
from foretype.context.rules.receivers import Types
from foretype.context.rules.trees import Parsed
from foretype.context.rules.uses import Use
from foretype.context.rules.view import View, family_of

_NOTHING = Types({}, {})
_TEST = re.compile(r"(?:^|[/_.])tests?(?:[/_.]|$)", re.IGNORECASE)
_HEADER_BYTES = 300
_MOST_CLASSES = 40  # derived from one
_HERITAGE = (
    *("superclass", "super_interfaces", "extends_interfaces", "type_list", "extends_clause"),
    *("implements_clause", "class_heritage", "extends_type_clause"),
)
_RETURNING = ("arrow_function", "function_declaration", "function_expression", "method_definition")
_PLAIN_CLASSES = ("dataclass", "dataclasses.dataclass", "NamedTuple", "BaseModel", "define", "attrs", "frozen")


@dataclass(frozen=True)
class Members:
    """`uses` of the member, its declarations among them, and the (path, line) of what may be one; `types` are the class
    and those derived from it."""

    uses: tuple[Use, ...]
    doubtful: tuple[tuple[str, int], ...]
    types: Types


def members(view: View, path: str, container: str, name: str) -> Members:
    """The uses of the member `name` of the type that the file at `path` defines as `container`."""
    types = derived(view, path, container, frozenset(view.users(name, path)))
    found: list[Use] = []
    doubtful: list[tuple[str, int]] = []
    by_keyword = _takes_keywords(view, path, container)
    elements = components.taking(view, types) if family_of(path) == "ecmascript" else _NOTHING
    near = {*types.names, *types.bodies, *elements.names}
    for user in view.users(name, path):
        file = view.file(user) if user in near else None
        if file is None:
            doubtful += [(user, row.line) for row in view.references(name, path) if row.path == user]
            continue
        for row in scopes.mentions(file, name):
            if row.role == "keyword" and file.language.name == "python" and not by_keyword:
                continue
            if _is_use(file, row, types) or (row.role == "keyword" and _is_attribute(file, row, elements)):
                found.append(Use(file, row))
            elif _is_short(row) and _is_literal(file, row, _literal(row), types):
                found.append(Use(file, row, key=True))
            elif row.role == "member":
                doubtful.append((user, file.line(row.node.start_byte)))
    return Members(tuple(found), tuple(doubtful), types)


def constructed(view: View, path: str, container: str, constructor: str) -> tuple[Use, ...]:
    """The uses of a class, and of those derived from it that have no constructor of their own."""
    found: list[Use] = []
    waiting, seen = [(path, container)], {(path, container)}
    while waiting and len(seen) <= _MOST_CLASSES:
        at, dotted = waiting.pop(0)
        for use in _type_uses(view, at, dotted):
            found.append(use)
            subclass = _subclass(use.mention)
            named = subclass.child_by_field_name("name") if subclass is not None else None
            if subclass is None or named is None or (use.file.path, use.file.text(named)) in seen:
                continue
            types = Types({}, {use.file.path: {subclass.start_byte}})
            if not any(_declares(use.file, row, types) for row in scopes.mentions(use.file, constructor)):
                waiting.append((use.file.path, use.file.text(named)))
            seen.add((use.file.path, use.file.text(named)))
    return tuple(found)


def class_node(file: Parsed, dotted: str) -> Node | None:
    """The definition of a class or type by its dotted name."""
    for row in scopes.mentions(file, dotted.rpartition(".")[2]):
        around = row.other if row.role == "bind" else None
        if around is not None and around.child_by_field_name("name") == row.node:
            return around
    return None


def inherited(view: View, file: Parsed, node: Node, name: str, depth: int = 4) -> bool:
    """Whether a class that this one is derived from is known to declare a member of a name."""
    for base in bases(node):
        leaf = base.child_by_field_name("attribute") or base.child_by_field_name("property") or base
        for path, around in _definitions(view, file, file.text(leaf)):
            other = view.file(path)
            if other is None:
                continue
            types = Types({}, {path: {around.start_byte}})
            rows = scopes.mentions(other, name)
            if any(row.role in ("declare", "bind", "member") and _declares(other, row, types) for row in rows):
                return True
            if depth and inherited(view, other, around, name, depth - 1):
                return True
    return False


def derived(view: View, path: str, container: str, users: Set[str]) -> Types:
    """A class with all that are known to be derived from it: as far as the files `users` need it, only those are read
    that derive a class or hand one on."""
    names: dict[str, set[int]] = defaultdict(set)
    bodies: dict[str, set[int]] = defaultdict(set)
    waiting, seen = [(path, container)], {(path, container)}
    while waiting and len(seen) <= _MOST_CLASSES:
        at, dotted = waiting.pop(0)
        found = _type_uses(view, at, dotted, _Relevant(view, users, dotted.rpartition(".")[2]))
        definitions = [use for use in found if use.file.path == at and use.mention.role == "bind"]
        for use in found:
            row = use.mention
            if len(definitions) < 2:  # else the name means something else as well
                names[use.file.path].add(row.node.start_byte)
            if row.other is not None and row.role == "bind" and row.other.child_by_field_name("name") == row.node:
                bodies[use.file.path].add(row.other.start_byte)
            subclass = _subclass(row)
            if subclass is not None and (named := subclass.child_by_field_name("name")) is not None:
                key = use.file.path, use.file.text(named)
                if key not in seen:
                    seen.add(key)
                    waiting.append(key)
    return Types(names, bodies)


def bases(node: Node) -> Iterator[Node]:
    """The names of the classes that a class says it is derived from."""
    listed = node.child_by_field_name("superclasses")
    if listed is not None:
        yield from (child for child in listed.named_children if child.type in ("identifier", "attribute"))
    for child in node.named_children:
        if child.type in _HERITAGE:
            yield from (inner for inner in child.named_children if inner.type not in _HERITAGE)
            for clause in child.named_children:
                if clause.type in _HERITAGE:
                    yield from clause.named_children


def keyword_fields(file: Parsed, node: Node) -> bool:
    """Whether the constructor of a class in Python takes its fields by their names, as that of a dataclass does."""
    listed = node.child_by_field_name("superclasses")
    marks = [file.text(child) for child in listed.named_children] if listed is not None else []
    above = file.spot(*_name_range(node))
    decorated = above.nodes[2] if above is not None and above.type(2) == "decorated_definition" else None
    if decorated is not None:
        marks += [file.text(child).lstrip("@") for child in decorated.named_children if child.type == "decorator"]
    return any(mark.partition("(")[0] in _PLAIN_CLASSES or mark.rpartition(".")[2] in _PLAIN_CLASSES for mark in marks)


@dataclass(frozen=True)
class _Relevant:
    """Whether a file matters to the types of members that `users` have: it is one, hands names on, or derives a class
    from `name` that others may be derived from, which tests seldom do."""

    view: View
    users: Set[str]
    name: str

    def __call__(self, path: str) -> bool:
        if path in self.users or path.rpartition("/")[2].partition(".")[0] in ("__init__", "index"):
            return True
        return not _TEST.search(path) and _derives(self.view.source(path) or b"", self.name)


def _derives(source: bytes, name: str) -> bool:
    """Whether a name stands in what may be the header of a class."""
    word = name.encode("utf-8", "replace")
    at = source.find(word)
    while at >= 0:
        head = source[max(0, at - _HEADER_BYTES) : at]
        start = max(head.rfind(keyword) for keyword in (b"class ", b"interface ", b"extends ", b"implements "))
        if start >= 0 and b":" not in head[start:] and b"{" not in head[start:]:
            return True
        at = source.find(word, at + len(word))
    return False


def _type_uses(
    view: View, path: str, dotted: str, wanted: Callable[[str], bool] = lambda path: True
) -> tuple[Use, ...]:
    file = view.file(path)
    around, _, name = dotted.rpartition(".")
    if file is None or not name:
        return ()
    if not around:
        return uses.top_level(view, path, name, wanted)
    # a class in a class or a function: known where it is defined
    rows = [row for row in scopes.mentions(file, name) if row.role == "bind" and row.scope is not None]
    return tuple(use for row in rows if row.scope is not None for use in uses.local(file, name, row.scope))


def _is_use(file: Parsed, row: Mention, types: Types) -> bool:
    if row.role == "member":
        return types.is_instance(file, row.other)
    if row.role == "declare":
        return types.holds(file, row)
    if row.role == "read" and row.scope is None:
        return file.language.name == "java" and types.holds(file, row)
    if row.role in ("bind", "read") and row.scope is not None:
        kinds = scopes.names_of(file.language.name)
        in_class = kinds is not None and row.scope.type in kinds.CLASSES and file.language.name == "python"
        return in_class and row.scope.start_byte in types.bodies.get(file.path, ())
    if row.role == "keyword" and row.other is not None:
        return types.means(file, row.other.child_by_field_name("function"))
    if row.role == "key" and row.other is not None:
        return _is_literal(file, row, row.other, types)
    return False


def _is_attribute(file: Parsed, row: Mention, elements: Types) -> bool:
    """Whether it is an attribute of an element whose properties are of one of the types."""
    named = row.other.child_by_field_name("name") if row.other is not None else None
    return named is not None and elements.means(file, named)


def _is_short(row: Mention) -> bool:
    """Whether it is `{name}`, a key and a variable at once."""
    short = row.node.type.startswith("shorthand_") or row.spot.type(1) == "shorthand_field_initializer"
    return short and row.role in ("read", "bind")


def _literal(row: Mention) -> Node:
    kinds = ("struct_expression", "struct_pattern")
    return next((node for node in row.spot.nodes[1:5] if node.type in kinds), row.spot.nodes[1])


def _is_literal(file: Parsed, row: Mention, literal: Node, types: Types) -> bool:
    """Whether an object literal, or a pattern that takes one apart, is of one of the types."""
    if literal.type in ("composite_literal", "struct_expression", "struct_pattern"):
        return types.is_type(file, literal.child_by_field_name("type") or literal.child_by_field_name("name"))
    nodes = list(row.spot.nodes)
    if literal.type == "object_assignment_pattern":
        literal = nodes[2]
    above = nodes[nodes.index(literal) + 1 :] if literal in nodes else []
    holder = above[0] if above else literal
    if literal.type == "object_pattern":
        value, note = holder.child_by_field_name("value"), holder.child_by_field_name("type")
        return types.is_type(file, note) if note is not None else types.is_instance(file, value)
    if holder.type in ("variable_declarator", "public_field_definition"):
        return types.is_type(file, holder.child_by_field_name("type"))
    if holder.type in ("as_expression", "satisfies_expression"):
        return types.is_type(file, holder.named_children[-1])
    if holder.type == "array":
        declarator = above[1] if len(above) > 1 else holder
        return types.is_list(file, declarator.child_by_field_name("type"))
    function = next((node for node in above if node.type in _RETURNING), None)
    if function is None or not (holder.type in ("return_statement", "parenthesized_expression") or holder == function):
        return False
    return types.is_type(file, function.child_by_field_name("return_type"))


def _declares(file: Parsed, row: Mention, types: Types) -> bool:
    if row.role == "member":
        return (
            row.scope is not None
            and row.other is not None
            and row.other.text in (b"self", b"this")
            and types.holds(file, row)
        )
    if row.role == "bind":
        return row.scope is not None and row.scope.start_byte in types.bodies.get(file.path, ())
    return types.holds(file, row)


def _definitions(view: View, file: Parsed, name: str) -> Iterator[tuple[str, Node]]:
    """The classes that a name may mean in a file: its own, or one that it imports."""
    if (own := class_node(file, name)) is not None:
        yield file.path, own
        return
    for _, rows in view.statements(file):
        for row in rows:
            if name in (row.alias or row.name, row.name):
                for target in view.targets(row)[:4]:
                    other = view.file(target)
                    node = class_node(other, row.name) if other is not None else None
                    if node is not None:
                        yield target, node


def _takes_keywords(view: View, path: str, container: str) -> bool:
    file = view.file(path)
    node = class_node(file, container) if file is not None and file.language.name == "python" else None
    return file is not None and node is not None and keyword_fields(file, node)


def _subclass(row: Mention) -> Node | None:
    """The class or interface that a name is a base of."""
    for height in range(1, min(6, len(row.spot.nodes))):
        kind = row.spot.type(height)
        if kind == "class_definition":
            return row.spot.nodes[height] if row.spot.field(height - 1) == "superclasses" else None
        if kind in ("keyword_argument", "call", "type_arguments", "class_body", "subscript"):
            return None
        if kind in _HERITAGE:
            return next((node for node in row.spot.nodes[height:] if node.type not in _HERITAGE), None)
    return None


def _name_range(node: Node) -> tuple[int, int]:
    name = node.child_by_field_name("name") or node
    return name.start_byte, name.end_byte
