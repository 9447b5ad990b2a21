from __future__ import annotations

from dataclasses import replace

import pytest

from foretype.context.next_edit import EditedFile, NextEdit, Span, text_digest
from foretype.eval.next_edits.metrics import applied, delta_chrf, done_by, judge

_TEXT = "a = one\nb = 2\nc = one\nd = 4\ne = one\n"
_NOW = {"m.py": _TEXT, "n.py": "x = one\n"}


def _edit(line: int, start: int, end: int, text: str, path: str = "m.py") -> NextEdit:
    return NextEdit(path, Span(line, start, line, end), text, text_digest(_NOW[path]), "rule", "rename", "follows", 1.0)


def _due(*lines: int) -> dict[str, str]:
    rows = _TEXT.split("\n")
    return {**_NOW, "m.py": "\n".join(row.replace("one", "two") if at in lines else row for at, row in enumerate(rows))}


def test_all_places_right() -> None:
    verdict = judge(_NOW, [_due(0, 2)], [_edit(2, 4, 7, "two"), _edit(0, 4, 7, "two")])
    assert verdict.exact and verdict.first_exact and verdict.first_right and verdict.shown
    assert (verdict.expected, verdict.found, verdict.proposed, verdict.right) == (2, 2, 2, 2)
    assert (verdict.files_expected, verdict.files_found) == (1, 1)
    assert verdict.delta_chrf == pytest.approx(100)


def test_one_place_missing_one_too_many() -> None:
    verdict = judge(_NOW, [_due(0, 2)], [_edit(4, 4, 7, "two"), _edit(0, 4, 7, "two")], alone=[("m.py", 4)])
    assert not verdict.exact and not verdict.first_exact and not verdict.first_right and not verdict.alone_kept
    assert (verdict.found, verdict.right, verdict.proposed) == (1, 1, 2)


def test_a_right_place_with_a_wrong_text() -> None:
    verdict = judge(_NOW, [_due(0)], [_edit(0, 4, 7, "twenty-two thousand and one")])
    assert verdict.first_right and not verdict.first_exact and not verdict.exact
    assert verdict.over_edits == 1
    assert 0 < verdict.delta_chrf < 60


@pytest.mark.parametrize(("due", "said", "over"), [(3, 11, 0), (3, 12, 1), (40, 60, 0), (40, 61, 1)])
def test_what_is_larger_by_half_and_by_eight_characters_does_too_much(due: int, said: int, over: int) -> None:
    now, answer = {"m.py": "a = 1\n"}, {"m.py": f"a = {'x' * due}\n"}
    edit = replace(_edit(0, 4, 5, "y" * said), digest=text_digest(now["m.py"]))
    assert judge(now, [answer], [edit]).over_edits == over


def test_the_nearest_answer_counts() -> None:
    verdict = judge(_NOW, [_due(0, 2, 4), _due(0)], [_edit(0, 4, 7, "two")])
    assert verdict.exact and verdict.expected == 1


def test_quiet() -> None:
    assert not judge(_NOW, [_NOW], []).shown
    verdict = judge(_NOW, [_NOW], [_edit(0, 4, 7, "two", "n.py")])
    assert not verdict.due and verdict.shown and verdict.files_found == 0


def test_an_empty_file_is_a_file() -> None:
    texts = {"__init__.py": "", "m.py": "a\n"}
    assert not judge(texts, [texts], []).shown
    verdict = judge(texts, [{**texts, "__init__.py": "begin = 1\n"}], [])
    assert verdict.due and verdict.expected == 1 and verdict.delta_chrf == 0


def test_an_insertion_beside_the_due_place_is_one_place() -> None:
    due = {**_NOW, "n.py": "x = one\ny = 2\n"}
    verdict = judge(_NOW, [due], [_edit(1, 0, 0, "y = 3\n", "n.py")])
    assert verdict.found == verdict.right == 1 and not verdict.exact


def test_clashing_edits_and_edits_of_nowhere() -> None:
    edits = [_edit(0, 4, 7, "two"), _edit(0, 5, 6, "x"), _edit(40, 0, 0, "y")]
    after, clashes = applied(_NOW, edits)
    assert after["m.py"].startswith("a = two\n") and clashes == 2
    assert not judge(_NOW, [_due(0)], edits).exact


def test_two_edits_in_one_line_are_one_place() -> None:
    due = {**_NOW, "n.py": "xx = one1\n"}
    verdict = judge(_NOW, [due], [_edit(0, 1, 1, "x", "n.py"), _edit(0, 7, 7, "1", "n.py")])
    assert verdict.exact and verdict.proposed == 1


def test_reversal() -> None:
    before = EditedFile("n.py", "python", "x = 1\n", "x = one\n")
    back = judge(_NOW, [_due(0)], [_edit(0, 4, 7, "1", "n.py")], done_by([before]))
    assert back.reversals == 1
    assert judge(_NOW, [_due(0)], [_edit(0, 4, 7, "two", "n.py")], done_by([before])).reversals == 0


def test_white_space_at_the_ends_of_lines_does_not_matter() -> None:
    assert judge(_NOW, [{**_NOW, "n.py": "x = two  \n\n"}], [_edit(0, 4, 7, "two", "n.py")]).exact


@pytest.mark.parametrize(
    ("before", "expected", "actual", "score"),
    [
        ("abcdefgh", "abcdefgh", "abcdefgh", 100.0),
        ("abcdefgh", "abcdefgi", "abcdefgi", 100.0),
        ("abcdefgh", "abcdefgi", "abcdefgh", 0.0),
        ("abcdefgh", "abcdefgh", "abcdefgi", 0.0),
        ("abc def gh", "abc def gi", "abcdef   gi", 100.0),
    ],
)
def test_delta_chrf_at_its_ends(before: str, expected: str, actual: str, score: float) -> None:
    assert delta_chrf([before], [expected], [actual]) == pytest.approx(score)


def test_delta_chrf_by_hand() -> None:
    # "ab" should become "ac" and becomes "ad". Order 1: due -b +c, done -b +d, so precision and recall are 1/2.
    # Order 2: due -ab +ac, done -ab +ad: 1/2. There are no longer n-grams, which counts as 1.
    # Both are (1/2 + 1/2 + 4) / 6 = 5/6.
    assert delta_chrf(["ab"], ["ac"], ["ad"]) == pytest.approx(100 * 5 / 6)


def test_delta_chrf_weighs_recall() -> None:
    text, due = "alpha beta gamma", "alphas betas gamma"
    half, more = delta_chrf([text], [due], ["alphas beta gamma"]), delta_chrf([text], [due], ["alphas betas gammas"])
    assert more > half > 0
