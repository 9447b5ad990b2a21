"""An engine that says what a test tells it to, and remembers all that it was asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from foretype.model.backend import Cancel


class ScriptedEngine:
    """Implements `Engine`. Each `forward` takes one entry of `script`: the token that its logits prefer most, or
    several in the order of preference. With nothing left to say it prefers `otherwise`. Where the logits of several
    tokens are kept, each takes an entry; those of drafted tokens that are cropped right afterwards are put back.

    `cached` is what the cache holds, `calls` what was asked, in order: ("crop", length) and ("forward", tokens).
    `interrupt_after` makes the next `forward` set its flag when so many of its tokens are in the cache.
    """

    def __init__(
        self, vocabulary: int, script: Iterable[int | Sequence[int]] = (), capacity: int = 256, otherwise: int = 0
    ) -> None:
        self.vocabulary, self.capacity, self.length = vocabulary, capacity, 0
        self.script, self.otherwise = deque(script), otherwise
        self.cached: list[int] = []
        self.calls: list[tuple[str, int | tuple[int, ...]]] = []
        self.interrupt_after: int | None = None
        self._drafted: list[int | Sequence[int]] = []  # entries that the last `forward` took for all but its first row

    def forward(self, tokens: Sequence[int], cancel: Cancel, keep: int = 1) -> np.ndarray:
        if not 0 < keep <= len(tokens):
            raise ValueError(f"logits of {keep} of {len(tokens)} tokens")
        if self.length + len(tokens) > self.capacity:
            raise ValueError(f"{self.length} + {len(tokens)} tokens do not fit into {self.capacity}")
        cancel.check()
        self.calls.append(("forward", tuple(tokens)))
        if self.interrupt_after is not None:
            tokens, self.interrupt_after = tokens[: self.interrupt_after], None
            cancel.set()
        self.cached += tokens
        self.length = len(self.cached)
        cancel.check()
        return self._logits(keep)

    def crop(self, length: int) -> None:
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot crop {self.length} tokens to {length}")
        self.calls.append(("crop", length))
        wrong = min(self.length - length, len(self._drafted))
        self.script.extendleft(reversed(self._drafted[len(self._drafted) - wrong :]))
        self._drafted = []
        del self.cached[length:]
        self.length = length

    def forwarded(self) -> list[tuple[int, ...]]:
        """The tokens of each `forward` since the last time, after which `calls` is empty."""
        found = [what for name, what in self.calls if name == "forward"]
        self.calls.clear()
        return found

    def _logits(self, keep: int) -> np.ndarray:
        entries = [self.script.popleft() if self.script else self.otherwise for _ in range(keep)]
        self._drafted = entries[1:]
        logits = np.zeros((keep, self.vocabulary), np.float32)
        for row, entry in zip(logits, entries, strict=True):
            for rank, token in enumerate([entry] if isinstance(entry, int) else entry):
                row[token] = 20 - rank
        return logits
