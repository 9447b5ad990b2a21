"""The moment right before a row's answer was typed: which files stood how, and which edits had been made.

A commit does not tell in what order its hunks were made; the guess is `mining/order.py`'s, as for the rows' own
histories. Of other files, what comes after the row's own hunk has not happened yet. What the answer says stands
nowhere: neither in a text nor in an edit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from foretype.context.history import History
from foretype.context.rows import EditRow, FimRow
from foretype.context.text import Snapshot, content, split_lines
from foretype.mining import order
from foretype.mining.commit import FileTexts, Hunk
from foretype.mining.order import Step

_APART_S = 60.0  # between two edits, so that the history keeps them apart
_RANGES = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True)
class Moment:
    """`documents` are the files edited so far, the row's own last; `gone` are files that the commit renamed.

    `start` is where the answer is to be typed, or the first line of the window, `stop` behind the last line of that.
    `edited` are the lines of the last edit and its document, None where there was none.
    """

    documents: tuple[Snapshot, ...]
    gone: tuple[str, ...]
    history: History
    start: tuple[int, int]
    stop: int
    edited: tuple[Snapshot, int, int] | None = None

    @property
    def document(self) -> Snapshot:
        return self.documents[-1]


@dataclass(frozen=True)
class _Typed:
    """Lines that give way to others: `context.history`'s Edit."""

    line: int
    removed: str
    inserted: str
    column: int = 0


@dataclass
class _Text:
    """A file's present lines with terminators, and where each hunk that is still to be made begins in them."""

    file: FileTexts
    lines: list[str]
    places: dict[Hunk, int]

    def make(self, hunk: Hunk, history: History, now: float) -> None:
        at = self.places.pop(hunk)
        new = order.lines(self.file.after)[hunk.new_start : hunk.new_start + len(hunk.new)]
        removed = self.lines[at : at + len(hunk.old)]
        history.record(self.snapshot(), [_Typed(at, "".join(removed), "".join(new))], now)
        self.lines[at : at + len(removed)] = new
        if at + len(new) + 1 >= len(self.lines):  # only at its end may a text have lost or won a terminator
            self.lines = split_lines("".join(self.lines))
        grown = len(new) - len(removed)
        for other, place in self.places.items():
            if other.old_start > hunk.old_start:
                self.places[other] = place + grown

    def snapshot(self) -> Snapshot:
        return _snapshot(self.file, self.lines)


def of_completion(row: FimRow, files: Sequence[FileTexts], story: Sequence[Step]) -> Moment | None:
    """When the middle of a row was about to be typed: its file is as after the commit but for that; `story` are the
    commit's steps in their order. None where the place cannot be told."""
    file = next((one for one in files if one.path == row.origin.path), None)
    if file is None:
        return None
    text = row.prefix + row.middle + row.suffix
    found = file.after.find(text)
    if found < 0 or file.after.find(text, found + 1) >= 0:
        return None
    start = found + len(row.prefix)
    after, stop = order.lines(file.after), start + len(row.middle)
    (first, column), (last, end) = _place(after, start), _place(after, stop)
    holed = [*after[:first], after[first][:column] + after[last][end:], *after[last + 1 :]]
    own = [step for step in story if step.file is file and _touches(step.hunk, first, last)]
    begins = min((index for index, step in enumerate(story) if step in own), default=len(story))
    others = [step for step in story if step.file is file and step not in own]
    # what the file already has although it comes later, was done long ago
    done = [step for step in others if story.index(step) > begins]
    done += [step for step in story[:begins] if step not in own]
    texts = {file.path: _without(file, holed, [step.hunk for step in others], first, last)}
    history = History()
    for turn, step in enumerate(done):
        path = step.file.path
        if path not in texts:
            hunks = [other.hunk for other in story if other.file is step.file]
            lines = list(order.lines(step.file.before))
            texts[path] = _Text(step.file, lines, {hunk: hunk.old_start for hunk in hunks})
        texts[path].make(step.hunk, history, turn * _APART_S)
    if texts[file.path].lines != split_lines("".join(holed)):
        return None
    here = texts.pop(file.path)
    documents = (*(one.snapshot() for one in texts.values()), here.snapshot())
    return Moment(documents, _gone(files, documents), history, (first, column), first + 1)


def of_edit(row: EditRow, files: Sequence[FileTexts]) -> Moment | None:
    """When the edits of a row's history had been made; None where they do not lead to its window."""
    known = {file.path: file for file in files}
    texts: dict[str, list[str]] = {}
    edited: tuple[str, int, int] | None = None
    for diff in row.history:
        if diff.path not in known:
            return None
        lines = texts.setdefault(diff.path, list(map(content, order.lines(known[diff.path].before))))
        for at, old, new in _hunks(diff.diff):
            if lines[at : at + len(old)] != old:
                return None
            lines[at : at + len(old)] = new
            edited = diff.path, at, at + len(new)
    window = row.window
    if window.path not in known:
        return None
    here = texts.pop(window.path, None) or list(map(content, order.lines(known[window.path].before)))
    if tuple(here[window.start : window.stop]) != window.lines:
        return None
    every = {**texts, window.path: here}
    shown = {path: _snapshot(known[path], _ended(lines)) for path, lines in every.items()}
    last = (shown[edited[0]], edited[1], edited[2]) if edited else None
    documents = tuple(shown.values())
    return Moment(documents, _gone(files, documents), History(), (window.start, 0), window.stop, last)


def _without(file: FileTexts, holed: Sequence[str], hunks: Sequence[Hunk], first: int, last: int) -> _Text:
    """The text with the hole and none of the hunks, which are to be made again; lines `first` to `last` after the
    commit are one line now."""
    old, lines = order.lines(file.before), list(holed)
    places: dict[Hunk, int] = {}
    below = sorted(hunks, key=lambda hunk: hunk.new_start, reverse=True)
    for hunk in below:
        at = hunk.new_start - (last - first if hunk.new_start > first else 0)
        lines[at : at + len(hunk.new)] = old[hunk.old_start : hunk.old_start + len(hunk.old)]
        grown = len(hunk.old) - len(hunk.new)
        places = {hunk: at, **{other: place + grown for other, place in places.items()}}
    return _Text(file, split_lines("".join(lines)), places)


def _touches(hunk: Hunk, first: int, last: int) -> bool:
    """Whether a hunk's new lines, or the place where it left none, are among the lines `first` to `last`."""
    if not hunk.new:
        return first <= hunk.new_start <= last + 1
    return hunk.new_start <= last and first < hunk.new_start + len(hunk.new)


def _hunks(diff: str) -> Iterator[tuple[int, list[str], list[str]]]:
    """The hunks of a unified diff: where each begins in the text that has those before it, and its two sides."""
    at, old, new = -1, list[str](), list[str]()
    for line in diff.removesuffix("\n").split("\n"):
        if ranges := _RANGES.match(line):
            if at >= 0:
                yield at, old, new
            at, old, new = int(ranges[3]) - 1, [], []
        elif line:
            if line[0] in " -":
                old.append(line[1:])
            if line[0] in " +":
                new.append(line[1:])
    if at >= 0:
        yield at, old, new


def _place(lines: Sequence[str], offset: int) -> tuple[int, int]:
    """Line and column of an offset in characters."""
    for line, text in enumerate(lines):
        if offset < len(text) or line + 1 == len(lines):
            return line, offset
        offset -= len(text)
    raise ValueError("a text has a line")


def _gone(files: Sequence[FileTexts], documents: Sequence[Snapshot]) -> tuple[str, ...]:
    """Where the documents were before the commit renamed them."""
    shown = {document.path for document in documents}
    return tuple(file.old_path for file in files if file.path in shown and file.old_path not in ("", *shown))


def _snapshot(file: FileTexts, lines: Sequence[str]) -> Snapshot:
    return Snapshot(file.path, file.path, file.language.name, 1, tuple(lines))


def _ended(lines: Sequence[str]) -> list[str]:
    return split_lines("\n".join(lines))
