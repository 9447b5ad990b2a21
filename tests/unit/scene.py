"""The local backend over a scripted engine, and what the engine was made to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripted_engine import ScriptedEngine
from tiny_model import CONTROL, ID, TOKENS

from foretype.model.backend import Cancel, FimRequest, FimResult
from foretype.model.fim import FAMILIES
from foretype.model.local import Budget, LocalBackend
from foretype.model.tokenizer import Vocab

STOP = ID["<|endoftext|>"]
PREFIX, SUFFIX, MIDDLE = (ID[f"<|fim_{part}|>"] for part in ("prefix", "suffix", "middle"))


class Scene:
    """`script` is what the engine says, `prefix` and `suffix` are the budget in tokens, `capacity` is the cache's."""

    def __init__(
        self, vocab: Vocab, *script: int | Sequence[int], prefix: int = 256, suffix: int = 64, capacity: int = 2048
    ) -> None:
        self.engine = ScriptedEngine(len(TOKENS), script, capacity, otherwise=STOP)
        self.backend = LocalBackend("tiny", self.engine, vocab, FAMILIES["qwen2.5-coder"], Budget(prefix, suffix))
        self._vocab = vocab

    def complete(self, prefix: str = "", suffix: str = "", cancel: Cancel | None = None, **options: Any) -> FimResult:
        return self.backend.complete(FimRequest(prefix, suffix, **options), cancel or Cancel())

    def prompt(self, *text: str, **options: Any) -> list[int]:
        """The tokens that were in the cache when the answer began."""
        result = self.complete(*text, **options)
        return self.engine.cached[: result.prompt_tokens]

    def parts(self, *text: str, **options: Any) -> str:
        """The prompt as text, control tokens in their own spelling."""
        spelled = (
            TOKENS[token].encode() if TOKENS[token] in CONTROL else self._vocab.bytes_of(token)
            for token in self.prompt(*text, **options)
        )
        return b"".join(spelled).decode("utf-8", "replace")

    def sides(self, *text: str, **options: Any) -> tuple[list[int], list[int], list[int]]:
        """The tokens before the line that is typed, those after the cursor, and those of the line."""
        prompt = self.prompt(*text, **options)
        begin, after, typed = (prompt.index(sentinel) for sentinel in (PREFIX, SUFFIX, MIDDLE))
        return prompt[begin + 1 : after], prompt[after + 1 : typed], prompt[typed + 1 :]
