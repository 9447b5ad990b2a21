"""Lines of new commits: which are chosen, what the model is shown of them, and what is counted."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import histories
import pytest
from mined_histories import commits

from foretype.eval import holdout
from foretype.model.backend import BackendError, Cancel, FimRequest, FimResult


class Model:
    """Says the line that stands there, from what `knows` of the file's texts, else nothing."""

    name = "scripted"

    def __init__(self, failing: bool = False) -> None:
        self.asked: list[FimRequest] = []
        self.resets = 0
        self.failing = failing

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        if self.failing:
            raise BackendError("gone")
        self.asked.append(request)
        begun = request.prefix.rpartition("\n")[2]
        text = "    total = first + 1"[len(begun) :] + "\nmore"
        return FimResult(text, "stop", 3, (), (), (), 1, 0, 1, 1, {})

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return histories.repository(tmp_path_factory.mktemp("history") / "sizes", commits("size"))


def arguments(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    holdout.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


def run(capsys: pytest.CaptureFixture[str], model: Any, *words: object) -> tuple[int, dict[str, Any], str]:
    status = holdout.run(arguments(*words, "--json"), lambda args: model)
    out, err = capsys.readouterr()
    return status, json.loads(out) if out else {}, err


def test_lines_are_asked_for_and_scored(repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = Model(), tmp_path / "rows.jsonl"
    status, figures, _ = run(capsys, model, repository, "--limit", 8, "--out", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert status == 0 and figures["tasks"] == len(rows) == len(model.asked) == model.resets == 8
    assert {row["language"] for row in rows} == set(figures["by_language"]) == {"python"}
    assert all("\n" not in row["completion"] for row in rows)
    exact = [row["exact"] for row in rows]
    assert figures["exact_match"] == sum(exact) / 8
    texts = subprocess.run(["git", "-C", repository, "log", "-p"], capture_output=True, text=True).stdout
    for request, row in zip(model.asked, rows, strict=True):
        assert request.single_line and request.path == row["path"] and row["commit"][:40] in texts
        assert request.suffix.startswith("\n") or not request.suffix


def test_only_commits_since_a_date(repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def asked_since(day: int) -> int:
        since = f"1970-01-{1 + day:02}"
        return run(capsys, model := Model(), repository, "--since", since, "--limit", 500)[0] or len(model.asked)

    assert 0 < asked_since(6) < asked_since(1)
    status, _, err = run(capsys, Model(), repository, "--since", "2000-01-01")
    assert status == 2 and "go back further" in err


def test_the_same_lines_whatever_the_order(repository: Path) -> None:
    rows = holdout.tasks(arguments(repository, "--json", "--limit", 500))
    some = holdout.choose(rows, 5, 7)
    assert [row.id for row in holdout.choose(rows[::-1], 5, 7)] == [row.id for row in some]
    assert [row.id for row in holdout.choose(rows, 5, 8)] != [row.id for row in some]


def test_the_table_has_a_row_for_each_language() -> None:
    rows = [
        holdout.Scored("1", "r", "c", "a.go", "go", "x", True, 1.0, 1.0, 10.0),
        holdout.Scored("2", "r", "c", "a.py", "python", "y", False, 0.5, 0.0, 30.0),
    ]
    figures = holdout.summary(rows) | {"model": "m", "engine": "e", "seed": 7}
    lines = holdout.table(figures).splitlines()
    assert [line.split()[:3] for line in lines[3:]] == [
        ["go", "1", "1.000"],
        ["python", "1", "0.000"],
        ["all", "2", "0.500"],
    ]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [(("--limit", 0), 2, "--limit"), ((), 1, "gone")],
)
def test_what_goes_wrong(
    repository: Path, capsys: pytest.CaptureFixture[str], words: tuple[object, ...], status: int, said: str
) -> None:
    found, _, err = run(capsys, Model(failing=True), repository, *words)
    assert found == status and said in err and err.count("\n") == 1


def test_no_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, Model(), tmp_path / "nowhere")
    assert status == 2 and "nowhere" in err
