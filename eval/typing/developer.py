"""The simulated developer: what is read, what is accepted, what is typed instead.

Looks at the screen when the next key is due. A suggestion that was not there before takes time to read, whatever comes
of it, so that noise costs. One that is exactly what is about to be typed is accepted if that saves enough keys; nothing
is ever accepted to be corrected later. Pure logic: knows no clock and no assistant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

READING_MS = 300.0
# An acceptance is a key of its own and a decision, so it has to save more than one.
FEWEST_SAVED = 3

# As far as an editor's "accept next word" goes: white space, then a word or the punctuation that stands together.
_FIRST_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)")


class Developer:
    """`partial`: whether parts of a suggestion may be accepted."""

    def __init__(self, partial: bool = False) -> None:
        self.partial = partial
        self._read = ""

    def reads(self, text: str) -> bool:
        """Looks at the ghost text, "" where there is none; whether there is something new to read.

        What is left of a suggestion after typing its beginning is not new, not even when it was gone for a key.
        """
        if not text or self._read.startswith(text):
            return False
        self._read = text
        return True

    def accepts(self, text: str, keys: Sequence[str]) -> int:
        """How many of the first characters of the ghost text to accept; 0 to type on. `keys` are what remains to be
        typed at this place, a key each."""
        remaining = "".join(keys)
        for part in self._parts(text):
            if part and remaining.startswith(part) and keys_within(len(part), keys) >= FEWEST_SAVED:
                return len(part)
        return 0

    def wrote(self, text: str) -> None:
        """Text came into the document at the cursor, typed or accepted."""
        self._read = self._read[len(text) :] if self._read.startswith(text) else ""

    def left(self) -> None:
        """The cursor went elsewhere, or text was deleted."""
        self._read = ""

    def _parts(self, text: str) -> tuple[str, ...]:
        """What can be accepted of a suggestion, the longest first."""
        if not self.partial:
            return (text,)
        word = _FIRST_WORD.match(text)
        return text, text.partition("\n")[0], word[0] if word else ""


def keys_within(characters: int, keys: Sequence[str]) -> int:
    """How many of the first keys need not be pressed once so many characters are there."""
    saved = 0
    for key in keys:
        characters -= len(key)
        if characters < 0:
            break
        saved += 1
    return saved
