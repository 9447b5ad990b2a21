"""Which rows train, which validate, which test: by repository and by time.

Some repositories are for testing, whole, where there are at least five; a fork goes where what it was forked from
goes, as both have the same oldest commit. Of the others the newest commits validate, so that nothing is learnt from
what came later. What is alike across repositories has been left out before (`mining/duplicates.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from foretype.context.row_files import SPLITS, Split
from foretype.mining.config import Config
from foretype.mining.parts import Part

__all__ = ["SPLITS", "Split", "latest", "split_of"]

_SEVERAL = 5  # repositories, of which one is not too many


def latest(parts: Sequence[Part], times: Sequence[np.ndarray], config: Config) -> Mapping[str, float]:
    """By repository the author's time of its last row that trains: none of a repository for testing (minus infinity).

    `times` are those of each part's kept rows. Forks share one boundary.
    """
    families: dict[str, list[np.ndarray]] = {}
    for part, own in zip(parts, times, strict=True):
        families.setdefault(_family(part), []).append(own)
    # what has no history is one's own (`mining/captured.py`), and is there to be learnt from
    tests = _tests({_family(part) for part in parts if part.root}, config)
    boundaries = {family: _boundary(np.concatenate(every), config) for family, every in families.items()}
    return {part.repository: -np.inf if _family(part) in tests else boundaries[_family(part)] for part in parts}


def split_of(time: int, boundary: float) -> Split:
    """Where a row of that time goes, if its repository's boundary is the one given."""
    return "test" if boundary == -np.inf else "train" if time <= boundary else "validation"


def _tests(families: Collection[str], config: Config) -> set[str]:
    """The share of the families that the seed draws first; of several one at least."""
    count = round(config.test_share * len(families))
    if config.test_share and len(families) >= _SEVERAL:
        count = max(1, count)
    return set(sorted(families, key=lambda family: config.draw("test repository", family))[:count])


def _boundary(times: np.ndarray, config: Config) -> float:
    """The time that leaves the share of rows for validation, or fewer, after it."""
    if not times.size:
        return np.inf
    last = int(np.ceil(times.size * (1 - config.validation_share))) - 1
    return float(np.sort(times)[max(0, last)])


def _family(part: Part) -> str:
    return part.root or part.repository
