"""The suggestions of a session that the client may still speak of: shown, taken, given up, and what is left of them.

A suggestion's life is in the row of the opportunity that it was made for, however often it is shown again. Everything
here happens on the event loop and takes microseconds. Knows no requests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from foretype.context.text import Snapshot
from foretype.lsp.documents import Edit
from foretype.lsp.events import Event, utf16_length
from foretype.lsp.log.inference import READ_S, Client
from foretype.lsp.log.life import Life
from foretype.lsp.log.opportunity import Group
from foretype.lsp.log.retention import Retention
from foretype.lsp.log.schema import COUNTED, Capture, Ending, Opportunity, Run

Put = Callable[[Opportunity | Run | Capture], None]
# Calls a function so many seconds later, as an event loop's `call_later`.
Later = Callable[[float, Callable[[], None]], object]

# How many suggestions are remembered: clients speak of the newest few only.
_REMEMBERED = 256


class Lives:
    """`documents` gives a document as it is now; `clock` does not jump, in seconds."""

    def __init__(
        self, put: Put, documents: Callable[[str], Snapshot | None], later: Later, clock: Callable[[], float]
    ) -> None:
        self._put, self._documents, self._later, self._clock = put, documents, later, clock
        self._client = Client()
        self._live: dict[str, Life] = {}
        self._known: OrderedDict[str, Life] = OrderedDict()
        self._retention = Retention()
        self._armed = False

    def begin(self, suggestion_id: str, life: Life) -> None:
        """It was given to the client for the first time."""
        self._known[suggestion_id] = life
        if len(self._known) > _REMEMBERED:
            self.end(self._known.popitem(last=False)[1], "superseded")

    def known(self, suggestion_id: str) -> Life | None:
        return self._known.get(suggestion_id)

    def draw(self, life: Life) -> None:
        """It is what its document has now, in place of another. What had ended it before was taken back."""
        before = self._live.get(life.uri)
        if before and before is not life:
            self.end(before, "superseded")
        self._live[life.uri] = life
        if life.row.ending in ("none", "superseded", "ignored"):
            life.row.ending, life.row.visible_us = "", None
            self._put(life.row)

    def current(self, uri: str) -> Life | None:
        """The document's suggestion. One that came in as a whole, and of which nobody said by now that it was accepted,
        is over."""
        life = self._live.get(uri)
        if life and not life.rest:
            if self._client.was_accepted(life.at_once) and life.row.ending != "accepted":
                self._show(life, "accepted")
                self._accept(life, life.taken + utf16_length(life.text), 0)
            self.end(life, "typed_through")
            return None
        return life

    def follow(self, life: Life, group: Group) -> Life | None:
        """The suggestion after an edit of its document, None where that ended it."""
        fit = life.follow(group.edit, group.origin in COUNTED)
        if fit == "agrees" and not life.rest:
            life.at_once = group.origin == "accepted"
            if not life.at_once:
                self.end(life, "typed_through")
        elif fit == "differs":
            self.end(life, "superseded")
        elif fit == "elsewhere":
            self.leave(life)
        return self._live.get(life.uri)

    def edited(self, uri: str, edits: Sequence[Edit]) -> None:
        """What was accepted goes where the edits move it."""
        self._retention.edited(uri, edits)

    def heard(self, event: Event) -> None:
        """What the client reports, as the ledger makes sense of it."""
        life = self._known.get(event.suggestion_id)
        if life is None:
            return
        match event.kind:
            case "shown":
                self._client.reports_shown |= not event.inferred
                self._show(life)
            case "accepted" | "partially_accepted":
                self._client.reports_accepted = True
                self._accept(life, event.units, event.left)
            case "rejected":
                self._show(life)
                self.end(life, "rejected")

    def leave(self, life: Life) -> None:
        """The cursor is elsewhere."""
        seen = life.shown_at if life.shown_at is not None else life.answered_at
        self.end(life, "ignored" if self._clock() - seen >= READ_S else "superseded")

    def end(self, life: Life, ending: Ending) -> None:
        """The life is over, if it was not before. What was accepted in part was accepted."""
        row = life.row
        if self._live.get(life.uri) is life:
            del self._live[life.uri]
        if not row.ending:
            if not row.shown and self._client.was_shown(self._clock() - life.answered_at):
                self._show(life, "shown")
            self._seen(life)
            row.ending = ending if row.shown else "none"
            self._put(row)
        if life.snapshot and row.shown:
            prefix, suffix = life.snapshot.split_at(*life.start)
            self._put(Capture(row.run, row.seq, life.snapshot.path, prefix, suffix, life.text, life.accepted))

    def closed(self, uri: str) -> None:
        """Nobody can look at a closed document."""
        self._retention.closed(uri)

    def forget_code(self) -> None:
        """No code is wanted any more, not of those that are there either."""
        for life in self._known.values():
            life.snapshot = None

    def stop(self, ending: Ending) -> None:
        """Nobody will speak of any of them any more."""
        for life in list(self._live.values()):
            self.end(life, ending)
        self._known.clear()
        self._retention = Retention()

    def _show(self, life: Life, inferred: str = "") -> None:
        row = life.row
        if inferred and inferred not in row.inferred:
            row.inferred = ",".join(filter(None, (row.inferred, inferred)))
        if not row.shown:
            row.shown, life.shown_at = 1, life.answered_at if inferred else self._clock()
            if row.ending == "none":  # it was over before the client's word of it came
                row.ending = "superseded"
        self._put(row)

    def _accept(self, life: Life, units: int, left: int) -> None:
        row = life.row
        if row.ending == "accepted" and "accepted" in row.inferred:  # the client says so after all
            row.inferred = ",".join(name for name in row.inferred.split(",") if name != "accepted")
            row.accepted_characters, life.taken, life.counted, life.accepted = 0, 0, 0, ""
        counted = life.counted
        start, end = life.take(units, left)
        self._seen(life)
        row.ending = "accepted"
        life.announced = life.text[start:end] if life.consumed == start else ""
        self._put(row)
        if row.kind == "completion":
            text, snapshot = life.text[start:end], self._documents(life.uri)
            again = max(0, min(end, counted) - start)
            self._retention.accepted(row, life.uri, text, life.place(start), snapshot, self._clock(), again)
            self._arm()

    def _seen(self, life: Life) -> None:
        if life.shown_at is not None and life.row.visible_us is None:
            life.row.visible_us = round(1e6 * (self._clock() - life.shown_at))

    def _arm(self) -> None:
        at = self._retention.next_at()
        if at is not None and not self._armed:
            self._armed = True
            self._later(max(0.0, at - self._clock()), self._look)

    def _look(self) -> None:
        """What is left of what was accepted a while ago."""
        self._armed = False
        for row, horizon, kept in self._retention.due(self._clock()):
            assert isinstance(row, Opportunity)
            setattr(row, f"retained_{horizon}", kept.share(self._documents(kept.uri)))
            self._put(row)
        self._arm()
