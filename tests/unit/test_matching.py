import pytest

from foretype.eval.projects.matching import edit_similarity, identifiers, match


def test_white_space_around_does_not_count() -> None:
    found = match("  scale(shape, 2)\n", "scale(shape, 2)")
    assert found.exact and found.edit_similarity == found.identifier_match == 1.0


def test_identifiers_are_names_outside_of_strings_and_no_keywords() -> None:
    assert identifiers("x = y.z if x else None") == ["x", "y", "z", "x"]
    assert identifiers("say('not a name', \"it's\", größe)") == ["say", "größe"]
    assert identifiers("say('never closed, name") == ["say"]


def test_identifier_match_is_f1_of_sets_and_exact_needs_the_order() -> None:
    swapped = match("scale(b, a)", "scale(a, b)")
    assert swapped.identifier_match == 1.0 and not swapped.identifier_exact and not swapped.exact
    some = match("scale(a)", "scale(a, b, c)")
    assert some.identifier_match == pytest.approx(2 * 2 / (2 + 4))
    assert match("", "scale").identifier_match == 0.0
    assert match("1 + 2", "3").identifier_match == 1.0  # nothing to name, and nothing named


@pytest.mark.parametrize(
    ("one", "other", "similarity"),
    [("", "", 1.0), ("a", "", 0.0), ("abcd", "abcd", 1.0), ("kitten", "sitting", 2 * 4 / 13), ("ab", "ba", 0.5)],
)
def test_edit_similarity_is_twice_the_common_subsequence(one: str, other: str, similarity: float) -> None:
    assert edit_similarity(one, other) == pytest.approx(similarity)
    assert edit_similarity(other, one) == pytest.approx(similarity)
