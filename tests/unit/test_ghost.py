"""Ghost text on a terminal."""

from __future__ import annotations

import io

import pytest

from foretype.context import ghost


def test_without_colours_the_suggestion_stands_between_marks() -> None:
    assert ghost.drawn("f(", "a, b", ")") == ["f(⟨a, b⟩)"]
    assert ghost.drawn("if x:", "\n    f()\n    g()", " # end") == ["if x:⟨", "    f()", "    g()⟩ # end"]


def test_with_colours_each_line_of_it_is_dim() -> None:
    on, off = "\x1b[2;3m", "\x1b[0m"
    assert ghost.drawn("f(", "a,\n  b", ")", colours=True) == [f"f({on}a,{off}", f"{on}  b{off})"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\tx\r\n", "    x"),
        ("\x1b[2J", "�[2J"),
        ("a\x07b\x9b", "a�b�"),
        ("\u202eab", "�ab"),
        ("größe 日本", "größe 日本"),
    ],
)
def test_a_file_cannot_command_the_terminal(text: str, shown: str) -> None:
    assert ghost.plain(text) == shown
    assert ghost.drawn(text, "") == [f"{shown}⟨⟩"]


def test_lines_of_the_file_are_numbered_and_suggested_ones_are_not() -> None:
    shown = ghost.numbered(["a\n", "b\n", "c\n", "d\n", "e"], 2, ["c1", "c2"], above=1, below=1)
    assert shown == ["    2 │ b", "    3 │ c1", "      │ c2", "    4 │ d"]
    assert ghost.numbered(["a"], 0, ["a"]) == ["    1 │ a"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_whose_user_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm", "WT_SESSION": "1", "NO_COLOR": ""}.items():
        monkeypatch.setenv(name, value)
    assert ghost.has_colours(Terminal()) and not ghost.has_colours(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not ghost.has_colours(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not ghost.has_colours(Terminal())


def test_what_a_stream_cannot_encode_does_not_fail() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1")
    ghost.write("│ é ⟨x⟩", stream)
    assert raw.getvalue() == "? é ?x?".encode("latin-1")
