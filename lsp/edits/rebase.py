"""Where a suggested edit stands while the text around it changes, and when it no longer does.

A suggestion lives for as long as its lines stay as they are, or become what it says: text that is changed elsewhere
moves it, the user's typing its own text shortens what is left of it, anything else on its lines ends it. So it is never
applied to other text than the one it was computed for. Plain values in characters; knows no documents and no clients.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from foretype.context.history import Edit
from foretype.context.next_edit import Span
from foretype.context.text import content

_BREAK = re.compile(r"\r\n|\r|\n")

_Place = tuple[int, int]  # line, column


@dataclass(frozen=True)
class Standing:
    """In the present text, `span` holds `old`, and is to hold `new`."""

    span: Span
    old: str
    new: str

    @property
    def done(self) -> bool:
        """Whether the text says already what the suggestion would make of it."""
        return self.old == self.new


def moved(standing: Standing, edit: Edit) -> Standing | None:
    """The suggestion after an edit of its text; None where it no longer fits."""
    return _typed(standing, edit) or (_shifted(standing, edit) if _apart(standing.span, edit) else None)


def beside(standing: Standing, edit: Edit) -> Standing | None:
    """The suggestion after an edit that was itself suggested, together with it: such edits may share a line."""
    begin, end, a, b = *_range(edit), *_places(standing.span)
    return _shifted(standing, edit) if end <= a or begin >= b else None


def after(standing: Standing, edits: Iterable[Edit]) -> Standing | None:
    """The suggestion after several edits, each applied to what the one before it left."""
    found: Standing | None = standing
    for edit in edits:
        if found is None:
            break
        found = moved(found, edit)
    return found


def stands(standing: Standing, lines: Sequence[str]) -> bool:
    """Whether a text holds exactly what the suggestion is about, where it is about it."""
    return text_at(lines, standing.span) == standing.old


def text_at(lines: Sequence[str], span: Span) -> str | None:
    """The text of a span; None where there is no such place. A span ends before a line's terminator, not behind it,
    so that no edit can tear CR LF apart."""
    (first, start), (last, end) = _places(span)
    if not (0 <= first <= last < len(lines)) or (first, start) > (last, end) or min(start, end) < 0:
        return None
    if start > len(content(lines[first])) or end > len(content(lines[last])):
        return None
    text = "".join(lines[first : last + 1])
    return text[start : len(text) - (len(lines[last]) - end)]


def applied(lines: Sequence[str], edits: Iterable[Standing]) -> str:
    """A text with edits that do not overlap. Raises ValueError where one does not stand."""
    text, starts = "".join(lines), _starts(lines)
    for edit in sorted(edits, key=lambda edit: _places(edit.span), reverse=True):
        if not stands(edit, lines):
            raise ValueError("the text is not the one that the edit was made for")
        begin = starts[edit.span.start_line] + edit.span.start_column
        text = text[:begin] + edit.new + text[begin + len(edit.old) :]
    return text


def overlap(one: Span, other: Span) -> bool:
    """Whether two edits cannot both be applied: they share text, or begin at the same place."""
    (a, b), (c, d) = _places(one), _places(other)
    return a == c or (a < d and c < b)


def growth(edits: Iterable[Edit]) -> int:
    """How many lines edits add to a text, where they join no CR to an LF and tear none apart."""
    return sum(len(_BREAK.findall(edit.inserted)) - len(_BREAK.findall(edit.removed)) for edit in edits)


def _typed(standing: Standing, edit: Edit) -> Standing | None:
    """The suggestion after an edit within it that brings the text nearer to what it says."""
    begin, end = _range(edit)
    a, b = _places(standing.span)
    if begin < a or end > b:
        return None
    old, new = standing.old, standing.new
    at = _offset(old, a, begin)
    if old[at : at + len(edit.removed)] != edit.removed:
        return None
    text = old[:at] + edit.inserted + old[at + len(edit.removed) :]
    if text != new and not _nearer(old, new, text, at, at + len(edit.removed)):
        return None
    return Standing(_span(a, _end(a, text)), text, new)


def _nearer(old: str, new: str, text: str, begin: int, end: int) -> bool:
    """Whether `text`, which is `old` but for `begin` to `end`, is on the way to `new`: what is to go has gone from one
    of its ends, and what is to come is there from its beginning on."""
    head = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    shorter = min(len(old), len(new)) - head
    tail = next((i for i in range(shorter) if old[-1 - i] != new[-1 - i]), shorter)
    if begin < head or end > len(old) - tail:
        return False
    going, coming = old[head : len(old) - tail], new[head : len(new) - tail]
    middle = text[head : len(text) - tail]
    for there in range(min(len(coming), len(middle)), -1, -1):
        left = middle[there:]
        if coming.startswith(middle[:there]) and (going.startswith(left) or going.endswith(left)):
            return True
    return False


def _apart(span: Span, edit: Edit) -> bool:
    """Whether an edit leaves all lines of a span as they are."""
    begin, end = _range(edit)
    a, b = _places(span)
    if end[0] < a[0] or begin[0] > b[0]:
        return True
    # whole lines above, up to the first one's beginning, or what comes behind whole lines
    return (end <= (a[0], 0) and _end(begin, edit.inserted)[1] == 0) or (b[1] == 0 and b[0] > a[0] and begin >= b)


def _shifted(standing: Standing, edit: Edit) -> Standing:
    """The suggestion moved by an edit that does not overlap it."""
    begin, end = _range(edit)
    a, b = _places(standing.span)
    if end > a:
        return standing
    new_end = _end(begin, edit.inserted)

    def move(place: _Place) -> _Place:
        line, column = place
        if line == end[0]:
            return new_end[0], new_end[1] + column - end[1]
        return line + new_end[0] - end[0], column

    return Standing(_span(move(a), move(b)), standing.old, standing.new)


def _range(edit: Edit) -> tuple[_Place, _Place]:
    begin = edit.line, edit.column
    return begin, _end(begin, edit.removed)


def _end(begin: _Place, text: str) -> _Place:
    """The place behind a text that begins at a place."""
    breaks = [match.end() for match in _BREAK.finditer(text)]
    if breaks:
        return begin[0] + len(breaks), len(text) - breaks[-1]
    return begin[0], begin[1] + len(text)


def _offset(text: str, begin: _Place, place: _Place) -> int:
    """Where in a text that begins at a place another place in it is."""
    lines = place[0] - begin[0]
    if not lines:
        return place[1] - begin[1]
    breaks = [match.end() for match in _BREAK.finditer(text)]
    return breaks[lines - 1] + place[1]


def _places(span: Span) -> tuple[_Place, _Place]:
    return (span.start_line, span.start_column), (span.end_line, span.end_column)


def _span(begin: _Place, end: _Place) -> Span:
    return Span(*begin, *end)


def _starts(lines: Sequence[str]) -> list[int]:
    """Where each line begins in the text."""
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line)
    return starts
