"""Which hunks of a commit belong together: whoever makes one of them would make the others because of it.

Every two hunks get a score for what they share: names that both change (rare ones count more), a definition in one that
the other uses, the function around both, changes that look alike, a test and its subject. Pairs that reach the
threshold are joined, and what is joined through others is too (union-find); what then stands alone goes with what it
is nearest to for less. The weights are set by hand, from what the
features mean; they were not fitted. Works on names: two things of one name are one thing to it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import PurePosixPath

from foretype.mining.commit import FileTexts
from foretype.mining.touched import KEYWORDS, TOKEN, WORD, Touched, Trees, kind, lines_between, names, touched

THRESHOLD = 1.0
STRAY = 0.7  # enough for a hunk by itself, and for tests without a subject
_PAIRWISE = 96  # hunks of which all pairs are looked at; of more, each with those that follow
_NEXT = 32
_MOST = 2.0  # what shared names come to at most

# Points that a feature in full is worth.
_CHANGED = 1.0  # for each name that both add or take away
_USED = 0.4  # for each name that one changes and the other holds
_DEFINES = 1.2  # one holds the definition of what the other uses
_NAMES = 0.8  # the same where the use was there before
_CALLS = 0.6  # one changes the body of what the other uses
_FUNCTION = 0.7
_CLASS = 0.1
_NEAR = {2: 0.6, 8: 0.25}
_FILE = 0.15
_ALIKE = 1.6
_TESTED = 0.5  # a test that names its subject
_TEST = 0.15  # any other
_TOLD = 0.4  # both have to do with what the message says
_BLANK = -0.6  # white space alone
_FEW = 0.5  # a commit of two hunks is seldom two things


@dataclass(frozen=True)
class _Facts:
    """What a pair's score needs of a hunk beside what it touches. `shape` counts pairs of tokens, names left out."""

    touched: Touched
    shape: Counter[tuple[str, str]]
    told: bool
    stem: str


def groups(files: Sequence[FileTexts], message: str = "", trees: Trees | None = None) -> list[list[Touched]]:
    """The hunks of a commit's files in groups, each in the order of the files, the groups by their first hunks. `trees`
    as for `touched`."""
    hunks = touched(files, trees)
    if len(hunks) < 2:
        return [hunks] if hunks else []
    rarity = _Rarity(files, hunks)
    told = set(WORD.findall(message.partition("\n")[0])) - KEYWORDS
    facts = [_facts(item, told) for item in hunks]
    prior = _FEW - 0.1 * math.log2(len(hunks) - 1)
    scores = {(a, b): prior + score(facts[a], facts[b], rarity) for a, b in _pairs(len(hunks))}
    home = [[index] for index in range(len(hunks))]  # of each hunk, the group that it is in

    def join(a: int, b: int) -> None:
        larger, smaller = sorted((home[a], home[b]), key=len, reverse=True)
        larger += smaller
        for index in smaller:
            home[index] = larger

    for (a, b), points in scores.items():
        if points >= THRESHOLD and home[a] is not home[b]:
            join(a, b)
    # Surest first, for what a stray joins is no stray any more.
    for (a, b), points in sorted(scores.items(), key=lambda item: -item[1]):
        if points < STRAY:
            break
        if home[a] is not home[b] and any(_is_stray([hunks[index] for index in home[at]]) for at in (a, b)):
            join(a, b)
    distinct = sorted(sorted(group) for group in {id(group): group for group in home}.values())
    return [[hunks[index] for index in group] for group in distinct]


def score(one: _Facts, other: _Facts, rarity: _Rarity) -> float:
    """How much two hunks have to do with each other."""
    a, b = one.touched, other.touched
    both = a.changed & b.changed
    held = (a.changed & b.words | b.changed & a.words) - both
    points = min(_MOST, _CHANGED * rarity.sum(both) + _USED * rarity.sum(held))
    if any(len(word) > 2 for word in a.defined & b.changed | b.defined & a.changed):
        points += _DEFINES
    elif any(len(word) > 2 for word in a.defined & b.words | b.defined & a.words):
        points += _NAMES
    elif any(len(x.owner) > 2 and x.body and x.owner in y.changed for x, y in ((a, b), (b, a))):
        points += _CALLS
    points += _place(a, b) + _ALIKE * _alike(one, other)
    if a.is_test != b.is_test:
        points += _TESTED if _is_tested(one, other) else _TEST
    if one.told and other.told:
        points += _TOLD
    if not (a.gone or a.come) or not (b.gone or b.come):
        points += _BLANK
    return points


class _Rarity:
    """What sharing a name says: 1 where it is in the hunks alone, less the more of their other lines have it."""

    def __init__(self, files: Sequence[FileTexts], hunks: Sequence[Touched]) -> None:
        self._counts: Counter[str] = Counter()
        changed = frozenset().union(*(item.words for item in hunks))
        for file in files:
            self._counts.update(word for word in WORD.findall(file.after) if word in changed)
        for item in hunks:
            self._counts.subtract(names("\n".join(item.hunk.new)))

    def sum(self, words: frozenset[str]) -> float:
        return math.fsum(map(self.of, words))  # exact, for sets have no order that two runs share

    def of(self, word: str) -> float:
        short = 0.3 if len(word) < 3 else 1.0
        return short / (1 + math.log2(1 + max(0, self._counts[word])))


def _is_stray(group: Sequence[Touched]) -> bool:
    return len(group) == 1 or all(item.is_test for item in group)


def _facts(item: Touched, told: set[str]) -> _Facts:
    stem = PurePosixPath(item.file.path).stem.lower()
    for part in ("test", "spec", "_", ".", "-"):
        stem = stem.replace(part, "")
    about = bool(told & (item.changed | {item.owner}))
    return _Facts(item, _shape(item), about, stem)


def _shape(item: Touched) -> Counter[tuple[str, str]]:
    """Pairs of neighbouring tokens of the old and of the new lines, names and numbers alike."""
    shape: Counter[tuple[str, str]] = Counter()
    for side, lines in (("-", item.hunk.old), ("+", item.hunk.new)):
        tokens = [kind(token) for token in TOKEN.findall("\n".join(lines))][:400]
        shape.update((side + first, second) for first, second in pairwise(tokens))
    return shape


def _alike(one: _Facts, other: _Facts) -> float:
    """How alike two changes are, 0 to 1: the tokens that they bring and take, and their shapes. Square, so that having
    little in common is next to nothing; a change of few tokens is like many others."""
    a, b = one.touched, other.touched
    if a.hunk.old == b.hunk.old and a.hunk.new == b.hunk.new:
        return 1.0
    tokens = _jaccard(a.gone, b.gone, a.come, b.come)
    shape = _jaccard(one.shape, other.shape)
    size = min(a.gone.total() + a.come.total(), b.gone.total() + b.come.total())
    return (0.6 * tokens + 0.4 * shape) ** 2 * min(1.0, size / 4)


def _jaccard(a: Counter, b: Counter, c: Counter | None = None, d: Counter | None = None) -> float:
    shared = (a & b).total() + ((c & d).total() if c and d else 0)
    total = a.total() + b.total() + (c.total() if c else 0) + (d.total() if d else 0) - shared
    return shared / total if total else 0.0


def _place(a: Touched, b: Touched) -> float:
    if a.file.path != b.file.path:
        return 0.0
    points = _FILE
    gap = lines_between(a.hunk, b.hunk)
    points += next((worth for lines, worth in _NEAR.items() if gap <= lines), 0.0)
    if a.inside and a.inside == b.inside:
        points += _FUNCTION if a.body or b.body else _CLASS
    return points


def _is_tested(one: _Facts, other: _Facts) -> bool:
    """Whether one is a test that says the name of what the other is in, or is in the file that is named after it."""
    test, subject = (one, other) if one.touched.is_test else (other, one)
    owner = subject.touched.owner
    return (len(owner) > 2 and owner in test.touched.words) or (bool(test.stem) and test.stem == subject.stem)


def _pairs(count: int) -> Iterator[tuple[int, int]]:
    if count <= _PAIRWISE:
        return combinations(range(count), 2)
    return ((one, other) for one in range(count) for other in range(one + 1, min(count, one + 1 + _NEXT)))
