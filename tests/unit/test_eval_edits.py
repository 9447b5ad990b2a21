from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from foretype.context.hunks import lines_of
from foretype.context.minimal import edit as minimal_edit
from foretype.context.next_edit import EditedFile, NextEdit
from foretype.context.rows import Diff, EditRow, Origin, Target, Window
from foretype.eval import edits
from foretype.eval.next_edits import archives as edit_archives
from foretype.eval.next_edits import cases as edit_cases
from foretype.eval.next_edits import report as edit_report
from foretype.eval.next_edits import rows as edit_rows
from foretype.eval.next_edits.cases import CaseError, EditCase
from foretype.model import edit_format
from foretype.model.backend import Backend, BackendError, Cancel, EditQuestion, EditResult, FimRequest, FimResult
from foretype.model.next_edits import Found, Options

FOLDER = Path(edit_cases.__file__).parents[1] / "cases" / "edits"


def _arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    edits.add_arguments(parser)
    return parser.parse_args(words)


def _answers(case: EditCase, answer: int = 0) -> list[NextEdit]:
    """The edits that make an answer of the case's texts."""
    found = []
    for path, text in case.files.items():
        becomes = case.expected[answer][path]
        if becomes != text:
            lines = lines_of(text)
            found.append(
                minimal_edit(
                    path, text, (0, len(lines)), lines_of(becomes), lane="rule", reason="rename", why="", confidence=1.0
                )
            )
    return found


def _finder(answer: Callable[[EditCase], Sequence[NextEdit]], cases: Sequence[EditCase]) -> Callable[..., Found]:
    """A search that knows what to find, and checks that its workspace is the case's."""

    def find(workspace: Any, edited: Sequence[EditedFile], **options: Any) -> Found:
        case = next(case for case in cases if case.edited == tuple(edited))
        for path, text in case.files.items():
            assert "".join(workspace.read(path) or ()) == text
        found = tuple(answer(case))
        for edit in found:
            options["on_edit"](edit)
        return Found(edits=found)

    return find


@pytest.fixture(scope="module")
def some() -> list[EditCase]:
    names = ("py-rename-constant", "go-mutex-in-struct", "quiet-ts-optional-field", "py-import-module-moved")
    return [case for case in edit_cases.read_folder(FOLDER) if case.name in names]


def test_right_answers_are_perfect(some: list[EditCase]) -> None:
    find = _finder(_answers, some)
    found = edit_report.figures([edits.answer(case, None, Options(), find) for case in some])
    for name in ("exact_match", "first_exact_match", "place_precision", "place_recall", "file_recall", "show_rate"):
        assert found[name] == 1.0, name
    assert found["quiet_rate"] == found["alone_kept_rate"] == 1.0
    assert found["reversal_rate"] == found["over_editing_rate"] == 0.0
    assert found["delta_chrf"] == pytest.approx(100)
    assert (found["tasks"], found["due"], found["quiet"]) == (4, 3, 1)
    assert found["latency_ms_p50"] <= found["all_latency_ms_p95"]


def test_silence_is_quiet_and_finds_nothing(some: list[EditCase]) -> None:
    rows = [edits.answer(case, None, Options(), _finder(lambda case: (), some)) for case in some]
    found = edit_report.figures(rows)
    assert found["exact_match"] == found["show_rate"] == found["place_recall"] == found["delta_chrf"] == 0.0
    assert found["quiet_rate"] == 1.0 and found["place_precision"] is None
    said = edit_report.complaints(rows)
    assert "go-mutex-in-struct" in said and "quiet-ts-optional-field" not in said
    assert edit_report.table(found, edit_report.by(rows, lambda row: row.kind)).count("\n") > 12


def test_a_suggestion_where_none_is_due(some: list[EditCase]) -> None:
    quiet = [case for case in some if not case.due]

    def noise(case: EditCase) -> list[NextEdit]:
        (path, text), *_ = case.files.items()
        return [minimal_edit(path, text, (0, 1), ["// x"], lane="model", reason="model", why="", confidence=0.5)]

    (row,) = [edits.answer(case, None, Options(), _finder(noise, quiet)) for case in quiet]
    assert edit_report.figures([row])["quiet_rate"] == 0.0
    assert "should be quiet" in edit_report.complaints([row])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.jsonl"
    words = ("--cases", str(FOLDER), "--lane", "rule", "--only", "py-rename-local-shadowed")
    assert edits.run(_arguments(*words, "--json", "--out", str(out))) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tasks"] == 1 and found["lane"] == "rule" and found["model"] is None
    assert 0 <= found["exact_match"] <= 1 and len(found["exact_match_ci"]) == 2
    (row,) = map(json.loads, out.read_text().splitlines())
    assert row["name"] == "py-rename-local-shadowed" and row["verdict"]["due"]
    assert edits.run(_arguments(*words, "--verbose")) == 0
    assert "places found" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--cases", "nowhere"), "has no cases"),
        (("--archives", "nowhere"), "has no scenarios"),
        (("--pairs", "nowhere"), "has no manifest.json"),
        (("--cases", str(FOLDER), "--only", "no such case"), "no such tasks"),
        (("--cases", str(FOLDER), "--limit", "-1"), "must not be negative"),
        (("--commits", "nowhere"), "does not exist"),
    ],
)
def test_bad_input(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert edits.run(_arguments(*words, "--lane", "rule")) == 2
    assert message in capsys.readouterr().err


class _Scripted:
    """A backend that gives one answer to each question for an edit."""

    name = "scripted"

    def __init__(self, text: str, gap: float) -> None:
        self.text, self.gap = text, gap
        self.asked: list[EditQuestion] = []
        self.closed = False

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        raise AssertionError

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        raise AssertionError

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        self.asked.append(question)
        window = question.request.window
        written = self.gap >= question.least_gap
        return EditResult(
            text=self.text if written else "",
            finish="stop" if written else "",
            tokens=3,
            window=(window.start, window.stop),
            logprobs=(-0.01,) * 3,
            gap=self.gap,
        )

    def close(self) -> None:
        self.closed = True


def test_the_model_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    backend = _Scripted("", gap=-20.0)
    words = ("--cases", str(FOLDER), "--lane", "both", "--only", "py-enum-member-match", "--json")
    assert edits.run(_arguments(*words), open_backend=lambda args: backend) == 0
    found = json.loads(capsys.readouterr().out)
    assert backend.asked and backend.closed
    assert (found["model"], found["show_rate"], found["failed"]) == ("scripted", 0.0, ["py-enum-member-match"])


def test_a_backend_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    class Failing(_Scripted):
        def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
            raise BackendError("the engine is gone")

    backend = Failing("", gap=0.0)
    words = ("--cases", str(FOLDER), "--lane", "model", "--only", "py-enum-member-match")
    assert edits.run(_arguments(*words), open_backend=lambda args: backend) == 1
    assert "the engine is gone" in capsys.readouterr().err and backend.closed


def _row(target: Target | None) -> EditRow:
    lines = tuple(f"value_{at} = compute({at})" for at in range(8))
    diff = Diff("m.py", "@@ -1,1 +1,1 @@\n-x = compute(1)\n+x = compute(1, 2)\n")
    return EditRow(
        origin=Origin("r", "c" * 40, 0, "MIT", "m.py", "python"),
        label="edit" if target else "no_edit",
        history=(diff,),
        half_typed=False,
        window=Window("m.py", 20, lines),
        target=target,
    )


def _asked(row: EditRow, gap: float = 5.0) -> tuple[edit_report.Row, _Scripted]:
    """What is made of an answer that says the row's target, or one that adds a line where it has none."""
    request = edit_rows.request_of(row)
    target = row.target or Target(request.focus[0], request.focus[0], ("value_n = compute(1, 2)",))
    backend = _Scripted(edit_format.answer(request, target), gap)
    fake: Backend = backend
    return edit_rows.answer(row, fake, Options()), backend


def test_a_row_answered_right() -> None:
    row, backend = _asked(_row(Target(23, 24, ("value_3 = compute(3, 2)",))))
    assert row.verdict.exact and row.verdict.shown and row.language == "python", row.notes
    assert len(backend.asked) == 1


def test_a_row_without_an_answer() -> None:
    row, _ = _asked(_row(Target(23, 24, ("value_3 = compute(3, 2)",))), gap=-20.0)
    assert not row.verdict.shown and "quiet" in row.notes[0]


def test_a_row_at_which_nothing_is_due() -> None:
    row, _ = _asked(_row(None))
    assert row.verdict.shown and not row.verdict.due and not row.fine


_ARCHIVE = """The second call gets the argument that the first one got.
id: go-second-call
language: go
file: pkg/call.go
row: 3
-- buffer.txt --
package pkg

var a = call(1, true)
var b = call(2)
-- history --
<|file|> pkg/call.go
<|old|>
var a = call(1)
<|new|>
var a = call(1, true)
<|file|> pkg/other.go
<|old|>
x
<|new|>
y
-- steps --
request-completion manual
-- expected --
package pkg

var a = call(1, true)
var b = call(2, true)
"""


def test_an_archive_is_a_case(tmp_path: Path) -> None:
    (tmp_path / "one.txtar").write_text(_ARCHIVE)
    (case,) = edit_archives.read_folder(tmp_path)
    assert (case.name, case.title, case.language, case.due) == ("one", "go-second-call", "go", True)
    (edited,) = case.edited
    assert "call(1)\n" in edited.before and edited.after == case.files["pkg/call.go"]
    assert case.expected[0]["pkg/call.go"].endswith("call(2, true)\n")
    assert len(case.steps) == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("-- expected --", "-- else --", "'-- expected --' is missing"),
        ("-- buffer.txt --", "-- buffers --", "'-- buffer.txt --' is missing"),
        ("file: pkg/call.go", "file: ../call.go", "no relative path"),
    ],
)
def test_a_bad_archive(old: str, new: str, message: str) -> None:
    with pytest.raises(CaseError, match=message):
        edit_archives.parse("bad", _ARCHIVE.replace(old, new))
