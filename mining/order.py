"""In which order a developer would make the hunks of one group, which a commit does not say.

Definition before use, signature before body before callers, subject before test, otherwise file by file and top to
bottom; an import comes behind what first needs it in its file. Hunks with at most a line between them are one step. A
guess: the order in which they were made is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from foretype.context.text import content, split_lines
from foretype.mining import import_lines
from foretype.mining.commit import FileTexts, Hunk
from foretype.mining.touched import Touched, lines_between

_JOINED_LINES = 1
_COMPARED = 96  # steps of which all pairs are looked at
_SHORTEST = 3  # characters of a name that says which definition is meant


@dataclass(frozen=True)
class Step:
    """Hunks that are made in one go. `hunk` spans them, with the lines between; `parts` are what each touches."""

    file: FileTexts
    hunk: Hunk
    parts: tuple[Touched, ...]


def steps(group: Sequence[Touched]) -> list[Step]:
    """A group's steps in the order in which they would be made."""
    joined = _joined(group)
    if len(joined) > _COMPARED:
        return joined
    left = sorted(range(len(joined)), key=lambda index: (joined[index].parts[0].is_test, index))
    before = {
        index: {other for other in left if other != index and _leads(joined[other], joined[index])} for index in left
    }
    for index in left:  # where two lead to each other, neither does
        mutual = {other for other in before[index] if index in before[other]}
        before[index] -= mutual
        for other in mutual:
            before[other].discard(index)
    found = []
    while left:
        # of a circle the first
        chosen = next((index for index in left if not before[index].intersection(left)), left[0])
        left.remove(chosen)
        found.append(joined[chosen])
    return _imports_behind(found)


def _imports_behind(story: Sequence[Step]) -> list[Step]:
    """The steps with each import behind the first of its file that uses it: most are put in once they are missed, and
    one that comes first says nothing of what for (`eval/reading`)."""

    def place(index: int) -> tuple[int, bool]:
        step = story[index]
        if not (brought := import_lines.brought(step.hunk.old, step.hunk.new)):
            return index, False
        users = (
            at
            for at, other in enumerate(story)
            if other.file is step.file and brought & import_lines.used(other.hunk.old, other.hunk.new)
        )
        return max(index, next(users, index)), True

    return [story[index] for index in sorted(range(len(story)), key=place)]


def _leads(one: Step, other: Step) -> bool:
    """Whether `one` is made before `other` for what they are."""
    return any(_defines(a, b) or _calls(a, b) for a in one.parts for b in other.parts)


def _defines(a: Touched, b: Touched) -> bool:
    """`a` defines, or has the signature of, what `b` uses or is the body of."""
    if any(len(name) >= _SHORTEST and name in b.words and name not in b.defined for name in a.defined):
        return True
    return a.file.path == b.file.path and b.body and b.owner in a.defined


def _calls(a: Touched, b: Touched) -> bool:
    """`a` is in the body of what `b` calls from elsewhere."""
    return a.body and a.inside != b.inside and len(a.owner) >= _SHORTEST and a.owner in b.words


def _joined(group: Sequence[Touched]) -> list[Step]:
    found: list[Step] = []
    for item in group:
        last = found[-1] if found else None
        if last and last.file is item.file and lines_between(last.hunk, item.hunk) <= _JOINED_LINES:
            found[-1] = Step(item.file, _span(item.file, last.hunk, item.hunk), (*last.parts, item))
        else:
            found.append(Step(item.file, item.hunk, (item,)))
    return found


@lru_cache(maxsize=16)
def lines(text: str) -> tuple[str, ...]:
    """The lines of a text with their terminators; the groups of one commit ask for the same ones again."""
    return tuple(split_lines(text))


def _span(file: FileTexts, first: Hunk, last: Hunk) -> Hunk:
    old, new = lines(file.before), lines(file.after)
    old_end, new_end = last.old_start + len(last.old), last.new_start + len(last.new)
    return Hunk(
        first.old_start,
        tuple(map(content, old[first.old_start : old_end])),
        first.new_start,
        tuple(map(content, new[first.new_start : new_end])),
    )
