"""What becomes of requests and suggestions: events, and counts of them.

Every event goes to a sink, a plain function; a log that outlives the process is one more sink. Events never hold code.
Knows nothing of the protocol's messages.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from foretype.lsp.outcome import REASONS, Reason

Kind = Literal["requested", "answered", "none", "shown", "partially_accepted", "accepted", "rejected"]

# How many suggestions are remembered: clients speak of the newest few only.
_REMEMBERED = 256


@dataclass(frozen=True)
class Event:
    """One thing that happened. `at` is in Unix seconds; `units` counts UTF-16 code units of the suggestion's text:
    all of them for "answered", those taken so far for the acceptances, which leave `left` of them behind the last one.
    `inferred`: the client did not say so, it follows from something else. `stages_ms` is milliseconds by stage."""

    kind: Kind
    at: float
    suggestion_id: str = ""
    reason: Reason | None = None
    language: str = ""
    units: int = 0
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    left: int = 0
    inferred: bool = False


Sink = Callable[[Event], None]


@dataclass
class _Suggestion:
    """What the client has done with one suggestion so far, in UTF-16 code units. All that is ever `given` of it ends
    where it ends, so that what is `left` says where the client is. `taken` was accepted, the rest was typed."""

    language: str
    given: int = 0
    left: int = 0
    taken: int = 0
    shown: bool = False


class Ledger:
    """Turns what the client reports into events that make sense, and counts them.

    A suggestion is shown once, however often it is drawn. One that is accepted was shown, whether or not the client
    said so. Partial acceptances are cumulative and belong to one suggestion, which counts once as partially accepted
    and once more as accepted when all of it is taken. Suggestions unknown here, or over, are ignored.
    """

    def __init__(self, sink: Sink = lambda event: None) -> None:
        self._sink = sink
        self._counts: Counter[str] = Counter()
        self._open: OrderedDict[str, _Suggestion] = OrderedDict()

    def requested(self, language: str) -> None:
        self._record("requested", language=language)

    def answered(self, suggestion_id: str, text: str, language: str, stages_ms: Mapping[str, float]) -> None:
        """A suggestion went to the client, or what is left of one that did before."""
        units = utf16_length(text)
        suggestion = self._open.setdefault(suggestion_id, _Suggestion(language))
        suggestion.given = suggestion.left = units
        while len(self._open) > _REMEMBERED:
            self._open.popitem(last=False)
        self._record("answered", suggestion_id, language=language, units=units, stages_ms=stages_ms)

    def nothing(self, reason: Reason, language: str) -> None:
        self._record("none", reason=reason, language=language)

    def shown(self, suggestion_id: str, inferred: bool = False) -> None:
        suggestion = self._open.get(suggestion_id)
        if suggestion and not suggestion.shown:
            suggestion.shown = True
            self._record("shown", suggestion_id, language=suggestion.language, inferred=inferred)

    def accepted(self, suggestion_id: str, length: int | None = None, of: int | None = None) -> None:
        """`length`: UTF-16 code units taken so far of what was last answered, or of the `of` that an item had; None
        means all of it."""
        suggestion = self._open.get(suggestion_id)
        if suggestion is None:
            return
        left = 0 if length is None else max(0, (suggestion.given if of is None else of) - length)
        if left >= suggestion.left:
            return
        self.shown(suggestion_id, inferred=True)
        first = not suggestion.taken
        suggestion.taken += suggestion.left - left
        suggestion.left = left
        details: dict[str, Any] = {"language": suggestion.language, "units": suggestion.taken, "left": left}
        if left:
            self._record("partially_accepted", suggestion_id, count=first, **details)
        else:
            del self._open[suggestion_id]
            self._record("accepted", suggestion_id, **details)

    def rejected(self, suggestion_id: str) -> None:
        """Dismissed by the user. What was taken in part before was accepted, and the rest is only let go."""
        self.shown(suggestion_id, inferred=True)
        suggestion = self._open.pop(suggestion_id, None)
        if suggestion and not suggestion.taken:
            self._record("rejected", suggestion_id, language=suggestion.language)

    def counts(self) -> dict[str, int]:
        """Since the server started; each suggestion counts once in each of its states."""
        c = self._counts
        return {
            "requests": c["requested"],
            "answered": c["answered"],
            "shown": c["shown"],
            "accepted": c["accepted"],
            "partially_accepted": c["partially_accepted"],
            "rejected": c["rejected"],
            "superseded": c["none:superseded"],
            "cancelled": c["none:cancelled"],
        }

    def reasons(self) -> dict[str, int]:
        """How many requests went without an answer, by reason; reasons that did not occur are left out."""
        return {reason: n for reason in REASONS if (n := self._counts[f"none:{reason}"])}

    def _record(self, kind: Kind, suggestion_id: str = "", *, count: bool = True, **details: Any) -> None:
        event = Event(kind, time.time(), suggestion_id, **details)
        self._counts[f"none:{event.reason}" if kind == "none" else kind] += count
        self._sink(event)


def utf16_length(text: str) -> int:
    """Code units of UTF-16, the unit of `acceptedLength` whatever the position encoding is."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
