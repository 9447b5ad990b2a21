"""The local backend: a built model on the user's own processor.

Puts together what the other modules do: finds or builds the model, cuts the text to its budget, lays out the prompt,
decodes. Knows nothing of the protocol.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from foretype.context.rows import Target
from foretype.model import confident, edit_format, edits, fim
from foretype.model.backend import BackendError, Cancel, EditQuestion, EditResult, FimRequest, FimResult
from foretype.model.drafts import Acceptance, Drafts
from foretype.model.engine import Engine
from foretype.model.generate import Decoder, Prompt, Step, Text, heal
from foretype.model.pace import Pace
from foretype.model.progress import Progress, silent
from foretype.model.prompt import encode, fill_in
from foretype.model.tokenizer import Vocab
from foretype.model.window import Anchor, Budget, Window

# Tokens that have been typed since the prompt was made and always find room beside other files.
_TYPED = 128


def open_backend(
    name: str,
    adapter: str = "default",
    threads: int = 0,
    context_tokens: int = 2048,
    prefix_tokens: int = 256,
    suffix_tokens: int = 64,
    engine: str = "auto",
    deadline_ms: int = 0,
    progress: Progress = silent,
) -> LocalBackend:
    """Loads a model of the catalogue or a path, pulled and built first if need be; `engine` is one of `ENGINES`, and
    `deadline_ms` the backend's. Raises `BackendError`."""
    from foretype.model import engines, store

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
    opened, speed = engines.open_measured(built.model, capacity, threads, engine)
    label = " + ".join(filter(None, (built.manifest.get("name", Path(name).name), built.manifest.get("adapter", ""))))
    backend = LocalBackend(label, opened, vocab, family, Budget(prefix_tokens, suffix_tokens), deadline_ms)
    if speed:
        backend.pace = Pace(speed.prompt_tokens_per_s, speed.token_ms)
    backend.model_sha256 = built.manifest.get("sha256", "")
    backend.adapter_sha256 = built.manifest.get("adapter_sha256", "")
    return backend


class LocalBackend:
    """Implements `Backend` over an engine. Raises `BackendError` if the vocabulary lacks the family's sentinels.

    With a `deadline_ms` the prompt of a request that finds nothing in the cache is cut to what can be read in time.
    """

    def __init__(
        self, name: str, engine: Engine, vocab: Vocab, family: fim.Family, budget: Budget, deadline_ms: int = 0
    ) -> None:
        missing = [str(sentinel) for sentinel in family.sentinels if sentinel.token not in vocab.special]
        if missing:
            raise BackendError(
                f"{name} has no token {missing[0]}, so it cannot fill in the middle as {family.name} does"
            )
        self.name = name
        self._engine, self._vocab = engine, vocab
        self._family = family
        self.context_layout = "files"  # one of `fim.LAYOUTS`: how other files are written
        self.model_sha256 = self.adapter_sha256 = ""
        self._decoder = Decoder(engine, vocab)
        self._acceptance = Acceptance()
        self._stops = frozenset(vocab.special[stop] for stop in family.stop if stop in vocab.special)
        self._window = Window(vocab.encode, budget)
        self.pace = Pace()
        self._deadline_ms = deadline_ms

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        started = time.perf_counter()
        cancel.check()
        anchor, laid_out = self._in_time(request)
        prompt = heal(self._vocab, laid_out, anchor.typed(request))
        room = self._engine.capacity - len(prompt.tokens)
        if room < 1:
            raise BackendError(
                f"the prompt has {len(prompt.tokens)} tokens, the cache {self._engine.capacity}; "
                "raise model.context_tokens or lower completion.prefix_tokens"
            )
        drafts = None if request.single_line else self._drafts(anchor, prompt.tokens[len(laid_out) :])
        drafted = prompt.drafted or (drafts.propose(request.max_tokens - 1) if drafts else ())
        rendered = time.perf_counter()
        logits, cached = self._decoder.prefill(prompt.tokens, cancel, drafted)
        filled = time.perf_counter()
        text, answer, ends, finish, kept = Text(), list[Step](), list[int](), "length", None
        # a forced word may take as many tokens as it has bytes, and is not part of the answer
        limit = left = min(room, request.max_tokens + len(prompt.forced))
        for step in self._decoder.stream(prompt, logits, limit, self._stops, cancel, drafts):
            left -= 1
            said = text.add(step.text)
            if step.text:
                answer.append(step)
                ends.append(len(said))
            kept = fim.answer_end(said, request)
            if kept is not None or len(answer) >= request.max_tokens:
                break
            logprobs = [step.logprob for step in answer]
            if request.confident and confident.settled(said, ends, logprobs, request.max_tokens - len(answer)):
                break
        else:
            finish = "stop" if left else "length"
        ended = time.perf_counter()
        self.pace.read(len(prompt.tokens) - cached, 1000 * (filled - rendered))
        self.pace.wrote(limit - left, 1000 * (ended - filled))
        return FimResult(
            text=text.value if kept is None else text.value[:kept],
            finish=finish if kept is None else "stop",
            tokens=len(answer),
            logprobs=tuple(step.logprob for step in answer),
            margins=tuple(step.margin for step in answer),
            ends=tuple(ends if kept is None else (min(end, kept) for end in ends)),
            prompt_tokens=len(prompt.tokens),
            cached_tokens=cached,
            prefix_tokens=len(anchor.before) + len(prompt.tokens) - len(laid_out),
            suffix_tokens=len(anchor.after),
            stages_ms={
                "render": 1000 * (rendered - started),
                "prefill": 1000 * (filled - rendered),
                "decode": 1000 * (ended - filled),
            },
        )

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        """Reads the prompt of a request to come, as large as the budget allows. Raises as `complete` does."""
        anchor = self._window.standing(request)
        if anchor is None or anchor.budget != self._window.budget:
            anchor = self._window.anew(request)
        prompt = heal(self._vocab, self._lay_out(anchor, request.max_tokens), anchor.typed(request))
        if len(prompt.tokens) < self._engine.capacity:
            self._decoder.prefill(prompt.tokens, cancel)

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        started = time.perf_counter()
        cancel.check()
        request = edits.fit(self._family, question.request, self.count)
        if request is None:
            return EditResult()
        prompt = Prompt(tuple(encode(self._vocab, edit_format.render(self._family, request))))
        if (room := self._engine.capacity - len(prompt.tokens)) < 1:
            raise BackendError(
                f"the question for an edit has {len(prompt.tokens)} tokens, the cache {self._engine.capacity}; "
                "raise model.context_tokens"
            )
        rendered = time.perf_counter()
        rows, cached = self._decoder.prefill(prompt.tokens, cancel)
        filled = time.perf_counter()
        self.pace.read(len(prompt.tokens) - cached, 1000 * (filled - rendered))
        nothing = self._vocab.encode(edit_format.NOTHING)[0]
        given, other, instead = self._decoder.likelihood(rows[0], nothing)
        result = EditResult(
            window=(request.window.start, request.window.stop),
            gap=other - given,
            prompt_tokens=len(prompt.tokens),
            cached_tokens=cached,
        )
        if question.max_tokens and result.gap >= question.least_gap:
            most = min(room, question.max_tokens)
            begun: list[Step] = []
            # the answer that repeats the lines in question: what comes is often that, but for a few words
            likely = self._vocab.encode(edit_format.answer(request, Target(*request.focus, request.focused)))
            if result.gap <= 0:  # the model would do nothing
                likely = []
                begun = [Step(instead, self._vocab.bytes_of(instead), other, 0.0, instead)]
                rows, _ = self._decoder.prefill((*prompt.tokens, instead), cancel)
            steps = self._answer(prompt.tokens, begun, rows, likely, most, cancel)
            result, written = _written(result, steps, most)
            if edit_format.parse(request, result.text) == edit_format.NoEdit("unchanged"):
                again = self._otherwise(prompt.tokens, written, len(begun), most, cancel)
                result = _written(result, again, most)[0] if again else result
        ended = time.perf_counter()
        spent = {"render": rendered - started, "prefill": filled - rendered, "decode": ended - filled}
        return replace(result, stages_ms={stage: 1000 * seconds for stage, seconds in spent.items()})

    def _answer(
        self,
        prompt: tuple[int, ...],
        begun: list[Step],
        rows: np.ndarray,
        likely: Sequence[int],
        most: int,
        cancel: Cancel,
    ) -> Iterator[Step]:
        """An answer of at most so many tokens, from what was begun on; `rows` are the logits after that."""
        whole = Prompt((*prompt, *(step.token for step in begun)))
        drafts = Drafts((), prompt, self._acceptance, original=likely)
        return chain(begun, self._decoder.stream(whole, rows, most - len(begun), self._stops, cancel, drafts))

    def _otherwise(
        self, prompt: tuple[int, ...], steps: list[Step], begun: int, most: int, cancel: Cancel
    ) -> Iterator[Step] | None:
        """Another answer than one that says the lines as they stand: the second best token where the first was least
        sure, and what follows it. An answer like that is a contradiction, since doing nothing has its own spelling."""
        if len(steps) <= begun:
            return None
        at = min(range(begun, len(steps)), key=lambda at: steps[at].margin)
        step = steps[at]
        other = Step(step.second, self._vocab.bytes_of(step.second), step.logprob - step.margin, 0.0, step.token)
        if other.token in self._stops:
            return None
        taken = [*steps[:at], other]
        rows, _ = self._decoder.prefill((*prompt, *(one.token for one in taken)), cancel)
        return self._answer(prompt, taken, rows, (), most, cancel)

    def count(self, text: str) -> int:
        """The tokens of a text."""
        return len(self._vocab.encode(text))

    def reset(self) -> None:
        """Forgets everything that an earlier request left behind."""
        self._decoder.reset()
        self._window.forget()

    def close(self) -> None:
        """Nothing to do: the engine goes with the object."""

    def _in_time(self, request: FimRequest) -> tuple[Anchor, list[int]]:
        """The prompt that stands, or a new one: as large as can be read before the deadline."""
        anchor = self._window.standing(request) or self._window.anew(request)
        tokens = self._lay_out(anchor, request.max_tokens)
        affordable = self.pace.affordable(self._deadline_ms) if self._deadline_ms else None
        if affordable is not None and len(tokens) - (cached := self._decoder.common(tokens)) > affordable:
            if cached < len(tokens) - len(anchor.before) - len(anchor.after):
                request = replace(request, files=())  # other files are read when there is time
            full = self._window.budget
            suffix = min(full.suffix, affordable // 4)
            anchor = self._window.anew(request, Budget(min(full.prefix, affordable - suffix), suffix))
            tokens = self._lay_out(anchor, request.max_tokens)
        return anchor, tokens

    def _drafts(self, anchor: Anchor, typed: Sequence[int]) -> Drafts:
        """What may come next, looked up in the text that the prompt holds."""
        files = [self._vocab.encode(file.text) for file in anchor.files]
        return Drafts([*files, anchor.after], (*anchor.before, *typed), self._acceptance)

    def _lay_out(self, anchor: Anchor, max_tokens: int) -> list[int]:
        """The prompt, with as many of the last files as leave room for an answer."""
        family = fim.written_as(self._family, self.context_layout)
        return fill_in(self._vocab, family, anchor, self._engine.capacity - max_tokens - _TYPED)


def _written(result: EditResult, steps: Iterable[Step], limit: int) -> tuple[EditResult, list[Step]]:
    """The result with the answer that the steps spell; and the steps."""
    taken = list(steps)
    text = Text()
    for step in taken:
        text.add(step.text)
    finish = "stop" if len(taken) < limit else "length"
    logprobs = tuple(step.logprob for step in taken)
    return replace(result, text=text.value, finish=finish, tokens=len(taken), logprobs=logprobs), taken
