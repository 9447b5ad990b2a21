"""Typing traces: from two texts to keys, and from a git history to what was typed in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretype.eval.typing import keystrokes, traces
from foretype.eval.typing.buffer import Buffer
from foretype.eval.typing.keystrokes import Piece
from foretype.eval.typing.traces import Change, HistoryError, Insert, Move, Open, Trace

OLD = """import os


def total(values):
    return sum(values)


def main():
    print(total([1, 2]))
"""
NEW = """import os
import sys


def total(values, start=0):
    return sum(values, start)


def main():
    for line in sys.stdin:
        print(total(map(int, line.split())))
"""


class Repository:
    """A repository in a folder, with one person in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        person = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        env = {**os.environ, **person, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(
            ["git", "-C", str(self.root), *words], env=env, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, **files: str | None) -> str:
        """Files by their names with `_` for a dot, None to delete one; the new commit."""
        for name, text in files.items():
            path = self.root / name.replace("_", ".")
            if text is None:
                path.unlink()
            else:
                path.write_bytes(text.encode())
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a commit")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def played(trace: Trace) -> dict[str, str]:
    """The texts that a trace's steps lead to; each step has to fit the text that it finds."""
    buffers = {file.path: Buffer(file.text) for file in trace.files}
    opened = set()
    for step in trace.steps:
        match step:
            case Open():
                opened.add(step.path)
            case Insert():
                assert step.path in opened
                buffers[step.path].change(step.line, step.column, "", step.text)
            case Change():
                buffers[step.path].change(step.line, step.column, step.removed, step.inserted)
    return {path: buffer.text for path, buffer in buffers.items()}


def applied(text: str, pieces: list[Piece]) -> str:
    for piece in pieces:
        assert text[piece.offset : piece.offset + len(piece.removed)] == piece.removed
        text = text[: piece.offset] + piece.inserted + text[piece.offset + len(piece.removed) :]
    return text


LINES = st.lists(st.sampled_from(["a = b(c, d)", "    return x", "", "  ", "a = b(c, e)", "é = '字'"]), max_size=8)


@given(LINES, LINES, st.booleans(), st.booleans())
def test_pieces_lead_from_one_text_to_the_other(a: list[str], b: list[str], ends_a: bool, ends_b: bool) -> None:
    old, new = "\n".join(a) + "\n" * ends_a, "\n".join(b) + "\n" * ends_b
    assert applied(old, list(keystrokes.pieces(old, new))) == new


def test_only_what_differs_is_retyped_and_new_lines_begin_above() -> None:
    found = [(piece.removed, piece.inserted, piece.typed) for piece in keystrokes.pieces(OLD, NEW)]
    assert found[:3] == [("", "\nimport sys", True), ("", ", start=0", True), ("", ", start", True)]


def test_white_space_alone_is_nobodys_typing() -> None:
    (piece,) = keystrokes.pieces("if x:\n  y\n", "if x:\n    y\n")
    assert not piece.typed


def test_indentation_comes_with_the_return() -> None:
    assert keystrokes.keys("a:\n    b\n") == ["a", ":", "\n    ", "b", "\n"]


def test_pauses_are_longer_at_the_joints_of_code() -> None:
    def mean(before: str, text: str) -> float:
        random = Random(1)
        return sum(keystrokes.rhythm(before, [text], random)[0].pause_ms for _ in range(2000)) / 2000

    plain = mean("a", "b")
    assert 190 < plain < 220  # a log-normal's mean is its median times exp(sigma^2 / 2)
    assert mean("(", "b") > 1.8 * plain
    assert mean("a", "\n") > 2.5 * plain
    assert mean("\n    ", "b") > 2.5 * plain


def test_a_trace_leads_from_the_parent_to_the_commit(repository: Repository) -> None:
    repository.commit(a_py=OLD)
    commit = repository.commit(a_py=NEW)
    (trace,) = traces.traces(repository.root, 5, max_keys=0)
    assert (trace.commit, trace.language, trace.repository) == (commit, "python", repository.root.name)
    assert trace.files[0].text == OLD
    assert played(trace) == {"a.py": NEW}
    assert isinstance(trace.steps[0], Open)
    moves = [step for step in trace.steps if isinstance(step, Move)]
    assert [(step.line, step.column) for step in moves] == sorted((step.line, step.column) for step in moves)
    assert all(2000 <= move.pause_ms <= 4000 for move in moves)


def test_a_limit_takes_some_run_of_keys_and_what_was_before_is_there(repository: Repository) -> None:
    repository.commit(a_py=OLD)
    repository.commit(a_py=NEW)
    whole = next(traces.traces(repository.root, 1, max_keys=0))
    starts = set()
    for seed in range(12):
        (trace,) = traces.traces(repository.root, 1, seed, max_keys=25)
        assert trace.keys == 25
        starts.add(trace.files[0].text)
        text = played(trace)["a.py"]
        inserted = len(text) - len(trace.files[0].text)
        assert (inserted and text != NEW) or whole.keys == 25
    assert len(starts) > 2, "they all begin at the same key"


def test_the_same_seed_gives_the_same_trace_and_fewer_are_a_sample_of_more(repository: Repository) -> None:
    text = OLD
    for name in ("first", "second", "third", "fourth", "fifth", "sixth"):
        text += f"\n\ndef the_{name}(value):\n    return {name} * value\n"
        repository.commit(a_py=text)
    some = list(traces.traces(repository.root, 3))
    assert some == list(traces.traces(repository.root, 5))[:3]
    assert [trace.commit for trace in some] != [trace.commit for trace in traces.traces(repository.root, 3, seed=8)]


def test_what_nobody_typed_is_left_out(repository: Repository) -> None:
    long = "def one():\n    return 'something that is long enough'\n"
    repository.commit(a_py=OLD, b_py=long)
    repository.commit(a_py=OLD.replace("sum", "max"))  # too little
    repository.commit(b_py=None, c_py=long + "x = 1\n")  # a file that was renamed
    repository.commit(go_sum=long, x_min_js=long, notes_md=long)  # not code, not anybody's
    repository.commit(g_py="# generated by a tool, do not edit\n" + long)
    repository.commit(w_py=(long * 2).replace("\n", "\r\n"))
    assert list(traces.traces(repository.root, 9)) == []


def test_a_replacement_everywhere_is_typed_once(repository: Repository) -> None:
    lines = "".join(f"value_{number} = compute(old_name, {number})\n" for number in range(5))
    repository.commit(a_py=lines)
    repository.commit(a_py=lines.replace("old_name", "a_considerably_better_name"))
    (trace,) = traces.traces(repository.root, 1, max_keys=0)
    typed = [step for step in trace.steps if isinstance(step, Insert)]
    silent = [step for step in trace.steps if isinstance(step, Change) and not step.is_key]
    assert (len(typed), len(silent)) == (1, 4)
    assert trace.keys == len(typed[0].keys) + 1  # and the deletion


def test_languages_and_dates_can_be_chosen(repository: Repository) -> None:
    repository.commit(a_py=OLD, b_go="package b\n")
    repository.commit(a_py=NEW, b_go="package b\n\nfunc Sum(a int, b int) int {\n\treturn a + b\n}\n")
    (trace,) = traces.traces(repository.root, 1, wanted=("go",))
    assert [file.path for file in trace.files] == ["b.go"]
    assert list(traces.traces(repository.root, 1, until="2001-01-01")) == []


def test_a_bare_repository_will_do_and_no_repository_is_said(repository: Repository, tmp_path: Path) -> None:
    repository.commit(a_py=OLD)
    repository.commit(a_py=NEW)
    bare = tmp_path / "bare.git"
    repository.git("clone", "--quiet", "--bare", ".", str(bare))
    (trace,) = traces.traces(bare, 1)
    assert trace.repository == "bare"
    with pytest.raises(HistoryError, match="is no git repository"):
        next(traces.traces(tmp_path / "nothing", 1))
