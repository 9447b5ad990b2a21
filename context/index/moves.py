"""Where the symbols of a document are now that was edited since they were read.

Reading a large file anew takes longer than a key: until that is done, what lies behind the edited lines is as many
lines further on as came in between. What lies inside of them stays where it was read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foretype.context.symbols import Definition, Reference

_STEP = 512  # lines that are compared at once


@dataclass(frozen=True)
class Move:
    """What begins at line `behind` (0-based, of the text that was read) or later is `lines` lines and `bytes` bytes
    further on; either may be negative."""

    behind: int
    lines: int
    bytes: int

    def definition(self, row: Definition) -> Definition:
        if row.end_line < self.behind:
            return row
        moved = row._replace(end=row.end + self.bytes, end_line=row.end_line + self.lines)
        if row.line < self.behind:
            return moved
        return moved._replace(start=row.start + self.bytes, line=row.line + self.lines)

    def reference(self, row: Reference) -> Reference:
        if row.line < self.behind:
            return row
        return row._replace(start=row.start + self.bytes, line=row.line + self.lines)


def between(old: Sequence[str], new: Sequence[str]) -> Move | None:
    """From one text to another, by their lines with terminators; None where they are the same.

    Texts that share most of their lines as objects are compared in the time of a glance.
    """
    if old is new or old == new:
        return None
    first = _shared(old, new)
    last = _shared(old[first:][::-1], new[first:][::-1])
    gone, come = old[first : len(old) - last], new[first : len(new) - last]
    return Move(len(old) - last, len(come) - len(gone), _bytes(come) - _bytes(gone))


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines are the same at the beginning."""
    at = 0
    most = min(len(one), len(other))
    while at < most and one[at : at + _STEP] == other[at : at + _STEP]:
        at += _STEP
    while at < most and one[at] == other[at]:
        at += 1
    return min(at, most)


def _bytes(lines: Sequence[str]) -> int:
    return sum(len(line.encode("utf-8", "replace")) for line in lines)
