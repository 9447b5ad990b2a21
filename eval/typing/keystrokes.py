"""How a developer gets from one version of a text to the next: pieces taken out and typed, key by key, with pauses.

The developer goes from top to bottom. Where a line was changed, only what differs is retyped, by words; new lines are
begun by pressing Return at the end of the line above. White space at the start of a line comes with the Return, as an
editor's indentation does, and costs no key; that editors also close brackets, and sometimes indent wrongly, is left
out. Changes of white space alone are nobody's typing.

The pauses are log-normal, which fits keystrokes about as well as anything (N. González et al., "On the shape of timings
distributions in free-text keystroke dynamics profiles", Heliyon 7, 2021). Their median lies between the mean of all
typists and that of the fast ones (V. Dhakal et al., "Observations on typing from 136 million keystrokes", CHI 2018: 239
and about 120 ms). How much longer people stop at the joints of code is an assumption, as is its size: see `rhythm`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

KEY_MS, SIGMA = 180.0, 0.5
# How many times as long the pause is behind one of these characters, and around the end of a line.
JOINTS, AT_JOINT, AT_LINE_END = ",;:([{", 2.0, 3.0
BETWEEN_PLACES_MS = (2000.0, 4000.0)
LONGEST_MS = 5000.0

# Two changes with fewer characters between them are one: nobody moves the cursor for that.
NEAR = 6
# Lines that have less than this in common are written anew.
ALIKE = 0.5
_MOST_WORDS = 2000

_WORD = re.compile(r"\n[ \t]*|\w+|[ \t]+|.", re.DOTALL)
_KEY = re.compile(r"\n[ \t]*|.", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """At `offset` of the text that the pieces before it left, `removed` gives way to `inserted`. `typed` is false where
    a command of the editor did it."""

    offset: int
    removed: str
    inserted: str
    typed: bool = True


@dataclass(frozen=True)
class Key:
    """One key and what it puts into the text; `pause_ms` is the time since the key before it."""

    text: str
    pause_ms: float


def pieces(old: str, new: str) -> Iterator[Piece]:
    """The pieces that lead from `old` to `new`, from top to bottom."""
    shift = 0
    for start, removed, inserted in _hunks(old, new):
        for offset, out, into in _refined(start, removed, inserted):
            typed = "".join(out.split()) != "".join(into.split())
            yield _begun_above(Piece(offset + shift, out, into, typed), old, offset)
            shift += len(into) - len(out)


def keys(text: str) -> list[str]:
    """What each key puts into the text: a character, or a line end with the next line's indentation."""
    return _KEY.findall(text)


def rhythm(before: str, texts: Sequence[str], random: Random) -> tuple[Key, ...]:
    """The keys with their pauses; `before` is the text before the first one."""
    typed = []
    for text in texts:
        median = KEY_MS
        if text.startswith("\n") or before.rstrip(" \t").endswith("\n"):
            median *= AT_LINE_END
        elif before.endswith(tuple(JOINTS)):
            median *= AT_JOINT
        typed.append(Key(text, key_pause(random, median)))
        before = text
    return tuple(typed)


def key_pause(random: Random, median: float = KEY_MS) -> float:
    """Milliseconds before a key."""
    return round(min(median * random.lognormvariate(0.0, SIGMA), LONGEST_MS), 1)


def place_pause(random: Random) -> float:
    """Milliseconds of looking for the next place, and going there."""
    return round(random.uniform(*BETWEEN_PLACES_MS), 1)


def _hunks(old: str, new: str) -> Iterator[tuple[int, str, str]]:
    """Runs of lines that differ: offset in `old`, text there, text in `new`."""
    a, b = old.splitlines(keepends=True), new.splitlines(keepends=True)
    offset, head = 0, 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        offset += len(a[head])
        head += 1
    matcher = difflib.SequenceMatcher(None, a[head:], b[head:], autojunk=False)
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        was = "".join(a[head + a1 : head + a2])
        if tag != "equal":
            yield offset, was, "".join(b[head + b1 : head + b2])
        offset += len(was)


def _refined(start: int, removed: str, inserted: str) -> Iterator[tuple[int, str, str]]:
    """The same change in as little retyping as a person would do. Offsets count in the old text."""
    a, b = _WORD.findall(removed), _WORD.findall(inserted)
    changes = [(0, len(removed), 0, len(inserted))]
    if a and b and max(len(a), len(b)) <= _MOST_WORDS:
        matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
        if matcher.ratio() >= ALIKE:
            changes = _joined(_places(a, b, matcher))
    for a1, a2, b1, b2 in changes:
        out, into = removed[a1:a2], inserted[b1:b2]
        head, tail = _shared(out, into)
        yield start + a1 + head, out[head : len(out) - tail], into[head : len(into) - tail]


def _places(
    a: Sequence[str], b: Sequence[str], matcher: difflib.SequenceMatcher[str]
) -> Iterator[tuple[int, int, int, int]]:
    """The matcher's changes, in characters."""
    at_a, at_b = [0], [0]
    for words, at in ((a, at_a), (b, at_b)):
        for word in words:
            at.append(at[-1] + len(word))
    for tag, a1, a2, b1, b2 in matcher.get_opcodes():
        if tag != "equal":
            yield at_a[a1], at_a[a2], at_b[b1], at_b[b2]


def _joined(changes: Iterator[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    joined: list[tuple[int, int, int, int]] = []
    for a1, a2, b1, b2 in changes:
        if joined and a1 - joined[-1][1] < NEAR:
            joined[-1] = (joined[-1][0], a2, joined[-1][2], b2)
        else:
            joined.append((a1, a2, b1, b2))
    return joined


def _shared(a: str, b: str) -> tuple[int, int]:
    """How many characters two texts share at their starts, and in what is left of them at their ends."""
    shorter = min(len(a), len(b))
    head = next((i for i in range(shorter) if a[i] != b[i]), shorter)
    tail = next((i for i in range(shorter - head) if a[-1 - i] != b[-1 - i]), shorter - head)
    return head, tail


def _begun_above(piece: Piece, old: str, offset: int) -> Piece:
    """The piece, new lines in it begun at the end of the line above; `offset` is its place in the old text."""
    if piece.removed or not piece.inserted.endswith("\n") or not offset or old[offset - 1] != "\n":
        return piece
    return replace(piece, offset=piece.offset - 1, inserted="\n" + piece.inserted[:-1])
