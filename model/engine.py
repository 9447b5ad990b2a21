"""What an engine is: tokens in, logits out, and a cache that can be cut back.

Knows neither text nor files; `model/onnx.py` is the engine that serves, tests bring a scripted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from foretype.model.backend import Cancel


class Engine(Protocol):
    """A decoder with its key-value cache. Not thread-safe: one thread at a time.

    `length` is the number of tokens in the cache, `capacity` the most it holds, `vocabulary` the width of the logits.
    """

    length: int
    capacity: int
    vocabulary: int

    def forward(self, tokens: Sequence[int], cancel: Cancel, keep: int = 1) -> np.ndarray:
        """Appends the tokens; returns float32 [keep, vocabulary], the logits after each of the last `keep` of them.

        The array is valid until the next call. Raises `Cancelled`; the cache then holds what it held before, and
        perhaps some of the tokens (see `length`). Raises ValueError if the tokens do not fit.
        """
        ...

    def crop(self, length: int) -> None:
        """Forgets all but the first `length` tokens. Copies nothing."""
        ...
