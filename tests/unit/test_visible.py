"""Characters that nobody sees, in ghost text and in next edits: dropped or refused, and counted."""

from __future__ import annotations

import sys
import unicodedata
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foretype.context.rows import Target
from foretype.context.text import Snapshot
from foretype.context.visible import hidden, shown
from foretype.lsp.completion import complete
from foretype.lsp.options import Options
from foretype.lsp.outcome import Ask, Nothing, Suggestion
from foretype.lsp.trim import Place, trim
from foretype.model.backend import Cancel, FimResult
from foretype.model.edit_filters import Proposal, invisible, refusal

# Unicode's bidirectional controls, and every character of category Cc, Cf, Cs, Zl or Zp that is no line break or tab,
# nor drawn (Prepended_Concatenation_Mark).
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
DRAWN = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
UNSEEN = "".join(
    char
    for char in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in "\n\t" + DRAWN
)
ZWNJ, ZWJ, HEART = "\u200c", "\u200d", "\u2764"


def test_no_such_character_is_left_in_code() -> None:
    assert set(BIDI) < set(UNSEEN) and len(UNSEEN) > 2000
    for char in UNSEEN:
        assert shown(f"a{char}b = {char}1") == "ab = 1", hex(ord(char))


def test_what_is_drawn_stays() -> None:
    text = "\tdéjà = '\u00a0日本語 한국어 हिन्दी'\n" + DRAWN
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "before", "after", "expected"),
    [
        # pictures: as they come, also where one begins before the answer or ends after it
        (f"👩{ZWJ}💻", "", "", None),
        (f"{ZWJ}💻", "👩", "", None),
        (f"👩{ZWJ}", "", "💻", None),
        (f"🧑🏽{ZWJ}💻 {HEART}\ufe0f{ZWJ}🔥", "", "", None),
        (f"👩{ZWJ}", "", "", "👩"),
        (f"👩{ZWNJ}💻", "", "", "👩💻"),
        (f"👩{ZWJ}{ZWJ}💻", "", "", f"👩{ZWJ}💻"),
        (f"👩{ZWJ}x", "", "", "👩x"),
        ("☺\ufe0f\ufe0f ☺\ufe0e", "", "", "☺\ufe0f ☺\ufe0e"),
        ("🏴\U000e0067\U000e007f", "", "", "🏴"),
        # letters: where the text around has the same between letters
        (f"می{ZWNJ}خواهم", f"می{ZWNJ}رود", "", None),
        (f"می{ZWNJ}خواهم", "", f"\nمی{ZWNJ}رود", None),
        (f"می{ZWNJ}خواهم", "", "", "میخواهم"),
        (f"می{ZWNJ}خواهم", f"می{ZWJ}رود", "", "میخواهم"),
        (f"می{ZWNJ}خواهم", f"a{ZWNJ}b {ZWNJ}", "", "میخواهم"),
        (f"क्{ZWJ}ष", f"क्{ZWJ}ष", "", None),
        (f"ad{ZWJ}min", f"می{ZWJ}رود", "", "admin"),
        ("葛\U000e0100", "葛\U000e0100", "", None),
        ("葛\U000e0100", "", "", "葛"),
        # line ends
        ("a\r\nb", "", "", None),
        ("a\r", "", "\nb", None),
        ("a\u202e\r\u200b\nb\rc", "", "", "a\r\nbc"),
        ("\f", "a\n", "\nb", None),
        ("x\f", "a\n", "\nb", "x"),
    ],
)
def test_what_has_a_use_stays(text: str, before: str, after: str, expected: str | None) -> None:
    assert shown(text, before, after) == (text if expected is None else expected)


ANY = st.text(
    st.one_of(st.sampled_from(UNSEEN + "ab\n\t 👩💻❤\ufe0f\ufe01یمक्葛\u3164" + ZWJ * 3), st.characters()), max_size=30
)


@settings(max_examples=300, deadline=None)
@given(ANY, ANY, ANY)
@example(f"👩\u202e{ZWJ}💻", "", "")
def test_any_answer(text: str, before: str, after: str) -> None:
    left = shown(text, before, after)
    assert Counter(text) - Counter(left) == hidden(text, before, after)
    assert shown(left, before, after) == left
    assert not set(left) & (set(BIDI) | {"\0", "\x1b", "\x7f", "\u200b", "\ufeff", "\u2028", "\ud800"})
    remaining = iter(text)
    assert all(char in remaining for char in left)  # a part of it, in order
    letters = [char for char in text if char.isalnum() and char not in "\u115f\u1160\u3164\uffa0"]
    assert [char for char in left if char.isalnum()] == letters


@settings(max_examples=200, deadline=None)
@given(ANY, ANY, ANY)
def test_ghost_text_and_next_edits_are_judged_alike(text: str, before: str, after: str) -> None:
    text, before, after = (part.replace("\n", " ").replace("\r", " ") for part in (text, before, after))
    dropped = hidden(text, before + "\n", "\n" + after)
    place = Place(before + "\n", "\n" + after, None)
    assert ("invisible" in trim(text, place).fired) == bool(dropped)
    lines = tuple(f"{before}\nold line\n{after}".split("\n"))
    assert invisible(Proposal("a.txt", "", lines, Target(1, 2, (text,)), (0, 3))) == bool(dropped)


def test_an_edit_may_keep_what_its_lines_had_and_no_more() -> None:
    lines = (f"ad{ZWJ}min = 1",)

    def why(*new: str) -> str | None:
        return refusal(Proposal("a.txt", "", lines, Target(0, 1, new), (0, 1)))

    assert why(f"ad{ZWJ}min = 2") is None
    assert why(f"ad{ZWJ}min = ad{ZWJ}min") == "invisible"
    assert why("admin = \u202e2") == "invisible"


class Says:
    """A backend that answers the same to everything."""

    name = "says"

    def __init__(self, text: str) -> None:
        self._text = text

    def complete(self, request: object, cancel: Cancel) -> FimResult:
        return FimResult(text=self._text, finish="stop", tokens=3)


@pytest.mark.parametrize("explicit", [False, True])
def test_a_ghost_text_request_tells_what_was_cut(explicit: bool) -> None:
    ask = Ask(Snapshot("file:///a.py", "a.py", "python", 1, ("x = \n", "")), 0, 4, explicit)
    cut = complete(ask, Options(), Says("us\u202eer\x1b[0m"), Cancel())
    assert isinstance(cut, Suggestion) and cut.text == "user[0m" and "invisible" in cut.trimmed
    nothing = complete(ask, Options(), Says("\u202e\u2066"), Cancel())
    assert isinstance(nothing, Nothing) and nothing.reason == "trimmed" and "invisible" in nothing.trimmed
