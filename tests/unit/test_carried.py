from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest
from histories import Made, repository

from foretype.context.next_edit import NextEdit, Span, text_digest
from foretype.eval import edits
from foretype.eval.next_edits import carried, heads
from foretype.eval.next_edits import commits as carried_commits
from foretype.eval.next_edits.commits import Task
from foretype.mining.git import History

_LIB = "def area(width, height):\n    return width * height\n\n\ndef twice(width):\n    return area(width, width)\n"
_USE = "from lib import area\n\n\ndef room(height):\n    # area in metres\n    return area(3, height)\n"


def _tasks(path: Path, *commits: dict[str, str]) -> list[Task]:
    made = [Made({"lib.py": _LIB, "use.py": _USE})] + [Made(files) for files in commits]
    with History(repository(path / "r.git", made)) as history:
        return list(carried_commits.tasks(history))


def _renamed(text: str) -> str:
    return text.replace("area(", "surface(").replace("import area", "import surface")


def test_a_rename_is_a_task_whose_edit_is_the_definition(tmp_path: Path) -> None:
    (task,) = _tasks(tmp_path, {"lib.py": _renamed(_LIB), "use.py": _renamed(_USE)})
    assert (task.kind, task.name, task.new_name) == ("rename", "area", "surface")
    assert task.edited.path == "lib.py"
    assert task.edited.after == _LIB.replace("def area", "def surface")
    assert task.after["use.py"] == _renamed(_USE) and task.base["use.py"] == _USE


def test_a_signature_is_a_task_whose_edit_is_the_head(tmp_path: Path) -> None:
    changed = _LIB.replace("def area(width, height)", "def area(height, width)")
    changed = changed.replace("return width * height", "return height * width")
    (task,) = _tasks(tmp_path, {"lib.py": changed, "use.py": _USE.replace("area(3, height)", "area(height, 3)")})
    assert (task.kind, task.name) == ("signature", "area")
    assert task.edited.after == _LIB.replace("def area(width, height)", "def area(height, width)")


@pytest.mark.parametrize(
    "files",
    [
        {"lib.py": _LIB.replace("def area", "def surface"), "use.py": _USE},  # nothing follows
        {"lib.py": _renamed(_LIB) + "\n\narea = surface\n", "use.py": _renamed(_USE)},  # the old name goes on
        {"lib.py": _renamed(_LIB), "use.py": "def room(height):\n    return 3 * height\n"},  # uses were deleted
        {"lib.py": _LIB.replace("height)", "height=1)"), "use.py": _USE},  # a default: no call changes
        {"lib.py": _LIB + "\n\ndef more():\n    return 1\n", "use.py": _USE + "\n\nmore = 1\n"},
    ],
)
def test_commits_that_are_something_else(tmp_path: Path, files: dict[str, str]) -> None:
    assert _tasks(tmp_path, files) == []


def test_uses_are_code(tmp_path: Path) -> None:
    assert heads.uses("a.py", 'x = area(1)  # area\ny = \'area\'\n"""area"""\narea\n', "area") == [0, 3]


def _edit(task: Task, path: str, line: int, old: str, new: str) -> NextEdit:
    text = task.base[path]
    column = text.split("\n")[line].index(old)
    return NextEdit(
        path, Span(line, column, line, column + len(old)), new, text_digest(text), "rule", "rename", "", 1.0
    )


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (found,) = _tasks(tmp_path, {"lib.py": _renamed(_LIB), "use.py": _renamed(_USE)})
    return found


def test_what_the_commit_did_is_exact(task: Task) -> None:
    right = [
        _edit(task, "lib.py", 5, "area", "surface"),
        _edit(task, "use.py", 0, "area", "surface"),
        _edit(task, "use.py", 5, "area", "surface"),
    ]
    row = carried.judged(task, task.base, task.after, right, 1.0)
    assert row.answered and row.exact and (row.due, row.found, row.proposed, row.right) == (3, 3, 3, 3)
    row = carried.judged(task, task.base, task.after, right[:1], 1.0)
    assert row.exact and row.found == 1 and any(note.startswith("missing use.py:1") for note in row.notes)


@pytest.mark.parametrize(
    ("line", "old", "new"),
    [(4, "area", "surface"), (5, "area", "surfaces"), (3, "height", "width")],
)
def test_anything_else_is_not(task: Task, line: int, old: str, new: str) -> None:
    row = carried.judged(task, task.base, task.after, [_edit(task, "use.py", line, old, new)], 1.0)
    assert row.answered and not row.exact and row.right == 0
    assert row.notes[0].startswith(f"wrong use.py:{line + 1}")


def test_words_that_change_side_by_side_are_compared_one_by_one(task: Task) -> None:
    base = {**task.base, "use.py": task.base["use.py"].replace("return area", "return old area")}
    after = {**task.after, "use.py": task.after["use.py"].replace("return surface", "return new surface")}
    row = carried.judged(replace(task, before=base), base, after, [_edit(task, "use.py", 0, "area", "surface")], 1.0)
    assert row.exact
    edit = replace(_edit(task, "use.py", 0, "area", "surface"), span=Span(5, 15, 5, 19))
    assert carried.judged(replace(task, before=base), base, after, [edit], 1.0).exact


def test_lines_that_are_sorted_anew_are_the_same(task: Task) -> None:
    base = {**task.base, "use.py": "from lib import (\n    area,\n    pi,\n)\n"}
    after = {**task.after, "use.py": "from lib import (\n    pi,\n    surface,\n)\n"}
    edit = replace(_edit(task, "use.py", 0, "area", "surface"), span=Span(1, 4, 1, 8))
    assert carried.judged(replace(task, before=base), base, after, [edit], 1.0).exact


def test_nothing_proposed_is_no_answer(task: Task) -> None:
    row = carried.judged(task, task.base, task.after, [], 1.0)
    assert not row.answered and not row.exact
    found = carried.figures([row])
    assert found["answered"] == 0.0 and found["exact_of_answered"] is None


def test_more_changes_in_the_same_line_do_not_matter(task: Task) -> None:
    after = {**task.after, "use.py": task.after["use.py"].replace("surface(3, height)", "surface(4, height)")}
    row = carried.judged(task, task.base, after, [_edit(task, "use.py", 5, "area", "surface")], 1.0)
    assert row.exact


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = [Made({"lib.py": _LIB, "use.py": _USE}), Made({"lib.py": _renamed(_LIB), "use.py": _renamed(_USE)})]
    path = repository(tmp_path / "r.git", made)
    parser = argparse.ArgumentParser()
    edits.add_arguments(parser)
    assert edits.run(parser.parse_args(["--commits", f"mine={path}", "--json"])) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tasks"] == 1 and found["repositories"] == ["mine"]
    assert found["answered"] == found["exact_of_answered"] == found["place_recall"] == 1.0
    assert edits.run(parser.parse_args(["--commits", str(path), "--verbose"])) == 0
    assert "exact of answered" in capsys.readouterr().out


def test_a_history_without_such_commits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = repository(tmp_path / "r.git", [Made({"a.py": "x = 1\n"})])
    parser = argparse.ArgumentParser()
    edits.add_arguments(parser)
    assert edits.run(parser.parse_args(["--commits", str(path)])) == 2
    assert "no commit" in capsys.readouterr().err
