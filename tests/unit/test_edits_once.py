"""`foretype edits`, over a small repository of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import pytest

from foretype.context.next_edit import NextEdit, Span, text_digest
from foretype.lsp.edits import once as edits_once
from foretype.lsp.edits import search as edit_search
from foretype.lsp.edits.search import Search
from foretype.lsp.edits.since import SinceError, edited_since
from foretype.model.next_edits import Found

LIB = "def log(text):\n    print(text)\n"
MAIN = "from lib import log\r\n\r\nlog('a')\r\n"


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "core.autocrlf=false"]
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "work"
    root.mkdir()
    (root / "lib.py").write_bytes(LIB.encode())
    (root / "main.py").write_bytes(MAIN.encode())
    (root / "gone.py").write_bytes(b"x = 1\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    (root / "lib.py").write_bytes(LIB.replace("log", "logger").encode())
    (root / "new ü.py").write_bytes("größe = 1\n".encode())
    (root / "image.py").write_bytes(b"\xff\xfe")
    (root / "gone.py").unlink()
    return root


def test_what_was_edited_since_a_commit(repository: Path) -> None:
    files = {file.path: (file.language, file.before, file.after) for file in edited_since(repository, "HEAD")}
    assert files == {
        "lib.py": ("python", LIB, LIB.replace("log", "logger")),
        "new ü.py": ("python", "", "größe = 1\n"),
    }
    for revision in ("nope", "--help", "HEAD~7"):
        with pytest.raises(SinceError, match="there is no commit"):
            edited_since(repository, revision)
    with pytest.raises(SinceError, match="in no git work tree"):
        edited_since(repository.parent, "HEAD")


def found(search: Search, *_: object) -> Found:
    text = "".join(search.workspace.read("main.py") or ())
    assert search.cursor == ("lib.py", 0) and search.edited[0].path == "lib.py"
    span = Span(2, 0, 2, 3)
    edit = NextEdit("main.py", span, "logger", text_digest(text), "rule", "rename", "log was renamed", 0.99)
    return Found((edit,), places=3, stages_ms={"rules": 1.0})


def run(place: str, as_json: bool = False, since: str = "HEAD") -> int:
    return edits_once.run(argparse.Namespace(place=place, since=since, model=False, json=as_json))


def test_edits_are_printed_with_their_lines(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(edit_search, "find", found)
    assert run(f"{repository / 'lib.py'}:1:5") == 0
    out = capsys.readouterr().out
    assert "main.py:3:1  log was renamed (rule, 0.99)\n    - log('a')\n    + logger('a')\n" in out
    assert "edited    lib.py, new ü.py since HEAD" in out
    assert run(f"{repository / 'lib.py'}:1:5", as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    (edit,) = said["edits"]
    assert (edit["line"], edit["column"], edit["end_column"], edit["old_text"], edit["text"]) == (
        3,
        1,
        4,
        "log",
        "logger",
    )
    assert (said["places"], said["edited"], said["stages_ms"]) == (3, ["lib.py", "new ü.py"], {"rules": 1.0})


@pytest.mark.parametrize(
    ("place", "since", "said"),
    [
        ("lib.py", "HEAD", "expected FILE:LINE:COL"),
        ("lib.py:9:1", "HEAD", "there is no line 9"),
        ("lib.py:1:1", "nope", "there is no commit nope"),
        ("../outside.py:1:1", "HEAD", "is in no workspace"),
    ],
)
def test_bad_input_is_named(
    repository: Path, capsys: pytest.CaptureFixture[str], place: str, since: str, said: str
) -> None:
    (repository.parent / "outside.py").write_text("x\n")
    assert run(f"{repository / place}", since=since) == 2
    printed = capsys.readouterr()
    assert said in printed.err and printed.out == ""
