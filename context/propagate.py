"""The rule lane of next edits: what an edit to a symbol calls for elsewhere, exact and without a model.

Each change of a symbol (`context/rules/change.py`) is carried on by the rule of its kind. What a rule cannot prove it
leaves, as a place, to the model lane. Edits that would overlap are left with all that belongs to them, so that none is
proposed by half; one that would break a file that parses is dropped with all others of it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from foretype.context.next_edit import EditedFile, NextEdit, Place, text_digest
from foretype.context.rules import change as changes
from foretype.context.rules import members, moved_imports, moved_names, parameters, rename, trees
from foretype.context.rules.change import SymbolChange
from foretype.context.rules.patches import Outcome, Patch
from foretype.context.rules.trees import Parsed
from foretype.context.rules.view import View
from foretype.context.workspace import Workspace

_log = logging.getLogger(__name__)

_MOST_LEFT = 200  # as many candidates as are looked at in all
_DUE, _DOUBTFUL = 1.0, 0.4  # scores of places: it is about the symbol, or may be
# Files that are looked at besides the edited ones before all are: a first edit is not to wait for a hundred parses. Of
# what is done to a file by these, no other file takes anything back.
_REACHES = (0, 4)
_ALONE = frozenset({"renamed", "resigned"})

T = TypeVar("T")
Rule = Callable[[View, SymbolChange, Parsed], Outcome]
_RULES: dict[str, tuple[Rule, ...]] = {
    "renamed": (rename.carried,),
    "resigned": (parameters.carried, members.stored),
    "added": (members.declared_field, members.plain_class, members.enum_member),
    "removed": (members.plain_class,),
}


@dataclass(frozen=True)
class Carried:
    """`edits` are exact, nearest first: the edited file first, below the edit and then above, then other files by path.
    `left` are places that an edit is due at without the rule knowing which, `capped` counts edits beyond the limit."""

    edits: tuple[NextEdit, ...]
    left: tuple[Place, ...]
    capped: int = 0


def carry(
    workspace: Workspace,
    edited: Sequence[EditedFile],
    limit: int = 500,
    early: Callable[[NextEdit], None] = lambda edit: None,
) -> Carried:
    """What the edits call for, at most `limit` edits. Where many files have to be read for that, `early` hears before
    of edits in the first of them; it may hear of one twice."""
    view = View(workspace)
    view.also = tuple(file.path for file in edited)
    view.touched = {file.path: [(c, d) for *_, c, d in changes.hunks(file.before, file.after)] for file in edited}
    before = {file.path: parsed for file in edited if (parsed := changes.parsed(file, file.before)) is not None}
    moved, symbols = moved_imports.carried(view, edited), tuple(changes.symbol_changes(edited))
    for reach in _REACHES if not moved.patches and {change.kind for change in symbols} <= _ALONE else ():
        view.reach(reach)
        carried = _carried(view, symbols, before, moved, limit)
        if not view.fell_short:
            return carried
        for edit in carried.edits:
            early(edit)
    view.reach(None)
    return _carried(view, symbols, before, moved, limit)


def _carried(
    view: View, symbols: Sequence[SymbolChange], before: Mapping[str, Parsed], moved: Outcome, limit: int
) -> Carried:
    patches = {_key(row): row for row in moved.patches}
    left: dict[tuple[str, int, int], tuple[str, float]] = {}
    lines: dict[str, int] = {}
    for change in symbols:
        if change.after is not None:
            lines.setdefault(change.path, change.after.line)
    for change, outcome in _outcomes(view, symbols, before):
        patches |= {_key(row): row for row in outcome.patches}
        due = [*((path, line, line + 1) for path, line in outcome.left), *outcome.regions]
        left |= {place: (change.name, _DUE) for place in due if left.get(place, ("", 0.0))[1] < _DUE}
        left |= {at: (change.name, _DOUBTFUL) for row in outcome.doubtful if (at := (*row, row[1] + 1)) not in left}
    edits: list[tuple[NextEdit, Patch]] = []
    lost: set[tuple[str, int]] = set()
    for path, rows in _by_file(patches.values()).items():
        if (file := view.file(path)) is not None:
            sound = _sound(file, rows)
            lost |= {(path, file.line(row.start)) for row in set(rows).difference(sound)}
            digest = text_digest(file.source.decode("utf-8", "replace"))
            edits += [(_edit(file, row, digest), row) for row in sound]
    edits.sort(key=lambda pair: _nearness(pair[0], lines))
    beyond = {_whole(row) for _, row in edits[limit:]}
    within = tuple(edit for edit, row in edits[:limit] if _whole(row) not in beyond)
    written = {(edit.path, edit.span.start_line) for edit, _ in edits}
    left = {place: about for place, about in left.items() if place[:2] not in written}
    left |= {(path, line, line + 1): ("", _DUE) for path, line in sorted(lost)}
    return Carried(within, _places(left), len(edits) - len(within))


def _outcomes(
    view: View, symbols: Sequence[SymbolChange], before: Mapping[str, Parsed]
) -> Iterator[tuple[SymbolChange, Outcome]]:
    """What the rules come to for each change; all moves at once, since one statement may import what they moved."""
    for change in symbols:
        for rule in _RULES.get(change.kind, ()):
            yield change, _tried(change.kind, rule, view, change, before[change.path]) or Outcome()
    moves = [change for change in symbols if change.kind == "moved"]
    yield from _tried("moved", moved_names.carried, view, moves) or ()


def _tried(kind: str, rule: Callable[..., T], *given: object) -> T | None:
    """What a rule comes to, None where it fails: one edit less is no reason to lose the others."""
    try:
        return rule(*given)
    except Exception as error:
        _log.warning("no next edits for a symbol that was %s: %s: %s", kind, type(error).__name__, error)
        return None


def _key(row: Patch) -> tuple[str, int, int, str]:
    return row.path, row.start, row.end, row.text


def _whole(row: Patch) -> tuple[str, int] | tuple[str, int, int, str]:
    """What the patches of one edit have in common."""
    return (row.path, row.whole) if row.whole >= 0 else _key(row)


def _by_file(patches: Iterable[Patch]) -> dict[str, list[Patch]]:
    files: dict[str, list[Patch]] = defaultdict(list)
    for patch in patches:
        files[patch.path].append(patch)
    return files


def _sound(file: Parsed, rows: list[Patch]) -> list[Patch]:
    """The patches that leave a text that parses, in order: none of an edit a part of which overlaps one of another."""
    ordered = sorted(rows, key=lambda row: (row.start, row.end))
    clashing = {_whole(row) for row in _overlapping(ordered)}
    apart = [row for row in ordered if _whole(row) not in clashing]
    if all(row.reason == "rename" and row.text.isidentifier() for row in apart):
        return apart  # one name for another
    edits = [(row.start, row.end, row.text.encode("utf-8", "replace")) for row in apart]
    return apart if trees.still_parses(file, edits) else []


def _overlapping(ordered: Sequence[Patch]) -> Iterator[Patch]:
    """The patches that share bytes with another one or begin where it does, of some in their order."""
    longest = ordered[0]  # reaches furthest of those so far
    for before, row in pairwise(ordered):
        longest = max(longest, before, key=lambda one: one.end)
        for other in (longest, before):
            if other.end > row.start or other.start == row.start:
                yield from (other, row)


def _edit(file: Parsed, row: Patch, digest: str) -> NextEdit:
    span = file.span(row.start, row.end)
    return NextEdit(row.path, span, row.text, digest, "rule", row.reason, row.why, row.confidence)


def _nearness(edit: NextEdit, lines: dict[str, int]) -> tuple[bool, str, bool, int, int]:
    """Edited files first, in them what is below the edit; then by path."""
    at = lines.get(edit.path, -1)
    line = edit.span.start_line
    return edit.path not in lines, edit.path, line < at, line, edit.span.start_column


def _places(left: Mapping[tuple[str, int, int], tuple[str, float]]) -> tuple[Place, ...]:
    rows = [Place(*place, ("reference",), score, name) for place, (name, score) in left.items()]
    return tuple(sorted(rows, key=lambda row: -row.score)[:_MOST_LEFT])
