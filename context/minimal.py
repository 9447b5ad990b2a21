"""Lines that give way to others, as the smallest edit of the text: what is drawn as changed is what changes.

Keeps the file's own line endings. Knows neither why an edit is made nor who makes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from foretype.context.next_edit import Lane, NextEdit, Span, text_digest
from foretype.context.text import content, split_lines


def edit(
    path: str,
    text: str,
    lines: tuple[int, int],
    new: Sequence[str],
    *,
    lane: Lane,
    reason: str,
    why: str,
    confidence: float,
) -> NextEdit:
    """The edit by which the lines (start, stop) of a file's text become `new`, which has no terminators.

    Of lines that stay partly the same only what is between the first and the last difference is in its span.
    """
    start, stop = lines
    raw = split_lines(text)
    ending = _ending(raw, start)
    was, becomes = "".join(raw[start:stop]), "".join(line + ending for line in new)
    at = sum(map(len, raw[:start]))
    if new and stop >= len(raw):  # the last line has no terminator, and gets none
        becomes = becomes[: len(becomes) - len(ending)]
        if start >= len(raw):
            becomes = ending + becomes
    head, tail = _common(was, becomes)
    first, last = _place(raw, at + head), _place(raw, at + len(was) - tail)
    span = Span(*first, *last)
    return NextEdit(
        path, span, becomes[head : len(becomes) - tail], text_digest(text), lane, reason, why, round(confidence, 3)
    )


def _ending(raw: Sequence[str], line: int) -> str:
    """The terminator of a line, or of the nearest one above it that has one."""
    for other in (*raw[line : line + 1], *reversed(raw[:line])):
        if ending := other[len(content(other)) :]:
            return ending
    return "\n"


def _common(old: str, new: str) -> tuple[int, int]:
    """How many characters two texts have in common at their starts, and in the rest at their ends; no line ending of
    two characters is parted."""
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    if old[:head].endswith("\r"):
        head -= 1
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    if tail and old[len(old) - tail] == "\n" and "\r" in (old[: len(old) - tail][-1:], new[: len(new) - tail][-1:]):
        tail -= 1
    return head, tail


def _place(raw: Sequence[str], offset: int) -> tuple[int, int]:
    """Line and column of a place; the end of a text is in its last line."""
    for number, line in enumerate(raw):
        if offset < len(line) or number == len(raw) - 1:
            return number, offset
        offset -= len(line)
    return 0, 0
