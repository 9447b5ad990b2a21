"""What a model said is kept, and nothing is asked twice."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from foretype.context.rows import Window
from foretype.eval import infill
from foretype.eval.answers import Kept, clock_ms, identity, kept
from foretype.model.backend import BackendError, Cancel, EditQuestion, EditResult, FimRequest, FimResult
from foretype.model.edit_format import EditRequest


class Model:
    """Counts what it is asked."""

    name = "model"

    def __init__(self, adapter_sha256: str = "a") -> None:
        self.adapter_sha256 = adapter_sha256
        self.model_sha256 = "m"
        self.asked = 0
        self.closed = False

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        self.asked += 1
        return FimResult(f"{request.prefix}!", "stop", 3, logprobs=(-0.5, -1.0), prompt_tokens=9, ends=(1, 2))

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        self.asked += 1
        return EditResult("text", "stop", 2, window=(1, 4), gap=-2.9)

    def prepare(self, request: FimRequest, cancel: Cancel) -> None: ...

    def close(self) -> None:
        self.closed = True


QUESTION = EditQuestion(EditRequest("a.py", (), Window("a.py", 0, ("x = 1",)), focus=(0, 1)))


def ask(path: Path, model: Model, *requests: FimRequest) -> list[FimResult]:
    backend = Kept(model, path)
    try:
        return [backend.complete(request, Cancel()) for request in requests]
    finally:
        backend.close()


def test_answers_come_from_the_file_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    first = Model()
    said = ask(path, first, FimRequest("a", "b"), FimRequest("a", "c"), FimRequest("a", "b"))
    assert (first.asked, first.closed) == (2, True)
    second = Model()
    assert ask(path, second, FimRequest("a", "b"), FimRequest("a", "c"), FimRequest("a", "b")) == said
    assert second.asked == 0


def test_edits_are_kept_too(tmp_path: Path) -> None:
    backend = Kept(Model(), tmp_path / "answers.jsonl")
    said = backend.edit(QUESTION, Cancel())
    backend.close()
    model = Model()
    backend = Kept(model, tmp_path / "answers.jsonl")
    assert backend.edit(QUESTION, Cancel()) == said
    assert model.asked == 0
    backend.close()


@pytest.mark.parametrize(
    "request_",
    [FimRequest("a", "b", max_tokens=65), FimRequest("a", "b", single_line=True), FimRequest("a", "b", path="x.py")],
)
def test_another_request_is_asked(tmp_path: Path, request_: FimRequest) -> None:
    model = Model()
    ask(tmp_path / "answers.jsonl", model, FimRequest("a", "b"), request_)
    assert model.asked == 2


def test_another_adapter_is_asked(tmp_path: Path) -> None:
    other = Model("b")
    assert identity(other) == "model m b"
    ask(tmp_path / "answers.jsonl", Model(), FimRequest("a", "b"))
    ask(tmp_path / "answers.jsonl", other, FimRequest("a", "b"))
    assert other.asked == 1


def test_a_request_that_only_a_function_ends_is_always_asked(tmp_path: Path) -> None:
    model = Model()
    request = FimRequest("a", "b", stop=lambda text: None)
    ask(tmp_path / "answers.jsonl", model, request, request)
    assert model.asked == 2


def test_what_was_cut_off_or_is_no_answer_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    requests = FimRequest("a", "b"), FimRequest("a", "c")
    ask(path, Model(), *requests)
    lines = path.read_text("utf-8").splitlines()
    path.write_text(f'[]\n{{"key": 1}}\nnothing\n{lines[0]}\n{lines[1][:60]}', encoding="utf-8")
    model = Model()
    ask(path, model, *requests)
    assert model.asked == 1
    again = Model()
    ask(path, again, *requests)  # the broken line has not swallowed what was written behind it
    assert again.asked == 0


def test_the_time_is_the_one_that_the_answer_took(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    ask(path, Model(), FimRequest("a", "b"))
    row = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**row, "took_ms": 60_000.0}) + "\n", encoding="utf-8")
    backend = Kept(Model(), path)
    started = clock_ms(backend)
    backend.complete(FimRequest("a", "b"), Cancel())
    assert 60_000 <= clock_ms(backend) - started < 120_000
    backend.close()


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    model = Model()
    with pytest.raises(BackendError, match="cannot be used"):
        kept(model, tmp_path / "no" / "file")
    assert model.closed
    assert kept(model, None) is model


def test_a_changed_scorer_costs_no_new_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {
        "task_id": "1",
        "entry_point": "f",
        "prompt": "def f(x):\n",
        "suffix": "    return y\n",
        "canonical_solution": "    y = x\n",
        "test": "def check(candidate):\n    assert candidate(2) == 2\n",
    }
    (tmp_path / infill.SPLITS["single-line"]).write_text(json.dumps(row) + "\n", encoding="utf-8")
    model = Model()
    parser = argparse.ArgumentParser()
    infill.add_arguments(parser)
    words = ["--data", str(tmp_path), "--unsafe-exec", "--json", "--answers", str(tmp_path / "answers.jsonl")]

    def figures() -> dict:
        assert infill.run(parser.parse_args(words), lambda args: model) == 0
        return json.loads(capsys.readouterr().out)

    assert figures()["pass_at_1"] == 0
    monkeypatch.setattr(infill, "program", lambda task, completion, single_line: "def f(x):\n    return x\n")
    assert figures()["pass_at_1"] == 1
    assert model.asked == 1
