"""One suggestion from its answer on: how much of it is in the text by now, typed or taken, and how it ended.

Follows the document's edits at the suggestion's place. Decides nothing about what the client did; `lives.py`
does, and writes the row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from foretype.context.text import Snapshot
from foretype.lsp.documents import Edit
from foretype.lsp.log.opportunity import behind
from foretype.lsp.log.schema import STAGES, Opportunity, Part
from foretype.lsp.outcome import Figures, Suggestion

# What an edit means for a suggestion.
Fit = Literal["agrees", "differs", "elsewhere"]

# Where the backend does not tell, or a rule wrote the text. CPO does not depend on it.
CHARACTERS_PER_TOKEN = 3.0

_PARTS: tuple[Part, ...] = ("", "words", "lines", "all")


@dataclass(eq=False)
class Life:
    """`text` begins at `start`, a line and a column in characters, and the first `consumed` characters of it are in the
    document, `typed` of them at least by typing, `typed_last` with the last key. `taken` counts UTF-16 code units that
    were accepted since it was given anew, and acceptances of the first `counted` characters are in the row: those that
    were undone and come again are not counted twice. `announced` was accepted and has not come in yet.
    `at_once`: the rest came in with one change. `snapshot` is of the request, where code is captured."""

    row: Opportunity
    uri: str
    text: str
    start: tuple[int, int]
    answered_at: float
    consumed: int = 0
    typed: int = 0
    typed_last: int = 0
    shown_at: float | None = None
    taken: int = 0
    counted: int = 0
    accepted: str = ""
    announced: str = ""
    at_once: bool = False
    snapshot: Snapshot | None = None

    @property
    def rest(self) -> str:
        return self.text[self.consumed :]

    def place(self, characters: int) -> tuple[int, int]:
        """Where the text is, or would be, after so many of its characters."""
        return behind(Edit(*self.start, "", self.text[:characters]))

    def follow(self, edit: Edit, typed: bool) -> Fit:
        """Takes note of an edit; `typed`: it is not an acceptance."""
        cursor = self.place(self.consumed)
        if not edit.removed and (edit.line, edit.column) == cursor:
            if not self.rest.startswith(edit.inserted):
                return "differs"
            self.consumed += len(edit.inserted)
            self.announced = ""
            if typed:
                self.typed, self.typed_last = self.consumed, len(edit.inserted)
            return "agrees"
        kept = self.consumed - len(edit.removed)
        if not edit.inserted and kept >= 0 and (edit.line, edit.column) == self.place(kept):
            return self._back(kept, edit)
        return "differs" if edit.line == cursor[0] else "elsewhere"

    def _back(self, kept: int, edit: Edit) -> Fit:
        if self.text[kept : self.consumed] != edit.removed:
            return "differs"
        self.consumed, self.typed = kept, min(self.typed, kept)
        return "agrees"

    def go_on(self, rest: str, place: tuple[int, int], now: float) -> None:
        """It was given to the client again, as what is left of it at a place."""
        if self.text.endswith(rest):
            self.consumed = len(self.text) - len(rest)
        else:
            self.text, self.start, self.consumed, self.counted = rest, place, 0, 0
        self.typed = min(self.typed, self.consumed)
        self.answered_at = now
        self.at_once = False

    def take(self, units: int, left: int) -> tuple[int, int]:
        """So many code units were accepted in all, and `left` are behind them: from which character of the text to
        which that was, without those that were typed before. The row's figures are brought up to it."""
        end = len(self.text) - _characters(self.text[::-1], left)
        start = end - _characters(self.text[:end][::-1], units - self.taken)
        # what came in with one key looked typed, until now
        start = max(start, self.typed if self.typed < end else end - self.typed_last)
        self.taken = units if left else 0
        new, row = self.text[max(start, self.counted) : end], self.row
        self.counted = max(self.counted, end)
        self.accepted += new
        row.accepted_characters = min(row.accepted_characters + len(new), row.characters)
        tokens = row.tokens or row.characters / CHARACTERS_PER_TOKEN
        row.accepted_tokens = round(tokens * row.accepted_characters / max(1, row.characters), 3)
        row.part = max(row.part, _part(self.text, end), key=_PARTS.index)
        return start, end


def describe(row: Opportunity, found: Suggestion) -> None:
    """What a suggestion is, in its row."""
    row.characters = len(found.text)
    row.multi = int("\n" in found.text)


def measure(row: Opportunity, figures: Figures | None) -> None:
    """What the model was given and what it gave."""
    if figures:
        row.tokens = figures.tokens
        row.prompt_tokens, row.cached_tokens = figures.prompt_tokens, figures.cached_tokens
        row.snippets, row.confidence = figures.snippets, figures.confidence
        row.evidence = json.dumps(list(figures.evidence.values()), separators=(",", ":")) if figures.evidence else None


def take_times(row: Opportunity, stages_ms: Mapping[str, float]) -> None:
    """What each stage took, the model's among them."""
    for stage in STAGES:
        ms = stages_ms.get(stage, stages_ms.get(f"model_{stage}"))
        if ms is not None:
            setattr(row, f"{stage}_us", round(1000 * ms))


def only(edits: Sequence[Edit], text: str) -> bool:
    """Whether the edits put in a text and do nothing else."""
    return len(edits) == 1 and bool(text) and edits[0] == replace(edits[0], removed="", inserted=text)


def _part(text: str, end: int) -> Part:
    if end >= len(text):
        return "all"
    return "lines" if text[end] in "\r\n" or text[:end].endswith("\n") else "words"


def _characters(text: str, units: int) -> int:
    """How many of the first characters make up so many UTF-16 code units; half a pair makes none."""
    if text.isascii():
        return max(0, min(units, len(text)))
    seen = 0
    for place, character in enumerate(text):
        seen += 2 if character > "￿" else 1
        if seen > units:
            return place
    return len(text)
