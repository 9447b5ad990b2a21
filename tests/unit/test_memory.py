"""Suggestions recalled while they are typed, taken and taken back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretype.context.text import Snapshot, split_lines
from foretype.lsp.memory import Memory, Place
from foretype.lsp.outcome import Nothing, Suggestion

TEXT = "def f(a, b):\n    return a + b\n\n\ndef g():\n    "
BELOW = "\n\n\nprint(g())\n"


def place(before: str, after: str = BELOW, uri: str = "file:///a.py") -> Place:
    lines = tuple(split_lines(before + after))
    head = split_lines(before)
    return Place.at(Snapshot(uri, "a.py", "python", 1, lines), len(head) - 1, len(head[-1]))


@pytest.fixture
def memory() -> Memory:
    memory = Memory()
    memory.remember(place(TEXT), Suggestion("s", "return f(1, 2)\n    # done"))
    return memory


def recalled(memory: Memory, before: str, after: str = BELOW) -> str | None:
    found = memory.recall(place(before, after))
    assert found is None or isinstance(found, Suggestion)
    return found.text if found else None


@pytest.mark.parametrize(
    ("typed", "rest"),
    [
        ("", "return f(1, 2)\n    # done"),
        ("ret", "urn f(1, 2)\n    # done"),
        ("return f(1, 2)", "\n    # done"),
        ("return f(1, 2)\n    ", "# done"),
        ("return f(1, 2)\n    # done", None),
        ("rex", None),
        ("return f(1, 2)\n    # done it", None),
    ],
)
def test_the_rest_of_what_is_typed(memory: Memory, typed: str, rest: str | None) -> None:
    assert recalled(memory, TEXT + typed) == rest


def test_it_is_the_same_suggestion(memory: Memory) -> None:
    found = memory.recall(place(TEXT + "return "))
    assert isinstance(found, Suggestion)
    assert (found.id, found.recalled) == ("s", True)


def test_going_back(memory: Memory) -> None:
    for typed in ("return f", "retu", "", "return"):
        assert recalled(memory, TEXT + typed) is not None
    assert recalled(memory, TEXT[:-1]) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [(TEXT.replace("return a", "return b"), BELOW), (TEXT, "\n\nother()\n"), (TEXT, ")" + BELOW)],
    ids=["text above", "text below", "text on the line"],
)
def test_another_place(memory: Memory, before: str, after: str) -> None:
    assert recalled(memory, before, after) is None


def test_another_document(memory: Memory) -> None:
    assert memory.recall(place(TEXT, uri="file:///b.py")) is None


def test_nothing_is_left_of_white_space() -> None:
    memory = Memory()
    memory.remember(place(TEXT), Suggestion("s", "x\n"))
    assert recalled(memory, TEXT + "x") is None


def test_the_nearest_comes_first(memory: Memory) -> None:
    memory.remember(place(TEXT + "return "), Suggestion("t", "f(3)"))
    assert recalled(memory, TEXT + "return f") == "(3)"
    assert recalled(memory, TEXT + "retur") == "n f(1, 2)\n    # done"
    # of two that agree with what was typed, neither hides the other
    assert recalled(memory, TEXT + "return f(1") == ", 2)\n    # done"


def test_what_was_rejected_stays_away_while_it_is_typed(memory: Memory) -> None:
    memory.reject("s")
    assert memory.recall(place(TEXT + "ret")) == Nothing("rejected")
    assert memory.recall(place(TEXT + "raise")) is None


def test_the_least_recently_used_goes() -> None:
    memory = Memory(capacity=3)
    for name in "abc":
        memory.remember(place(name), Suggestion(name, "x"))
    assert recalled(memory, "a") == "x"
    memory.remember(place("d"), Suggestion("d", "x"))
    assert [recalled(memory, name) for name in "abcd"] == ["x", None, "x", "x"]


@given(st.text(), st.text(min_size=1), st.text(), st.data())
def test_what_is_recalled_is_what_the_suggestion_goes_on_with(before: str, text: str, after: str, data: st.DataObject):
    memory = Memory()
    memory.remember(place(before, after), Suggestion("s", text))
    typed = data.draw(st.integers(0, len(text)).map(lambda size: text[:size]) | st.text())
    found = memory.recall(place(before + typed, after))
    assert found is None or (isinstance(found, Suggestion) and (before + typed + found.text).endswith(text))
