"""The lives of opportunities, as the session tells of them: rows of the event log, written again as each goes on.

Everything here happens on the event loop and takes microseconds; `put` must not wait. With no run, nothing is logged.
Knows no files, and no protocol.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from foretype.context.text import Snapshot
from foretype.lsp.documents import Edit
from foretype.lsp.events import Event
from foretype.lsp.log.life import Life, describe, measure, only, take_times
from foretype.lsp.log.lives import Later, Lives, Put
from foretype.lsp.log.opportunity import REMEMBERED, Group, groups
from foretype.lsp.log.schema import COUNTED, Ending, Opportunity, Origin, Response, Run
from foretype.lsp.outcome import Nothing, Outcome, Reason

# What came of a request that had no suggestion; a reason that is not here kept the pipeline from beginning.
_RESPONSES: dict[Reason, Response] = {
    "superseded": "late",
    "cancelled": "late",
    "stale": "late",
    "failed": "error",
    "empty": "empty",
    "trimmed": "empty",
    "unsure": "gated",
    "gated": "gated",
    "rejected": "gated",
}


@dataclass(frozen=True)
class Ticket:
    """A request that is under way: its row, and where it was made."""

    row: Opportunity
    uri: str
    place: tuple[int, int]
    snapshot: Snapshot | None


class Log:
    """`documents` gives a document as it is now; `clock` is one that does not jump, in seconds, `wall` that of the
    wall, in Unix seconds."""

    def __init__(
        self,
        put: Put,
        documents: Callable[[str], Snapshot | None] = lambda uri: None,
        later: Later = lambda seconds, call: None,
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._capture = False
        self._put, self._clock, self._wall = put, clock, wall
        self._lives = Lives(put, documents, later, clock)
        self._run: Run | None = None
        self._seq = 0
        self._changed_at: dict[str, float] = {}
        self._recent: dict[str, list[Edit]] = {}
        self._latest: dict[str, Opportunity] = {}  # the last opportunity of a document, until the cursor goes elsewhere
        self._edits: Opportunity | None = None  # the last settled edit

    @property
    def capture(self) -> bool:
        """Whether code is kept too. Once that is over, none is: not of what is open, nor of what is under way."""
        return self._capture

    @capture.setter
    def capture(self, wanted: bool) -> None:
        self._capture = wanted
        if not wanted:
            self._lives.forget_code()

    def begin(self, run: Run | None) -> None:
        """From now on rows belong to `run`; None: nothing is logged, not of what is under way either."""
        if run is None:
            self._lives.forget_code()
            self._forget("superseded")
        else:
            run = replace(run, run=secrets.randbits(40))
            self._put(run)
        self._run, self._seq = run, 0

    def changed(self, uri: str, language: str, edits: Sequence[Edit]) -> None:
        """A didChange was applied to an open document."""
        if self._run is None or not edits:
            return
        now = self._clock()
        life = self._lives.current(uri)
        if life and only(edits, life.announced):
            found = [Group("accepted", edits[0])]
        else:
            suggested = (*life.place(life.consumed), life.rest) if life and life.rest else None
            recent = self._recent.get(uri, [])
            found = groups(edits, now - self._changed_at.get(uri, now - 1.0), recent, suggested)
        self._changed_at[uri] = now
        self._recent[uri] = [*self._recent.get(uri, ()), *(group.edit for group in found)][-REMEMBERED:]
        self._lives.edited(uri, edits)
        told: dict[Origin, Opportunity] = {}
        for group in found:
            life = self._lives.follow(life, group) if life else None
            if group.origin in COUNTED:
                self._count(uri, language, group, life)
            elif row := told.get(group.origin):
                row.typed += len(group.edit.inserted)
            else:
                told[group.origin] = self._row(group.origin, language, typed=len(group.edit.inserted), ending="none")
                self._leave(uri)
        for row in told.values():
            self._put(row)

    def asked(
        self, uri: str, language: str, line: int, column: int, explicit: bool, snapshot: Snapshot | None = None
    ) -> Ticket | None:
        """A request for ghost text came in for a place, `column` in characters; its ticket goes to `answered`."""
        if self._run is None:
            return None
        life = self._lives.current(uri)
        if life and life.place(life.consumed)[0] != line:
            self._lives.leave(life)
        row = None if explicit else self._latest.get(uri)
        if row is None:
            row = self._row("invoked" if explicit else "unprompted", language)
            if not explicit:
                self._latest[uri] = row
        if row.reason == "unasked":
            row.reason = ""
        self._put(row)
        return Ticket(row, uri, (line, column), snapshot if self.capture else None)

    def answered(self, ticket: Ticket | None, outcome: Outcome) -> None:
        """What came of a request; `stages_ms` of it have "total"."""
        if ticket is None or self._run is None or (ticket.row.response == "ready" and isinstance(outcome, Nothing)):
            return
        row, now = ticket.row, self._clock()
        take_times(row, outcome.stages_ms)
        measure(row, outcome.figures)
        if isinstance(outcome, Nothing):
            response = _RESPONSES.get(outcome.reason, "")
            row.attempted, row.reason, row.response, row.ending = int(bool(response)), outcome.reason, response, "none"
            self._put(row)
            return
        row.attempted, row.reason, row.response = 1, "", "ready"
        life = self._lives.known(outcome.id)
        if life is None:
            describe(row, outcome)
            row.ending = ""
            snapshot = ticket.snapshot if self.capture else None
            life = Life(row, ticket.uri, outcome.text, ticket.place, now, snapshot=snapshot)
            self._lives.begin(outcome.id, life)
        else:
            life.go_on(outcome.text, ticket.place, now)
            if life.row is not row:
                row.recalled, row.ending = 1, "none"
        self._lives.draw(life)
        self._put(row)

    def heard(self, event: Event) -> None:
        """What the client reports of a suggestion: a sink of the ledger's."""
        if self._run is not None:
            self._lives.heard(event)

    def moved(self, uri: str) -> None:
        """The cursor went elsewhere without typing."""
        self._leave(uri)
        if life := self._lives.current(uri):
            self._lives.leave(life)

    def closed(self, uri: str) -> None:
        self.moved(uri)
        self._lives.closed(uri)
        self._changed_at.pop(uri, None)
        self._recent.pop(uri, None)

    def settled(self, language: str) -> Opportunity | None:
        """An edit came to rest: an opportunity for next edits, and the end of the one before."""
        self._leave_edits("superseded")
        if self._run:
            self._edits = self._row("settled", language, kind="next_edit", attempted=1)
            self._put(self._edits)
        return self._edits

    def offered(self, row: Opportunity | None, suggestion_id: str, text: str) -> None:
        """A proposal for a settled edit; `text` is what it puts in. All of them are one row."""
        if row is not None and self._run and self._lives.known(suggestion_id) is None:
            row.response, row.reason = "ready", ""
            row.characters += len(text)
            row.multi |= int("\n" in text)
            self._lives.begin(suggestion_id, Life(row, "", text, (0, 0), self._clock()))
            self._put(row)

    def searched(self, row: Opportunity | None, stages_ms: Mapping[str, float]) -> None:
        """The search for a settled edit is over, whatever it found."""
        if row is not None and self._run:
            take_times(row, stages_ms)
            if not row.response:
                row.response, row.reason, row.ending = "empty", "empty", "none"
            self._put(row)

    def stop(self) -> None:
        """The session ends."""
        self._forget("expired")

    def _forget(self, ending: Ending) -> None:
        self._lives.stop(ending)
        self._leave_edits(ending)
        for uri in list(self._latest):
            self._leave(uri)

    def _leave_edits(self, ending: Ending) -> None:
        row, self._edits = self._edits, None
        if row and not row.ending:
            row.ending = ending if row.shown else "none"
            self._put(row)

    def _count(self, uri: str, language: str, group: Group, life: Life | None) -> None:
        """One more opportunity. Where it types what is on the screen, that is an attempt and its answer."""
        self._leave(uri)
        row = self._row(group.origin, language, typed=len(group.edit.inserted), reason="unasked")
        if life and life.rest and life.row.shown:
            row.attempted, row.reason, row.response, row.recalled, row.ending = 1, "", "ready", 1, "none"
        self._latest[uri] = row
        self._put(row)

    def _row(self, origin: Origin, language: str, **columns: object) -> Opportunity:
        assert self._run
        row = Opportunity(self._run.run, self._seq, int(self._wall() * 1000), origin=origin, language=language)
        self._seq += 1
        for name, value in columns.items():
            setattr(row, name, value)
        return row

    def _leave(self, uri: str) -> None:
        """The document's last opportunity can have no request any more."""
        row = self._latest.pop(uri, None)
        if row and row.reason == "unasked":
            row.ending = "none"
            self._put(row)
