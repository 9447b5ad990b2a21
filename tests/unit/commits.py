"""Made-up commits for tests of mining: files before and after, with the hunks that git would find."""

from __future__ import annotations

import difflib
import textwrap

from foretype.context import languages
from foretype.context.text import content, split_lines
from foretype.mining.commit import FileTexts, Hunk


def changed(path: str, before: str, after: str) -> FileTexts:
    """A file with the indentation of the two texts taken off."""
    return exactly(path, textwrap.dedent(before), textwrap.dedent(after))


def exactly(path: str, before: str, after: str) -> FileTexts:
    language = languages.find("", path)
    assert language is not None
    # whole lines, terminators too, as git compares them
    old, new = split_lines(before), split_lines(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    hunks = tuple(
        Hunk(a, tuple(map(content, old[a:b])), c, tuple(map(content, new[c:d])))
        for tag, a, b, c, d in matcher.get_opcodes()
        if tag != "equal"
    )
    return FileTexts(path, path, language, before, after, hunks)


def lines_of(text: str) -> tuple[str, ...]:
    """As a row has them: without terminators, the empty one behind the last of them too."""
    return tuple(map(content, split_lines(text)))
