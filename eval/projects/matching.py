"""How alike a completion and the code that really stood there are, as benchmarks of repository-level completion count.

The three figures of Y. Ding et al., "CrossCodeEval" (2023, arXiv 2310.11248), computed on one line each: exact match,
edit similarity, identifier match. Knows no language but Python's keywords and no model.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass

_STRING = re.compile(r"\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Match:
    """Scores of one completion. `identifier_match` is the F1 of the two sets of identifiers, in 0..1;
    `identifier_exact` whether both have the same identifiers in the same order."""

    exact: bool
    edit_similarity: float
    identifier_match: float
    identifier_exact: bool


def match(completion: str, reference: str) -> Match:
    """White space around either does not count."""
    completion, reference = completion.strip(), reference.strip()
    said, meant = identifiers(completion), identifiers(reference)
    return Match(completion == reference, edit_similarity(completion, reference), _f1(said, meant), said == meant)


def identifiers(code: str) -> list[str]:
    """The names in a piece of Python, in order: no keywords and nothing inside a string."""
    return [name for name in _IDENTIFIER.findall(_STRING.sub("''", code)) if not keyword.iskeyword(name)]


def edit_similarity(one: str, other: str) -> float:
    """Twice the length of the longest common subsequence over both lengths: `fuzz.ratio`, over 100; two empty: 1."""
    if not one or not other:
        return float(one == other)
    row = [0] * (len(other) + 1)
    for char in one:
        diagonal = 0
        for at, against in enumerate(other, 1):
            above = row[at]
            row[at] = diagonal + 1 if char == against else max(above, row[at - 1])
            diagonal = above
    return 2 * row[-1] / (len(one) + len(other))


def _f1(said: list[str], meant: list[str]) -> float:
    shared, total = len(set(said) & set(meant)), len(set(said)) + len(set(meant))
    return 2 * shared / total if total else 1.0
