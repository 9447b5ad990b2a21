"""Waits until an edit has settled: follows the documents, the cursor and what linters say, and keeps the timers.

What counts as settled is `policy.py`'s to say. All calls come on the event loop. Knows nothing of what is done
once an edit has settled.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foretype.context.next_edit import Diagnostic
from foretype.context.text import Snapshot
from foretype.lsp.documents import Documents, Edit, path_inside
from foretype.lsp.edits import policy as edit_policy
from foretype.lsp.edits.policy import Cause, Hold, Past
from foretype.lsp.options import EditsOptions

# A change is recent, where a diagnostic turns up, for this many seconds.
_RECENT_CHANGE_S = 60.0


@dataclass(frozen=True)
class _Change:
    """Where the user last typed, and when; the place is that behind the text, in characters."""

    uri: str
    path: str
    line: int
    column: int
    at: float


class Settling:
    """`settled` is called when it is time, with what held it up, if something did; `rejected_lines` gives the lines of
    a file on which a proposal was rejected since a time of the monotonic clock."""

    def __init__(
        self,
        documents: Documents,
        settled: Callable[[Cause, Hold | None], None],
        rejected_lines: Callable[[str, float], set[int]],
    ) -> None:
        self.options = EditsOptions()
        self.cursor: tuple[str, int] | None = None  # path and line
        self._documents, self._settled, self._rejected_lines = documents, settled, rejected_lines
        self._timer: asyncio.TimerHandle | None = None
        self._diagnosing: asyncio.TimerHandle | None = None
        self._pasts: dict[str, Past] = {}
        self._changes: deque[_Change] = deque(maxlen=32)
        self._open = False  # whether something was edited that has not been looked at
        self._diagnostics: dict[str, tuple[Diagnostic, ...]] = {}
        self._known_diagnostics: dict[str, tuple[Diagnostic, ...]] = {}

    @property
    def waits(self) -> bool:
        return self._timer is not None

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        return tuple(one for known in self._diagnostics.values() for one in known)

    def reset(self) -> None:
        """Forgets all edits; documents are as they are now."""
        self._disarm()
        self._open = False
        self._pasts = {one.uri: Past(one.lines) for one in self._documents.all()}

    def opened(self, snapshot: Snapshot) -> None:
        self._pasts[snapshot.uri] = Past(snapshot.lines)

    def changed(self, before: Snapshot, edits: Sequence[Edit], after: Snapshot) -> None:
        self._pasts.setdefault(after.uri, Past(before.lines)).changed(after.lines, edits)
        if edits:
            line, column = edit_policy.behind(edits[-1])
            self._changes.append(_Change(after.uri, after.path, line, column, time.monotonic()))
            self.cursor = after.path, line
        self._open = True
        self.again()

    def closed(self, uri: str) -> None:
        self._pasts.pop(uri, None)
        self._diagnostics.pop(uri, None)

    def saved(self, uri: str) -> None:
        if self._open and self._changes and self._changes[-1].uri == uri:
            self.settle("saved")

    def moved(self, uri: str, line: int) -> None:
        """The cursor is on a line, and did not get there by typing."""
        self.look(uri, line)
        if self._open and self._changes and (uri, line) != (self._changes[-1].uri, self._changes[-1].line):
            self.settle("line_left")

    def look(self, uri: str, line: int) -> None:
        """The cursor is on a line."""
        if path := path_inside(uri, self._documents.root):
            self.cursor = path, line

    def diagnosed(self, uri: str, diagnostics: Sequence[Diagnostic]) -> None:
        """All that other servers say of a document now."""
        self._diagnostics[uri] = tuple(diagnostics)
        if self._diagnosing:
            self._diagnosing.cancel()
        loop = asyncio.get_running_loop()
        self._diagnosing = loop.call_later(self.options.diagnostics_ms / 1000, self._look_at_diagnostics)

    def again(self, cause: Cause = "idle", after_s: float | None = None) -> None:
        """Settles after a rest, by default that of `idle_ms`."""
        self._disarm()
        delay_s = self.options.idle_ms / 1000 if after_s is None else after_s
        self._timer = asyncio.get_running_loop().call_later(delay_s, self.settle, cause)

    def settle(self, cause: Cause) -> None:
        """The last edit may be done with."""
        if edit_policy.awaited(cause, self.options):
            self._disarm()
            self._settled(cause, self._held(cause))

    def looked_at(self) -> None:
        """What was edited is being looked at as it is now."""
        self._open = False
        if past := self._pasts.get(self._changes[-1].uri) if self._changes else None:
            past.settled()

    def _held(self, cause: Cause) -> Hold | None:
        last = self._changes[-1] if self._changes else None
        snapshot = self._documents.get(last.uri) if last else None
        if last is None or snapshot is None:
            return None
        past = self._pasts.get(last.uri)
        lines = self._rejected_lines(last.path, time.monotonic() - self.options.rejected_s)
        taken_back = past is not None and past.taken_back
        return edit_policy.held(cause, snapshot, (last.line, last.column), taken_back, lines, self.options)

    def _look_at_diagnostics(self) -> None:
        self._diagnosing = None
        before, self._known_diagnostics = self._known_diagnostics, dict(self._diagnostics)
        recent = time.monotonic() - _RECENT_CHANGE_S
        for uri, now in self._diagnostics.items():
            lines = [change.line for change in self._changes if change.uri == uri and change.at >= recent]
            if edit_policy.news(before.get(uri, ()), now, lines) and not self.waits:
                return self.settle("diagnostic")

    def _disarm(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
