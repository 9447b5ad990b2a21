"""What was changed, as hunks of lines: between a file's text before the user's edits and its text now.

Lines have no terminators. Knows no history: two edits at one place are one hunk.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from foretype.context import languages, lexer
from foretype.context.next_edit import EditedFile
from foretype.context.text import content, split_lines

TOKEN = re.compile(r"\w+|[^\w\s]")
WORD = re.compile(r"[^\W\d]\w*")
Substance = Literal["code", "text", "nothing"]
_STRING = re.compile('"+')
_WIDEST_LINES = 20_000  # that are compared; a longer file was not written by hand
_EXACT_PAIRS = 100_000  # of equal lines between the first and the last change; beyond, frequent lines are no anchors


@dataclass(frozen=True)
class Hunk:
    """From line `start` of the present text of `path` on, the lines `old` gave way to `new`; they were at line
    `start_before` of the text before."""

    path: str
    language: str
    start_before: int
    old: tuple[str, ...]
    start: int
    new: tuple[str, ...]

    @property
    def stop(self) -> int:
        return self.start + len(self.new)

    @cached_property
    def gone(self) -> Counter[str]:
        """The tokens that the old lines have more often than the new ones."""
        return _tokens(self.old) - _tokens(self.new)

    @cached_property
    def come(self) -> Counter[str]:
        return _tokens(self.new) - _tokens(self.old)


def hunks(edited: Sequence[EditedFile]) -> tuple[Hunk, ...]:
    """The hunks of all files, in the order of the files and of their lines; none of a file that was not there."""
    return tuple(hunk for file in edited if file.before for hunk in _of_file(file))


def substance(file: EditedFile) -> Substance:
    """What a file's change is about: "code" where any of it changed, else "text" of strings and documentation, else
    "nothing" but comments and white space."""
    language = languages.find(file.language, file.path) or languages.PLAIN
    masks = [lexer.mask(text, language) for text in (file.before, file.after)]
    if _squeezed(_STRING.sub('"', masks[0])) != _squeezed(_STRING.sub('"', masks[1])):
        return "code"
    seen = [
        "".join(char for char, masked in zip(text, mask, strict=True) if masked != " ")
        for text, mask in zip((file.before, file.after), masks, strict=True)
    ]
    return "nothing" if _squeezed(seen[0]) == _squeezed(seen[1]) else "text"


def lines_of(text: str) -> list[str]:
    """The lines of a text without their terminators."""
    return [content(line) for line in split_lines(text)]


def unified(hunk: Hunk, before: Sequence[str], context: int = 3) -> str:
    """A hunk as a hunk of a unified diff, with so many lines around it from the text before, as an editor's history has
    it (`context.history.DiffEvent`)."""
    first = max(0, hunk.start_before - context)
    behind = hunk.start_before + len(hunk.old)
    above, below = before[first : hunk.start_before], before[behind : behind + context]
    around = len(above) + len(below)
    start = hunk.start - len(above) + 1
    rows = [*(f" {line}\n" for line in above), *(f"-{line}\n" for line in hunk.old)]
    rows += [*(f"+{line}\n" for line in hunk.new), *(f" {line}\n" for line in below)]
    sizes = f"@@ -{first + 1},{around + len(hunk.old)} +{start},{around + len(hunk.new)} @@\n"
    return sizes + "".join(rows)


def _of_file(file: EditedFile) -> list[Hunk]:
    old, new = lines_of(file.before), lines_of(file.after)
    if max(len(old), len(new)) > _WIDEST_LINES:
        return []
    # what is the same at both ends need not be compared, which is nearly all of it
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    # lines that are everywhere cost the square of their number or more, and tell little of what belongs where
    there = Counter(b)
    pairs = sum(count * there[line] for line, count in Counter(a).items())
    codes = difflib.SequenceMatcher(None, a, b, autojunk=pairs > _EXACT_PAIRS).get_opcodes()
    return [
        Hunk(file.path, file.language, head + a1, tuple(a[a1:a2]), head + b1, tuple(b[b1:b2]))
        for kind, a1, a2, b1, b2 in codes
        if kind != "equal"
    ]


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _tokens(lines: Sequence[str]) -> Counter[str]:
    return Counter(token for line in lines for token in TOKEN.findall(line))
