"""Decoding: reuse of the cached prefix, token healing, stops, and one token after another.

Knows engines and tokens; knows nothing of prompt layouts or of who asks. Greedy: the same text each time.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from foretype.model.backend import Cancel
from foretype.model.engine import Engine
from foretype.model.tokenizer import Vocab

_HEALED = 4  # tokens at most: half a word is seldom more, and each may cost a step


@dataclass(frozen=True)
class Prompt:
    """What to go on from: `tokens`, then the bytes `forced`, which the decoder generates first but no answer holds."""

    tokens: tuple[int, ...]
    forced: bytes = b""


@dataclass(frozen=True)
class Step:
    """One generated token: its number, its bytes (without forced ones), the natural logarithm of its probability."""

    token: int
    text: bytes
    logprob: float


def heal(vocab: Vocab, tokens: Sequence[int], typed: str) -> Prompt:
    """A prompt that ends in typed text, the word at its end left to the decoder.

    What is typed may end in the middle of a token ("retu"), and a model has hardly ever seen the pieces that its
    tokenizer makes of half a word: back up to where the word began, and allow only what agrees with the characters.
    "Token healing" (Lundberg, "The Art of Prompt Design: Prompt Boundaries and Token Healing", 2023).
    """
    ahead = vocab.encode(typed)
    forced = b""
    for _ in range(_HEALED):
        if not ahead:
            break
        forced = vocab.bytes_of(ahead.pop()) + forced
        if not forced[:1].isalpha():  # a token that begins with anything but a letter begins a word
            break
    return Prompt((*tokens, *ahead), forced)


class Decoder:
    """Feeds an engine, and remembers which tokens are in its cache."""

    def __init__(self, engine: Engine, vocab: Vocab) -> None:
        self._engine, self._vocab = engine, vocab
        self._cached: list[int] = []

    def reset(self) -> None:
        """Forgets the cache, so that what comes next does not depend on what came before."""
        self._engine.crop(0)
        self._cached = []

    def prefill(self, tokens: Sequence[int], cancel: Cancel) -> tuple[np.ndarray, int]:
        """Makes the cache hold exactly `tokens`; returns the logits after the last of them and how many were there.

        The longest common prefix is kept; the last token is always run again, since its logits are what is wanted.
        """
        common = 0
        for ours, theirs in zip(self._cached, tokens, strict=False):
            if ours != theirs:
                break
            common += 1
        common = min(common, len(tokens) - 1)
        self._crop(common)
        logits = self._forward(tokens[common:], cancel)
        return logits, common

    def stream(
        self, prompt: Prompt, logits: np.ndarray, limit: int, stops: frozenset[int], cancel: Cancel
    ) -> Iterator[Step]:
        """Greedy tokens after a prompt whose `logits` `prefill` returned, until a stop token (not yielded) or `limit`.

        While forced bytes are left, only tokens that agree with them may be chosen. Raises `Cancelled`.
        """
        forced = prompt.forced
        for count in range(limit):
            cancel.check()
            if forced:
                allowed = np.array(self._vocab.agreeing(forced))
                token = int(allowed[np.argmax(logits[allowed])])
            else:
                token = int(np.argmax(logits))
            if token in stops:
                return
            piece = self._vocab.bytes_of(token)
            yield Step(token, piece[len(forced) :], _logprob(logits, token))
            forced = forced[len(piece) :]
            if count + 1 < limit and self._engine.length < self._engine.capacity:
                logits = self._forward([token], cancel)
            else:
                return

    def _crop(self, length: int) -> None:
        self._engine.crop(min(length, self._engine.length))
        del self._cached[length:]

    def _forward(self, tokens: Sequence[int], cancel: Cancel) -> np.ndarray:
        before = len(self._cached)
        try:
            return self._engine.forward(tokens, cancel)[-1]
        finally:
            # after a cancelled run the engine knows how far it came
            self._cached += tokens[: self._engine.length - before]


class Text:
    """Joins the bytes of tokens to text; a character that is not complete yet waits."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.value = ""

    def add(self, piece: bytes) -> str:
        """The whole text so far."""
        self.value += self._decoder.decode(piece)
        return self.value


def _logprob(logits: np.ndarray, token: int) -> float:
    top = float(logits.max())
    return float(logits[token]) - top - math.log(float(np.exp(logits - top).sum()))
