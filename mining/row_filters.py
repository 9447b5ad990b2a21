"""Which edit rows are left out by what they say: targets that a developer with that history would not make next.

Each filter's docstring says what it leaves out and where that comes from; `None` keeps the row. They look at the row
alone, at what a reader of it sees, so that what they say holds wherever a row is cut. Their grounds are 200 rows that
were read one by one (`eval/reading`), by names and tokens: they do not know what code means.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from foretype.context.languages import LANGUAGES
from foretype.context.rows import EditRow, Row, Target
from foretype.mining import import_lines
from foretype.mining.candidate import RowFilter, name
from foretype.mining.filters import Tally
from foretype.mining.touched import TOKEN, kind, names

_SPACE = re.compile(r"\s+")
_SPACE_AND_COMMAS = re.compile(r"[\s,]+")


@dataclass(frozen=True)
class Change:
    """Lines that give way to others."""

    old: tuple[str, ...]
    new: tuple[str, ...]


def passing(found: Iterator[Row], tally: Tally) -> Iterator[Row]:
    """The rows that no filter leaves out; `tally` counts the others."""
    for row in found:
        if not isinstance(row, EditRow) or row.target is None:
            yield row
            continue
        for one in FILTERS:
            if reason := one.check(row, row.target):
                tally.reject(name(one), row.origin.path, reason)
                break
        else:
            yield row


def white_space_target(row: EditRow, target: Target) -> str | None:
    """Targets of white space alone: 5 of 200 rows read, none of which followed (`eval/reading`); as of whole files in
    D. Kawrykow and M. Robillard, "Non-essential changes in version histories" (2011). Where indentation is syntax, that
    of lines which begin outside of brackets counts as code."""
    change = _change(row, target)
    return "white space only" if _same(row, change, without_commas=False) else None


def punctuation_target(row: EditRow, target: Target) -> str | None:
    """Targets of white space and commas alone, which formatters change together (`eval/reading`)."""
    return "white space and commas only" if _same(row, _change(row, target), without_commas=True) else None


def unrelated(row: EditRow, target: Target) -> str | None:
    """Whole edits without a name, old or new, that a changed line of the history has: of the 10 such among 200 rows
    read, 9 did not follow (`eval/reading`). Kept where the target does to tokens what a change of the history does,
    whatever the names: that is the same edit once more."""
    if row.label != "edit" or row.half_typed:
        return None
    change, made = _change(row, target), list(_changes(row))
    own = _names(change)
    if any(own & _names(other) for other in made):
        return None
    done = _token_edit(change)
    if any(done) and any(done == _token_edit(other) for other in made):
        return None
    return "no name in common with the history"


def imports_first(row: EditRow, target: Target) -> str | None:
    """Imports of names that nothing in the history's added lines says: nobody knows yet what for. They are imported
    behind their first use where that is in the group (`mining/order.py`), and otherwise cannot be foreseen
    (`eval/reading`). Kept where the history has imported just those names before."""
    change = _change(row, target)
    brought = import_lines.brought(change.old, change.new)
    if row.half_typed or not brought:
        return None
    added = [(other.old, other.new) for other in _changes(row)]
    if any(brought & import_lines.used(old, new) or brought <= import_lines.brought(old, new) for old, new in added):
        return None
    return "imports for code that is not there yet"


FILTERS = tuple(map(RowFilter, (white_space_target, punctuation_target, imports_first, unrelated)))


def _change(row: EditRow, target: Target) -> Change:
    start = row.window.start
    return Change(row.window.lines[target.start - start : target.stop - start], target.lines)


def _changes(row: EditRow) -> Iterator[Change]:
    """What the history changed, each run of lines by itself."""
    for diff in row.history:
        old: list[str] = []
        new: list[str] = []
        for line in (*diff.diff.split("\n"), ""):
            if line[:1] in ("-", "+"):
                (old if line[0] == "-" else new).append(line[1:])
            elif old or new:
                yield Change(tuple(old), tuple(new))
                old, new = [], []


def _names(change: Change) -> frozenset[str]:
    return frozenset(names("\n".join((*change.old, *change.new))))


def _token_edit(change: Change) -> tuple[Counter[str], Counter[str]]:
    """The tokens that a change takes away and brings, names and numbers alike."""
    old, new = (Counter(TOKEN.findall("\n".join(side))) for side in (change.old, change.new))
    return _kinds(old - new), _kinds(new - old)


def _kinds(tokens: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for token, count in tokens.items():
        found[kind(token)] += count
    return found


def _same(row: EditRow, change: Change, without_commas: bool) -> bool:
    """Whether a change is of nothing but white space, and commas if they are not to count."""
    left_out = _SPACE_AND_COMMAS if without_commas else _SPACE
    old, new = (left_out.sub("", "".join(side)) for side in (change.old, change.new))
    if old != new or not _by_indentation(row.origin.language):
        return old == new
    above = row.window.lines[: row.target.start - row.window.start] if row.target else ()
    depth = _depth(0, "\n".join(above))
    return _code(change.old, depth, without_commas) == _code(change.new, depth, without_commas)


def _code(lines: Sequence[str], depth: int, without_commas: bool) -> list[str]:
    """The tokens of lines, and the indentation of those that begin outside of brackets."""
    found = []
    for line in filter(str.strip, lines):
        if not depth:
            found.append(line[: len(line) - len(line.lstrip())])
        found += [token for token in TOKEN.findall(line) if not (without_commas and token == ",")]
        depth = _depth(depth, line)
    return found


def _depth(depth: int, text: str) -> int:
    """How many brackets are open behind a text; what it closes without having opened it was open above."""
    for token in TOKEN.findall(text):
        depth = max(0, depth + (token in "([{") - (token in ")]}"))
    return depth


@cache
def _by_indentation(language_name: str) -> bool:
    return any(language.name == language_name and language.style == "indent" for language in LANGUAGES)
