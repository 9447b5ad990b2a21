from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest
from commits import changed, exactly, lines_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from foretype.context.rows import EditRow, Origin, from_json, to_json
from foretype.mining import order, relate, split
from foretype.mining.commit import FileTexts
from foretype.mining.split import Shares
from foretype.mining.touched import touched

ORIGIN = Origin("o/r", "c" * 40, 0, "MIT", "", "", ("a group",))
ALL = Shares(half_typed=0, done=1, left_alone=1)
HALF = Shares(half_typed=1, done=0, left_alone=0)
FAR = "".join(f"filler_{n} = {n}\n" for n in range(30))


def rows_of(*files: FileTexts, key: str = "1", shares: Shares = ALL) -> list[EditRow]:
    """The rows of all hunks as one group, each of them whole."""
    found = list(split.rows(files, touched(files), ORIGIN, key, shares=shares))
    for row in found:
        assert from_json(to_json(row)) == row
    return found


def patched(text: Sequence[str], diff: str) -> list[str]:
    """The lines after a unified diff, whose every line has to fit."""
    found, at = [], 0
    for header, body in re.findall(r"@@ -(\d+),\d+ \+\d+,\d+ @@\n((?:[-+ ].*\n)*)", diff):
        found += text[at : int(header) - 1]
        at = int(header) - 1
        for line in body.splitlines():
            if line[0] in " -":
                assert text[at] == line[1:]
                at += 1
            if line[0] in " +":
                found.append(line[1:])
    return [*found, *text[at:]]


def present(row: EditRow, files: Sequence[FileTexts]) -> dict[str, list[str]]:
    """The files as the row's history leaves them; the row's window has to be what is there."""
    texts = {file.path: list(lines_of(file.before)) for file in files}
    for diff in row.history:
        texts[diff.path] = patched(texts[diff.path], diff.diff)
    window = row.window
    assert tuple(texts[window.path][window.start : window.stop]) == window.lines
    return texts


def acted(row: EditRow, texts: dict[str, list[str]]) -> dict[str, list[str]]:
    if row.target:
        texts[row.window.path][row.target.start : row.target.stop] = row.target.lines
    return texts


def step_of(row: EditRow) -> int:
    """How many steps are made once the target is."""
    match = re.match(r"step (\d+) ", row.origin.why[-1])
    assert match
    return int(match[1])


def finished(row: EditRow, files: Sequence[FileTexts]) -> dict[str, list[str]]:
    """The files after the history, the target, and the steps that were still to come."""
    texts = acted(row, present(row, files))
    steps = order.steps(touched(files))
    done = [step.hunk for step in steps[: step_of(row)]]
    for step in steps[step_of(row) :]:
        before = [h for h, s in zip(done, steps, strict=False) if s.file is step.file]
        at = step.hunk.old_start + sum(len(h.new) - len(h.old) for h in before if h.old_start < step.hunk.old_start)
        lines = texts[step.file.path]
        assert tuple(lines[at : at + len(step.hunk.old)]) == step.hunk.old
        lines[at : at + len(step.hunk.old)] = step.hunk.new
        done.append(step.hunk)
    return texts


RENAMED = exactly(
    "a.py",
    f"def total(items):\n    return sum(items)\n{FAR}print(total([1]))\n{FAR}x = total([2])\n",
    f"def add_up(items):\n    return sum(items)\n{FAR}print(add_up([1]))\n{FAR}x = add_up([2])\n",
)


def test_the_cut_is_anywhere_and_the_target_is_the_next_step() -> None:
    seen = set()
    for seed in range(20):
        row = rows_of(RENAMED, key=str(seed))[0]
        assert row.target is not None
        seen.add((len(row.history), row.target.lines))
    assert seen == {(1, ("print(add_up([1]))",)), (2, ("x = add_up([2])",))}


def test_a_diff_is_what_the_server_shows() -> None:
    row = rows_of(RENAMED)[0]
    assert row.history[0].path == "a.py"
    assert row.history[0].diff == (
        "@@ -1,4 +1,4 @@\n-def total(items):\n+def add_up(items):\n"
        "     return sum(items)\n filler_0 = 0\n filler_1 = 1\n"
    )


line = st.sampled_from(["a = 1", "b = f(a)", "def f(x):", "    return x", "", "f(2)", "    y = 3", "g(a, b)"])
end = st.sampled_from(["\n", "\r\n"])


@st.composite
def commits(draw: st.DrawFn) -> list[FileTexts]:
    """Files in which some lines are put in, taken out or replaced."""
    files = []
    for path in draw(st.sampled_from([("a.py",), ("a.py", "test_a.py")])):
        terminator, last = draw(end), draw(st.booleans())
        old = draw(st.lists(line, min_size=3, max_size=40))
        new: list[str] = []
        for text in old:
            what = draw(st.integers(0, 9))
            new += [f"{text}  # {len(new)}"] if what == 0 else [] if what == 1 else [text]
            new += draw(st.lists(line, max_size=2)) if what == 2 else []
        before, after = (terminator.join(lines) + (terminator if last else "") for lines in (old, new))
        if before != after and before and after:
            files.append(exactly(path, before, after))
    return files


@settings(deadline=None)
@given(commits(), st.integers(0, 50), st.sampled_from([ALL, HALF, Shares(1, 1, 1)]))
def test_history_target_and_the_rest_make_the_commit(files: list[FileTexts], seed: int, shares: Shares) -> None:
    assume(len(order.steps(touched(files))) <= 8)  # a row's history holds no more
    # rows are of lines, and do not say whether the last one is ended
    assume(all(file.before.endswith("\n") == file.after.endswith("\n") for file in files))
    for row in rows_of(*files, key=str(seed), shares=shares):
        if row.target:
            assert finished(row, files) == {file.path: list(lines_of(file.after)) for file in files}
        elif row.origin.why[-1].startswith("all "):
            assert present(row, files) == {file.path: list(lines_of(file.after)) for file in files}
        else:
            present(row, files)


@settings(deadline=None)
@given(commits(), st.integers(0, 50))
def test_the_groups_of_a_commit_make_it_one_after_the_other(files: list[FileTexts], seed: int) -> None:
    for group in relate.groups(files):
        for row in split.rows(files, group, ORIGIN, str(seed), shares=Shares(1, 1, 1)):
            present(row, files)  # other groups never happened


@pytest.mark.parametrize("seed", range(12))
def test_a_half_typed_edit_is_completed(seed: int) -> None:
    (row,) = rows_of(RENAMED, key=str(seed), shares=HALF)
    assert row.half_typed and row.target
    assert row.target.stop - row.target.start == 1
    begun = row.window.lines[row.target.start - row.window.start]
    assert begun != row.target.lines[0] and "total" not in begun
    assert "+" + begun in row.history[-1].diff.split("\n")


@pytest.mark.parametrize("seed", range(12))
def test_what_is_half_typed_is_typed_from_its_start_and_the_old_line_is_gone(seed: int) -> None:
    old, new = "result = compute(first, second)", "result = transform(first, second, third)"
    file = exactly("a.py", f"{old}\n{FAR}", f"{new}\nprint(result)\n{FAR}")
    (row,) = rows_of(file, key=str(seed), shares=HALF)
    assert row.target and row.half_typed and old not in row.window.lines
    begun = row.window.lines[row.target.start - row.window.start]
    assert (new.startswith(begun) and begun > "result = ") or "print(result)".startswith(begun)


def test_a_deletion_is_made_whole() -> None:
    gone = "".join(f"gone_{n} = {n}\n" for n in range(5))
    file = exactly("a.py", f"{gone}{FAR}{gone}rest = 1\n", f"{FAR}rest = 1\n")
    for seed in range(20):
        (row,) = rows_of(file, key=str(seed), shares=HALF)
        assert not row.half_typed and row.target and (row.target.stop - row.target.start, row.target.lines) == (5, ())


def test_an_import_comes_behind_its_first_use() -> None:
    before = f"import sys\n{FAR}one = 1\n{FAR}two = 2\n"
    after = f"import os\nimport sys\n{FAR}one = sys.argv\n{FAR}two = os.sep\nthree = 3\n"
    found = order.steps(touched([exactly("a.py", before, after)]))
    assert [step.hunk.new[0] for step in found] == ["one = sys.argv", "two = os.sep", "import os"]
    alone = exactly("a.py", before, after.replace("os.sep", "2"))
    assert order.steps(touched([alone]))[0].hunk.new == ("import os",)


def test_a_quarter_is_half_typed() -> None:
    rows = [rows_of(RENAMED, key=str(seed), shares=Shares())[0] for seed in range(80)]
    assert 10 <= sum(row.half_typed for row in rows) <= 32


def test_when_all_is_done_there_is_no_edit() -> None:
    row = rows_of(RENAMED)[1]
    assert (row.label, row.target, len(row.history)) == ("no_edit", None, 3)
    assert any("add_up" in text for text in row.window.lines)


def test_lines_left_alone_are_beside_the_changes_and_hold_none() -> None:
    shown = [row for seed in range(20) for row in rows_of(RENAMED, key=str(seed))[2:]]
    assert len(shown) > 15
    for row in shown:
        assert (row.label, row.target) == ("no_edit", None)
        assert row.history and not any("total" in text or "add_up" in text for text in row.window.lines)
        assert any("filler" in text for text in row.window.lines)


def test_a_single_hunk_is_a_row_only_once_it_has_begun() -> None:
    file = changed("a.py", "a = 1\n", "a = 1\nnumbers = [a, a]\n")
    assert [row.label for row in rows_of(file, shares=Shares(0, 0, 0))] == []
    (row,) = rows_of(file, shares=HALF)
    assert row.half_typed and row.target and row.target.lines == ("numbers = [a, a]",)
    assert len(row.history) == 1


def test_what_is_too_long_for_an_answer_is_history_alone() -> None:
    long = "".join(f"new_{n} = {n}\n" for n in range(40))
    before = f"start = 0\n{FAR}start()\n"
    after = f"start = 0\n{long}{FAR}begin()\n"
    for seed in range(10):
        row = rows_of(exactly("a.py", before, after), key=str(seed))[0]
        assert row.target and row.target.lines == ("begin()",)


def test_hunks_that_do_not_make_the_text_make_no_rows() -> None:
    file = exactly("a.py", "a\rb\nc\n", "a\rb\nd\n")
    wrong = FileTexts(file.path, file.old_path, file.language, file.before, file.after + "more\n", file.hunks)
    assert rows_of(wrong, shares=Shares(1, 1, 1)) == []


def test_a_change_of_line_ends_alone_is_no_target() -> None:
    assert [row for row in rows_of(exactly("a.py", "a\r\nb\r\n", "a\nb\n"), shares=Shares(1, 0, 0)) if row.target] == []


def test_the_key_decides() -> None:
    assert rows_of(RENAMED, key="x", shares=Shares(1, 1, 1)) == rows_of(RENAMED, key="x", shares=Shares(1, 1, 1))
    random.seed(0)
    assert rows_of(RENAMED, key="x") == rows_of(RENAMED, key="x")


def test_definition_before_use_and_signature_before_body_before_callers() -> None:
    use = exactly("a.py", f"import b\n{FAR}b.work(1)\n", f"import b\n{FAR}b.work(1, fast=True)\n")
    body = "    one()\n    two()\n    three()\n"
    definition = exactly(
        "b.py", f"def work(n):\n{body}    return n\n", f"def work(n, fast):\n{body}    return n * fast\n"
    )
    test = exactly("test_b.py", "def test():\n    work(1)\n", "def test():\n    work(1, fast=False)\n")
    found = order.steps(touched([use, definition, test]))
    assert [(step.file.path, step.hunk.new_start + 1) for step in found] == [
        ("b.py", 1),
        ("b.py", 5),
        ("a.py", 32),
        ("test_b.py", 2),
    ]


def test_hunks_a_line_apart_are_one_step() -> None:
    file = changed(
        "a.py",
        "a = 1\nkept = 2\nb = 3\nkept = 4\nkept = 5\nc = 6\n",
        "a = 2\nkept = 2\nb = 4\nkept = 4\nkept = 5\nc = 7\n",
    )
    assert [step.hunk.new for step in order.steps(touched([file]))] == [("a = 2", "kept = 2", "b = 4"), ("c = 7",)]


def test_steps_near_each_other_are_two_edits_of_the_history() -> None:
    before = "a = f(1)\nx = 1\ny = 2\nz = 3\nb = f(2)\n" + FAR + "c = f(3)\n"
    file = exactly("a.py", before, before.replace("f(", "g("))
    assert {len(rows_of(file, key=str(seed))[0].history) for seed in range(20)} == {1, 2}
    assert len(rows_of(file)[1].history) == 3
