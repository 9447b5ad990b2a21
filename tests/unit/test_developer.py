"""The simulated developer: what is new to the eye, and what is accepted."""

from __future__ import annotations

import pytest

from foretype.eval.typing.developer import Developer, keys_within


def test_a_suggestion_is_read_once_while_its_text_is_typed() -> None:
    developer = Developer()
    assert developer.reads("value)")
    assert not developer.reads("value)")
    developer.wrote("v")
    assert not developer.reads("")  # gone for a key
    developer.wrote("a")
    assert not developer.reads("lue)")
    assert developer.reads("lue) + 1"), "it has grown"
    developer.wrote("x")
    assert developer.reads("lue)"), "other text was typed, so it is another suggestion"


def test_after_going_elsewhere_everything_is_new() -> None:
    developer = Developer()
    developer.reads("value")
    developer.left()
    assert developer.reads("value")


@pytest.mark.parametrize(
    ("text", "keys", "accepted"),
    [
        ("abc", "abcdef", 3),
        ("ab", "abcdef", 0),  # saves too little
        ("abx", "abcdef", 0),  # wrong
        ("abcdefg", "abcdef", 0),  # goes beyond what is wanted
        ("abcdef", "abcdef", 6),
        ("", "abcdef", 0),
    ],
)
def test_what_is_accepted_whole(text: str, keys: str, accepted: int) -> None:
    assert Developer().accepts(text, list(keys)) == accepted


def test_indentation_saves_no_keys() -> None:
    assert Developer().accepts("\n        ", ["\n        ", "x"]) == 0
    assert Developer().accepts("\n        xy", ["\n        ", "x", "y"]) == 11


def test_parts_only_where_the_developer_knows_how() -> None:
    keys = list("return value + 2")
    assert Developer().accepts("return value + 1\n", keys) == 0
    assert Developer(partial=True).accepts("return value + 1\n", keys) == len("return")
    assert Developer(partial=True).accepts("return value + 2\nprint()", keys) == len("return value + 2")
    assert Developer(partial=True).accepts("if value", keys) == 0
    assert Developer(partial=True).accepts(" + value", list(" + other")) == 0, "two characters are too few"


def test_a_key_that_is_saved_in_part_still_has_to_be_pressed() -> None:
    assert keys_within(4, ["a", "\n    ", "b"]) == 1
    assert keys_within(6, ["a", "\n    ", "b"]) == 2
    assert keys_within(0, ["a"]) == 0
