from __future__ import annotations

from collections import Counter
from itertools import pairwise

from commits import changed, exactly

from foretype.context.rows import FimRow, Origin, from_json, to_json
from foretype.mining import completions
from foretype.mining.commit import FileTexts

ORIGIN = Origin("o/r", "c" * 40, 0, "MIT", "", "")
FILE = changed(
    "a.py",
    """
    import os

    def kept():
        return os.getcwd()
    """,
    """
    import os

    def kept():
        return os.getcwd()

    def added(paths, größe):
        found = []
        for path in paths:
            if os.path.getsize(path) > größe:
                found.append(path)
        return found
    """,
)
ADDED = FILE.after[FILE.after.index("def added") :]


def rows_of(file: FileTexts, seeds: int = 60) -> list[FimRow]:
    """The rows that many seeds give."""
    found = [row for seed in range(seeds) for row in completions.rows(file, ORIGIN, str(seed))]
    for row in found:
        assert from_json(to_json(row)) == row
        assert row.prefix + row.middle + row.suffix == file.after
    return found


def test_all_modes_are_cut_about_as_often_as_they_should() -> None:
    modes = Counter(row.mode for row in rows_of(FILE, 200))
    total = modes.total()
    assert total > 300
    assert 0.4 < modes["single"] / total < 0.6
    assert min(modes["multi"], modes["span"]) > 0.15 * total


def test_holes_are_in_the_added_lines() -> None:
    first = FILE.after.index("def added")
    assert all(len(row.prefix) >= first for row in rows_of(FILE))
    assert all(row.middle in ADDED for row in rows_of(FILE) if row.mode != "span")


def test_single_lines_are_whole_code_or_the_rest_of_a_line() -> None:
    singles = {row.middle for row in rows_of(FILE, 400) if row.mode == "single"}
    assert {"    found = []\n", "found = []"} <= singles
    assert {"in paths:", "os.path.getsize(path) > größe:"} <= singles  # from a node on
    assert any(middle and middle[0].isalnum() and middle.endswith("und = []") for middle in singles)  # inside a token
    assert all(row.suffix.startswith("\n") for row in rows_of(FILE) if row.mode == "single" and row.middle[-1] != "\n")


def test_several_lines_are_whole_nodes() -> None:
    several = {row.middle.lstrip() for row in rows_of(FILE, 400) if row.mode == "multi"}
    loop = "for path in paths:\n        if os.path.getsize(path) > größe:\n            found.append(path)"
    assert {loop, "found = []\n    " + loop, loop + "\n    return found"} <= several
    assert "found.append(path)\n    return found" not in several  # a part of the loop with what follows it


def test_spans_begin_and_end_inside_tokens_too() -> None:
    spans = [row for row in rows_of(FILE, 200) if row.mode == "span"]
    assert all(1 <= len(row.middle) <= 160 for row in spans)
    inside = [row for row in spans if row.prefix[-1].isalpha() and row.middle[0].isalpha()]
    assert len(inside) > len(spans) / 5


def test_holes_of_one_key_do_not_overlap_and_are_the_same_again() -> None:
    for seed in range(40):
        rows = list(completions.rows(FILE, ORIGIN, str(seed)))
        assert rows == list(completions.rows(FILE, ORIGIN, str(seed)))
        ends = [(len(row.prefix), len(row.prefix) + len(row.middle)) for row in rows]
        assert all(first[1] <= second[0] for first, second in pairwise(ends))
        assert len(rows) <= 4 and len(list(completions.rows(FILE, ORIGIN, str(seed), most=1))) <= 1


def test_without_a_grammar_there_are_lines_and_spans() -> None:
    file = exactly("a.rb", "", "def area(r)\n  3 * r\nend\n" * 4)
    assert {row.mode for row in rows_of(file)} == {"single", "span"}


def test_nothing_is_cut_where_nothing_was_said() -> None:
    assert rows_of(exactly("a.py", "a = 1\nlong_name = 2\n", "a = 1\n")) == []
    assert rows_of(exactly("a.py", "a = 1\n", "a = 1\n\n)\n")) == []
    assert rows_of(exactly("a.py", "a = 1\n", "a = 1\nb = '" + "x" * 300 + "'\n")) == []


def test_other_line_ends_and_wide_characters() -> None:
    file = exactly("a.py", "a = 1\r\n", "a = 1\r\ndef f(größe):\r\n    b = größe\r\n    return '€' + b\r\n")
    rows = rows_of(file, 200)
    assert any(row.mode == "multi" for row in rows)
    assert {row.middle for row in rows if row.mode == "single" and row.middle.endswith("\n")} >= {"    b = größe\r\n"}


def test_long_files_are_cut_at_lines() -> None:
    far = "".join(f"filler_{n} = {n}\n" for n in range(1000))
    file = exactly("a.py", far + far, f"{far}answer = compute(everything)\n{far}")
    for seed in range(20):
        for row in completions.rows(file, ORIGIN, str(seed)):
            assert row.prefix.startswith("filler_") and row.prefix.count("\n") > 100
            assert len(row.prefix) <= completions.PREFIX_CHARS and len(row.suffix) <= completions.SUFFIX_CHARS
            assert row.prefix + row.middle + row.suffix in file.after
