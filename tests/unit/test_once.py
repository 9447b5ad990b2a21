"""`foretype complete`, with a backend that says what it is told to."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from foretype.lsp import once
from foretype.lsp.options import Options
from foretype.model.backend import BackendError, Cancel, FimRequest, FimResult
from foretype.model.progress import Progress


class Backend:
    """Answers with `text`, and remembers what it was asked."""

    name = "scripted"

    def __init__(self, text: str = "") -> None:
        self.text, self.closed = text, False
        self.options: Options | None = None
        self.request: FimRequest | None = None

    def open(self, options: Options, progress: Progress) -> Backend:
        progress("loading the model", 0, 0)
        self.options = options
        return self

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        self.request = request
        return FimResult(self.text, "stop", 4, (-0.1, -0.3), 90, 7, 60, 20, {"prefill": 12.0, "decode": 3.0})

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "add.py").write_bytes("def add(a, b):\r\n\tgröße = a\r\n\treturn \r\n".encode())
    return tmp_path


def run(place: object, backend: Backend, as_json: bool = False) -> int:
    return once.run(argparse.Namespace(place=str(place), json=as_json), backend.open)


def test_the_line_with_its_ghost_text_and_what_it_took(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backend = Backend("a + b")
    assert run(f"{project / 'app' / 'add.py'}:3:9", backend) == 0
    assert backend.closed and backend.request
    assert (backend.request.path, backend.request.suffix) == ("app/add.py", "\r\n")
    assert backend.request.prefix.endswith("größe = a\r\n\treturn ")
    out = capsys.readouterr().out
    assert "    3 │     return ⟨a + b⟩\n" in out and "    2 │     größe = a\n" in out
    assert "this file: 90 tokens, 60 before the cursor, 20 after it" in out
    assert "(prefill 12, decode 3)" in out and "mean probability 0.82" in out and "scripted" in out


def test_json_is_one_object_and_nothing_else(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"{project / 'app' / 'add.py'}:3:9", Backend("a + b"), as_json=True) == 0
    facts = json.loads(capsys.readouterr().out)
    stages = facts.pop("stages_ms")
    assert {"context", "model", "trim", "gate", "model_prefill", "model_decode"} == stages.keys()
    assert facts == {
        "text": "a + b",
        "suppressed": None,
        "snippets": [],
        "mode": "single",
        "prompt_tokens": 90,
        "cached_tokens": 7,
        "model": "scripted",
    }


@pytest.mark.parametrize(("text", "reason"), [("", "empty"), ("\x07", "trimmed")])
def test_an_answer_with_nothing_to_show_says_why(
    project: Path, capsys: pytest.CaptureFixture[str], text: str, reason: str
) -> None:
    place = f"{project / 'app' / 'add.py'}:3:9"
    assert run(place, Backend(text)) == 0
    assert "nothing   " in capsys.readouterr().out
    assert run(place, Backend(text), as_json=True) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["text"], facts["suppressed"]) == ("", reason)


def test_the_workspace_and_its_options_are_the_files_own(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".foretype.toml").write_text("[completion]\ndisabled_languages = ['python']\nnope = 1\n")
    backend = Backend("a + b")
    assert run(f"{project / 'app' / 'add.py'}:3:9", backend, as_json=True) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["suppressed"] == "language"
    assert "nope" in printed.err and printed.err.count("\n") == 1
    assert backend.options is None  # no model was loaded to find that out


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("app/add.py", "expected FILE:LINE:COL"),
        ("app/add.py:3", "expected FILE:LINE:COL"),
        ("app/add.py:x:1", "expected FILE:LINE:COL"),
        ("app/add.py:-1:1", "expected FILE:LINE:COL"),
        (":3:1", "expected FILE:LINE:COL"),
        ("app/add.py:0:1", "count from 1"),
        ("app/add.py:1:0", "count from 1"),
        ("app/add.py:5:1", "has 4 lines, there is no line 5"),
        ("app/add.py:2:12", "has 10 characters, so its last column is 11"),
        ("app/none.py:1:1", "there is no file app"),
        ("app:1:1", "cannot be read"),
        ("latin.py:1:1", "is not UTF-8"),
    ],
)
def test_a_place_that_is_none_is_one_line(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: str, line: str
) -> None:
    monkeypatch.chdir(project)
    (project / "latin.py").write_bytes("größe".encode("latin-1"))
    backend = Backend("a + b")
    assert run(place, backend) == 2
    printed = capsys.readouterr()
    assert line in printed.err and printed.err.count("\n") == 1 and not printed.out
    assert backend.options is None


def test_the_end_of_the_last_line_is_a_place(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backend = Backend("x = 1")
    assert run(f"{project / 'app' / 'add.py'}:4:1", backend) == 0
    assert backend.request and backend.request.suffix == ""


def test_the_path_is_the_one_below_the_workspace(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "docs").mkdir()
    monkeypatch.chdir(project / "docs")
    backend = Backend("a + b")
    assert run("../app/add.py:3:9", backend) == 0
    assert backend.request and backend.request.path == "app/add.py"


def test_a_colon_in_a_path_is_part_of_it() -> None:
    assert once.parse(r"C:\app\add.py:3:9") == once.Place(Path(r"C:\app\add.py"), 3, 9)


def test_a_model_that_fails_is_closed_and_left_to_the_command_line(project: Path) -> None:
    backend = Backend()

    def fail(request: FimRequest, cancel: Cancel) -> FimResult:
        raise BackendError("no model")

    backend.complete = fail  # type: ignore[method-assign]
    with pytest.raises(BackendError):
        run(f"{project / 'app' / 'add.py'}:3:9", backend)
    assert backend.closed
