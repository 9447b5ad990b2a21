import argparse
import gzip
import json
from pathlib import Path

import pytest

from foretype.eval import infill
from foretype.model.backend import BackendError, Cancel, FimRequest, FimResult

TESTS = "\n\ndef check(candidate):\n    assert candidate(2) == {}\n"


def row(number: int, **changed: str) -> dict[str, str]:
    """A function that multiplies by `number`, its middle line missing."""
    return {
        "task_id": f"SingleLineInfilling/HumanEval/{number}/L1",
        "entry_point": f"times_{number}",
        "prompt": f"def times_{number}(x):\n",
        "canonical_solution": f"    y = {number} * x\n",
        "suffix": "    return y\n",
        "test": TESTS.format(2 * number),
    } | changed


def save(folder: Path, rows: list[dict[str, str]], split: str = "single-line", packed: bool = True) -> Path:
    text = "".join(json.dumps(each) + "\n" for each in rows).encode()
    path = folder / (infill.SPLITS[split] + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(text) if packed else text)
    return folder


class Scripted:
    """Answers from a table of prompts; "" for a prompt that is not in it."""

    name = "scripted"

    def __init__(self, answers: dict[str, str], fail_at: int = -1) -> None:
        self.answers = answers
        self.fail_at = fail_at
        self.requests: list[FimRequest] = []
        self.resets = 0
        self.closed = False

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        if len(self.requests) == self.fail_at:
            raise BackendError("the engine is gone: start it again")
        self.requests.append(request)
        return FimResult(self.answers.get(request.prefix, ""), "stop", tokens=7, prompt_tokens=11)

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True


def canonical(rows: list[dict[str, str]]) -> Scripted:
    return Scripted({each["prompt"]: each["canonical_solution"] for each in rows})


def run(backend: Scripted, *argv: str | Path) -> int:
    parser = argparse.ArgumentParser()
    infill.add_arguments(parser)
    return infill.run(parser.parse_args([str(arg) for arg in argv]), lambda args: backend)


@pytest.fixture
def rows() -> list[dict[str, str]]:
    return [row(number) for number in range(3, 9)]


@pytest.fixture
def data(tmp_path: Path, rows: list[dict[str, str]]) -> Path:
    return save(tmp_path, rows)


def test_canonical_answers_pass_and_json_has_the_figures(
    data: Path, rows: list[dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    backend = canonical(rows)
    assert run(backend, "--data", data, "--json", "--limit", 0, "--seed", 3, "--model", "m") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["pass_at_1"] == figures["exact_match"] == 1.0
    low, high = figures["pass_at_1_ci"]
    assert 0.5 < low < high == 1.0
    assert figures["exact_match_ci"] == [low, high]
    assert 0 <= figures["latency_ms_p50"] <= figures["latency_ms_p95"]
    assert {key: figures[key] for key in ("tasks", "seed", "model", "model_sha256", "engine", "split")} == {
        "tasks": 6,
        "seed": 3,
        "model": "m",
        "model_sha256": None,
        "engine": "local",
        "split": "single-line",
    }
    assert figures["revision"]
    assert backend.closed
    assert backend.resets == 6


def test_wrong_answers_fail(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Scripted({}), "--data", data, "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["pass_at_1"] == figures["exact_match"] == 0.0
    assert figures["pass_at_1_ci"][0] == 0.0


def test_an_answer_may_pass_without_being_exact_and_the_rows_say_so(
    data: Path, rows: list[dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = canonical(rows).answers
    answers[rows[0]["prompt"]] = "    y = x * 3  # other\n    return 0\n"  # what follows the first newline is no answer
    answers[rows[1]["prompt"]] = "    y = 4 * x  "
    answers[rows[2]["prompt"]] = "    y ="
    out = tmp_path / "rows.jsonl"
    assert run(Scripted(answers), "--data", data, "--json", "--out", out) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["pass_at_1"] == pytest.approx(5 / 6)
    assert figures["exact_match"] == pytest.approx(4 / 6)
    written = {each["task_id"]: each for each in map(json.loads, out.read_text("utf-8").splitlines())}
    other, spaced, broken = (written[each["task_id"]] for each in rows[:3])
    assert (other["completion"], other["passed"], other["exact"]) == ("    y = x * 3  # other", True, False)
    assert (spaced["passed"], spaced["exact"]) == (True, True)
    assert (broken["passed"], broken["reason"]) == (False, "failed")
    assert set(broken) == {
        "task_id",
        "completion",
        "passed",
        "reason",
        "exact",
        "latency_ms",
        "prompt_tokens",
        "tokens",
    }
    assert (broken["prompt_tokens"], broken["tokens"]) == (11, 7)


def test_the_engine_gets_the_whole_hole_and_one_line(data: Path, rows: list[dict[str, str]]) -> None:
    backend = canonical(rows)
    assert run(backend, "--data", data, "--limit", 1, "--max-tokens", 9) == 0
    (request,) = backend.requests
    assert request.prefix in backend.answers
    assert request.suffix == "    return y\n"
    assert (request.single_line, request.max_tokens) == (True, 9)


def test_the_table_is_for_people(data: Path, rows: list[dict[str, str]], capsys: pytest.CaptureFixture[str]) -> None:
    backend = canonical(rows)
    del backend.answers[rows[0]["prompt"]]
    assert run(backend, "--data", data) == 0
    printed = capsys.readouterr().out
    assert "single-line: 6 tasks, seed 7" in printed
    assert "pass@1       0.833  [0.436, 0.970]" in printed
    assert "not passed   1 failed" in printed


def test_several_lines_are_taken_as_they_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = "    y = x\n    y = y * 3\n"
    data = save(tmp_path, [row(3, canonical_solution=body)], "multi-line", packed=False)
    backend = Scripted({"def times_3(x):\n": body})
    assert run(backend, "--data", data, "--split", "multi-line", "--json") == 0
    assert json.loads(capsys.readouterr().out)["pass_at_1"] == 1.0
    assert not backend.requests[0].single_line


def test_the_choice_depends_on_the_seed_alone(data: Path) -> None:
    tasks = infill.read_tasks(data, "single-line")
    chosen = infill.choose(tasks, 4, 7)
    assert infill.choose(tasks, 4, 7) == chosen
    assert infill.choose(tasks, 0, 7)[:4] == chosen
    assert len(infill.choose(tasks, 0, 7)) == 6
    assert any(infill.choose(tasks, 4, seed) != chosen for seed in range(6))
    assert [task.task_id for task in tasks] == sorted(task.task_id for task in tasks)


def test_missing_data_says_what_was_expected_and_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Scripted({}), "--data", tmp_path / "none", "--json", "--split", "random-span-light") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "HumanEval-RandomSpanInfillingLight.jsonl.gz" in captured.err
    assert "openai/human-eval-infilling" in captured.err


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (json.dumps(row(3)) + '\n{"task_id": "x", "prompt": "p", "test": 3}\n', ":2 lacks entry_point, suffix"),
        ("[]\n", ":1 lacks task_id"),
        ("{\n", ":1 is not JSON"),
        ("\n", "has no tasks"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, content: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / infill.SPLITS["single-line"]).write_text(content)
    assert run(Scripted({}), "--data", tmp_path) == 2
    assert expected in capsys.readouterr().err


def test_a_damaged_archive_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = data / (infill.SPLITS["single-line"] + ".gz")
    path.write_bytes(path.read_bytes()[:-20])
    assert run(Scripted({}), "--data", data) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_bad_usage_is_refused_before_any_work(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backend = Scripted({})
    assert run(backend, "--data", data, "--limit", -1) == 2
    for out in (data / "no" / "rows.jsonl", data):
        assert run(backend, "--data", data, "--out", out) == 2
        assert "cannot be written" in capsys.readouterr().err
    assert backend.requests == []


def test_an_engine_that_fails_loses_no_answers(
    data: Path, rows: list[dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = canonical(rows)
    backend.fail_at = 2
    out = tmp_path / "rows.jsonl"
    assert run(backend, "--data", data, "--json", "--out", out) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the engine is gone: start it again; 2 of 6 tasks are in" in captured.err
    assert [json.loads(line)["passed"] for line in out.read_text("utf-8").splitlines()] == [True, True]
    assert backend.closed


@pytest.mark.parametrize(
    ("argv", "status", "expected"),
    [
        (["--engine", "openai"], 2, "--engine openai needs --url and --model"),
        (["--engine", "hf"], 2, "--engine hf needs --model"),
        (["--engine", "llama-server", "--url", "no address"], 1, "no llama-server answers at no address"),
    ],
)
def test_an_engine_that_does_not_open_is_reported(
    data: Path, argv: list[str], status: int, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    infill.add_arguments(parser)
    assert infill.run(parser.parse_args(["--data", str(data), "--json", *argv])) == status
    captured = capsys.readouterr()
    assert expected in captured.err
    assert captured.out == ""
