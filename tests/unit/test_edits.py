"""The format of next edits: prompts to the letter, answers there and back, and what is cut for want of room."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretype.context.rows import Diagnostic, Diff, EditRow, Excerpt, Origin, Target, Window
from foretype.model import edits
from foretype.model.edit_format import EditRequest, NoEdit, answer, compact, parse, render
from foretype.model.edits import fit, request_of, size
from foretype.model.fim import FAMILIES, Sentinel

QWEN = FAMILIES["qwen2.5-coder"]
LINES = ("def log(message, level):", "    print(message)", "", "", "def main():", '    log("ready")')
DIFF = "@@ -1,2 +1,2 @@\n-def log(message):\n+def log(message, level):\n     print(message)\n"
REQUEST = EditRequest("lib/log.py", (Diff("lib/log.py", compact(DIFF)),), Window("lib/log.py", 0, LINES), focus=(1, 2))
USED = Target(1, 2, ("    print(level, message)",))


def words(text: str) -> int:
    """About as many as a tokenizer makes."""
    return (len(text) + 2) // 3


def written(request: EditRequest = REQUEST) -> str:
    return "".join(str(part) if isinstance(part, Sentinel) else part.text for part in render(QWEN, request))


# To the letter


def test_a_question_and_its_answers() -> None:
    assert written() == (
        "<|file_sep|>lib/log.py.diff\n-def log(message):\n+def log(message, level):\n     print(message)\n"
        "<|file_sep|>lib/log.py\n1 def log(message, level):\n2     print(message)\n3\n4\n5 def main():\n"
        '6     log("ready")\n<|fim_middle|>'
    )
    assert answer(REQUEST, USED) == "2\n    print(level, message)"
    assert answer(REQUEST, None) == "0"


def test_what_is_told_beside_edits() -> None:
    request = replace(
        REQUEST,
        related=(Excerpt("lib/level.py", "class Level: ..."),),
        diagnostics=(Diagnostic("lib/log.py", 1, "ruff", "F821", "Undefined\nname `level`"),),
    )
    assert written(request) == (
        "<|file_sep|>lib/log.py.diff\n-def log(message):\n+def log(message, level):\n     print(message)\n"
        "<|file_sep|>lib/level.py\nclass Level: ...\n"
        "<|file_sep|>diagnostics\n2 F821 Undefined name `level`\n"
    ) + written(replace(REQUEST, history=()))


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_every_family_can_ask(family) -> None:
    parts = render(family, REQUEST)
    assert {str(part) for part in parts if isinstance(part, Sentinel)} <= {str(part) for part in family.sentinels}
    assert "def log(message, level):" in "".join(part.text for part in parts if not isinstance(part, Sentinel))


# There and back

LINE = st.text(alphabet="ab (){}\t", max_size=6)
FILE = st.lists(LINE, min_size=1, max_size=9).map(tuple)


@st.composite
def questions(draw) -> tuple[EditRequest, Target]:
    lines, first = draw(FILE), draw(st.integers(0, 3))
    start = draw(st.integers(0, len(lines)))
    stop = draw(st.integers(start, len(lines)))
    focus = draw(st.integers(0, start)), draw(st.integers(stop, len(lines)))
    target = Target(first + start, first + stop, tuple(draw(st.lists(LINE, max_size=4))))
    if focus[0] == focus[1]:
        focus = (max(0, focus[0] - 1), focus[1] + (focus[0] == 0))
    request = EditRequest("f.py", (), Window("f.py", first, lines), focus=(first + focus[0], first + focus[1]))
    return request, target


def done(request: EditRequest, target: Target) -> list[str]:
    lines, first = list(request.window.lines), request.window.start
    lines[target.start - first : target.stop - first] = target.lines
    return lines


@settings(max_examples=40)
@given(question=questions())
def test_an_answer_means_what_it_was_made_for(question) -> None:
    request, target = question
    found = parse(request, answer(request, target))
    expected = done(request, target)
    if expected == list(request.window.lines):
        assert isinstance(found, NoEdit) or done(request, found) == expected
    else:
        assert isinstance(found, Target)
        assert done(request, found) == expected
        assert request.window.start <= found.start <= found.stop <= request.window.stop


@settings(max_examples=40)
@given(question=questions())
def test_nothing_to_do_is_no_edit(question) -> None:
    request, _ = question
    assert parse(request, answer(request, None)) == NoEdit("none")


@settings(max_examples=40)
@given(text=st.text(alphabet="0123456789-+ab\n {", max_size=12))
def test_any_answer_is_an_edit_within_reach_or_none(text) -> None:
    found = parse(REQUEST, text)
    if isinstance(found, Target):
        assert 0 <= found.start <= found.stop <= len(LINES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2-3", Target(1, 3, ())),
        ("2\n", Target(1, 2, ("",))),
        ("5+\n# main", Target(4, 4, ("# main",))),
        ("7+\nmain()", Target(6, 6, ("main()",))),
        ("6-7\nx", NoEdit("outside")),
        ("3-2\nx", Target(2, 2, ("x",))),
        ("4-2\nx", NoEdit("unreadable")),
        ("2+", NoEdit("unreadable")),
        ("2\n    print(message)", NoEdit("unchanged")),
        ("0", NoEdit("none")),
        ("", NoEdit("unreadable")),
        ("print", NoEdit("unreadable")),
    ],
)
def test_line_ranges(text: str, expected: Target | NoEdit) -> None:
    assert parse(REQUEST, text) == expected


@pytest.mark.parametrize(
    ("new", "kept"),
    [
        (("    f(b)", "  }", "}", ""), ("    f(b)",)),
        (("    f(b)", "  }"), ("    f(b)", "  }")),
        (("    f(b)", "}", "}"), ("    f(b)", "}", "}")),
        (("    f(b)", "  }", "}", "end"), ("    f(b)", "  }", "}", "end")),
    ],
)
def test_brackets_that_stand_below_already_are_not_written_again(new: tuple[str, ...], kept: tuple[str, ...]) -> None:
    window = Window("a.go", 0, ("func f() {", "  if a {", "    f(a)", "  }", "}", "", "func g() {"))
    assert parse(EditRequest("a.go", (), window, focus=(2, 3)), "\n".join(("3", *new))) == Target(2, 3, kept)


def test_a_target_outside_the_window_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="not in the window"):
        answer(REQUEST, Target(6, 8, ()))


# Room

ORIGIN = Origin("r", "0" * 40, 0, "MIT", "lib/log.py", "python")
LONG = tuple(f"    value_{at} = compute({at})" for at in range(24))
ROW = EditRow(
    ORIGIN,
    "edit",
    tuple(Diff("lib/log.py", DIFF.replace("message", f"message{at}")) for at in range(8)),
    False,
    Window("lib/log.py", 100, LONG),
    Target(110, 111, ("    value_10 = 0",)),
)


@pytest.mark.parametrize("most", [512, 460, 420])
def test_prompt_and_answer_fit(most: int) -> None:
    request = fit(QWEN, request_of(ROW), words, most)
    assert request is not None
    assert size(render(QWEN, request), words) + edits.ANSWER_TOKENS <= most
    assert request.focus[0] <= ROW.target.start < ROW.target.stop <= request.focus[1]
    assert request.window.start <= request.focus[0] < request.focus[1] <= request.window.stop
    assert parse(request, answer(request, ROW.target)) is not None


def test_lines_that_are_too_wide_are_not_asked_about() -> None:
    wide = replace(ROW, window=Window("lib/log.py", 100, ("x" * 4000,)), target=Target(100, 101, ("y",)))
    assert fit(QWEN, request_of(wide), words) is None


def test_places_share_the_beginning_of_their_prompts() -> None:
    """So that only what differs is read for the second one."""
    one, other = (fit(QWEN, replace(request_of(ROW), focus=(at, at + 1)), words) for at in (102, 120))
    assert one is not None and other is not None
    assert one.history == other.history and one.window != other.window
    first, second = render(QWEN, one), render(QWEN, other)
    assert first[:2] == second[:2] and len(first[1].text) > 100


def test_the_latest_edits_are_told_of_and_the_oldest_left_out() -> None:
    request = fit(QWEN, request_of(ROW), lambda text: 2 * words(text), 800)
    assert request is not None
    assert request.history and request.history[-1].diff == compact(ROW.history[-1].diff)
    assert len(request.history) < 6


def test_a_row_does_not_tell_its_target_by_the_focus() -> None:
    places = {
        (request_of(row).focus[0] - 110, request_of(row).focus[1] - 111)
        for row in (replace(ROW, target=Target(110, 111, (f"    value_10 = {at}",))) for at in range(60))
    }
    assert len({above for above, _ in places}) > 4
    assert len({below for _, below in places}) > 4
    assert request_of(ROW) == request_of(ROW)


def test_training_and_serving_write_the_same_prompt() -> None:
    """A request that went to the engine process as JSON is the one that the row makes, byte for byte."""
    there = request_of(ROW)
    back = EditRequest.from_plain(json.loads(json.dumps(dataclasses.asdict(there))))
    assert back == there
    fitted = [fit(QWEN, request, words) for request in (there, back)]
    assert fitted[0] is not None and fitted[1] is not None
    assert render(QWEN, fitted[0]) == render(QWEN, fitted[1])


def test_compact_diffs() -> None:
    diff = "@@ -1,9 +1,9 @@\n a\n b\n-c\n+C\n d\n e\n@@ -20,3 +20,2 @@\n x\n-y\n z\n"
    assert compact(diff) == " b\n-c\n+C\n d\n@@\n x\n-y\n z\n"
    assert compact(compact(diff)) == compact(diff)
    assert compact("") == ""
