"""Suggestions that are still true: what was suggested at a place, looked up while it is typed, taken or taken back.

A suggestion is kept under the text around its place. Who stands a few characters further on, and has typed just what it
said, is shown its rest, under the same id: nothing is computed. So do clients' own caches of this kind (llama.vim's is
keyed by digests of the text around the cursor too).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from foretype.context.text import Snapshot
from foretype.lsp.outcome import Nothing, Suggestion

# States; a developer comes back to what was typed within minutes, and one takes a few hundred bytes.
_CAPACITY = 250
# Characters before and after a place that must be the same for it to be the same place.
_BEFORE, _AFTER = 240, 80
# The longest way into a suggestion, in characters: longer than any answer of the default options.
_FURTHER = 400


@dataclass(frozen=True)
class Place:
    """The text around a place in a document, as far as a memory looks."""

    uri: str
    before: str
    after: str

    @classmethod
    def at(cls, snapshot: Snapshot, line: int, column: int) -> Place:
        here = snapshot.lines[line]
        before, first = here[:column], line
        while first > 0 and len(before) < _BEFORE + _FURTHER:
            first -= 1
            before = snapshot.lines[first] + before
        after, last = here[column:], line + 1
        while last < len(snapshot.lines) and len(after) < _AFTER:
            after += snapshot.lines[last]
            last += 1
        return cls(snapshot.uri, before[-_BEFORE - _FURTHER :], after[:_AFTER])

    def key(self, back: int = 0) -> tuple[str, str, str]:
        end = len(self.before) - back
        return self.uri, self.before[max(0, end - _BEFORE) : end], self.after


class Memory:
    """The newest suggestions, the least recently used forgotten first. For one thread."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[tuple[str, str, str], Suggestion] = OrderedDict()
        self._rejected: OrderedDict[str, None] = OrderedDict()

    def remember(self, place: Place, suggestion: Suggestion) -> None:
        key = place.key()
        self._kept[key] = suggestion
        self._kept.move_to_end(key)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)

    def recall(self, place: Place) -> Suggestion | Nothing | None:
        """What is left of a suggestion that was made here or a little before; `Nothing` where it was rejected.

        The one made nearest to the place comes first: it has seen most.
        """
        for back in range(min(_FURTHER, len(place.before)) + 1):
            key = place.key(back)
            found = self._kept.get(key)
            if found is None or not self._goes_on(found, place, back):
                continue
            self._kept.move_to_end(key)
            if found.id in self._rejected:
                return Nothing("rejected")
            return replace(found, text=found.text[back:], stages_ms={}, trimmed=(), figures=None, recalled=True)
        return None

    def reject(self, suggestion_id: str) -> None:
        """It is not to be shown again, however much of it is typed."""
        self._rejected[suggestion_id] = None
        if len(self._rejected) > self._capacity:
            self._rejected.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()

    @staticmethod
    def _goes_on(found: Suggestion, place: Place, back: int) -> bool:
        typed = place.before[len(place.before) - back :]
        return found.text.startswith(typed) and bool(found.text[back:].strip())
