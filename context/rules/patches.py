"""What a rule came to: the bytes to replace, and the places that it leaves to others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patch:
    """Bytes `start` to `end` of the present text of `path` give way to `text`.

    `whole` is the byte that the name, class or statement begins at which it is about: the patches of one file with one
    `whole` are parts of one edit, and go together or not at all. With -1 it stands alone.
    """

    path: str
    start: int
    end: int
    text: str
    reason: str
    why: str
    confidence: float
    whole: int = -1


@dataclass(frozen=True)
class Outcome:
    """`left` are (path, line) of the present texts where an edit is due that the rule cannot write, `regions` the same
    as (path, first line, line behind the last); at the `doubtful` one may be due, if they are about the symbol."""

    patches: tuple[Patch, ...] = ()
    left: tuple[tuple[str, int], ...] = ()
    regions: tuple[tuple[str, int, int], ...] = ()
    doubtful: tuple[tuple[str, int], ...] = ()
