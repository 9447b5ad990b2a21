from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from commits import changed, exactly

from foretype.context.rows import Diagnostic, Origin, from_json, to_json
from foretype.mining import lint
from foretype.mining.lint import Edit, Finding, LintError, Ruff

ORIGIN = Origin("o/r", "c" * 40, 0, "MIT", "", "")


class Words:
    """A linter that complains of words."""

    name, language = "words", "python"

    def __init__(self, *words: str) -> None:
        self.words = words
        self.calls = 0

    def check(self, sources: Sequence[tuple[str, str]]) -> list[list[Finding]]:
        self.calls += 1
        return [
            [
                Finding(at, at, "W1", f"{word} found")
                for at, line in enumerate(text.split("\n"))
                for word in self.words
                if word in line
            ]
            for _, text in sources
        ]


BETWEEN = "three = 3\n" + "four = 4\n" * 6
FIXED = exactly("a.py", f"one = 1\nbad = 2\n{BETWEEN}five = 5\n", f"one = 1\ngood = 2\n{BETWEEN}five = 6\n")


def test_a_fix_is_a_row_with_what_was_said() -> None:
    (row,) = lint.rows([(FIXED, ORIGIN)], Words("bad"))
    assert from_json(to_json(row)) == row
    assert (row.label, row.history, row.half_typed) == ("lint", (), False)
    assert row.diagnostics == (Diagnostic("a.py", 1, "words", "W1", "bad found"),)
    assert row.target and (row.target.start, row.target.stop, row.target.lines) == (1, 2, ("good = 2",))
    assert row.window.lines[1] == "bad = 2"


def test_many_files_are_one_call() -> None:
    linter = Words("bad")
    assert len(list(lint.rows([(FIXED, ORIGIN)] * 5, linter))) == 5
    assert linter.calls == 1


def test_what_stays_or_moves_is_no_fix() -> None:
    assert list(lint.rows([(FIXED, ORIGIN)], Words("three"))) == []
    moved = changed("a.py", "bad = 1\na = 1\nb = 2\n", "a = 1\nb = 2\nbad = 1\n")
    assert list(lint.rows([(moved, ORIGIN)], Words("bad"))) == []


def test_new_findings_in_the_new_lines_are_no_fix() -> None:
    assert list(lint.rows([(FIXED, ORIGIN)], Words("bad", "good"))) == []


def test_long_hunks_insertions_and_other_languages_are_left_out() -> None:
    long = exactly("a.py", "bad = 1\n" + "x = 1\n" * 9, "")
    added = changed("a.py", "a = 1\n", "a = 1\nb = 2\n")
    other = changed("a.go", "package bad\n", "package good\n")
    linter = Words("bad")
    assert list(lint.rows([(long, ORIGIN), (added, ORIGIN), (other, ORIGIN)], linter)) == []


def test_ruff_finds_what_it_should_where_it_should() -> None:
    unused = "import os\nimport sys\n\nprint(sys.argv)\n"
    exported = "from .inner import name\n"  # said otherwise of a package's own file
    sources = [
        ("a.py", unused),
        ("p/__init__.py", exported),
        ("p/m.py", exported),
        ("b.py", "def f(:\n"),
        ("c.pyi", ""),
    ]
    found = Ruff().check(sources)
    assert found[0] == [Finding(0, 0, "F401", "`os` imported but unused", (Edit((0, 0), (1, 0), ""),))]
    assert [at.code for at in (*found[1], *found[2])] == ["F401", "F401"]
    assert found[1][0].message != found[2][0].message
    assert found[3:] == [[], []]


def test_ruff_makes_rows() -> None:
    file = changed(
        "a.py",
        """
        import os
        import sys

        here = sys.argv[0]
        rest = sys.argv[1:]
        print(here)
        print(rest)
        print(len(rest))
        if rest == None:
            print(f"nothing")
        """,
        """
        import sys

        here = sys.argv[0]
        rest = sys.argv[1:]
        print(here)
        print(rest)
        print(len(rest))
        if rest is None:
            print(f"nothing")
        """,
    )
    rows = list(lint.rows([(file, ORIGIN)], Ruff()))
    assert [(row.diagnostics[0].code, row.target and row.target.lines) for row in rows] == [
        ("F401", ()),
        ("E711", ("if rest is None:",)),
    ]


@pytest.mark.parametrize(
    ("before", "after", "taught"),
    [
        ("y = x == None\n", "y = x is None\n", True),
        ("y = x == None\n", "y = x == 0\n", False),
        ("y = set([1, x])\n", "y = {1, x,}\n", True),
        ("l = x == 1\n", "lines = x == 1\n", True),  # ruff has no fix
    ],
)
def test_another_edit_than_ruffs_own_is_no_fix_of_what_it_found(before: str, after: str, taught: bool) -> None:
    kept = "x = 1\n" * 8
    told: list[tuple[str, ...]] = []
    file = exactly("a.py", kept + before + kept, kept + after + kept)
    rows = list(lint.rows([(file, ORIGIN)], Ruff(), reject=lambda *said: told.append(said)))
    assert (len(rows), [said[0] for said in told]) == ((1, []) if taught else (0, ["fixed_otherwise"]))


def test_a_line_that_goes_for_another_reason_is_no_fix() -> None:
    """The diagnostic is gone with the line, or one half of its fix is elsewhere."""
    kept = "x = 1\n" * 8
    for before, after in (
        ("bad = old(1)\nother = 2\n", "good = old(1)\nother = 3\n"),
        ("bad = old(first, second)\n", "with open(name) as file:\n    print(file.read())\n"),
        ("bad = old(1)\n", ""),
        ("bad = old(1)\nx = 1\nx = 1\nrest(bd)\n", "good = old(1)\nx = 1\nx = 1\nrest(good)\n"),
    ):
        file = exactly("a.py", kept + before + kept, kept + after + kept)
        assert list(lint.rows([(file, ORIGIN)], Words("bad"))) == []


def test_a_settings_file_or_a_module_of_that_name_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ruff.toml").write_text('lint.select = ["E999"]\n')
    (tmp_path / "ruff.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert [at.code for at in Ruff().check([("a.py", "import os\n")])[0]] == ["F401"]


def test_without_ruff_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(command, 1, b"", f"{sys.executable}: No module named ruff\n".encode())

    monkeypatch.setattr(subprocess, "run", missing)
    with pytest.raises(LintError, match=r"No module named ruff\); install ruff, or mine without lint pairs"):
        Ruff().check([("a.py", "")])
