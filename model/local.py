"""The local backend: a built model on the user's own processor.

Puts together what the other modules do: finds or builds the model, cuts the text to its budget, lays out the prompt,
decodes. Knows nothing of the protocol.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from foretype.model import fim
from foretype.model.backend import BackendError, Cancel, ContextFile, FimRequest, FimResult
from foretype.model.engine import Engine
from foretype.model.generate import Decoder, Text, heal
from foretype.model.progress import Progress, silent
from foretype.model.tokenizer import Vocab

# Characters per token when a text is cut before it is tokenized: more than code has (3 to 4), to be on the safe side.
_CHARACTERS = 8
# Tokens of the line at the cursor that always find room beside other files.
_CURRENT_LINE = 128
# How far the window may grow past its budget before its left edge moves: while it stays, the cache survives.
_SLACK = 1.25


@dataclass(frozen=True)
class Budget:
    """Tokens before and after the cursor that the prompt may hold."""

    prefix: int = 256
    suffix: int = 64


def open_backend(
    name: str,
    adapter: str = "default",
    threads: int = 0,
    context_tokens: int = 2048,
    prefix_tokens: int = 256,
    suffix_tokens: int = 64,
    progress: Progress = silent,
) -> LocalBackend:
    """Loads a model of the catalogue or a path, pulled and built first if need be. Raises `BackendError`."""
    from foretype.model import store
    from foretype.model.onnx import OnnxEngine

    try:
        built = store.ensure_built(name, adapter, progress)
    except store.StoreError as error:
        raise BackendError(str(error)) from error
    progress("loading the model", 0, 0)
    family = fim.FAMILIES.get(built.manifest.get("family", "")) or fim.family_of(f"{name} {built.folder}")
    if family is None:
        known = ", ".join(fim.FAMILIES)
        raise BackendError(
            f"{name}: its fill-in-the-middle prompt is not known; name its family in manifest.json ({known})"
        )
    vocab = Vocab(built.tokenizer)
    vocab.warm()
    # beyond its own context the graph has no positions
    capacity = min(context_tokens, built.manifest.get("context", context_tokens))
    engine = OnnxEngine(built.model, capacity, threads)
    label = " + ".join(filter(None, (built.manifest.get("name", Path(name).name), built.manifest.get("adapter", ""))))
    backend = LocalBackend(label, engine, vocab, family, Budget(prefix_tokens, suffix_tokens))
    backend.model_sha256 = built.manifest.get("sha256", "")
    return backend


class LocalBackend:
    """Implements `Backend` over an engine. Raises `BackendError` if the vocabulary lacks the family's sentinels."""

    def __init__(self, name: str, engine: Engine, vocab: Vocab, family: fim.Family, budget: Budget) -> None:
        missing = [str(sentinel) for sentinel in family.sentinels if sentinel.token not in vocab.special]
        if missing:
            raise BackendError(
                f"{name} has no token {missing[0]}, so it cannot fill in the middle as {family.name} does"
            )
        self.name = name
        self._engine, self._vocab, self._budget = engine, vocab, budget
        self._family = family
        self.context_layout = "files"  # one of `fim.LAYOUTS`: how other files are written
        self.model_sha256 = ""
        self._decoder = Decoder(engine, vocab)
        self._stops = frozenset(vocab.special[stop] for stop in family.stop if stop in vocab.special)
        self._window = Window("", 0, "")

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        started = time.perf_counter()
        cancel.check()
        # The line that is being typed goes behind the middle's sentinel: typing on then leaves the prompt as it was,
        # so that only what is new must be read (llama.vim's layout).
        cut = max(request.prefix.rfind("\n"), request.prefix.rfind("\r")) + 1
        # Of a line that is very long only its end, cut in steps so that this holds then too.
        most = max(1, self._budget.prefix)
        cut += (len(request.prefix) - cut) // most * most
        before, after = self._prefix(request.path, request.prefix[:cut]), self._suffix(request.suffix)
        laid_out = self._lay_out(request, before, after)
        prompt = heal(self._vocab, laid_out, request.prefix[cut:])
        room = self._engine.capacity - len(prompt.tokens)
        if room < 1:
            raise BackendError(
                f"the prompt has {len(prompt.tokens)} tokens, the cache {self._engine.capacity}; "
                "raise model.context_tokens or lower completion.prefix_tokens"
            )
        rendered = time.perf_counter()
        logits, cached = self._decoder.prefill(prompt.tokens, cancel)
        filled = time.perf_counter()
        text, logprobs, answered, finish, kept = Text(), [], 0, "length", None
        # a forced word may take as many tokens as it has bytes, and is not part of the answer
        limit = min(room, request.max_tokens + len(prompt.forced))
        for step in self._decoder.stream(prompt, logits, limit, self._stops, cancel):
            logprobs.append(step.logprob)
            answered += bool(step.text)
            kept = fim.answer_end(text.add(step.text), request)
            if kept is not None or answered >= request.max_tokens:
                break
        else:
            finish = "stop" if len(logprobs) < limit else "length"
        ended = time.perf_counter()
        return FimResult(
            text=text.value if kept is None else text.value[:kept],
            finish=finish if kept is None else "stop",
            tokens=len(logprobs),
            logprobs=tuple(logprobs),
            prompt_tokens=len(prompt.tokens),
            cached_tokens=cached,
            prefix_tokens=len(before) + len(prompt.tokens) - len(laid_out),
            suffix_tokens=len(after),
            stages_ms={
                "render": 1000 * (rendered - started),
                "prefill": 1000 * (filled - rendered),
                "decode": 1000 * (ended - filled),
            },
        )

    def count(self, text: str) -> int:
        """The tokens of a text."""
        return len(self._vocab.encode(text))

    def reset(self) -> None:
        """Forgets everything that an earlier request left behind."""
        self._decoder.reset()
        self._window = Window("", 0, "")

    def close(self) -> None:
        """Nothing to do: the engine goes with the object."""

    def _lay_out(self, request: FimRequest, before: list[int], after: list[int]) -> list[int]:
        """The prompt, with as many of the last files as leave room for an answer."""
        files = request.files
        most = self._engine.capacity - request.max_tokens - _CURRENT_LINE
        while len(tokens := self._tokens(files, request.path, before, after)) > most and files:
            files = files[1:]
        return tokens

    def _tokens(self, files: tuple[ContextFile, ...], path: str, before: list[int], after: list[int]) -> list[int]:
        tokens: list[int] = []
        for part in fim.layout(fim.written_as(self._family, self.context_layout), "", "", files, path):
            if isinstance(part, fim.Sentinel):
                tokens.append(self._vocab.special[part.token])
            elif part.role == "context":
                tokens += self._vocab.encode(part.text)
            else:
                tokens += before if part.role == "prefix" else after
        return tokens

    def _suffix(self, text: str) -> list[int]:
        return self._vocab.encode(text[: self._budget.suffix * _CHARACTERS])[: self._budget.suffix]

    def _prefix(self, path: str, head: str) -> list[int]:
        """The last tokens of the text before the line, from where the window began last time if that still does."""
        window, most = self._window, int(self._budget.prefix * _SLACK)
        if window.path == path and head.startswith(window.first, window.start):
            tokens = self._vocab.encode(head[window.start :][-most * _CHARACTERS :])
            if self._budget.prefix // 2 < len(tokens) <= most:
                return tokens
        start = _line_start(head, len(head) - self._budget.prefix * _CHARACTERS)
        tokens = self._vocab.encode(head[start:])
        while len(tokens) > self._budget.prefix:
            # drop whole lines for the share of the text that is too much
            surplus = 1 - self._budget.prefix / len(tokens)
            start = _line_start(head, start + max(1, int((len(head) - start) * surplus)))
            tokens = self._vocab.encode(head[start:])
        self._window = Window(path, start, head[start : start + 200])
        return tokens


@dataclass(frozen=True)
class Window:
    """Where the prompt's text began in a file, in characters, and what it began with."""

    path: str
    start: int
    first: str


def _line_start(text: str, offset: int) -> int:
    """The first line start at or after an offset, or the offset if no other line begins there."""
    if offset <= 0:
        return 0
    newline = text.find("\n", offset - 1, len(text) - 1)
    return offset if newline < 0 else newline + 1
