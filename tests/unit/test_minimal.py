"""Lines to the smallest edit: applying it gives the text with those lines, whatever its line endings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretype.context.minimal import edit
from foretype.context.next_edit import NextEdit, Span
from foretype.context.text import content, split_lines


def applied(text: str, made: NextEdit) -> str:
    raw = split_lines(text)
    offsets = [sum(map(len, raw[:at])) for at in range(len(raw))]
    start = offsets[made.span.start_line] + made.span.start_column
    stop = offsets[made.span.end_line] + made.span.end_column
    return text[:start] + made.text + text[stop:]


def made(text: str, start: int, stop: int, *new: str) -> NextEdit:
    return edit("f", text, (start, stop), new, lane="rule", reason="similar", why="", confidence=0.5)


@pytest.mark.parametrize(
    ("text", "start", "stop", "new", "span", "written"),
    [
        ("a(b)\nc\n", 0, 1, ["a(b, c)"], Span(0, 3, 0, 3), ", c"),
        ("a\r\nb\r\n", 1, 1, ["x"], Span(1, 0, 1, 0), "x\r\n"),
        ("a\r\nb\r\n", 0, 1, [], Span(0, 0, 1, 0), ""),
        ("a\nb", 1, 2, ["bc"], Span(1, 1, 1, 1), "c"),
        ("a\nb", 2, 2, ["c"], Span(1, 1, 1, 1), "\nc"),
        ("a", 0, 1, ["a", "b"], Span(0, 1, 0, 1), "\nb"),
    ],
)
def test_spans(text: str, start: int, stop: int, new: list[str], span: Span, written: str) -> None:
    found = made(text, start, stop, *new)
    assert (found.span, found.text) == (span, written)


@settings(max_examples=60)
@given(
    st.lists(st.text(alphabet="ab", max_size=3), max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.data(),
)
def test_applied_it_gives_those_lines(lines: list[str], ending: str, data: st.DataObject) -> None:
    text = ending.join(lines)
    raw = [content(line) for line in split_lines(text)]
    start = data.draw(st.integers(0, len(raw)))
    stop = data.draw(st.integers(start, len(raw)))
    new = data.draw(st.lists(st.text(alphabet="ab", max_size=3), max_size=3))
    expected = ending.join([*raw[:start], *new, *raw[stop:]])
    after = applied(text, made(text, start, stop, *new))
    if stop < len(raw) or new:
        # where there is no line ending yet, one of the file's usual kind is as good as the other
        assert after.replace("\r\n", "\n") == expected.replace("\r\n", "\n")
    assert "\r" not in after.replace("\r\n", "")
