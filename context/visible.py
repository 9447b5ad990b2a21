"""Characters that nobody sees, and text without them.

Text with such characters may read otherwise than it runs: overrides of the writing direction show a comment where there
is code (Boucher and Anderson 2021, CVE-2021-42574), and two names that look the same are two. They also carry messages
past whoever reads. What a model writes is shown to a person who takes it for what it looks like, so they go, even where
they could be meant. What stays is what some scripts and emoji cannot do without, where they use it.

Does not know of letters that look like others (homoglyphs), nor of what a font lacks.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

# Categories: control, format (direction, zero width, tags), half a surrogate pair, separators of lines and paragraphs.
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
# Format characters that are drawn: Unicode's Prepended_Concatenation_Mark, such as the Arabic number sign.
_DRAWN = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")
# Of other categories and not drawn either: Unicode's Default_Ignorable_Code_Point, and the blank Braille pattern.
_IGNORED = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]")
_JOINERS = "\u200c\u200d"  # zero width: they part or join the letters, or the pictures, beside them
# They choose among the forms of the character before them.
_SELECTOR = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Pictures that are no "other symbol", and the tones of skin.
_PICTURES = "\u203c\u2049\u2139\u2194\u3030\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"


def shown(text: str, before: str = "", after: str = "") -> str:
    """`text`, which is to stand between `before` and `after`, without what nobody sees of it; never adds anything.

    Line breaks and tabs stay, and a form feed alone on its line. A joiner stays between two pictures, and between two
    letters beyond ASCII if the text around has the same joiner between letters already; a selector stays after a
    picture, and after a letter that has it in the text around.
    """
    if text.isascii() and text.isprintable():
        return text
    left = "".join(char for char in text if _is_drawn(char) or _may_stay(char))
    kept: list[str] = []
    last = before[-1:]
    for at, char in enumerate(left):
        following = left[at + 1] if at + 1 < len(left) else after[:1]
        if _is_drawn(char) or _has_a_use(char, last, following, (before, after)):
            kept.append(char)
            last = char
    return "".join(kept)


def hidden(text: str, before: str = "", after: str = "") -> Counter[str]:
    """How many there are of each character that `shown` leaves out."""
    return Counter(text) - Counter(shown(text, before, after))


def _is_drawn(char: str) -> bool:
    if char in "\n\t" or _DRAWN.match(char):
        return True
    return unicodedata.category(char) not in _UNSEEN and not _IGNORED.match(char) and not _SELECTOR.match(char)


def _may_stay(char: str) -> bool:
    return char in _JOINERS or char in "\r\f" or _SELECTOR.match(char) is not None


def _has_a_use(char: str, last: str, following: str, around: tuple[str, str]) -> bool:
    """Whether a character of those that may stay does what it is for, between the two beside it."""
    if char == "\r":
        return following == "\n"
    if char == "\f":
        return last in ("", "\n") and following in ("", "\n", "\r")
    if char in _JOINERS:
        if _is_letter(last) and _is_letter(following):
            return any(_joins(char, text) for text in around)
        # a picture's selector stands between it and the joiner
        return char == "\u200d" and (_is_picture(last) or last == "\ufe0f") and _is_picture(following)
    if _is_picture(last):
        return char in "\ufe0e\ufe0f"
    return _is_letter(last) and any(last + char in text for text in around)


def _joins(joiner: str, text: str) -> bool:
    """Whether a text has the joiner between two letters somewhere."""
    places = (match.start() for match in re.finditer(joiner, text))
    return any(_is_letter(text[max(0, at - 1) : at]) and _is_letter(text[at + 1 : at + 2]) for at in places)


def _is_letter(char: str) -> bool:
    """Whether it is a letter beyond ASCII, or a sign above, below or after one, as Indic scripts end syllables with."""
    return bool(char) and not char.isascii() and unicodedata.category(char)[0] in "LM" and _is_drawn(char)


def _is_picture(char: str) -> bool:
    return bool(char) and (unicodedata.category(char) == "So" or char in _PICTURES)
