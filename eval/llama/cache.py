"""The answers that llama.vim remembers: the 250 last used, by the text around the cursor that they were given for.

As in llama.vim, revision a1c8e6e40cb45df59b78add5b65d575386832465 (2026-01-31); not its code. Knows no server.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from foretype.eval.llama.fim import Window, state

CACHED = 250  # max_cache_keys
LOOK_BACK = 128  # characters


@dataclass(frozen=True)
class Answer:
    """`tokens`: how many of the model's the text is; of the rest of an answer, its characters' share of them."""

    text: str
    tokens: int

    def rest(self, typed: int) -> Answer:
        text = self.text[typed:]
        return Answer(text, round(self.tokens * len(text) / max(1, len(self.text))))


class Cache:
    def __init__(self) -> None:
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def put(self, states: Iterable[str], answer: Answer) -> None:
        for key in states:
            if len(self._answers) >= CACHED:
                self._answers.popitem(last=False)
            self._answers[key] = answer
            self._answers.move_to_end(key)

    def get(self, key: str) -> Answer | None:
        if key in self._answers:
            self._answers.move_to_end(key)
        return self._answers.get(key)

    def recall(self, window: Window) -> Answer | None:
        """The answer for a place; or the rest of an earlier one, given up to `LOOK_BACK` characters before it, that
        agrees with what was typed since: of several the second found, or a longer one found after that."""
        answer = self.get(state(window.prefix + window.middle, window.suffix))
        longest = 0
        for rest in () if answer else self._rests(window):
            if not answer:
                answer = rest
            elif len(rest.text) > longest:
                answer, longest = rest, len(rest.text)
        return answer

    def _rests(self, window: Window) -> Iterator[Answer]:
        """The latest given first."""
        text = window.prefix + window.middle
        for typed in range(1, min(LOOK_BACK, len(text)) + 1):
            answer = self.get(state(text[:-typed], window.suffix))
            if answer and len(answer.text) > typed and answer.text.startswith(text[-typed:]):
                yield answer.rest(typed)
