"""Intervals, percentiles and paired tests for the benchmarks' figures.

Plain functions over counts and numbers; knows nothing of where they come from. Ratio metrics over users or sessions
(characters per opportunity) need other methods, since their rows are not independent: not here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


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


def gain_interval(both: int, only_first: int, only_second: int, neither: int) -> tuple[float, float]:
    """By how much the second arm's rate may be above the first's, 95 %, `(low, high)`; both did the same tasks.

    Method 10 of R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17 (1998), 2635-2650: Wilson's intervals, squared and added. Unlike resampling
    it does not take a few tasks that all agree for certainty. Raises ValueError for negative counts and no tasks.
    """
    counts = both, only_first, only_second, neither
    tasks = sum(counts)
    if min(counts) < 0 or not tasks:
        raise ValueError(f"impossible counts: {counts}")
    first, second = both + only_first, both + only_second
    (low_1, high_1), (low_2, high_2) = wilson(first, tasks), wilson(second, tasks)
    rate_1, rate_2 = first / tasks, second / tasks
    agreeing = both * neither - only_first * only_second
    corrected = max(0.0, agreeing - tasks / 2) if agreeing > 0 else agreeing
    spread = math.sqrt(first * (tasks - first) * second * (tasks - second))
    phi = corrected / spread if spread else 0.0

    def reach(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))

    gain = rate_2 - rate_1
    return gain - reach(rate_2 - low_2, high_1 - rate_1), gain + reach(high_2 - rate_2, rate_1 - low_1)


@dataclass(frozen=True)
class Paired:
    """How much larger the second mean is than the first, its 95 % interval, and the p-value that it is not."""

    change: float
    low: float
    high: float
    p: float


def paired(first: Sequence[float], second: Sequence[float], seed: int = 0, resamples: int = 10_000) -> Paired:
    """Compares two arms' values of the same tasks, in the same order, without assuming how they are distributed.

    The interval is the percentile bootstrap's of the mean difference over tasks (B. Efron and R. J. Tibshirani, An
    Introduction to the Bootstrap, 1993, ch. 13); p is two-sided, of the randomization test that swaps a task's two
    values at will (ibid., ch. 15), the observed one counted among the `resamples`. Tasks are taken as independent.
    `seed` decides the resamples. Raises ValueError for no tasks or unequal numbers of them.
    """
    differences = np.asarray(second, dtype=float) - np.asarray(first, dtype=float)
    if not len(differences) or len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values cannot be paired")
    rng, tasks = np.random.default_rng(seed), len(differences)
    change = float(differences.mean())
    means, extreme, left = [], 0, resamples
    while left:
        now = min(left, max(1, 1_000_000 // tasks))  # a few megabytes at a time
        means.append(differences[rng.integers(tasks, size=(now, tasks))].mean(axis=1))
        swapped = (rng.integers(2, size=(now, tasks)) * 2 - 1) @ differences / tasks
        extreme += int((np.abs(swapped) >= abs(change) - 1e-12).sum())
        left -= now
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return Paired(change, float(low), float(high), (1 + extreme) / (1 + resamples))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The p-values, made as large as asking so many questions at once demands.

    Rejecting those below a level errs in any of them no oftener than that (S. Holm, "A simple sequentially rejective
    multiple test procedure", Scandinavian Journal of Statistics 6 (1979), 65-70).
    """
    adjusted, highest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda one: one[1])):
        highest = max(highest, min(1.0, p * (len(p_values) - rank)))
        adjusted[name] = highest
    return adjusted
