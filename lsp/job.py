"""One run of the pipeline for a place in a document, which may serve more requests than the one that began it.

While the user types what the model is saying, the run goes on and its answer is as good as one that began later. When
the two part, it stops at once. Knows no requests and no worker: `listen` is called where the model runs, everything
else on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from foretype.lsp.documents import Edit
from foretype.lsp.memory import Place
from foretype.lsp.outcome import Ask, Nothing, Outcome
from foretype.model.backend import Cancel


class Job:
    """`asked_at` is the key's time, in seconds of `time.perf_counter`; `line` and `column` are where the cursor is now,
    `typed` is what came in before it since.

    A run may be for the place behind a suggestion that is not accepted yet: `lead` is its text, and `ask` what will be
    asked once it is; the cursor then is at `start`.
    """

    def __init__(
        self,
        ask: Ask,
        asked_at: float,
        post: Callable[..., object],
        lead: str = "",
        start: tuple[int, int] | None = None,
    ) -> None:
        self.ask = ask
        self.place = Place.at(ask.snapshot, ask.line, ask.column)
        self.cancel = Cancel()
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.asked_at = asked_at
        self.line, self.column = start or (ask.line, ask.column)
        self.typed = ""
        self._lead = self._said = lead

        def cancelled() -> None:
            post(self.settle, Nothing("superseded"))

        self.cancel.on_set(cancelled)

    def settle(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def follow(self, edits: Sequence[Edit]) -> bool:
        """Takes note of what was typed; False, and the end of it, if it is not what the model says."""
        if len(edits) != 1 or not self._take(edits[0]) or not self._agrees():
            self.cancel.set()
        return not self.cancel.is_set()

    def serves(self, line: int, column: int) -> bool:
        """Whether its answer is one for a cursor that stands here now."""
        here = (line, column) == (self.line, self.column)
        return here and self.typed.startswith(self._lead) and not self.cancel.is_set()

    def listen(self, said: str) -> None:
        """The model's text so far."""
        self._said = self._lead + said
        if not self._agrees():
            self.cancel.set()

    def _agrees(self) -> bool:
        said, typed = self._said, self.typed
        return said.startswith(typed) or typed.startswith(said)

    def _take(self, edit: Edit) -> bool:
        """Applies an edit at the cursor: something typed there, or taken back."""
        begun = self.column - len(edit.removed)
        if "\n" in edit.removed or (edit.line, edit.column) != (self.line, begun):
            return False
        if not self.typed.endswith(edit.removed):
            return False
        self.typed = self.typed[: len(self.typed) - len(edit.removed)] + edit.inserted
        breaks = edit.inserted.count("\n")
        tail = edit.inserted.rpartition("\n")[2]
        self.line, self.column = self.line + breaks, len(tail) if breaks else begun + len(tail)
        return True
