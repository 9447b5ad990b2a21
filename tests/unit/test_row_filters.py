from __future__ import annotations

from dataclasses import replace

import pytest

from foretype.context.rows import Diff, EditRow, Origin, Row, Target, Window
from foretype.mining import row_filters
from foretype.mining.candidate import name, source
from foretype.mining.filters import Tally


def row(history: str, old: str, new: str, path: str = "a.py", above: str = "") -> EditRow:
    """A row whose target is all of its window but what is above; the history is one hunk."""
    language = {"py": "python", "js": "javascript", "go": "go", "java": "java"}[path.rpartition(".")[2]]
    lines, first = tuple(old.splitlines()), above.splitlines()
    window = Window(path, 0, (*first, *lines))
    target = Target(len(first), len(first) + len(lines), tuple(new.splitlines()))
    origin = Origin("r", "c" * 40, 0, "MIT", path, language)
    return EditRow(origin, "edit", (Diff("b.py", f"@@ -1,1 +1,1 @@\n{history}\n"),), False, window, target)


def why(given: Row) -> str:
    tally = Tally()
    kept = list(row_filters.passing(iter([given]), tally))
    assert kept == ([] if tally.rejected else [given])
    return next(iter(tally.rejected), "")


SAID = "-total = 1\n+amount = 1\n shown = context"


@pytest.mark.parametrize(
    ("history", "old", "new", "expected"),
    [
        (SAID, "print(total)", "print(amount)", ""),
        (SAID, "first = size", "last = size + 1", "unrelated"),
        (SAID, "print(shown)", "print(shown, 2)", "unrelated"),  # context is no change
        (SAID, "self.x = None", "self.x = True", "unrelated"),  # nor does a keyword say anything
        # the same done to other names
        ("-assertTrue(a == b)\n+assertEqual(a, b)", "check(c == d)", "checkAll(c, d)", ""),
        ("-assertTrue(a == b)\n+assertEqual(a, b)", "check(c == d)", "checkAll(c, d, e)", "unrelated"),
        # of two hunks each counts by itself
        ("-one\n+two\n three\n-f()\n+f(1)", "g()", "g(2)", ""),
    ],
)
def test_an_edit_that_shares_no_name_follows_only_as_a_repetition(
    history: str, old: str, new: str, expected: str
) -> None:
    assert why(row(history, old, new)) == expected
    assert why(replace(row(history, old, new), half_typed=True)) == ""
    assert why(replace(row(history, old, new), label="rename")) == ""


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("a.js", "if (total &&\n    other) {", "if (total && other) {", "white_space_target"),
        ("a.js", "", "\n", "white_space_target"),
        ("a.js", "f(total,\n  b)", "f(\n  total,\n  b,\n)", "punctuation_target"),
        ("a.js", "f(total)", "f(total, 1)", ""),
        ("a.py", "\n", "", "white_space_target"),
        ("a.py", "total  = 1", "total = 1", "white_space_target"),
        ("a.py", "    total = 1", "total = 1", ""),  # out of a block
        ("a.py", "f(total,\n      b)", "f(total, b)", "white_space_target"),
        ("a.py", "x = [\n    total\n]", "x = [\n    total,\n]", "punctuation_target"),
        ("a.py", "not total", "nottotal", ""),
    ],
)
def test_layout_is_no_target(path: str, old: str, new: str, expected: str) -> None:
    assert why(row(SAID, old, new, path)) == expected


def test_indentation_within_brackets_is_layout() -> None:
    assert why(row(SAID, "    total,", "  total,", above="call(")) == "white_space_target"
    assert why(row(SAID, "    total,", "  total,", above="call()")) == ""


@pytest.mark.parametrize(
    ("path", "history", "new", "expected"),
    [
        ("a.py", "+print(sep)", "from os import sep", ""),
        ("a.py", "+print(total)", "from os import sep", "imports_first"),
        ("a.py", "-print(sep)\n+print(1)", "import sep", "imports_first"),  # it is gone
        ("a.py", "+from os import path", "from os import sep", "imports_first"),
        ("a.py", "+from os import sep", "from os import sep", ""),  # the same in another file
        ("a.py", "+print(a)", "from os import (\n    sep,\n    linesep,\n)", "imports_first"),
        ("a.go", "+print(a)", '\t"net/http"', "imports_first"),
        ("a.go", "+http.Get(a)", '\t"net/http"', ""),
        ("a.java", "+new Other()", "import java.util.List;", "imports_first"),
        ("a.js", "+log(a)", "const { a, b } = require('./a')", ""),
        ("a.py", "+a = 1", "import os\na = os.sep", ""),  # more than an import
    ],
)
def test_an_import_follows_what_needs_it(path: str, history: str, new: str, expected: str) -> None:
    assert why(row(history, "", new, path)) == expected


def test_what_has_no_target_or_is_no_edit_is_kept() -> None:
    given = row(SAID, "first = size", "last = size + 1")
    assert why(replace(given, label="no_edit", target=None)) == ""
    assert why(replace(given, label="lint")) == ""


def test_each_has_a_name_and_says_its_source() -> None:
    assert len({name(one) for one in row_filters.FILTERS}) == 4
    assert all("eval/reading" in source(one) for one in row_filters.FILTERS)
