"""What two arms of an experiment say of a ratio: the difference, how sure it is, and what looking early does to that.

A ratio such as CPO is a sum over units (sessions, installations) of what was got, over a sum of what was possible.
Units are drawn, rows are not: variances are those of units, by the delta method. Two intervals are given. The fixed one
holds if it is looked at once, at the end. The sequential one holds at every look at once, so that one may stop when it
says something: the asymptotic confidence sequence of I. Waudby-Smith, D. Arbour, R. Sinha, E. Kennedy and A. Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52 (2024), theorem 2.2.

Covariates from before the experiment take away variance that has nothing to do with it (CUPED: A. Deng, Y. Xu,
R. Kohavi and T. Walker, WSDM 2013). Relative differences and their intervals are on a log scale, since neither can be
below -100 %. Knows arrays, not where they come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

ALPHA = 0.05
LEAST_UNITS = 30  # of an arm, for a verdict: below, neither interval holds what it promises
MISMATCH_P = 0.001  # R. Kohavi, D. Tang and Y. Xu, "Trustworthy Online Controlled Experiments" (2020), chapter 21
# Units of both arms at which the sequential interval is narrowest; it is wider before and after, and never wrong.
TUNED_FOR = 400

Verdict = Literal["better", "worse", "not yet known"]


@dataclass(frozen=True)
class Sample:
    """One arm: an element for each unit of `over` and `under`, and of the same two before the experiment, if known."""

    over: np.ndarray
    under: np.ndarray
    over_before: np.ndarray | None = None
    under_before: np.ndarray | None = None

    @property
    def units(self) -> int:
        return len(self.over)


@dataclass(frozen=True)
class Interval:
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Comparison:
    """Of a treatment with its control. `lift` is relative: 0.1 is 10 % more. `p` is of the fixed test."""

    control: float
    treatment: float
    units: tuple[int, int]
    lift: float
    fixed: Interval
    sequential: Interval
    p: float

    @property
    def verdict(self) -> Verdict:
        """What the sequential interval says."""
        if min(self.units) < LEAST_UNITS or 0.0 in self.sequential or math.isnan(self.lift):
            return "not yet known"
        return "better" if self.sequential.low > 0 else "worse"


def compare(control: Sample, treatment: Sample, alpha: float = ALPHA, tuned_for: int = TUNED_FOR) -> Comparison:
    """The comparison; NaN, and intervals without end, where an arm has nothing to divide by or got nothing at all."""
    units = control.units, treatment.units
    coefficient, shared = _covariate(control, treatment)
    (mean_c, variance_c), (mean_t, variance_t) = (
        _adjusted(sample, coefficient, shared) for sample in (control, treatment)
    )
    if min(units) < 2 or not (mean_c > 0 and mean_t > 0):
        everything = Interval(-1.0, math.inf)
        return Comparison(mean_c, mean_t, units, math.nan, everything, everything, math.nan)
    se2_c, se2_t = variance_c / units[0], variance_t / units[1]
    difference, scale = mean_t - mean_c, math.sqrt(se2_c + se2_t)
    degrees = _welch(se2_c, se2_t, units)
    p = 2 * float(stats.t.sf(abs(difference) / scale, degrees)) if scale else float(difference == 0)
    log2_c, log2_t = se2_c / mean_c**2, se2_t / mean_t**2
    log_scale = math.sqrt(log2_c + log2_t)
    fixed = float(stats.t.ppf(1 - alpha / 2, _welch(log2_c, log2_t, units))) * log_scale
    always = reach(sum(units), alpha, tuned_for) * log_scale
    ratio = mean_t / mean_c
    once, looked = (Interval(ratio * math.exp(-half) - 1, ratio * math.exp(half) - 1) for half in (fixed, always))
    return Comparison(mean_c, mean_t, units, ratio - 1, once, looked, p)


def mismatch(units: Sequence[int], weights: Sequence[float]) -> float:
    """How likely so uneven a split is by chance, by a chi-squared test; below `MISMATCH_P` something lost units, and
    no result can be believed."""
    total = sum(units)
    if not total:
        return 1.0
    expected = [total * weight / sum(weights) for weight in weights]
    statistic = sum((seen - due) ** 2 / due for seen, due in zip(units, expected, strict=True) if due)
    return float(stats.chi2.sf(statistic, len(units) - 1))


def units_needed(
    sample: Sample, lift: float, arms: int = 2, share: float = 0.5, power: float = 0.8, alpha: float = ALPHA
) -> float:
    """Units of all arms together, for the fixed test of one treatment against the control to see a relative lift with
    this power. `share` is that of the smaller of the two; with several treatments `alpha` is divided among them."""
    value = sample.over.sum() / sample.under.sum()
    deviation = math.sqrt(_ratio_variance(sample.over, sample.under)) / value
    z = stats.norm.ppf(1 - alpha / 2 / max(1, arms - 1)) + stats.norm.ppf(power)
    return float((z * deviation / math.log1p(lift)) ** 2 * 2 / share)


def reach(units: int, alpha: float, tuned_for: int = TUNED_FOR) -> float:
    """By how many standard errors the sequential interval reaches to each side after so many units."""
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / tuned_for
    spread = units * rho2
    return math.sqrt((spread + 1) / spread * 2 * math.log(math.sqrt(spread + 1) / alpha))


def _welch(a: float, b: float, units: tuple[int, int]) -> float:
    """Degrees of freedom of a difference whose parts have these squared standard errors."""
    total = a**2 / (units[0] - 1) + b**2 / (units[1] - 1)
    return (a + b) ** 2 / total if total else float(sum(units) - 2)


def _covariate(control: Sample, treatment: Sample) -> tuple[float, float]:
    """How much of a unit's past is to be taken off its present, and the past's ratio over both arms."""
    samples = control, treatment
    if any(sample.over_before is None or sample.under_before is None for sample in samples):
        return 0.0, 0.0
    over, under, over_before, under_before = (
        np.concatenate([getattr(sample, name) for sample in samples])
        for name in ("over", "under", "over_before", "under_before")
    )
    if not under_before.any() or not under.any():
        return 0.0, 0.0
    past, present = _linear(over_before, under_before), _linear(over, under)
    variance = float(np.var(past, ddof=1))
    shared = float(over_before.sum() / under_before.sum())
    return (float(np.cov(present, past)[0, 1]) / variance if variance else 0.0), shared


def _adjusted(sample: Sample, coefficient: float, shared: float) -> tuple[float, float]:
    """The ratio of an arm, and the variance of what one unit adds to it."""
    if not sample.under.any():
        return math.nan, math.nan
    value = float(sample.over.sum() / sample.under.sum())
    if not coefficient or sample.over_before is None or sample.under_before is None:
        return value, _ratio_variance(sample.over, sample.under)
    before = float(sample.over_before.sum() / max(1e-300, sample.under_before.sum()))
    rest = _linear(sample.over, sample.under) - coefficient * _linear(sample.over_before, sample.under_before)
    return value - coefficient * (before - shared), float(np.var(rest, ddof=1))


def _ratio_variance(over: np.ndarray, under: np.ndarray) -> float:
    return float(np.var(_linear(over, under), ddof=1)) if len(over) > 1 else math.nan


def _linear(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """What each unit adds to a ratio of means, to first order, a constant aside."""
    mean = under.mean()
    return (over - over.sum() / under.sum() * under) / mean
