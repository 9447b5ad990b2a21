"""Decoding: reuse of the cached prefix, token healing, stops, and tokens, several in one run where drafts agree.

Knows engines and tokens; knows nothing of prompt layouts, of where drafts come from or of who asks. Greedy: the same
text each time. A draft never changes what is chosen, but a run of several tokens rounds its sums in another order than
runs of one, so that two tokens whose logits differ by less than about 0.01 may change places.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from foretype.model.backend import Cancel
from foretype.model.drafts import Drafts
from foretype.model.engine import Engine
from foretype.model.tokenizer import Vocab

_MOST_MARGIN = 20.0  # natural logarithms: the only allowed token has no second best
_NEVER = 1e-30
_HEALED = 4  # tokens at most: half a word is seldom more, and each may cost a step


@dataclass(frozen=True)
class Prompt:
    """What to go on from: `tokens`, then the bytes `forced`, which the decoder generates first but no answer holds.

    `drafted` are the tokens that the tokenizer makes of `forced`: `prefill` can verify them in its own run.
    """

    tokens: tuple[int, ...]
    forced: bytes = b""
    drafted: tuple[int, ...] = ()


@dataclass(frozen=True)
class Step:
    """One generated token: its number, its bytes (without forced ones), the natural logarithm of its probability.

    `margin` is how far that is above that of `second`, the second best token, at most 20. Where bytes are forced, both
    are among the tokens that agree with them. A token without text belongs to what was typed, not to the answer.
    """

    token: int
    text: bytes
    logprob: float
    margin: float
    second: int


def heal(vocab: Vocab, tokens: Sequence[int], typed: str) -> Prompt:
    """A prompt that ends in typed text, the word at its end left to the decoder.

    What is typed may end in the middle of a token ("retu"), and a model has hardly ever seen the pieces that its
    tokenizer makes of half a word: back up to where the word began, and allow only what agrees with the characters.
    "Token healing" (Lundberg, "The Art of Prompt Design: Prompt Boundaries and Token Healing", 2023).
    """
    ahead = vocab.encode(typed)
    forced, drafted = b"", []
    for _ in range(_HEALED):
        if not ahead:
            break
        drafted.append(ahead.pop())
        forced = vocab.bytes_of(drafted[-1]) + forced
        if not forced[:1].isalpha():  # a token that begins with anything but a letter begins a word
            break
    return Prompt((*tokens, *ahead), forced, tuple(reversed(drafted)))


class Decoder:
    """Feeds an engine, and remembers which tokens are in its cache."""

    def __init__(self, engine: Engine, vocab: Vocab) -> None:
        self._engine, self._vocab = engine, vocab
        self._cached: list[int] = []
        self._scratch = np.empty(engine.vocabulary, np.float32)  # new pages for each token would cost more than the sum

    def reset(self) -> None:
        """Forgets the cache, so that what comes next does not depend on what came before."""
        self._engine.crop(0)
        self._cached = []

    def common(self, tokens: Sequence[int]) -> int:
        """How many of the first tokens are in the cache."""
        different = (index for index, pair in enumerate(zip(self._cached, tokens, strict=False)) if pair[0] != pair[1])
        return next(different, min(len(self._cached), len(tokens)))

    def prefill(self, tokens: Sequence[int], cancel: Cancel, drafted: Sequence[int] = ()) -> tuple[np.ndarray, int]:
        """Makes the cache hold exactly `tokens` and those of the drafted ones that fit.

        Returns the logits [1 + drafted, vocabulary] after the last token and after each drafted one, and how many of
        the tokens were there: the longest common prefix is kept, but the last token is always run again, since its
        logits are what is wanted.
        """
        drafted = drafted[: max(0, self._engine.capacity - len(tokens))]
        common = min(self.common(tokens), len(tokens) - 1)
        self._crop(common)
        rows = self._forward([*tokens[common:], *drafted], cancel, 1 + len(drafted))
        return rows, common

    def likelihood(self, logits: np.ndarray, token: int) -> tuple[float, float, int]:
        """The natural logarithms of the probabilities that the token comes, and the likeliest other one; and that
        one."""
        scratch = np.exp(np.subtract(logits, logits.max(), out=self._scratch), out=self._scratch)
        total, this = float(scratch.sum()), float(scratch[token])
        scratch[token] = 0
        other = int(scratch.argmax())
        return math.log(max(this, _NEVER) / total), math.log(max(float(scratch[other]), _NEVER) / total), other

    def stream(
        self,
        prompt: Prompt,
        logits: np.ndarray,
        limit: int,
        stops: frozenset[int],
        cancel: Cancel,
        drafts: Drafts | None = None,
    ) -> Iterator[Step]:
        """Greedy tokens after a prompt whose `logits` `prefill` returned, until a stop token (not yielded) or `limit`.

        While forced bytes are left, only tokens that agree with them may be chosen. What is likely to come (the
        tokenizer's own tokens of the forced bytes, then what `drafts` proposes) is run together with the last token,
        and holds as far as it is what would have been chosen. Raises `Cancelled`.
        """
        forced, left = prompt.forced, limit
        rows, ahead = np.atleast_2d(logits), self._cached[len(prompt.tokens) :]
        while left > 0:
            agreed = 0
            for row, expected in zip_longest(rows, ahead):
                cancel.check()
                token, logprob, margin, second = self._choose(row, forced)
                if token in stops:
                    return
                piece = self._vocab.bytes_of(token)
                text, forced, left = piece[len(forced) :], forced[len(piece) :], left - 1
                if drafts:
                    drafts.follow(token)
                yield Step(token, text, logprob, margin, second)
                if not left:
                    return
                if token != expected:
                    break
                agreed += 1
            length = len(self._cached) - len(ahead) + agreed
            room = self._engine.capacity - length - 1
            if room < 0:
                return
            self._crop(length)
            ahead = self._ahead(forced, min(left - 1, room), drafts)
            rows = self._forward([token, *ahead], cancel, 1 + len(ahead))

    def _choose(self, logits: np.ndarray, forced: bytes) -> tuple[int, float, float, int]:
        """The best token that agrees with the forced bytes, and what `Step` says of it."""
        allowed = self._vocab.agreeing(forced) if forced else None
        if allowed is not None:
            logits = logits[allowed]
        best = int(logits.argmax())
        scratch = np.subtract(logits, logits[best], out=self._scratch[: len(logits)])
        scratch[best] = -np.inf
        second = int(scratch.argmax())
        margin = min(-float(scratch[second]), _MOST_MARGIN)
        logprob = -float(np.log1p(np.exp(scratch, out=scratch).sum()))
        if allowed is not None:
            best, second = int(allowed[best]), int(allowed[second])
        return best, logprob, margin, second

    def _ahead(self, forced: bytes, room: int, drafts: Drafts | None) -> list[int]:
        if forced:
            return self._vocab.encode(forced.decode("utf-8", "replace"))[:room]
        return drafts.propose(room) if drafts else []

    def _crop(self, length: int) -> None:
        self._engine.crop(min(length, self._engine.length))
        del self._cached[length:]

    def _forward(self, tokens: Sequence[int], cancel: Cancel, keep: int) -> np.ndarray:
        before = len(self._cached)
        try:
            return self._engine.forward(tokens, cancel, keep)
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
