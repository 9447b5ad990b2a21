"""Rows of training pairs as token sequences: the prompt that serving would have read, and the answer to learn.

The prompt is laid out by what serving lays it out with (`model/window.py`, `model/prompt.py`, `model/edits.py`), so
that a model is asked as it was taught; a test compares the two. Four things of fill-in-the-middle rows are training's
own: files are left out of some, so that the model does without; in some the last lines before the cursor stand behind
the sentinel of the middle, where serving has what was typed since the prompt was made; a middle that is too long is
cut and then has no end; and the answer begins with the line that the cursor is in, as serving's does. What is typed and
what follows are tokenized as one text, even where a hole begins inside a token: serving heals such a token (it forces
its characters, `model/generate.py`), so that the model sees the same whole tokens there.

Draws depend on a row's id and the seed alone. Knows no torch.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from foretype.context.rows import EditRow, FimRow, Row, Target
from foretype.model import edit_format, edits, fim
from foretype.model.backend import ContextFile, FimRequest
from foretype.model.prompt import encode, fill_in
from foretype.model.tokenizer import Vocab
from foretype.model.window import Anchor, Budget, Window

# What a row teaches, for the mixture and for the losses: how a hole was cut, or an edit row's class.
Kind = Literal["single", "multi", "span", "edit", "no_edit", "lint", "rename"]
FIM_KINDS: tuple[Kind, ...] = ("single", "multi", "span")
EDIT_KINDS: tuple[Kind, ...] = ("edit", "no_edit", "lint", "rename")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Layout:
    """How rows become sequences, in tokens: `limit` of a whole one, `answer` of what is learnt at least has room for.

    `files` is the share of rows that keep their files, `typed` that of rows with up to `typed_lines` lines (of at most
    `typed_tokens` in all) behind the prompt. The first token of an edit's answer, which says whether and where, counts
    `gate` times: a row without an edit has little else to learn. Edits with more than `unseen` words that the prompt
    does not have are left out, with None no edits are: what cannot be foreseen teaches to guess.
    """

    limit: int = 512
    prefix: int = 256
    suffix: int = 64
    answer: int = 64
    files: float = 0.7
    typed: float = 0.5
    typed_lines: int = 8
    typed_tokens: int = 96
    gate: int = 6
    unseen: int | None = 1
    seed: int = 1


@dataclass(frozen=True)
class Example:
    """A sequence of tokens; those from `start` on are to be learnt, and the first of them counts `first` times."""

    kind: Kind
    tokens: tuple[int, ...]
    start: int
    first: int = 1

    @property
    def learnt(self) -> int:
        """Tokens to learn, as often as each counts."""
        return len(self.tokens) - self.start + self.first - 1


class Rows:
    """Turns rows into examples for one model: its vocabulary and the family of its prompts."""

    def __init__(self, vocab: Vocab, family: fim.Family, layout: Layout) -> None:
        self._vocab, self._family, self._layout = vocab, family, layout
        self._end = vocab.special[family.stop[0]]

    def example(self, row: Row) -> Example | None:
        """What a row teaches, None where it does not fit."""
        return self._edit(row) if isinstance(row, EditRow) else self._fim(row)

    def _fim(self, row: FimRow) -> Example | None:
        draw = random.Random(f"{self._layout.seed} {row.id}")
        files = tuple(ContextFile(file.path, file.text) for file in row.files)
        keep, typed = draw.random() < self._layout.files, draw.random() < self._layout.typed
        request = FimRequest(row.prefix, row.suffix, row.origin.path, files if keep else ())
        anchor = self._anchor(request, draw.randint(1, self._layout.typed_lines) if typed else 0)
        prompt = fill_in(self._vocab, self._family, anchor, self._layout.limit - self._layout.answer)
        begun = anchor.typed(request)
        answer = [*self._vocab.encode(begun + row.middle), self._end]
        room = self._layout.limit - len(prompt)
        if room <= len(self._vocab.encode(begun)):
            return None  # nothing of the middle would be left
        return Example(row.mode, (*prompt, *answer[:room]), len(prompt))

    def _anchor(self, request: FimRequest, lines: int) -> Anchor:
        """Serving's, had it made its prompt up to so many lines before the cursor's."""
        window = Window(self._vocab.encode, Budget(self._layout.prefix, self._layout.suffix))
        cut = len(request.prefix)
        for cut in _line_starts(request.prefix, lines):
            if len(self._vocab.encode(request.prefix[cut:])) <= self._layout.typed_tokens:
                break
        else:
            cut = len(request.prefix)
        return window.anew(replace(request, prefix=request.prefix[:cut]))

    def _edit(self, row: EditRow) -> Example | None:
        def count(text: str) -> int:
            return len(self._vocab.encode(text))

        request = edits.fit(self._family, edits.request_of(row), count, self._layout.limit)
        if request is None:
            return None
        parts = edit_format.render(self._family, request)
        most = self._layout.unseen
        if most is not None and row.target and row.label == "edit" and _unseen(parts, row.target) > most:
            return None
        prompt = encode(self._vocab, parts)
        answer = [*self._vocab.encode(edit_format.answer(request, row.target)), self._end]
        if len(prompt) + len(answer) > self._layout.limit:
            return None
        return Example(row.label, (*prompt, *answer), len(prompt), self._layout.gate)


def _unseen(prompt: Sequence[fim.Part], target: Target) -> int:
    """How many words of an edit the prompt does not have."""
    shown = "".join(part.text for part in prompt if isinstance(part, fim.Text))
    return len(set(_WORD.findall("\n".join(target.lines))).difference(_WORD.findall(shown)))


def _line_starts(text: str, lines: int) -> list[int]:
    """Where at most so many lines before the last one begin, the first of them first; never the text's own start."""
    starts: list[int] = []
    at = text.rfind("\n") + 1
    while len(starts) < lines and (at := text.rfind("\n", 0, max(0, at - 1)) + 1) > 0:
        starts.append(at)
    return starts[::-1]
