import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_package import DRAW, write_files, write_sdist

from foretype.context.gather import Snippet
from foretype.context.history import History
from foretype.context.text import Snapshot, split_lines
from foretype.eval import crossfile
from foretype.eval.projects import context as crossfile_context
from foretype.eval.projects import own_tests, packages
from foretype.eval.projects import report as crossfile_report
from foretype.eval.projects.tasks import Task, make
from foretype.model.backend import BackendError, Cancel, FimRequest, FimResult


class Scripted:
    """Fills each hole of DRAW rightly if the prompt has another file in it, and with "None" if not."""

    name = "scripted"
    context_layout = "files"
    model_sha256 = "ab12"

    def __init__(self, fail_at: int = -1) -> None:
        self.fail_at = fail_at
        self.asked: list[tuple[str, FimRequest]] = []
        self.resets = 0
        self.closed = False

    def count(self, text: str) -> int:
        return len(text.split())

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        if len(self.asked) == self.fail_at:
            raise BackendError("the engine is gone: start it again")
        self.asked.append((self.context_layout, request))
        start = DRAW.index(request.prefix) + len(request.prefix)
        right = DRAW[start : DRAW.index(request.suffix, start)] + ")  # more\nand more"
        return FimResult(
            right if request.files else "None", "stop", tokens=3, prompt_tokens=10 + 5 * len(request.files)
        )

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True


def one_snippet(workspace: object, snapshot: Snapshot, line: int, column: int, *_: object) -> tuple[Snippet, ...]:
    return (Snippet("demo/shapes.py", "symbols", 0, 1, f"# for {line}:{column}", 1.0, 4),)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the only package; each arm but "none" gets one snippet."""
    monkeypatch.setattr(packages, "PACKAGES", (write_sdist(tmp_path),))
    monkeypatch.setattr(crossfile_context, "gather", one_snippet)
    monkeypatch.setattr(own_tests.Judge, "passes", lambda *_: None)
    return tmp_path


def run(backend: Scripted, work: Path, *argv: str | Path) -> int:
    parser = argparse.ArgumentParser()
    crossfile.add_arguments(parser)
    return crossfile.run(
        parser.parse_args(["--judged", "0", "--work", str(work), *map(str, argv)]), lambda args: backend
    )


def figures(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


def call(reference: str) -> Task:
    """The call in DRAW with these arguments."""
    at = DRAW.index(f"({reference}") + 1
    prefix, suffix = DRAW[:at], DRAW[at + len(reference) :]
    return Task(
        "t", "demo-1.0", "demo/draw.py", prefix.count("\n"), "call", "f", "demo/shapes.py", prefix, suffix, reference
    )


def test_arms_are_compared_on_the_same_tasks(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backend = Scripted()
    assert run(backend, work, "--arms", "none,symbols,all", "--json", "--seed", 1) == 0
    found = figures(capsys)
    assert (found["tasks"], found["seed"], found["model_sha256"], found["split"]) == (4, 1, "ab12", "dev")
    assert found["packages"] == ["demo-1.0"]
    none, symbols = found["arms"]["none"], found["arms"]["symbols"]
    assert none["exact_match"] == none["identifier_match"] == none["context_tokens"] == none["with_context"] == 0
    assert (none["prefill_tokens"], symbols["prefill_tokens"], symbols["context_tokens"]) == (10, 15, 4)
    assert symbols["tasks"] == none["tasks"] == 4
    assert found["mcnemar_p"]["symbols"].keys() == {"exact_match", "identifier_exact", "pass_at_1"}
    assert (none["judged"], none["pass_at_1"]) == (0, None)
    assert found["arms"]["all"]["exact_match"] == symbols["exact_match"]
    assert backend.closed


def test_arguments_end_at_their_parenthesis_and_lines_at_their_end(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    for seed in range(6):
        assert run(Scripted(), work, "--arms", "symbols", "--out", out, "--seed", seed) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    kinds = {row["task_id"].rpartition(":")[2] for row in rows}
    assert kinds == {"line", "call"}
    for row in rows:
        end = "" if row["task_id"].endswith("call") else ")  # more"
        assert row["completion"] == row["reference"] + end
        assert row["exact"] is not bool(end)


def test_layouts_are_set_and_none_is_asked_for_once(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backend = Scripted()
    arguments = ("--arms", "none,symbols", "--layouts", "plain,files", "--tasks", 2)
    assert run(backend, work, *arguments, "--json") == 0
    found = figures(capsys)
    assert list(found["layouts"]) == ["plain", "files"]
    assert found["arms"] == found["layouts"]["plain"]["arms"]
    assert [layout for layout, request in backend.asked if request.files] == ["plain", "files"] * 2
    assert len(backend.asked) == backend.resets == 6
    assert run(Scripted(), work, *arguments) == 0
    assert "plain    symbols" in capsys.readouterr().out


def test_warm_asks_again_without_a_reset(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backend = Scripted()
    assert run(backend, work, "--arms", "none", "--limit", 1, "--warm", "--json") == 0
    assert len(backend.asked) == 2 and backend.resets == 1
    assert figures(capsys)["arms"]["none"]["warm_latency_ms_p50"] >= 0


def test_a_run_that_was_cut_off_goes_on(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.jsonl"
    assert run(Scripted(fail_at=3), work, "--arms", "none,all", "--out", out) == 1
    assert "the engine is gone" in capsys.readouterr().err
    whole = out.read_text()
    assert whole.count("\n") == 3
    out.write_text(whole[:-20])  # as if the machine had gone down while it wrote

    backend = Scripted()
    assert run(backend, work, "--arms", "none,all", "--out", out, "--json") == 0
    assert len(backend.asked) == 8 - 2
    first = figures(capsys)
    again = Scripted()
    assert run(again, work, "--arms", "none,all", "--out", out, "--json") == 0
    second = figures(capsys)
    assert not again.asked
    assert [one["arms"]["all"]["exact_match"] for one in (first, second)] == [first["arms"]["all"]["exact_match"]] * 2
    rows = [line for line in out.read_text().splitlines() if line.endswith("}")]
    assert len(rows) == len({(json.loads(row)["task_id"], json.loads(row)["arm"]) for row in rows}) == 8


def test_another_model_or_another_prompt_is_asked_again(work: Path, tmp_path: Path, monkeypatch: Any) -> None:
    out = tmp_path / "rows.jsonl"
    arguments = ("--arms", "none,all", "--limit", 1, "--out", out)
    assert run(Scripted(), work, *arguments) == 0
    other = Scripted()
    other.model_sha256 = "cd34"
    assert run(other, work, *arguments) == 0
    assert len(other.asked) == 2
    monkeypatch.setattr(crossfile_context, "gather", lambda *_: (Snippet("x", "similar", 0, 1, "other", 1.0, 1),))
    changed = Scripted()
    assert run(changed, work, *arguments) == 0
    assert [bool(request.files) for _, request in changed.asked] == [True]


def test_the_packages_tests_judge_some_tasks(work: Path, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    ran: list[str] = []

    def passes(judge: object, task: Task, package: object, root: Path, completion: str) -> bool | None:
        ran.append(completion)
        return None if task.kind == "line" else completion == task.reference

    monkeypatch.setattr(own_tests.Judge, "passes", passes)
    remembered: list[bool] = []
    monkeypatch.setattr(own_tests.Judge, "remember", lambda judge, task_id, text, passed: remembered.append(passed))
    out = tmp_path / "rows.jsonl"
    for _ in range(2):
        assert run(Scripted(), work, "--arms", "none,symbols", "--json", "--out", out, "--seed", 1) == 0
        found = figures(capsys)
    none, symbols = found["arms"]["none"], found["arms"]["symbols"]
    assert 0 < none["judged"] == symbols["judged"] < 4
    assert (none["pass_at_1"], symbols["pass_at_1"]) == (0.0, 1.0)
    assert len(ran) == 2 * 2 * 4 and len(remembered) == 2 * none["judged"]


def test_prompts_have_room_for_the_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def greedy(workspace: object, snapshot: object, line: int, column: int, budget: Any, *_: Any) -> tuple:
        asked.append(budget.tokens)
        return tuple(Snippet(f"{at:020}.py", "symbols", 0, 1, "x" * 10, 1.0, 10) for at in range(budget.tokens // 10))

    monkeypatch.setattr(crossfile_context, "gather", greedy)
    task = call("größe")
    added = crossfile_context.snippets("all", task, None, None, lambda text: len(text) // 4)  # type: ignore[arg-type]
    prefix, suffix = crossfile_context.window(task.prefix, task.suffix, lambda text: len(text) // 4)
    whole = len(prefix) // 4 + len(suffix) // 4 + sum(10 + 5 for _ in added)
    assert added and asked[-1] < asked[0]
    assert whole <= crossfile_context.PROMPT_TOKENS
    long = replace(task, prefix="word " * 900 + task.prefix.rpartition("\n")[2])
    assert crossfile_context.snippets("all", long, None, None, len) == ()  # type: ignore[arg-type]


def test_usage_is_checked(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Scripted(), work, "--tasks", -1) == 2
    assert run(Scripted(), work, "--split", "test") == 2
    assert run(Scripted(), work, "--out", tmp_path) == 1
    with pytest.raises(SystemExit):
        run(Scripted(), work, "--arms", "none,magic")
    assert "unknown: magic; expected some of none, similar" in capsys.readouterr().err

    class Plain(Scripted):
        context_layout = property()  # type: ignore[assignment]

    assert run(Plain(), work, "--layouts", "comment") == 2
    assert "use --layouts files" in capsys.readouterr().err


def test_the_workspace_lacks_what_was_taken_out(tmp_path: Path) -> None:
    root = write_files(tmp_path / "demo-1.0")
    task = next(task for seed in range(30) for task in make("demo-1.0", root, seed, 0) if task.symbol == "sector_area")
    with crossfile_context.at(task, root, tmp_path / "cache") as (workspace, snapshot):
        assert "sector_area" not in "".join(workspace.read(task.path) or ())
        assert not [row for row in workspace.graph.references("sector_area") if row.path == task.path]
        assert [row.path for row in workspace.graph.definitions("sector_area")] == ["demo/shapes.py"]
        assert snapshot.text == task.prefix + task.suffix == DRAW.replace(task.reference, "", 1)
        added = crossfile_context.snippets("all", task, workspace, snapshot, str.__len__)
        assert not any(task.reference in snippet.text for snippet in added)
        assert workspace.recent_edits(10)
    assert (root / task.path).read_bytes().decode() == DRAW


def test_a_window_is_whole_lines_within_the_budget() -> None:
    prefix = "".join(f"line {number}\n" for number in range(400)) + "    half = "
    suffix = "of it\n" + prefix
    before, after = crossfile_context.window(prefix, suffix, lambda text: len(text.split()))
    assert before == "".join(f"line {number}\n" for number in range(273, 400)) + "    half = "
    assert after == "of it\n" + "".join(f"line {number}\n" for number in range(31))
    long = " word" * 1000
    assert crossfile_context.window(long, long, lambda text: len(text.split())) == (long, long)


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a, b)", "a, b"), ("f(x), [1, (2)])\n", "f(x), [1, (2)]"), ('")", x)', '")", x'), ("a, b", None), ("')", None)],
)
def test_arguments_close(text: str, kept: str | None) -> None:
    length = crossfile_context.closes(text)
    assert (None if length is None else text[:length]) == kept


def test_what_was_typed_leaves_the_text_before_the_hole() -> None:
    lines = tuple(split_lines(DRAW))
    snapshot = Snapshot("file:///draw.py", "draw.py", "python", 1, lines)
    history = History()
    latest: Iterator = crossfile_context.typed(snapshot, 19)
    for before, edit, now in latest:
        history.record(before, (edit,), now)
        after = before.lines[: edit.line] + tuple(split_lines(edit.inserted)[:-1]) + before.lines[edit.line :]
    assert after == lines
    events = history.recent(10)
    assert [event.added[0] for event in events] == [
        "def typed(circle: Circle = scale(1, 2)) -> Circle:\n",
        'def draw(canvas, name, größe="ä"):\n',
        "from . import shapes\n",
        "import os\n",
    ]


def test_requests_hold_the_snippets_in_order() -> None:
    added = [Snippet(f"{name}.py", "symbols", 0, 1, name, 1.0, 1) for name in "ab"]
    request = crossfile_context.request(call("größe"), added, len)
    assert [(file.path, file.text) for file in request.files] == [("a.py", "a"), ("b.py", "b")]
    assert request.single_line and request.path == "demo/draw.py"
    assert request.stop and request.stop("größe) + 1") == 5


def test_intervals_of_means() -> None:
    assert crossfile_report.mean_interval([0.5], -1, 1) == [-1, 1]
    low, high = crossfile_report.mean_interval([0.0, 1.0] * 50, 0, 1)
    assert low == pytest.approx(0.5 - 1.96 * 0.0502519, abs=1e-4) and low + high == pytest.approx(1.0)
