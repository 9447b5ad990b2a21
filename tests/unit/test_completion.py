"""The pipeline around a backend that says what it is told to."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from foretype.context.gather import Snippet
from foretype.context.text import Snapshot, split_lines
from foretype.lsp import gate
from foretype.lsp.completion import complete
from foretype.lsp.log.life import measure
from foretype.lsp.log.schema import Opportunity
from foretype.lsp.memory import Memory
from foretype.lsp.memory import Place as MemoryPlace
from foretype.lsp.options import Options, merge
from foretype.lsp.outcome import Ask, Figures, Nothing, Outcome, Suggestion
from foretype.model.backend import Cancel, Cancelled, FimRequest, FimResult

BODY = "def f(x):\n    <|>\n"


class Backend:
    name = "scripted"

    def __init__(self, result: FimResult) -> None:
        self.result = result
        self.requests: list[FimRequest] = []

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        self.requests.append(request)
        return self.result

    def close(self) -> None:
        pass


def suggested(source: str, result: FimResult, explicit: bool = False, **completion: object) -> tuple[Outcome, Backend]:
    before, _, after = source.partition("<|>")
    snapshot = Snapshot("file:///a.py", "a.py", "python", 1, tuple(split_lines(before + after)))
    lines, backend = split_lines(before), Backend(result)
    options = merge(Options(), {"completion": completion}, "test").options
    return complete(Ask(snapshot, len(lines) - 1, len(lines[-1]), explicit), options, backend, Cancel()), backend


def test_figures_are_those_of_the_model() -> None:
    outcome, _ = suggested("x = <|>", FimResult("1", "stop", 2, (-0.5, -1.0), 30, 10, 20, 5), gate=0)
    assert isinstance(outcome, Suggestion)
    assert outcome.figures and replace(outcome.figures, confidence=None, evidence={}) == Figures(
        "single", 30, 10, 20, 5, 2, -0.75
    )
    outcome, _ = suggested(BODY, FimResult("", "stop", 0))
    assert isinstance(outcome, Nothing) and outcome.reason == "empty"
    assert outcome.figures == Figures("multi", 0, 0, 0, 0, 0, None)


def test_parts_of_other_files_are_counted() -> None:
    class Gathered:
        def snippets(self, *where: object) -> tuple[Snippet, ...]:
            return tuple(Snippet(path, "similar", 0, 1, "B = 1\n", 1.0, 4) for path in ("b.py", "c.py"))

    ask = Ask(Snapshot("file:///a.py", "a.py", "python", 1, ("x = ",)), 0, 4)
    counts = []
    for project in (Gathered(), None):
        outcome = complete(ask, Options(), Backend(FimResult("1", "stop", 1)), Cancel(), project)
        row = Opportunity(7, 0, 0)
        measure(row, outcome.figures)
        counts.append(row.snippets)
    assert counts == [2, 0]


@pytest.mark.parametrize(
    ("text", "finish", "kept"),
    [
        ("y = x\n    z = y\n    retu", "length", "y = x\n    z = y"),
        ("y = x\n    z = y\n    return z", "stop", "y = x\n    z = y\n    return z"),
        ("y = some_very_long(", "length", "y = some_very_long("),
    ],
)
def test_a_line_that_the_token_limit_cut_off_is_not_shown(text: str, finish: str, kept: str) -> None:
    outcome, _ = suggested(BODY, FimResult(text, finish, 9))
    assert isinstance(outcome, Suggestion) and outcome.text == kept


def test_one_line_stays_however_it_ended() -> None:
    outcome, backend = suggested("x = <|>", FimResult("first + sec", "length", 4))
    assert isinstance(outcome, Suggestion) and outcome.text == "first + sec"
    assert backend.requests[0].single_line and backend.requests[0].max_tokens == 32


def test_what_is_not_likely_to_be_taken_is_gated() -> None:
    unsure = FimResult("other(thing)", "stop", 4, (-4.0, -3.0, -2.0, -4.0))
    outcome, _ = suggested("x = <|>", unsure, gate=0.5)
    assert isinstance(outcome, Nothing) and outcome.reason == "gated"
    assert outcome.figures and outcome.figures.confidence is not None and outcome.figures.confidence < 0.5
    assert set(outcome.figures.evidence) == set(gate.FEATURES) and "gate" in outcome.stages_ms
    below = outcome.figures.confidence / 2
    outcome, _ = suggested("x = <|>", unsure, gate=below)
    assert isinstance(outcome, Suggestion) and outcome.confidence == outcome.figures.confidence == below * 2


@pytest.mark.parametrize(
    ("explicit", "result"),
    [(True, FimResult("other(thing)", "stop", 2, (-4.0, -3.0))), (False, FimResult("other(thing)", "stop", 2))],
)
def test_who_asks_is_told_and_what_cannot_be_weighed_passes(explicit: bool, result: FimResult) -> None:
    outcome, _ = suggested("x = <|>", result, explicit, gate=1.0)
    assert isinstance(outcome, Suggestion) and outcome.text == "other(thing)"


@pytest.mark.parametrize(
    ("source", "said", "shown"),
    [
        ("f(<|>, z)\n", (("first", 0.9), (",", 0.9), (" other", 0.01)), "first"),
        ("f(<|>)\n", (("value", 0.95), (")", 0.95), (" +", 0.05), (" g", 0.05), ("(y", 0.05)), "value"),
        ('x = "<|>"\n', (("hello", 0.95), ('"', 0.95), (" +", 0.05), (' "w', 0.05)), "hello"),
    ],
)
def test_the_likely_beginning_of_an_answer_repeats_nothing_behind_the_cursor(
    source: str, said: Sequence[tuple[str, float]], shown: str
) -> None:
    ends = tuple(itertools.accumulate(len(token) for token, _ in said))
    logprobs = tuple(math.log(probability) for _, probability in said)
    result = FimResult("".join(token for token, _ in said), "stop", len(said), logprobs, ends=ends)
    outcome, _ = suggested(source, result, gate=0)
    assert isinstance(outcome, Suggestion) and outcome.text == shown


def test_the_mode_can_be_chosen() -> None:
    assert not suggested(BODY, FimResult("a", "stop", 1))[1].requests[0].single_line
    _, backend = suggested(BODY, FimResult("a", "stop", 1), mode="single")
    assert backend.requests[0].single_line


def test_comments_can_be_left_alone_and_cost_no_model() -> None:
    outcome, backend = suggested("# a <|>\n", FimResult("word", "stop", 1), comments=False)
    assert isinstance(outcome, Nothing) and outcome.reason == "comment" and not backend.requests


def test_a_request_taken_back_costs_no_model() -> None:
    cancel, backend = Cancel(), Backend(FimResult("1", "stop", 1))
    cancel.set()
    snapshot = Snapshot("file:///a.py", "a.py", "python", 1, ("x = ",))
    with pytest.raises(Cancelled):
        complete(Ask(snapshot, 0, 4), Options(), backend, cancel)
    assert not backend.requests


WINDOWS = BODY.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("source", "said", "shown"),
    [
        (WINDOWS, "y = x\n    return y", "y = x\r\n    return y"),
        (WINDOWS, "y = x\r\n    return y", "y = x\r\n    return y"),
        (WINDOWS.rstrip(), "y = x\n    return y", "y = x\r\n    return y"),  # the last line, which has no end
        (BODY, "y = x\n    return y", "y = x\n    return y"),
        (BODY, "y = x\r\n    return y", "y = x\n    return y"),
        ("\n" + BODY.rstrip(), "y = x\n    return y", "y = x\n    return y"),
        ("def f(x): <|>", "\n    return x", "\n    return x"),  # nothing tells
    ],
)
def test_lines_end_as_those_of_the_document(source: str, said: str, shown: str) -> None:
    outcome, backend = suggested(source, FimResult(said, "stop", 9), explicit=True, mode="multi")
    assert isinstance(outcome, Suggestion) and outcome.text == shown
    prefix, _, suffix = source.partition("<|>")
    assert (backend.requests[0].prefix, backend.requests[0].suffix) == (prefix, suffix)


@pytest.mark.parametrize("source", [BODY, WINDOWS])
def test_it_goes_on_behind_a_line_end_that_was_typed(source: str) -> None:
    (before, _, after), end = source.partition("<|>"), source[-2:] if source is WINDOWS else "\n"
    outcome, _ = suggested(source, FimResult("y = x\n    return y", "stop", 9), explicit=True)
    assert isinstance(outcome, Suggestion)
    memory = Memory()
    for typed in ("", f"y = x{end}    re"):
        lines = split_lines(before + typed)
        whole = Snapshot("file:///a.py", "a.py", "python", 1, tuple(split_lines(before + typed + after)))
        place = MemoryPlace.at(whole, len(lines) - 1, len(lines[-1]))
        if not typed:
            memory.remember(place, outcome)
    found = memory.recall(place)
    assert isinstance(found, Suggestion) and found.text == "turn y"


def test_what_is_heard_while_it_grows_ends_as_the_document_does_too() -> None:
    class Growing(Backend):
        def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
            assert request.stop
            for end in range(1, len(self.result.text) + 1):
                request.stop(self.result.text[:end])
            return self.result

    before, _, after = WINDOWS.partition("<|>")
    heard: list[str] = []
    ask = Ask(Snapshot("file:///a.py", "a.py", "python", 1, tuple(split_lines(before + after))), 1, 4)
    result = FimResult("y = x\n    return y", "stop", 9)
    outcome = complete(ask, Options(), Growing(result), Cancel(), listen=heard.append)
    assert isinstance(outcome, Suggestion) and outcome.text == heard[-1] == "y = x\r\n    return y"
    assert all(heard[-1].startswith(text) for text in heard)
