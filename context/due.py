"""What an edit leaves undone for certain, or nearly so, as symbols and the text around their uses tell.

Three kinds: a use of a name that is gone; cases of a type that handle its members, but not the new one; a function that
is called with more than it takes. Says where, not what is to be done. Names are all that is known, not types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from foretype.context import languages, lexer
from foretype.context.hunks import Hunk
from foretype.context.languages import Language
from foretype.context.next_edit import EditedFile
from foretype.context.symbols import Definition, extract

if TYPE_CHECKING:
    from foretype.context.workspace import Workspace

# How a use of a gone name is told from one of another thing of that name: by a call, by none, or not at all.
Form = Literal["any", "called", "bare"]
LinesOf = Callable[[str], Sequence[str]]

_CALLABLE = ("function", "method")
_REFERENCES = 60  # of a member
_MEMBERS = 8
_APART = 6  # lines, at the most, from one case to the next
_IMPORT = re.compile(r"\s*(?:pub\s+)?(?:use|import|from|export)\b")
_SELF = ("self", "cls", "&self", "&mut self", "mut self", "this")
_ANY_NUMBER = re.compile(r"\*|\.\.\.|=|\?:")  # also defaults, which are not counted on


def dangling(workspace: Workspace, edited: Sequence[EditedFile], names: set[str]) -> dict[str, Form]:
    """Those of the names that an edited file defined and that nothing is called any more; nothing of the kind, where
    other kinds of things still are."""
    found: dict[str, Form] = {}
    left = {name: {row.kind in _CALLABLE for row in workspace.graph.definitions(name)} for name in names}
    for file in edited:
        language = languages.find(file.language, file.path)
        if language is None or all(len(kinds) == 2 or name in found for name, kinds in left.items()):
            continue
        for row in extract(file.path, file.before.encode("utf-8", "replace"), language).definitions:
            called = row.kind in _CALLABLE
            if row.name in left and called not in left[row.name]:
                form: Form = "any" if not left[row.name] else "called" if called else "bare"
                found[row.name] = form
    return found


def dangles(name: str, form: Form, line: str) -> bool:
    """Whether a line that has a gone name means that."""
    if form == "any" or (form == "called" and _IMPORT.match(line)):
        return True
    called = re.search(rf"\b{name}\s*(?:<[^<>]*>)?\(", line) is not None
    return called if form == "called" else re.search(rf"\b{name}\b(?!\s*\()", line) is not None


def unhandled(workspace: Workspace, hunk: Hunk, lines_of: LinesOf) -> Iterator[tuple[str, int, str]]:
    """Where, beside the case of a neighbour, one for a member that was put in is missing: path, line, neighbour.

    What handles members is known by at least two of them being handled alike, near each other.
    """
    if hunk.old:
        return
    rows = workspace.graph.outline(hunk.path)
    added = [row for row in rows if hunk.start <= row.line < hunk.stop and row.kind in ("field", "constant")]
    for new in added:
        members = _members(rows, new)
        near = {row.name for row in (*_beside(members, new, -1), *_beside(members, new, 1))}
        cases: dict[str, list[tuple[int, str]]] = {}
        for member in sorted(members, key=lambda row: abs(row.line - new.line))[:_MEMBERS]:
            for use in workspace.graph.references(member.name, hunk.path, _REFERENCES) if member is not new else ():
                lines = lines_of(use.path)
                if use.line < len(lines) and _handles(lines[use.line], member):
                    cases.setdefault(use.path, []).append((use.line, member.name))
        for path, found in cases.items():
            for line, name in found:
                alike = [other for other, its in found if its != name and _alike(lines_of(path), line, other)]
                if (
                    name in near
                    and alike
                    and not _is_handled(lines_of(path), line, new, hunk if path == hunk.path else None)
                ):
                    yield path, line, name


def short(old: str, new: str, row: Definition) -> bool:
    """Whether a call of a function has been given more than it takes: `old` and `new` are the lines that have it."""
    language = languages.find("", row.path) or languages.PLAIN
    head, before, after = (_arguments(text, row.name, language) for text in (row.signature, old, new))
    if row.kind not in _CALLABLE or head is None or before is None or after is None:
        return False
    takes = [part for part in head if part not in _SELF]
    return not any(map(_ANY_NUMBER.search, takes)) and len(before) <= len(takes) < len(after)


def _members(rows: Sequence[Definition], new: Definition) -> list[Definition]:
    """The members of a type, or constants in lines that follow each other."""
    alike = [row for row in rows if row.container == new.container and row.kind == new.kind]
    if new.container:
        return alike
    at = alike.index(new)
    first = last = at
    while first and alike[first].line - alike[first - 1].line == 1:
        first -= 1
    while last + 1 < len(alike) and alike[last + 1].line - alike[last].line == 1:
        last += 1
    return alike[first : last + 1]


def _beside(members: Sequence[Definition], new: Definition, step: int) -> Sequence[Definition]:
    at = members.index(new) + step
    return members[at : at + 1] if at >= 0 else ()


def _handles(line: str, member: Definition) -> bool:
    """Whether a line is a case of a member: named as one, or with its type before it."""
    name, holder = member.name, member.container.rpartition(".")[2]
    if re.match(rf"\s*(?:case\b.*\b)?{name}\s*(?:=>|->|:|,|\|)", line) or re.match(rf"\s*case\b.*\b{name}\b", line):
        return True
    return bool(holder) and re.match(rf"\s*(?:case\s+|\[|\|\s*)?(?:Self|{holder})(?:\.|::){name}\b", line) is not None


def _is_handled(lines: Sequence[str], line: int, new: Definition, hunk: Hunk | None) -> bool:
    """Whether a new member has a case near a line; the lines where it was put in are none."""
    near = range(max(0, line - _APART), min(len(lines), line + _APART))
    return any(_handles(lines[at], new) for at in near if hunk is None or not hunk.start <= at < hunk.stop)


def _alike(lines: Sequence[str], one: int, other: int) -> bool:
    """Whether two lines are near each other and as far in."""
    widths = {len(lines[at]) - len(lines[at].lstrip()) for at in (one, other)}
    return abs(one - other) <= _APART and len(widths) == 1


def _between(text: str, name: str) -> str | None:
    """What stands between the brackets behind a name, where they close."""
    start = re.search(rf"\b{re.escape(name)}\s*\(", text)
    if start is None:
        return None
    depth, at = 1, start.end()
    while at < len(text) and depth:
        depth += (text[at] in "([{") - (text[at] in ")]}")
        at += 1
    return None if depth else text[start.end() : at - 1]


def _arguments(text: str, name: str, language: Language) -> list[str] | None:
    """What a call, or a definition, has between its brackets; None where there is none that is whole."""
    inside = _between(lexer.mask(text, language), name)
    if inside is None:
        return None
    parts, depth, begin = list[str](), 0, 0
    for at, char in enumerate(inside):
        depth += (char in "([{<") - (char in ")]}" or (char == ">" and inside[at - 1 : at] not in ("-", "=")))
        if char == "," and depth == 0:
            parts.append(inside[begin:at].strip())
            begin = at + 1
    return [part for part in (*parts, inside[begin:].strip()) if part]
