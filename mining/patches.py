"""git's patches, read: the hunks of each file of a commit, from `diff-tree -p -U0 --full-index`.

A file's hunks are found by its blobs before and after, never by its name, so that no name can be mistaken for anything
else. Knows nothing of processes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from foretype.mining.commit import Hunk

_INDEX = re.compile(rb"index ([0-9a-f]{40,64})\.\.([0-9a-f]{40,64})")
_RANGES = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class FileDiff(NamedTuple):
    """The hunks of one file, in order; `problem` says why there are none although its text changed."""

    hunks: tuple[Hunk, ...]
    problem: str = ""


Patch = Mapping[tuple[str, str], FileDiff]  # by the ids of the blobs before and after


def parse(data: bytes) -> Patch:
    """One commit's patch. Hunks that differ in nothing but their line ends are left out."""
    found = {}
    # a line of a file begins with a sign, and a name with a line break in it is quoted
    for section in (b"\n" + data).split(b"\ndiff --git ")[1:]:
        start = section.find(b"\n@@ ")
        index = _INDEX.search(section, 0, start if start >= 0 else len(section))
        if index is None or start < 0:
            continue
        key = (index[1].decode(), index[2].decode())
        try:
            found[key] = FileDiff(tuple(_hunks(section[start + 1 :].decode().split("\n"))))
        except UnicodeDecodeError:
            found[key] = FileDiff((), "not UTF-8")
    return found


def _hunks(lines: list[str]) -> Iterator[Hunk]:
    at = 0
    while at < len(lines) and (ranges := _RANGES.match(lines[at])):
        old_start, old_count, new_start, new_count = (1 if count is None else int(count) for count in ranges.groups())
        middle = at + 1 + old_count
        old = _side(lines, at + 1, middle)
        middle += _unended(lines, middle)
        at = middle + new_count
        new = _side(lines, middle, at)
        at += _unended(lines, at)
        if old != new:
            # where a side has no lines, git gives the number of the line before
            yield Hunk(old_start - (old_count > 0), old, new_start - (new_count > 0), new)


def _side(lines: list[str], start: int, end: int) -> tuple[str, ...]:
    if start == end:
        return ()
    return tuple([line[1:-1] if line[-1] == "\r" else line[1:] for line in lines[start:end]])


def _unended(lines: list[str], at: int) -> int:
    r"""1 where the line is git's "\ No newline at end of file"."""
    return int(at < len(lines) and lines[at].startswith("\\"))
