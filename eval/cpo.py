"""Characters per opportunity, its factors, and how sure they are.

    CPO = attempt rate x feedback rate x acceptance rate x tokens per acceptance x characters per token

Each is a ratio of sums over sessions. What one session does is not independent, so sessions are the units: intervals
are of 95 % by the delta method (A. Deng, U. Knoblich and J. Lu, "Applying the delta method in metric analytics", KDD
2018), with Student's t for as many sessions as there are. Works on any sums by unit; knows no log.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from foretype.lsp.log.schema import HORIZONS_S

# name -> numerator and denominator
FACTORS = {
    "attempt_rate": ("attempts", "opportunities"),
    "feedback_rate": ("shown", "attempts"),
    "acceptance_rate": ("accepted", "shown"),
    "tokens_per_acceptance": ("tokens", "accepted"),
    "characters_per_token": ("characters", "tokens"),
}
CPO = ("characters", "opportunities")
TOTALS = ("opportunities", "attempts", "shown", "accepted", "tokens", "characters")

# What it takes to see a product that is not one.
_IDENTITY = 1e-9

# Name -> an element for each unit.
Sums = Mapping[str, np.ndarray]


class IdentityError(AssertionError):
    """The factors do not multiply to CPO: rows were counted twice, or not at all."""


@dataclass(frozen=True)
class Estimate:
    """A figure, and how much each unit pulls it up or down: `influence` adds up to 0."""

    value: float
    influence: np.ndarray

    @property
    def se(self) -> float:
        """The standard error; NaN where fewer than two units tell."""
        units = len(self.influence)
        return math.sqrt(units / (units - 1) * float(self.influence @ self.influence)) if units > 1 else math.nan

    def interval(self, confidence: float = 0.95) -> tuple[float, float] | None:
        """Low and high; None where it cannot be known."""
        half = t_quantile((1 + confidence) / 2, len(self.influence) - 1) * self.se if len(self.influence) > 1 else 0.0
        known = len(self.influence) > 1 and math.isfinite(half) and math.isfinite(self.value)
        return (self.value - half, self.value + half) if known else None

    def times(self, other: Estimate) -> Estimate:
        """The product of two that are of the same units."""
        return Estimate(self.value * other.value, self.value * other.influence + other.value * self.influence)


def ratio(over: np.ndarray, under: np.ndarray) -> Estimate:
    """The sum of one over the sum of the other, an element for each unit; NaN where there is nothing to divide by.

    To first order it moves by (y - R x) / sum of x with a unit that has y and x.
    """
    total = float(under.sum())
    if not total:
        return Estimate(math.nan, np.zeros(len(under)))
    value = float(over.sum()) / total
    return Estimate(value, (over - value * under) / total)


def figures(sums: Sums) -> dict[str, Any]:
    """Totals, factors, CPO and what is left of it, with intervals; null where there is nothing to divide by.

    `sums` have `TOTALS`, and for each horizon `looked_at_<s>`, the characters accepted that could be looked at again,
    and `retained_<s>`, those of them still there. `cpo_retained_300s` takes what could not be looked at, since the
    session had ended, to have been kept as the rest was. Raises `IdentityError`.
    """
    found: dict[str, Any] = {name: _whole(float(sums[name].sum())) for name in TOTALS}
    found["sessions"] = len(sums["opportunities"])
    for name, (over, under) in FACTORS.items():
        found |= _told(name, ratio(sums[over], sums[under]))
    cpo = ratio(*(sums[name] for name in CPO))
    found |= _told("cpo", cpo)
    found |= _told("cpo_retained_300s", cpo.times(ratio(sums["retained_300"], sums["looked_at_300"])))
    if cpo.value == 0:
        found["cpo_retained_300s"] = 0.0
    check_identity(found)
    return found


def retention(sums: Sums) -> list[dict[str, Any]]:
    """For each horizon: `after_s`, the `share` of the accepted characters still there, with its interval, and of how
    many characters that is known."""
    return [
        {
            "after_s": seconds,
            **_told("share", ratio(sums[f"retained_{seconds}"], sums[f"looked_at_{seconds}"])),
            "characters": _whole(float(sums[f"looked_at_{seconds}"].sum())),
        }
        for seconds in HORIZONS_S
    ]


def movers(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each factor's change did to CPO, the largest first: `now`, `then`, `change` (now over then, less 1), and
    `cpo_if_then`, what CPO would be had this factor alone stayed. CPO moves in proportion to each factor."""
    rows = []
    for name in FACTORS:
        if now[name] and then[name]:
            change = now[name] / then[name] - 1
            rows.append(
                {
                    "factor": name,
                    "now": now[name],
                    "then": then[name],
                    "change": change,
                    "cpo_if_then": now["cpo"] / (1 + change),
                }
            )
    return sorted(rows, key=lambda row: -abs(math.log1p(row["change"])))


def check_identity(found: Mapping[str, Any]) -> None:
    """Raises `IdentityError` unless the factors multiply to CPO; where one has nothing to divide by, CPO is 0."""
    factors = [found[name] for name in FACTORS]
    product = math.prod(factors) if None not in factors else 0.0
    cpo = found["cpo"] or 0.0
    if abs(product - cpo) > _IDENTITY * max(1.0, cpo):
        raise IdentityError(f"the factors multiply to {product}, and CPO is {cpo}")


def t_quantile(p: float, degrees: int) -> float:
    """Of Student's t, for p above 0.5: exact for 1 and 2 degrees of freedom, above by the series of M. Abramowitz and
    I. Stegun, Handbook of Mathematical Functions, 26.7.5, within 0.3 % from 3 on at 0.975."""
    if degrees < 1:
        return math.inf
    if degrees == 1:
        return math.tan(math.pi * (p - 0.5))
    if degrees == 2:
        return (2 * p - 1) * math.sqrt(2 / (4 * p * (1 - p)))
    z, n = NormalDist().inv_cdf(p), float(degrees)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / n**power for power, term in enumerate(terms, 1))


def _told(name: str, estimate: Estimate) -> dict[str, Any]:
    interval = estimate.interval()
    return {
        name: estimate.value if math.isfinite(estimate.value) else None,
        f"{name}_ci": [max(0.0, interval[0]), interval[1]] if interval else None,
    }


def _whole(value: float) -> int | float:
    return int(value) if value == int(value) else round(value, 3)
