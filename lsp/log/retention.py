"""How much of an accepted text is still there a while later, wherever later edits have moved it.

The share that is left is 1 - d / n, at least 0, for an accepted text of n characters: d is the fewest insertions,
deletions and substitutions that make it from the text between the two places where it began and ended, where what the
user added before or behind it costs nothing. A text that is moved to another place counts as deleted. Knows documents
by their URI and edits as `Edit`s; code stays in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from foretype.context.text import Snapshot
from foretype.lsp.documents import Edit
from foretype.lsp.log.opportunity import behind
from foretype.lsp.log.schema import HORIZONS_S

# Longer texts are not followed: an edit distance takes time by the product of both lengths.
_LONGEST = 4000
# Texts that are followed at a time: every edit has to look at each. Ten minutes rarely have as many acceptances.
_MOST = 256

Place = tuple[int, int]  # line and column in characters, 0-based


@dataclass
class Kept:
    """An accepted text and where it is: `start` up to `end`, the same place while it is not in the document yet.
    `coming` is more of it, which the next edit at the end puts in."""

    uri: str
    text: str
    start: Place
    end: Place
    at: float
    coming: str = ""
    due: list[int] = field(default_factory=lambda: list(HORIZONS_S))

    def edited(self, edit: Edit) -> None:
        removed_to = behind(Edit(edit.line, edit.column, "", edit.removed))
        empty = self.start == self.end
        grows = empty or edit.inserted == self.coming
        if (edit.line, edit.column) == self.end:
            self.coming = ""
        self.start = _moved(self.start, edit, removed_to, stays=empty)
        # what is put in right behind it is not part of it, but what comes into an empty one may be it coming back
        self.end = max(self.start, _moved(self.end, edit, removed_to, stays=not grows))

    def share(self, snapshot: Snapshot | None) -> float | None:
        """What is left of it, 0..1; None where the document is not there to look at."""
        if snapshot is None or len(self.text) > _LONGEST:
            return None
        now = between(snapshot, self.start, self.end)[: 4 * _LONGEST]
        return round(1 - min(distance_within(self.text, now), len(self.text)) / max(1, len(self.text)), 4)


class Retention:
    """The texts that are followed, by a key of the caller's; each until its last horizon or its document's end."""

    def __init__(self) -> None:
        self._kept: dict[object, Kept] = {}

    def accepted(
        self, key: object, uri: str, text: str, start: Place, snapshot: Snapshot | None, now: float, again: int = 0
    ) -> None:
        """`text` was accepted at `start`, and is in `snapshot` already, or comes with the next edit there. More of a
        suggestion that was accepted in part goes on with what is followed of it; its first `again` characters came in
        before, and were taken out. `now` in seconds."""
        end = behind(Edit(*start, "", text))
        there = snapshot is not None and between(snapshot, start, end) == text
        known = self._kept.get(key)
        if known and known.end == start:
            known.text += text[again:]
            known.end, known.coming = (end, "") if there else (start, text)
        elif known is None:
            if len(self._kept) >= _MOST:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = Kept(uri, text, start, end if there else start, now)

    def edited(self, uri: str, edits: Sequence[Edit]) -> None:
        for kept in self._kept.values():
            if kept.uri == uri:
                for edit in edits:
                    kept.edited(edit)

    def due(self, now: float) -> list[tuple[object, int, Kept]]:
        """The keys whose next horizon is there, with that in seconds; each is given once."""
        found = []
        for key, kept in list(self._kept.items()):
            while kept.due and now - kept.at >= kept.due[0]:
                found.append((key, kept.due.pop(0), kept))
            if not kept.due:
                del self._kept[key]
        return found

    def next_at(self) -> float | None:
        """When something is due next, on the clock of `now`; None where nothing is followed."""
        return min((kept.at + kept.due[0] for kept in self._kept.values() if kept.due), default=None)

    def closed(self, uri: str) -> None:
        """Nobody can look at a closed document."""
        self._kept = {key: kept for key, kept in self._kept.items() if kept.uri != uri}


def distance_within(pattern: str, text: str) -> int:
    """The least edit distance between `pattern` and any part of `text`.

    G. Myers, "A fast bit-vector algorithm for approximate string matching based on dynamic programming", JACM 46
    (1999), 395-415: a column of the matrix is two integers, of the places where it rises and falls, and Python's are
    as long as the pattern.
    """
    size = len(pattern)
    if not size:
        return 0
    at: dict[str, int] = {}
    for place, character in enumerate(pattern):
        at[character] = at.get(character, 0) | 1 << place
    ones, last = (1 << size) - 1, 1 << size - 1
    rises, falls, score = ones, 0, size
    best = size
    for character in text:
        same = at.get(character, 0)
        zero = (((same & rises) + rises) ^ rises) | same | falls
        up = falls | ~(zero | rises) & ones
        down = rises & zero
        score += bool(up & last) - bool(down & last)
        best = min(best, score)
        # the first row is 0 everywhere: a match may begin at any place
        up, down = up << 1 & ones, down << 1 & ones
        rises, falls = down | ~(zero | up) & ones, up & zero
    return best


def between(snapshot: Snapshot, start: Place, end: Place) -> str:
    """The text from one place to another, as much of it as is there."""
    (first, column), (last, end_column) = start, end
    lines = snapshot.lines[first : last + 1]
    if not lines or (first, column) >= (last, end_column):
        return ""
    if len(lines) <= last - first:
        return lines[0][column:] + "".join(lines[1:])
    if first == last:
        return lines[0][column:end_column]
    return lines[0][column:] + "".join(lines[1:-1]) + lines[-1][:end_column]


def _moved(place: Place, edit: Edit, removed_to: Place, stays: bool) -> Place:
    """Where a place is after an edit; one where text is put in `stays` before it or goes behind it. A place inside of
    what was removed goes to its beginning."""
    begin = (edit.line, edit.column)
    if place < begin or (place == begin and stays):
        return place
    if place < removed_to:
        return begin
    line, column = behind(edit)
    if place[0] == removed_to[0]:
        return line, column + place[1] - removed_to[1]
    return place[0] + line - removed_to[0], place[1]
