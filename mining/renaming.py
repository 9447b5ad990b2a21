"""Commits that are one renaming: the same word becomes another in many places, and nothing else changes.

They are a class of their own: the next edit is certain, and there are too many of it to be shown among others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from foretype.mining.commit import Hunk

_MIN_HUNKS = 6
_WORD = re.compile(r"\w+|\W")


def is_renaming(hunks: Sequence[Hunk]) -> bool:
    """Whether at least six hunks all replace one word by one other."""
    if len(hunks) < _MIN_HUNKS:
        return False
    pairs: set[tuple[str, str]] = set()
    for hunk in hunks:
        if len(hunk.old) != len(hunk.new):
            return False
        for old, new in zip(hunk.old, hunk.new, strict=True):
            old_words, new_words = _WORD.findall(old), _WORD.findall(new)
            if len(old_words) != len(new_words):
                return False
            pairs.update((left, right) for left, right in zip(old_words, new_words, strict=True) if left != right)
            if len(pairs) > 1:
                return False
    return len(pairs) == 1
