"""How fast a model reads and writes on this machine, as its own requests show, and what can be read before a deadline.

Begins with what was measured when the model was loaded for the first time; a machine that is busy with other things
makes it slower, and its requests tell. Knows neither engines nor text.
"""

from __future__ import annotations

# Tokens of an answer, which also have to be decoded before the deadline: the median of accepted ones is near it.
_ANSWER = 8
# A run is a sample from so many tokens on; shorter ones are dominated by the cost of a run.
_SAMPLE = 32
_WEIGHT = 1 / 4  # of a new sample
# However slow or busy a machine is: with fewer, answers are wrong rather than late.
_LEAST = 128


class Pace:
    """`prompt_tokens_per_s` and `token_ms`, 0 while they are not known."""

    def __init__(self, prompt_tokens_per_s: float = 0.0, token_ms: float = 0.0) -> None:
        self.prompt_tokens_per_s, self.token_ms = prompt_tokens_per_s, token_ms

    def read(self, tokens: int, ms: float) -> None:
        """So many new tokens of a prompt took so long."""
        if tokens >= _SAMPLE and ms > 0:
            self.prompt_tokens_per_s = _mixed(self.prompt_tokens_per_s, 1000 * tokens / ms)

    def wrote(self, tokens: int, ms: float) -> None:
        if tokens and ms > 0:
            self.token_ms = _mixed(self.token_ms, ms / tokens)

    def affordable(self, deadline_ms: float) -> int | None:
        """New tokens of a prompt that leave time for an answer before the deadline; None where that is not known."""
        if not self.prompt_tokens_per_s:
            return None
        left_ms = deadline_ms - _ANSWER * self.token_ms
        return max(_LEAST, int(left_ms * self.prompt_tokens_per_s / 1000))


def _mixed(before: float, sample: float) -> float:
    return before + _WEIGHT * (sample - before) if before else sample
