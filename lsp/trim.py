"""Post-processing of an answer: what a model writes too much, taken off again.

`RULES` are pure functions from an answer to an equal or shorter one. They know the text around the cursor and nothing
of models or the protocol. Each is made so that an exactly right answer passes unharmed: where a repeat or a bracket
could be meant, it stays. Thresholds were set on real code, with the text that was really there as the answer. Which
characters are not shown, `context/visible.py` says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from foretype.context import lexer, syntax, visible
from foretype.context.languages import PLAIN, Language


@dataclass(frozen=True)
class Place:
    """Where the answer goes: all text before and after the cursor, and whether several lines were asked for."""

    prefix: str
    suffix: str
    language: Language | None
    multi: bool = False


@dataclass(frozen=True)
class Trimmed:
    """The answer that is left, "" when nothing is, and the names of the rules that took something off, in order."""

    text: str
    fired: tuple[str, ...]


Rule = Callable[[str, Place], str]

# A line says something when it has this many letters and digits.
_SAYS_SOMETHING = 5
_REPEATS = 3
_REPEATS_IN_LINE = 6
# Possessive: fewer rounds would only leave a longer rest, and to try them takes seconds of a long line.
_INLINE_LOOP = re.compile(rf"(?P<unit>[^\n]{{2,40}}?)(?P=unit){{{_REPEATS_IN_LINE - 1},}}+(?P<rest>[^\n]{{0,40}}+)\Z")
_TWO_LETTERS = re.compile(r"[^\W\d_]{2}")
_DIRECTIVE = re.compile(r"\s*#\s*(?:endif|else)\b")
_QUOTES = "\"'`"
_WORD = re.compile(r"\w+")


def trim(text: str, place: Place) -> Trimmed:
    """Applies all rules, again until none fires: an answer that was trimmed once stays as it is."""
    fired: list[str] = []
    while True:
        before = text
        for rule in RULES:
            shorter = rule(text, place)
            if shorter != text and rule.__name__ not in fired:
                fired.append(rule.__name__)
            text = shorter
        if text == before:
            return Trimmed(text, tuple(fired))


def with_line_ends(text: str, place: Place) -> str:
    """The answer with the line ends that the document has at the cursor, which are what its editor puts in; as it is
    where the document has none there."""
    for around, at in ((place.suffix, place.suffix.find("\n")), (place.prefix, place.prefix.rfind("\n"))):
        if at >= 0:
            end = "\r\n" if around[max(0, at - 1) : at] == "\r" else "\n"
            return text.replace("\r\n", "\n").replace("\n", end)
    return text


def invisible(text: str, place: Place) -> str:
    """Drops what an editor does not show: control characters, overrides of writing direction, zero-width characters.

    The rest is suggested, as it is now what it looks like; `context/visible.py` says what stays, and why.
    """
    return visible.shown(text, place.prefix, place.suffix)


def one_line(text: str, place: Place) -> str:
    """Ends an answer at its first line break, unless several lines were asked for."""
    return text if place.multi else re.split(r"\r?\n", text, maxsplit=1)[0]


def repeats_above(text: str, place: Place) -> str:
    """Drops an answer that begins by repeating the line, or lines, just above the cursor.

    The line has to say something, and the answer to supply at least half of it. It stays where the file has the lines
    twice in a row already.
    """
    above, head = _cursor_lines(place)
    lines = [line for line in above if line.strip()]
    answer = (head + text).splitlines()
    if not lines or not answer or _rest(place) or not _supplies_most(text, answer[0]):
        return text
    for count in range(1, min(len(lines), len(answer), 8) + 1):
        group = lines[-count:]
        if answer[:count] == group and any(map(_says_something, group)):
            return text if _repeated_in_file(group, place) else ""
    return text


def loops(text: str, place: Place) -> str:
    """Keeps the first of three or more equal groups of lines, or of six or more equal pieces of a line, at the end.

    A loop runs until the tokens are spent, so it has to reach the end of the answer (its last round may be cut). A
    group of lines has to say something; a piece of a line has to hold a word of two letters.
    """
    head = _cursor_lines(place)[1]
    lines = (head + text).split("\n")
    for period in range(1, len(lines) // _REPEATS + 1):
        start = len(lines) - 1
        # the last line may be cut: it is compared by what there is of it
        while start >= period and (
            lines[start - period] == lines[start]
            or (start == len(lines) - 1 and lines[start - period].startswith(lines[start]))
        ):
            start -= 1
        first = start - period + 1
        group = lines[first : first + period]
        if len(lines) - first >= _REPEATS * period and any(map(_says_something, group)):
            return text if _repeated_in_file(group, place) else "\n".join(lines[: first + period])[len(head) :]
    loop = _INLINE_LOOP.search(text[-2000:])
    if loop and loop["unit"].startswith(loop["rest"]) and _TWO_LETTERS.search(loop["unit"]):
        return text[: len(text) - len(loop[0]) + len(loop["unit"])]
    return text


def glued_word(text: str, place: Place) -> str:
    """Takes off the word that stands right after the cursor already, where the answer would be glued to it.

    `my_|name` with `name` or `full_name` for an answer. Words of less than three letters stay: they recur by chance.
    """
    match = _WORD.match(place.suffix)
    word = match[0] if match else ""
    if len(word) < 3 or word.isdigit() or not text.endswith(word):
        return text
    kept = text[: -len(word)]
    begins = word[0].isupper() or not (place.prefix[-1:] + kept)[-1:].isalnum()
    return kept if begins else text


def overlap_in_line(text: str, place: Place) -> str:
    """Takes off the end of the answer that repeats the rest of the cursor's line.

    That is all of the rest, if it holds a word; the quote that ends the string which the answer is in; or a `,`, `;` or
    `:`. Brackets are for `surplus_closers`, which knows whether they are needed.
    """
    rest = _rest(place)
    if not rest or not text:
        return text
    glued = re.fullmatch(r"\w\w", text[-1] + rest[0])
    if text.endswith(rest) and _WORD.search(rest) and not glued:
        kept = text[: -len(rest)]
        if not re.fullmatch(r"\w\w", (place.prefix[-1:] + kept)[-1:] + rest[0]):
            return kept
    if rest[0] in ",;:" and text[-1] == rest[0] and text[-2:-1] not in ("", rest[0]) and rest[1:2] != rest[0]:
        return text[:-1]
    before = syntax.around(place.prefix, "")[0]
    for length in range(min(len(rest), len(text)), 0, -1):
        kept = text[:-length]
        if rest[0] in _QUOTES and text.endswith(rest[:length]) and kept[-1:] not in (rest[0], "\\"):
            quote = lexer.delimiter(before + kept, place.language or PLAIN)
            if quote and rest[:length].startswith(quote) and not rest.startswith(quote + quote[0]):
                return kept
    return text


def overlap_below(text: str, place: Place) -> str:
    """Cuts an answer where it begins to repeat, indentation and all, the next lines below the cursor.

    The repeat has to reach the end of the answer (its last line may be cut off), or be three lines that say something.
    Lines of brackets alone are for `surplus_closers`.
    """
    suffix = syntax.around("", place.suffix.partition("\n")[2])[1]
    below = [line.rstrip() for line in suffix.splitlines() if line.strip()]
    if _rest(place) or not below:
        return text
    head = _cursor_lines(place)[1]
    lines = (head + text).split("\n")
    for start, line in enumerate(lines):
        if line.rstrip() != below[0] or (start == 0 and not _supplies_most(text, line)):
            continue
        answer = [line.rstrip() for line in lines[start:] if line.strip()]
        same = 0
        while same < min(len(answer), len(below)) and answer[same] == below[same]:
            same += 1
        cut_off = same == len(answer) - 1 and same < len(below) and below[same].startswith(answer[same])
        at_end = same == len(answer) or cut_off
        telling = sum(map(_says_something, answer[:same]))
        if _repeated_in_file(answer[:same], place):
            return text
        if telling >= 3 or (at_end and (telling or any(map(_is_no_item, answer[:same])))):
            return "\n".join(lines[:start])[len(head) :] if start else ""
    return text


def surplus_closers(text: str, place: Place) -> str:
    """Cuts an answer at a closing bracket that the text after the cursor has already.

    Brackets are counted, outside of strings and comments, from the beginning of the top level item that the cursor is
    in to its end. The answer is cut only if that leaves strictly fewer brackets without a partner, and the bracket that
    follows stands where the one cut off did: equally indented if first on its line, on the cursor's line if it closes
    what the cursor's line opens.
    """
    before, after = _item(place)
    masked = lexer.mask(before + text + after, place.language or PLAIN)
    end = len(before) + len(text)
    repeated = [end + at for at in lexer.unmatched(masked[end:])[0]]
    fewest, kept = lexer.errors(masked), text
    for at in lexer.unmatched(masked[len(before) : end])[0]:
        cut = len(before) + at
        if re.search(r"\w", masked[cut:end]) or not repeated or not _same_closer(masked, cut, end, repeated[0]):
            continue
        left = lexer.errors(masked[:cut] + masked[end:])
        if left < fewest or (left == fewest and kept is not text):
            fewest, kept = left, text[:at]
    return kept


def white_space(text: str, place: Place) -> str:
    """Drops white space at the end where nothing follows on the line, and an answer of white space alone."""
    return text if _rest(place) and text.strip() else text.rstrip()


# What others compare must be visible first; loops and repeats are found best in the whole answer; brackets are counted
# after what is not the answer's own is off; white space is what the others leave at the end.
RULES: tuple[Rule, ...] = (
    invisible,
    one_line,
    repeats_above,
    loops,
    glued_word,
    overlap_below,
    overlap_in_line,
    surplus_closers,
    white_space,
)


def _rest(place: Place) -> str:
    """The rest of the cursor's line, without white space at its end."""
    return place.suffix.partition("\n")[0].rstrip()


def _cursor_lines(place: Place) -> tuple[list[str], str]:
    """The lines above the cursor's, and what is before the cursor on its own."""
    above, newline, head = syntax.around(place.prefix, "")[0].rpartition("\n")
    return (above.splitlines() if newline else []), head


def _item(place: Place) -> tuple[str, str]:
    """The top level item that the cursor is in: text before and after the cursor, from the window around it."""
    before, after = syntax.around(place.prefix, place.suffix)
    starts = [match.end() for match in re.finditer(r"\n(?=[^\s)\]}{#])", before)]
    end = re.search(r"\n(?=[^\s)\]}{])", after)
    return before[starts[-1] if starts else 0 :], after[: end.start() if end else None]


def _same_closer(masked: str, cut: int, end: int, ahead: int) -> bool:
    """Whether the closing bracket at `cut`, in an answer that ends at `end`, is the one at `ahead`, by their places."""
    if masked[cut] != masked[ahead]:
        return False
    if "\n" not in masked[end:ahead]:
        return True
    start = masked.rfind("\n", 0, cut) + 1
    if masked[start:cut].strip():
        openers = lexer.unmatched(masked[:cut])[1]
        return bool(openers) and openers[-1] < start
    return masked[start:cut] == masked[masked.rfind("\n", 0, ahead) + 1 : ahead]


def _repeated_in_file(group: list[str], place: Place) -> bool:
    """Whether the text around the cursor has the lines twice in a row: then repeating them is what its author does."""
    twice = "\n".join(line.removesuffix("\r") for line in group * 2)
    return any(twice in text.replace("\r\n", "\n") for text in syntax.around(place.prefix, place.suffix))


def _says_something(line: str) -> bool:
    """Whether a repeat of the line is noticed: `}`, `end`, `#endif`, `None,` and `0U, 0U, 0U,` may come twice."""
    letters = sum(char.isalnum() for char in line)
    return letters >= _SAYS_SOMETHING and _TWO_LETTERS.search(line) is not None and not _DIRECTIVE.match(line)


def _is_no_item(line: str) -> bool:
    """Whether a short line like `end` or `pass` is no item of a list, which could come twice."""
    return _TWO_LETTERS.search(line) is not None and not line.endswith(",") and not _DIRECTIVE.match(line)


def _supplies_most(text: str, line: str) -> bool:
    """Whether at least half of the line that the answer completes is the answer's."""
    return 2 * len(text.partition("\n")[0].strip()) >= len(line.strip())
