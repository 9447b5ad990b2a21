"""What an edited file's changes are taken to be, and that no file takes for ever."""

from __future__ import annotations

from foretype.context.hunks import hunks
from foretype.context.next_edit import EditedFile


def changed(before: str, after: str) -> list[tuple[int, int]]:
    return [(len(one.old), len(one.new)) for one in hunks([EditedFile("a.py", "python", before, after)])]


def test_changes_far_apart_are_told_apart() -> None:
    middle = "".join(f"    value_{number} = {number}\n\n    }}\n" for number in range(1500))
    assert changed(f"a\n{middle}z\n", f"b\n{middle}y\ny\n") == [(1, 1), (1, 2)]


def test_lines_that_are_all_alike_are_one_change() -> None:
    before = "a = 1\n" * 9000  # told apart line by line, they would take minutes
    after = "a = 1\n" + "b = 2\na = 1\n" * 4499 + "a = 1\n"
    assert len(changed(before, after)) == 1
    assert len(changed(before[:600], after[:600])) == 50
