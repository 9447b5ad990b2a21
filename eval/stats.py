"""Intervals, percentiles and paired tests for the benchmarks' figures.

Plain functions over counts and numbers; knows nothing of where they come from. Ratio metrics over users or sessions
(characters per opportunity) need other methods, since their rows are not independent: not here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval of a proportion, `(low, high)` in 0..1, without continuity correction.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), 209-212;
    method 3 of R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872. No trials tell nothing: (0, 1).
    Raises ValueError for counts that cannot be.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = successes / trials
    centre = rate + z * z / (2 * trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # At the ends the interval touches 0 or 1 exactly, which rounding would miss by 1e-17.
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == trials else (centre + half) / scale
    return low, high


def percentile(values: Sequence[float], q: float) -> float:
    """The `q`-th percentile (0..100) with linear interpolation between order statistics.

    Type 7 of R. J. Hyndman and Y. Fan, The American Statistician 50 (1996), 361-365, NumPy's and R's default: the
    50th is the usual median. Raises ValueError for no values or a `q` out of range.
    """
    if not values:
        raise ValueError("no values")
    if not 0 <= q <= 100:
        raise ValueError(f"percentile {q} is not in 0..100")
    ordered = sorted(values)
    place = (len(ordered) - 1) * q / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided exact p-value that two arms, measured on the same tasks, succeed equally often.

    `only_first` and `only_second` count the tasks that one arm solved and the other did not; tasks where both agree
    say nothing. Under the null each such task is a fair coin (Q. McNemar, Psychometrika 12 (1947), 153-157; exact
    binomial form), so p is twice the smaller tail, at most 1. Raises ValueError for negative counts.
    """
    if only_first < 0 or only_second < 0:
        raise ValueError(f"negative count: {only_first}, {only_second}")
    n, k = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, i) for i in range(k + 1))
    return min(1.0, 2 * tail / 2**n)
