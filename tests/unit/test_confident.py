"""How much of an answer is worth suggesting."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretype.model import confident

SURE, LIKELY, UNLIKELY = log(0.99), log(0.7), log(0.05)


def best(*tokens: tuple[str, float]) -> str:
    text, ends = "", []
    for token, _ in tokens:
        text += token
        ends.append(len(text))
    return text[: confident.best(text, ends, [logprob for _, logprob in tokens])]


@pytest.mark.parametrize(
    ("tokens", "kept"),
    [
        ([("return", SURE), (" total", SURE)], "return total"),
        ([("return", SURE), (" total", UNLIKELY)], "return"),
        ([("return", SURE), (" ", SURE), ("x", UNLIKELY)], "return"),
        # more characters make up for some doubt
        ([("sum", SURE), ("(values_of_all)", LIKELY)], "sum(values_of_all)"),
        ([("values_of_all", SURE), (")", LIKELY)], "values_of_all"),
        # never within a word
        ([("val", SURE), ("ues", LIKELY), ("(x)", SURE)], "values(x)"),
        ([("val", SURE), ("ues", UNLIKELY), ("(x)", SURE)], ""),
        ([("f(", SURE), ("val", SURE), ("ues", UNLIKELY)], ""),
        ([("x", SURE), (")", SURE)], ""),
        ([("a\n", SURE), ("    b", SURE), (" = 1", UNLIKELY)], "a\n    b"),
    ],
)
def test_the_beginning_that_is_worth_most(tokens, kept) -> None:
    assert best(*tokens) == kept


def test_an_answer_of_unknown_probabilities_is_kept() -> None:
    assert confident.best("whatever it is", (), ()) == 14


def test_it_is_settled_when_nothing_likely_can_follow() -> None:
    text, ends = "return total", [6, 12]
    assert not confident.settled(text, ends, [SURE, SURE], 20)
    assert not confident.settled(text, ends, [SURE, LIKELY], 5)  # what follows may be worth it
    assert confident.settled(text, ends, [SURE, UNLIKELY], 20)
    assert not confident.settled("", [], [], 20)


WORDS = st.lists(st.tuples(st.sampled_from([" ab", " (", " x_", "\n  "]), st.floats(-9, 0)), max_size=12)


@given(WORDS, WORDS)
def test_what_comes_after_it_is_settled_changes_nothing(first, rest) -> None:
    ends = [sum(len(token) for token, _ in first[: size + 1]) for size in range(len(first))]
    text = "".join(token for token, _ in first)
    if confident.settled(text, ends, [logprob for _, logprob in first], len(rest)):
        assert best(*first, *rest) == best(*first)
