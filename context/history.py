"""What the user changed lately: keystrokes gathered to one difference per place, newest first, across files.

Keystrokes within eight lines and one second of each other are one event (the grouping of Zed's edit prediction); what
takes an earlier event back, wholly or in part, at whatever time, is merged with it, so that an undo leaves no trace.
The events that are kept of a file, taken back newest first, lead from its present text to an earlier one: whatever
would break that (text that is not what the last change left, a change too wide to be typing) begins the file's history
anew. Knows no clock, no protocol and no disk, and not who typed; holds text, so what may not leave the machine
is for `context/guard.py` to find in it. All calls come from one thread.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from foretype.context.text import Snapshot, content, split_lines

_NEAR_LINES = 8
_IDLE_S = 1.0
_KEPT = 64  # events, of all files together
_LOOKED_BACK = 16  # events of a file that an undo may reach
_CONTEXT_LINES = 3  # as `diff -u` has
# Beyond this a change is a paste of a file, a formatter or a checkout: nobody typed it, no prompt has room for it.
_WIDEST_LINES = 300
_WIDEST_CHARS = 10_000


class Edit(Protocol):
    """At a place (0-based, `column` in characters), `removed` gave way to `inserted`."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def removed(self) -> str: ...
    @property
    def inserted(self) -> str: ...


@dataclass(frozen=True)
class DiffEvent:
    """One change at one place: from line `start` (0-based) on, the lines `removed` gave way to `added`, both with their
    terminators. `start` holds in the text right before the change and right after it.

    `diff` is the same as the hunks of a unified diff, without file names; its lines are those that an editor shows, so
    that a text ending in a terminator has an empty last one, and they carry no terminators of their own. It is empty
    where nothing but terminators changed.
    """

    path: str
    start: int
    removed: tuple[str, ...]
    added: tuple[str, ...]
    diff: str


class History:
    """Recent edits; documents are told apart by their URIs and called by their paths."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._order = 0

    def record(self, before: Snapshot, edits: Iterable[Edit], now: float) -> None:
        """Takes up edits, each applied to what the one before it left, the first to `before`. `now` is in seconds, from
        any clock that does not go backwards."""
        file = self._files.get(before.uri)
        if file is None or tuple(file.lines) != before.lines:
            file = self._files[before.uri] = _File(before.path, list(before.lines))
        for edit in edits:
            hunk = _apply(file.lines, edit)
            if hunk is None:
                del self._files[before.uri]
                return
            self._order += 1
            file.events = _taken_up(file, hunk, now, self._order)
        if not file.events:
            del self._files[before.uri]
        self._drop_oldest()

    def recent(self, limit: int) -> tuple[DiffEvent, ...]:
        """The latest events, newest first, at most `limit`."""
        orders = sorted((event.order for file in self._files.values() for event in file.events), reverse=True)[:limit]
        shown = [pair for file in self._files.values() for pair in _shown(file, since=orders[-1])] if orders else []
        return tuple(event for _, event in sorted(shown, key=lambda pair: -pair[0]))

    def before(self, since: float) -> dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]:
        """The files edited since a time of the clock of `record`, the last one first, by URI: the path, the lines that
        the file had without those edits, and the lines that the last edit left. Files whose edits come to nothing are
        left out."""
        found = []
        for uri, file in self._files.items():
            order = max((event.order for event in file.events if event.time >= since), default=0)
            if order and (before := file.before(since)) != tuple(file.lines):
                found.append((order, uri, (file.path, before, tuple(file.lines))))
        return {uri: known for _, uri, known in sorted(found, key=lambda row: -row[0])}

    def done_with(self, now: float) -> None:
        """Nothing more follows from what was edited so far: `before` goes back no further than to the texts of now."""
        for file in self._files.values():
            file.done, file.done_at = tuple(file.lines), now

    def forget(self, uri: str) -> None:
        """Lets go of everything known of a document."""
        self._files.pop(uri, None)

    def _drop_oldest(self) -> None:
        orders = sorted((event.order for file in self._files.values() for event in file.events), reverse=True)
        if len(orders) > _KEPT:
            for uri, file in list(self._files.items()):
                file.events = [event for event in file.events if event.order > orders[_KEPT]]
                if not file.events:
                    del self._files[uri]


@dataclass(frozen=True)
class _Event:
    """Lines `old` gave way to `new` at line `start`. A greater `order` is later; `time` is that of its last key."""

    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]
    time: float = 0.0
    order: int = 0

    @property
    def growth(self) -> int:
        return len(self.new) - len(self.old)

    @property
    def end(self) -> int:
        """Behind its last line, in the text that it left."""
        return self.start + len(self.new)

    @property
    def chars(self) -> int:
        """Characters removed and inserted."""
        old, new = "".join(self.old), "".join(self.new)
        return len(old) + len(new) - 2 * sum(_shared(old, new))

    @property
    def too_wide(self) -> bool:
        lines = (*self.old, *self.new)
        return len(lines) > _WIDEST_LINES or sum(map(len, lines)) > _WIDEST_CHARS


@dataclass
class _File:
    """`lines` are the present text, `events` led to it, oldest first; `done` was the text at `done_at`, if ever."""

    path: str
    lines: list[str]
    events: list[_Event] = field(default_factory=list)
    done: tuple[str, ...] = ()
    done_at: float = -1.0

    def before(self, since: float) -> tuple[str, ...]:
        """The text without the latest events, back to that time or to when the file was done with."""
        if self.done_at >= since:
            return self.done
        lines = list(self.lines)
        for event in reversed(self.events):
            if event.time < since:
                break
            lines[event.start : event.end] = event.old
        return tuple(lines)


def _taken_up(file: _File, hunk: _Event, now: float, order: int) -> list[_Event]:
    """The file's events with one more change, which `file.lines` hold already."""
    if hunk.old == hunk.new:
        return file.events
    if hunk.too_wide:
        return []
    event = replace(hunk, time=now, order=order)
    if file.events and now - file.events[-1].time <= _IDLE_S:
        last = file.events[-1]
        joined = _composed(last, _widened(event, last, file.lines)) if _gap(last, event) <= _NEAR_LINES else None
        if joined is not None and not joined.too_wide:
            joined = replace(joined, time=now, order=order)
            return _collapsed([*file.events[:-1], joined], now)
    return _collapsed([*file.events, event], now)


def _collapsed(events: list[_Event], now: float) -> list[_Event]:
    """The events, the last of them merged with the earlier one that it takes back, if there is one.

    The last goes back in time, past events at other places and together with those at its own, for as long as it is
    not known whether they come to less than the oldest of them was.
    """
    found, trail = events, list(events)
    for at in range(len(events) - 1, max(0, len(events) - 1 - _LOOKED_BACK), -1):
        earlier, later = trail[at - 1], trail[at]
        if _gap(earlier, later) > 0:
            trail[at - 1 : at + 1] = _swapped(earlier, later)
            continue
        merged = replace(_composed(earlier, later), time=now)
        trail[at - 1 : at + 1] = [merged]
        if merged.chars < earlier.chars:
            found = list(trail)
    return [event for event in found if event.old != event.new]


def _gap(earlier: _Event, later: _Event) -> int:
    """The lines between two events; 0 where they touch, -1 where they overlap."""
    return max(later.start - earlier.end, earlier.start - (later.start + len(later.old)), -1)


def _composed(earlier: _Event, later: _Event) -> _Event:
    """Two events that touch, as one, in the earlier one's place in time."""
    start = min(earlier.start, later.start)
    end = max(earlier.end, later.start + len(later.old))
    # The text between the two, which the first wrote and the second found.
    between = [
        earlier.new[line - earlier.start] if earlier.start <= line < earlier.end else later.old[line - later.start]
        for line in range(start, end)
    ]
    old = (*between[: earlier.start - start], *earlier.old, *between[earlier.end - start :])
    later_end = later.start + len(later.old)
    new = (*between[: later.start - start], *later.new, *between[later_end - start :])
    return _trimmed(replace(earlier, start=start, old=old, new=new))


def _widened(event: _Event, towards: _Event, lines: Sequence[str]) -> _Event:
    """The event with the lines, the same before and after, between it and another, so that the two touch."""
    gap = max(0, _gap(towards, event))
    if event.start >= towards.end:
        more = tuple(lines[event.start - gap : event.start])
        return replace(event, start=event.start - gap, old=more + event.old, new=more + event.new)
    more = tuple(lines[event.end : event.end + gap])
    return replace(event, old=event.old + more, new=event.new + more)


def _swapped(earlier: _Event, later: _Event) -> tuple[_Event, _Event]:
    """Two events that do not touch, the other way round."""
    if later.start < earlier.start:
        return later, replace(earlier, start=earlier.start + later.growth)
    return replace(later, start=later.start - earlier.growth), earlier


def _trimmed(event: _Event) -> _Event:
    """The event without the lines at its ends that did not change."""
    old, new = event.old, event.new
    head, tail = _shared(old, new)
    return replace(event, start=event.start + head, old=old[head : len(old) - tail], new=new[head : len(new) - tail])


def _shared(a: Sequence[str], b: Sequence[str]) -> tuple[int, int]:
    """How much two sequences have in common at their starts, and in what is left of them at their ends."""
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next((i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]), shorter - head)
    return head, tail


def _apply(lines: list[str], edit: Edit) -> _Event | None:
    """Changes the lines in place and says what it did; None, and nothing done, where the text is not what the edit
    says that it removed."""
    if not 0 <= edit.line < len(lines):
        return None
    first = edit.line
    # A lone CR above may become half of a CRLF.
    if first and not edit.column and lines[first - 1].endswith("\r"):
        first -= 1
    column = edit.column + (len(lines[first]) if first < edit.line else 0)
    end = column + len(edit.removed)
    last, length = first, len(lines[first])
    while length <= end and last + 1 < len(lines):
        last += 1
        length += len(lines[last])
    before = "".join(lines[first : last + 1])
    if edit.column > len(content(lines[edit.line])) or before[column:end] != edit.removed:
        return None
    new = split_lines(before[:column] + edit.inserted + before[end:])
    if last + 1 < len(lines):
        new.pop()  # the empty line behind the last terminator: the next line is there already
    old = tuple(lines[first : last + 1])
    lines[first : last + 1] = new
    return _trimmed(_Event(first, old, tuple(new)))


def _shown(file: _File, since: int) -> list[tuple[int, DiffEvent]]:
    """The file's events from the order `since` on, newest first, with their orders."""
    lines, shown = list(file.lines), []
    for event in reversed(file.events):
        if event.order < since:
            break
        above = lines[max(0, event.start - _CONTEXT_LINES) : event.start]
        below = lines[event.end : event.end + _CONTEXT_LINES]
        diff = _unified([*above, *event.old, *below], [*above, *event.new, *below], event.start - len(above))
        shown.append((event.order, DiffEvent(file.path, event.start, event.old, event.new, diff)))
        lines[event.start : event.end] = event.old
    return shown


def _unified(old: Sequence[str], new: Sequence[str], offset: int) -> str:
    """The hunks of a unified diff of two runs of lines that begin at line `offset` (0-based) of their texts."""
    a, b = [content(line) for line in old], [content(line) for line in new]
    hunks = []
    for group in difflib.SequenceMatcher(None, a, b, autojunk=False).get_grouped_opcodes(_CONTEXT_LINES):
        rows = []
        for tag, a1, a2, b1, b2 in group:
            if tag == "equal":
                rows += [f" {line}\n" for line in a[a1:a2]]
            else:
                rows += [f"-{line}\n" for line in a[a1:a2]] + [f"+{line}\n" for line in b[b1:b2]]
        (_, a1, _, b1, _), (_, _, a2, _, b2) = group[0], group[-1]
        # Neither side is ever empty: a text has a line, and what did not change stands around what did.
        hunks.append(f"@@ -{offset + a1 + 1},{a2 - a1} +{offset + b1 + 1},{b2 - b1} @@\n" + "".join(rows))
    return "".join(hunks)
