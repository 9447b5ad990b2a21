"""What keeps an edit from being shown: each reason by an edit that has it, and one like it that has not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from foretype.context.rows import Diff, Target
from foretype.model.edit_filters import FILTERS, Proposal, beside, refusal

TEXT = """\
import sys


def log(message, level):
    print(message)


def main():
    log("ready")
    log("done")
"""
LINES = TEXT.split("\n")
HISTORY = (Diff("a.py", "-def log(message):\n+def log(message, level):\n     print(message)\n"),)


def why(start: int, stop: int, *lines: str, path: str = "a.py", history=HISTORY, **more) -> str | None:
    return refusal(Proposal(path, "", LINES, Target(start, stop, lines), (0, 10), history, **more))


@pytest.mark.parametrize(
    ("start", "stop", "lines", "reason"),
    [
        (8, 9, ['    log("ready", level)'], None),
        (8, 8, ["    level = 1"], None),
        (8, 9, ['    log("ready")'], "no_change"),
        (8, 9, ['    log( "ready" )'], "white_space"),
        (8, 9, ['        log("ready")'], "white_space"),
        (8, 9, ['    log("ready", level\u200b)'], "invisible"),
        (8, 9, ['    log("ready", "\u202elevel")'], "invisible"),
        (8, 9, ['    log("ready", level)', '    log("done")'], "repeats"),
        (8, 8, ["    level = 1", '    log("ready")'], "repeats"),
        (4, 5, ["def log(message, level):", "    print(level)"], "repeats"),
        (0, 1, ["import os"], "unrelated"),
        (8, 9, [], "unrelated"),
        (3, 4, ["def log(message):"], "reversal"),
        (8, 9, ['    log("ready", level'], "parse_error"),
        (9, 11, ['    log("done", level)'], "outside"),
        (8, 9, ['    log("set", level)'], "replaces"),
        (8, 8, [f"    level{at} = (level, {at}, {at})" for at in range(4)], "over_editing"),
    ],
)
def test_reasons(start: int, stop: int, lines: list[str], reason: str | None) -> None:
    assert why(start, stop, *lines) == reason


def test_every_filter_has_a_test() -> None:
    tested = {mark.args[1][at][3] for mark in test_reasons.pytestmark for at in range(len(mark.args[1]))}
    assert {reason for reason, _ in FILTERS} <= tested | {"still_used"}


@pytest.mark.parametrize(
    ("line", "new", "complaint", "reason"),
    [
        ("from math import ceil, floor", (), "`math.floor` imported but unused", "still_used"),
        ("from math import ceil, floor", (), "`math.floor` imported but unused\n`math.ceil` imported but unused", None),
        ("from math import ceil, floor", ("from math import ceil",), "`math.floor` imported but unused", None),
        ("import numpy as np", (), "`numpy` imported but unused", None),
        ('import { one, two } from "./all"', (), "'two' is defined but never used.", "still_used"),
    ],
)
def test_an_import_goes_where_all_its_names_are_without_use(
    line: str, new: tuple[str, ...], complaint: str, reason: str | None
) -> None:
    proposal = Proposal("notes", "", [line, "", "use()"], Target(0, 1, new), (0, 3), HISTORY, complaint)
    assert refusal(proposal) == reason


def test_what_a_diagnostic_asks_for_need_not_follow_from_the_edits() -> None:
    assert why(0, 1, complaint="`sys` imported but unused") is None


def test_what_was_taken_out_into_a_definition_may_go() -> None:
    named = (Diff("a.py", '+READY = "ready"\n'),)
    assert why(8, 9, "    log(READY)", history=named) is None
    assert why(9, 10, "    log(READY)", history=named) == "replaces"


def test_the_new_case_is_meant_beside_its_neighbour() -> None:
    over = Proposal("a.py", "", LINES, Target(8, 9, ('    log("set", level)',)), (0, 10), HISTORY)
    found = beside(over)
    assert found is not None and found.target == Target(9, 9, ('    log("set", level)',)) and refusal(found) is None
    assert beside(replace(over, target=Target(8, 9, ("    level = 1", '    log("set", level)')))) is None


def test_what_moves_here_from_another_file_is_no_reversal() -> None:
    moved = (Diff("b.py", "-LEVEL = 1\n"), Diff("c.py", "-from b import LEVEL\n+from a import LEVEL\n"))
    assert why(1, 1, "LEVEL = 1", history=moved) != "reversal"
    assert why(1, 1, "LEVEL = 1", history=(Diff("a.py", "-LEVEL = 1\n"),)) == "reversal"


def test_lines_that_merely_moved_say_nothing() -> None:
    sorted_imports = (Diff("a.py", "-import os\n import sys\n+import os\n"),)
    assert why(0, 1, "import os", "import sys", history=sorted_imports) == "unrelated"


def test_after_wording_only_the_same_words_may_go() -> None:
    wording = (Diff("a.py", '-    log("done")\n+    log("finished")\n'),)
    assert why(9, 10, '    log("finished")', history=wording, wording=True) is None
    assert why(8, 9, '    log("ready", "finished")', history=wording, wording=True) == "unrelated"


def test_a_broken_file_may_stay_broken_but_not_get_worse() -> None:
    broken = [*LINES[:9], "    log(", *LINES[10:]]
    proposal = Proposal("a.py", "", broken, Target(8, 9, ('    log("ready", level)',)), (0, 10), HISTORY)
    assert refusal(proposal) is None
    assert refusal(replace(proposal, target=Target(4, 5, ("    print(level)", "  )")))) == "parse_error"
