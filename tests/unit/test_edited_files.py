"""What was edited lately, as whole texts: a file now, and as it was without its recent edits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from foretype.context.text import Snapshot, inserted, split_lines
from foretype.context.workspace import Workspace
from foretype.lsp.documents import Edit


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    workspace = Workspace.open(tmp_path, None)
    yield workspace
    workspace.close()


def opened(workspace: Workspace, path: str, text: str, language: str = "") -> Snapshot:
    (workspace.root / path).write_text(text, "utf-8")
    snapshot = Snapshot((workspace.root / path).as_uri(), path, language, 1, tuple(split_lines(text)))
    workspace.opened(snapshot)
    return snapshot


def typed(workspace: Workspace, before: Snapshot, line: int, column: int, text: str, now: float) -> Snapshot:
    after, _, _ = inserted(before, line, column, text)
    workspace.edited(before, [Edit(line, column, "", text)], now, after)
    return after


def texts(workspace: Workspace, since: float) -> list[tuple[str, str, str, str]]:
    return [(file.path, file.language, file.before, file.after) for file in workspace.edited_files(since)]


def test_only_recent_edits_are_taken_back(workspace: Workspace) -> None:
    first = opened(workspace, "a.py", "x = 1\n" + "\n" * 20 + "y = 2\n")
    first = typed(workspace, first, 0, 5, "0", now=10.0)
    old = first.text
    first = typed(workspace, first, 21, 5, "0", now=100.0)
    assert texts(workspace, since=50.0) == [("a.py", "python", old, first.text)]
    assert texts(workspace, since=5.0) == [("a.py", "python", old.replace("10", "1"), first.text)]
    assert texts(workspace, since=101.0) == []


def test_the_last_edited_file_comes_first(workspace: Workspace) -> None:
    first, second = opened(workspace, "a.py", "a\n"), opened(workspace, "no extension", "b\n", "go")
    first = typed(workspace, first, 0, 1, "1", now=1.0)
    typed(workspace, second, 0, 1, "1", now=2.0)
    assert [row[:2] for row in texts(workspace, 0.0)] == [("no extension", "go"), ("a.py", "python")]
    typed(workspace, first, 0, 2, "2", now=9.0)
    assert [row[0] for row in texts(workspace, 0.0)] == ["a.py", "no extension"]


def test_an_undo_leaves_nothing(workspace: Workspace) -> None:
    before = opened(workspace, "a.py", "name\n")
    after = typed(workspace, before, 0, 4, "s", now=1.0)
    workspace.edited(after, [Edit(0, 4, "s", "")], 20.0, before)
    assert texts(workspace, 0.0) == []


def test_a_closed_file_counts_while_it_is_what_was_left(workspace: Workspace) -> None:
    after = typed(workspace, opened(workspace, "a.py", "name\n"), 0, 4, "s", now=1.0)
    workspace.closed(after.uri)
    assert texts(workspace, 0.0) == []  # it was never written
    (workspace.root / "a.py").write_text(after.text, "utf-8")
    assert [row[3] for row in texts(workspace, 0.0)] == ["names\n"]
