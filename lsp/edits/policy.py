"""When an edit has settled, so that it is time to ask what else it calls for, and when it calls for nothing.

An edit settles when the user pauses, leaves its line, saves or asks, or when a diagnostic turns up beside it. Knows
texts, edits and options; timers are `session.py`'s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal

from foretype.context.history import Edit
from foretype.context.next_edit import Diagnostic
from foretype.context.text import Snapshot, content, split_lines
from foretype.lsp.options import EditsOptions

# What settles an edit. "asked" is the user's own wish, and holds whatever the options say.
Cause = Literal["idle", "line_left", "saved", "diagnostic", "asked"]

# Why an edit has not settled, or calls for nothing.
Hold = Literal["language", "mid_word", "undo", "rejected"]

# A diagnostic so many lines from a change is about it: the size of the window that a place is looked at with.
_NEAR_LINES = 12
# Texts of a document that an undo is recognised by, as hashes.
_REMEMBERED = 500


class Past:
    """What one document was like, to tell an undo or a redo from an edit."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._texts = deque([hash(tuple(lines))], _REMEMBERED)
        self._settled = set(self._texts)
        self._last: int | None = None  # that was looked at
        self.taken_back = False

    def changed(self, lines: Sequence[str], edits: Sequence[Edit]) -> None:
        """A text that was there before is one that was gone back to. But who changes one character corrects a slip,
        unless that text had settled before the last one that did."""
        text = hash(tuple(lines))
        slip = len(edits) == 1 and max(len(edits[0].removed), len(edits[0].inserted)) <= 1
        self.taken_back = text in self._settled and text != self._last if slip else text in self._texts
        self._texts.append(text)

    def settled(self) -> None:
        """The present text was looked at."""
        self._last = self._texts[-1]
        self._settled.add(self._last)
        if len(self._settled) > _REMEMBERED:
            self._settled.intersection_update(self._texts)


def awaited(cause: Cause, options: EditsOptions) -> bool:
    """Whether the user lets this settle an edit."""
    match cause:
        case "line_left":
            return options.line_left
        case "saved":
            return options.saved
        case "diagnostic":
            return options.diagnostics
    return True


def held(
    cause: Cause,
    snapshot: Snapshot,
    place: tuple[int, int] | None,
    taken_back: bool,
    rejected_lines: Iterable[int],
    options: EditsOptions,
) -> Hold | None:
    """Why an edit is not to be looked at now, None if it is. `place` is where the last key was typed: line and column;
    `rejected_lines` are those on which an edit was rejected a moment ago."""
    if snapshot.language in options.disabled_languages:
        return "language"
    if cause == "asked":
        return None
    if taken_back and not options.after_undo:
        return "undo"
    if place is None:
        return None
    if place[0] in rejected_lines:
        return "rejected"
    if cause == "idle" and not options.mid_word and _inside_word(snapshot, *place):
        return "mid_word"
    return None


def news(before: Iterable[Diagnostic], now: Iterable[Diagnostic], changed_lines: Iterable[int]) -> bool:
    """Whether there is a diagnostic that was not there, near a line that was changed lately. One that moved with its
    text is known by what it says."""
    known = {(one.message, one.code, one.source) for one in before}
    fresh = [one for one in now if (one.message, one.code, one.source) not in known]
    return any(one.start - _NEAR_LINES <= line <= one.stop + _NEAR_LINES for one in fresh for line in changed_lines)


def behind(edit: Edit) -> tuple[int, int]:
    """Line and column behind the text that an edit inserted."""
    lines = split_lines(edit.inserted)
    return edit.line + len(lines) - 1, len(lines[-1]) + (edit.column if len(lines) == 1 else 0)


def _inside_word(snapshot: Snapshot, line: int, column: int) -> bool:
    if line >= len(snapshot.lines):
        return False
    text = content(snapshot.lines[line])
    return _is_word(text[max(0, column - 1) : column]) and _is_word(text[column : column + 1])


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"
