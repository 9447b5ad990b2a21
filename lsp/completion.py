"""One ghost-text request, from a frozen document to a text to insert or to the reason why there is none.

Runs on the worker: it parses, calls the backend, trims and gates. Knows no client and no other request.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from foretype.context import languages, syntax
from foretype.lsp import gate, policy
from foretype.lsp.options import Options
from foretype.lsp.outcome import Ask, Figures, Nothing, Outcome, Suggestion
from foretype.lsp.project import Gathering
from foretype.lsp.trim import Place, trim, with_line_ends
from foretype.model import confident
from foretype.model.backend import Backend, Cancel, ContextFile, FimRequest, FimResult


def complete(
    ask: Ask,
    options: Options,
    backend: Backend,
    cancel: Cancel,
    project: Gathering | None = None,
    listen: Callable[[str], None] = lambda said: None,
) -> Outcome:
    """Blocks until there is an outcome; `project` gives what the prompt holds of other files, and `listen` hears the
    model's text while it grows.

    Raises `Cancelled`, `BackendError`.
    """
    clock = Stopwatch()
    cancel.check()
    place = _place(ask, options)
    if not options.completion.comments:
        scope = syntax.scope(place.prefix, place.suffix, place.language)
        if policy.unwanted(scope, options, ask.explicit):
            return Nothing("comment", clock.stages_ms)
    request = _request(ask, place, options, project, listen)
    cancel.check()
    clock.lap("context")
    result = backend.complete(request, cancel)
    clock.lap("model")
    trimmed = trim(_whole_lines(result) if place.multi else result.text, place)
    clock.lap("trim")
    figures = _figures(place, request, result)
    text = trimmed.text if ask.explicit else _confident(trimmed.text, result)
    if text != trimmed.text:  # what ends earlier may end in what stands behind the cursor
        text = trim(text, place).text
    if text.strip():
        figures = _weighed(figures, place, text, result, request, gate.in_force(options.model_name))
        clock.lap("gate")
    stages_ms = clock.stages_ms | {f"model_{stage}": round(ms, 2) for stage, ms in result.stages_ms.items()}
    if not trimmed.text.strip():
        return Nothing("trimmed" if result.text.strip() else "empty", stages_ms, figures, trimmed.fired)
    if not text.strip():
        return Nothing("unsure", stages_ms, figures, trimmed.fired)
    if not ask.explicit and figures.confidence is not None and figures.confidence < options.completion.gate:
        return Nothing("gated", stages_ms, figures, trimmed.fired)
    text = with_line_ends(text, place)
    return Suggestion(secrets.token_hex(6), text, stages_ms, trimmed.fired, figures, confidence=figures.confidence)


def prepare(ask: Ask, options: Options, backend: Backend, cancel: Cancel, project: Gathering | None = None) -> None:
    """Makes the backend read what a request at a place would give it. Raises `Cancelled`, `BackendError`."""
    cancel.check()
    backend.prepare(_request(ask, _place(ask, options), options, project), cancel)


def _place(ask: Ask, options: Options) -> Place:
    prefix, suffix = ask.snapshot.split_at(ask.line, ask.column)
    language = languages.find(ask.snapshot.language, ask.snapshot.path)
    mode = options.completion.mode
    return Place(
        prefix, suffix, language, (syntax.mode(prefix, suffix, language) if mode == "auto" else mode) == "multi"
    )


def _request(
    ask: Ask,
    place: Place,
    options: Options,
    project: Gathering | None,
    listen: Callable[[str], None] = lambda said: None,
) -> FimRequest:
    limits = options.completion
    end = syntax.node_end(place.prefix, place.suffix, place.language) if place.multi else None

    def stop(said: str) -> int | None:
        listen(with_line_ends(said, place))
        return end(said) if end else None

    snippets = project.snippets(ask.snapshot, ask.line, ask.column, options) if project else ()
    return FimRequest(
        prefix=place.prefix,
        suffix=place.suffix,
        path=ask.snapshot.path,
        files=tuple(ContextFile(snippet.path, snippet.text) for snippet in snippets),
        max_tokens=limits.max_tokens_multi if place.multi else limits.max_tokens_single,
        single_line=not place.multi,
        stop=stop,
        confident=not ask.explicit,
    )


def _whole_lines(result: FimResult) -> str:
    """The answer without the line in which the token limit ended it, unless it has no other."""
    head = result.text.rpartition("\n")[0]
    return head if result.finish == "length" and head.strip() else result.text


def _confident(text: str, result: FimResult) -> str:
    """The beginning of what is left of an answer that is worth most; all of it where its tokens are not known."""
    if not result.text.startswith(text):
        return text
    within = sum(end <= len(text) for end in result.ends)
    return text[: confident.best(text, result.ends[:within], result.logprobs[:within])]


def _figures(place: Place, request: FimRequest, result: FimResult) -> Figures:
    return Figures(
        mode="multi" if place.multi else "single",
        prompt_tokens=result.prompt_tokens,
        cached_tokens=result.cached_tokens,
        prefix_tokens=result.prefix_tokens,
        suffix_tokens=result.suffix_tokens,
        tokens=result.tokens,
        logprob_mean=round(statistics.fmean(result.logprobs), 3) if result.logprobs else None,
        snippets=len(request.files),
    )


def _weighed(
    figures: Figures, place: Place, text: str, result: FimResult, request: FimRequest, weights: gate.Weights
) -> Figures:
    """The figures with what the gate makes of the text that is left."""
    values = gate.features(place, text, result, [file.text for file in request.files])
    if values is None:
        return figures
    evidence = {name: round(value, 4) for name, value in zip(gate.FEATURES, values, strict=True)}
    return replace(figures, confidence=round(gate.probability(values, weights), 4), evidence=evidence)


class Stopwatch:
    """Milliseconds between laps, by name."""

    def __init__(self) -> None:
        self.stages_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages_ms[stage] = round((now - self._last) * 1000, 2)
        self._last = now
