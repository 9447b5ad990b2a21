"""A change of some lines, made to other lines of the same shape: other names in it, where those lines have others.

The lines are compared token by token. Where they differ in a word, that word stands for the other one throughout the
change ("users" for "groups"); where they differ in more, the change is made only around what is the same. Whether it
should be made at all is not known here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(r"\w+|[ \t]+|\n|[^\w\s]|\s")
_WORD = re.compile(r"\w+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[A-Z]")
_TELLING = 3  # characters of a word that a longer one may have been made of
_OPENERS, _CLOSERS = "([{", ")]}"


@dataclass(frozen=True)
class Transfer:
    """What lines become. `names` are the words that stand for others, `same_shape` the lines (by their numbers) that
    differ from the changed ones in words alone."""

    lines: tuple[str, ...]
    names: Mapping[str, str]
    same_shape: frozenset[int]


def shape(line: str) -> str:
    """A line without its words and its white space: two lines of one shape differ in words alone."""
    return "".join(_WORD.sub("w", line).split())


def transfer(
    old: Sequence[str], new: Sequence[str], there: Sequence[str], names: Mapping[str, str] | None = None
) -> Transfer | None:
    """The change from `old` to `new`, made to `there`, as many lines as `old`; None where that cannot be done, or is
    ambiguous. `names` are words that are known to stand for others."""
    if len(there) != len(old) or not old:
        return None
    indent, to = _indent(old), _indent(there)
    source, target = _dedented(old, indent), _dedented(there, to)
    if source is None or target is None or (result := _dedented(new, indent)) is None:
        return None
    known = dict(names or {})
    a, b = [_TOKEN.findall(line + "\n") for line in source], [_TOKEN.findall(line + "\n") for line in target]
    aligned: dict[int, int] = {}
    same_shape = set[int]()
    at, beside = 0, 0
    for number, (mine, other) in enumerate(zip(a, b, strict=True)):
        pairs = _aligned(mine, other)
        if shape(source[number]) == shape(target[number]):
            same_shape.add(number)
        for i, j in pairs:
            if mine[i] != other[j] and known.setdefault(mine[i], other[j]) != other[j]:
                return None
            aligned[at + i] = beside + j
        at, beside = at + len(mine), beside + len(other)
    known = _variants(known) | known
    tokens, others = [token for line in a for token in line], [token for line in b for token in line]
    made = _made(tokens, _TOKEN.findall("".join(f"{line}\n" for line in result)), others, aligned, known)
    if made is None:
        return None
    lines = tuple(to + line if line.strip() else line for line in made.removesuffix("\n").split("\n")) if made else ()
    return Transfer(lines, known, frozenset(same_shape))


def _aligned(mine: Sequence[str], other: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of tokens that are the same, or words in the same places."""
    pairs: list[tuple[int, int]] = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, mine, other, autojunk=False).get_opcodes():
        if kind == "equal":
            pairs += zip(range(i1, i2), range(j1, j2), strict=True)
        elif i2 - i1 == j2 - j1:
            alike = [_kind(mine[i1 + k]) == _kind(other[j1 + k]) for k in range(i2 - i1)]
            if all(alike):
                pairs += zip(range(i1, i2), range(j1, j2), strict=True)
    return pairs


def _kind(token: str) -> str:
    return "word" if _WORD.fullmatch(token) else token


def _made(
    old: Sequence[str], new: Sequence[str], there: Sequence[str], aligned: Mapping[int, int], names: Mapping[str, str]
) -> str | None:
    """The tokens `there` with what was done to `old`."""
    parts: list[str] = []
    done = 0
    renamed = {name.lower() for name, other in names.items() if name != other and len(name) >= _TELLING}
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        inserted = [names.get(token, token) for token in new[j1:j2]]
        if any(token not in names and not parts_of(token).isdisjoint(renamed) for token in new[j1:j2]):
            return None  # "try_users", where "users" is "groups": perhaps one, perhaps the other
        if i1 == i2:
            start = _position(i1, len(old), len(there), aligned, inserted)
            stop = start
        else:
            places = [aligned.get(index) for index in range(i1, i2)]
            start = places[0]
            if start is None or places != list(range(start, start + i2 - i1)):
                return None
            stop = start + i2 - i1
        if start is None or stop is None or start < done:
            return None
        parts += [*there[done:start], *inserted]
        done = stop
    return "".join([*parts, *there[done:]])


def parts_of(word: str) -> set[str]:
    """The words, in lower case, that a name of several is made of; none of a name of one."""
    found = _PART.findall(word)
    return {part.lower() for part in found} if len(found) > 1 else set()


def _position(at: int, size: int, other: int, aligned: Mapping[int, int], inserted: Sequence[str]) -> int | None:
    """Where, between the other tokens, what was put in before token `at` belongs: between the same two tokens; where
    there is something else between those, beside the one that a bracket in it goes with."""
    left = aligned.get(at - 1, -1 if at == 0 else None)
    right = aligned.get(at, other if at == size else None)
    if left is not None and right is not None and right == left + 1:
        return right
    depth = lowest = 0
    for token in inserted:
        depth += (token in _OPENERS) - (token in _CLOSERS)
        lowest = min(lowest, depth)
    if depth > 0 == lowest:
        return right
    return left + 1 if lowest < 0 and depth == lowest and left is not None else None


def _variants(names: Mapping[str, str]) -> dict[str, str]:
    """What follows from words that stand for others: in another case, and for the one part in which they differ."""
    found: dict[str, str] = {}
    for one, other in names.items():
        pairs = [(one, other)]
        a, b = _PART.findall(one), _PART.findall(other)
        different = [pair for pair in zip(a, b, strict=False) if pair[0] != pair[1]]
        if len(a) == len(b) and len(a) > 1 and len(different) == 1:
            pairs.append(different[0])
        for x, y in pairs:
            for form in (str, str.lower, str.upper, str.capitalize):
                found.setdefault(form(x), form(y))
    return {one: other for one, other in found.items() if one != other}


def _indent(lines: Sequence[str]) -> str:
    first = next((line for line in lines if line.strip()), "")
    return first[: len(first) - len(first.lstrip())]


def _dedented(lines: Sequence[str], indent: str) -> list[str] | None:
    """The lines without the indentation of the first; None where one has less, so that none is taken for it."""
    if any(line.strip() and not line.startswith(indent) for line in lines):
        return None
    return [line[len(indent) :] if line.strip() else "" for line in lines]
