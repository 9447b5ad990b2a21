"""A definition was moved from one file to another: the imports of it follow.

A statement that imports nothing else gets another module; of one that imports more, the names that were moved go to a
statement of their own, or to one that imports from there already. The names that one statement has are moved at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from tree_sitter import Node

from foretype.context.rules import scopes, uses
from foretype.context.rules.change import SymbolChange
from foretype.context.rules.moved_imports import REASON, module_node, renamed
from foretype.context.rules.patches import Outcome, Patch
from foretype.context.rules.trees import Parsed
from foretype.context.rules.view import View, family_of
from foretype.context.symbols import Import

_FAMILIES = ("python", "ecmascript")
_SPLIT = ("import_from_statement", "import_statement")


def carried(view: View, moves: Sequence[SymbolChange]) -> tuple[tuple[SymbolChange, Outcome], ...]:
    """What the moves of definitions from one file to another call for: at each statement that imports some of them, one
    edit for all that it imports."""
    found: list[tuple[SymbolChange, Outcome]] = []
    imported: dict[tuple[str, int], list[_Moved]] = {}
    for change in moves:
        old = change.before.path if change.before is not None else ""
        former = view.file(old) if old and family_of(change.path) in _FAMILIES else None
        if former is None or any(row.role in ("import", "bind") for row in scopes.mentions(former, change.name)):
            continue  # moved as a file, or handed on under its old name
        left: list[tuple[str, int]] = []
        for use in uses.top_level(view, old, change.name):
            file, node, statement = use.file, use.mention.node, use.mention.other
            if use.mention.role == "import" and statement is not None and file.path not in (old, change.path):
                if change.path not in _targets(view, file, statement):  # done by the user
                    row = _Moved(file, statement, node, old, change)
                    imported.setdefault((file.path, statement.start_byte), []).append(row)
            elif use.mention.role == "member":
                left.append((file.path, file.line(node.start_byte)))
        reads = (row for row in scopes.mentions(former, change.name) if row.role == "read")
        left += [(old, former.line(row.node.start_byte)) for row in reads][:1]
        found.append((change, Outcome(left=tuple(left))))
    for (path, whole), rows in imported.items():
        changing, why = {start for at, start in imported if at == path}, _why(rows)
        patches = tuple(Patch(path, *edit, REASON, why, 0.97, whole) for edit in _of_names(view, rows, changing))
        for row in rows:
            due = () if patches else ((path, row.file.line(row.node.start_byte)),)
            found.append((row.change, Outcome(patches, due)))
    return tuple(found)


@dataclass(frozen=True)
class _Moved:
    """In a statement, the name of what was moved from the file `old`."""

    file: Parsed
    statement: Node
    node: Node
    old: str
    change: SymbolChange


def _why(rows: Sequence[_Moved]) -> str:
    names: dict[str, dict[str, None]] = {}
    for row in rows:
        names.setdefault(row.change.path, {})[row.change.name] = None
    moved = (f"{' and '.join(some)} {'were' if len(some) > 1 else 'was'} moved to {to}" for to, some in names.items())
    return ", ".join(moved)


def _of_names(view: View, moved: Sequence[_Moved], changing: Set[int]) -> list[tuple[int, int, str]]:
    """What makes a file import names of one of its statements from where they are now, and the others as before;
    nothing where that cannot be told. None are added to the statements that begin at the bytes `changing`."""
    file, statement = moved[0].file, moved[0].statement
    rows = _imports(view, file, statement)
    module, items = module_node(statement), _items(statement)
    if module is None or not rows or statement.type not in _SPLIT:
        return []
    stays, targets = rows[0].module, _targets(view, file, statement)
    places: dict[str, list[int]] = {}  # of the items, by the files that they are in now
    names: dict[str, str] = {}  # of these files
    for row in moved:
        if row.old not in targets:
            continue  # handed on
        to, start = row.change.path, row.node.start_byte
        at = next((at for at, item in enumerate(items) if item.start_byte <= start < item.end_byte), None)
        name = renamed(view, file, stays, row.old, to)
        if at is None or name is None:
            return []
        places.setdefault(to, []).append(at)
        names[to] = name
    edits: list[tuple[int, int, str]] = []
    if places and sum(map(len, places.values())) == len(rows):  # the statement goes with the first of them
        first = next(iter(places))
        stays = names[first]
        edits.append((module.start_byte, module.end_byte, stays))
        del places[first]
    gone = {at for some in places.values() for at in some}
    if len(gone) == len(items):
        return []  # a default import stays by itself
    edits += _without(items, gone)
    lines: list[tuple[str, str]] = []
    for to, some in places.items():
        texts = [file.text(items[at]) for at in sorted(some)]
        others = (other for other, said in view.statements(file) if _is_beside(view, other, said, statement, to))
        other = next((other for other in others if other.start_byte not in changing), None)
        if other is not None:
            edits += _joined(file, other, texts)
        else:
            lines.append((names[to], _line(file, statement, module, names[to], ", ".join(texts))))
    added = _added(file, statement, stays, lines)
    return [] if lines and not added else [*edits, *added]


def _without(items: Sequence[Node], gone: Set[int]) -> Iterator[tuple[int, int, str]]:
    """What takes names out of a list in which others stay; names side by side go at once."""
    last = max(at for at in range(len(items)) if at not in gone)
    spans: list[tuple[int, int]] = []
    for at in sorted(gone):
        start, end = items[at].start_byte, items[at].end_byte
        start, end = (start, items[at + 1].start_byte) if at < last else (items[at - 1].end_byte, end)
        if spans and spans[-1][1] == start:
            start, _ = spans.pop()
        spans.append((start, end))
    return ((start, end, "") for start, end in spans)


def _joined(file: Parsed, statement: Node, texts: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """What adds names to a statement, as far as it does not have them."""
    listed = _items(statement)
    has = {file.text(item) for item in listed}
    if more := [text for text in texts if text not in has]:
        yield listed[-1].end_byte, listed[-1].end_byte, "".join(f", {text}" for text in more)


def _added(file: Parsed, statement: Node, module: str, lines: Sequence[tuple[str, str]]) -> list[tuple[int, int, str]]:
    """What adds statements, with the names of their modules, above or below one that imports from `module`, by their
    names; nothing where it is not the first of its line."""
    start, last = file.line_start(file.line(statement.start_byte)), statement.end_byte
    indent, end = file.source[start : statement.start_byte].decode("utf-8", "replace"), file.line_break(start)
    above = "".join(f"{indent}{line}{end}" for name, line in lines if name < module)
    below = "".join(f"{end}{indent}{line}" for name, line in lines if name >= module)
    rows = [(start, start, above), (last, last, below)]
    return [row for row in rows if row[2]] if not indent.strip() else []


def _line(file: Parsed, statement: Node, module: Node, name: str, listed: str) -> str:
    """A statement in the style of another one, which imports what is listed from the module of this name."""
    if file.language.name == "python":
        return f"from {name} import {listed}"
    end = ";" if file.text(statement).endswith(";") else ""
    quote = file.source[module.start_byte - 1 : module.start_byte].decode()
    return f"import {'type ' if _is_type(statement) else ''}{{ {listed} }} from {quote}{name}{quote}{end}"


def _is_beside(view: View, found: Node, rows: Sequence[Import], statement: Node, path: str) -> bool:
    """Whether a statement, in the same block as another one and of its kind, imports names from the file at `path`."""
    if found.type != statement.type or found.parent != statement.parent or _is_type(found) != _is_type(statement):
        return False
    named = bool(rows) and bool(_items(found)) and all(row.name not in ("", "*", "default") for row in rows)
    return named and path in view.targets(rows[0]) and not uses.is_module(path, rows[0])


def _is_type(statement: Node) -> bool:
    """Whether it is `import type` of TypeScript."""
    return any(child.type == "type" for child in statement.children)


def _imports(view: View, file: Parsed, statement: Node) -> tuple[Import, ...]:
    return next((rows for at, rows in view.statements(file) if at == statement), ())


def _targets(view: View, file: Parsed, statement: Node) -> tuple[str, ...]:
    """The files that a statement may import names from."""
    rows = _imports(view, file, statement)
    return view.targets(rows[0]) if rows else ()


def _items(statement: Node) -> list[Node]:
    """The names in an import statement."""
    if statement.type == "import_from_statement":
        return statement.children_by_field_name("name")
    for child in statement.named_children:
        if child.type in ("import_clause", "named_imports"):
            inner = _items(child)
            return inner or [row for row in child.named_children if row.type == "import_specifier"]
    return []
