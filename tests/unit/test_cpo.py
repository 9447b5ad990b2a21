"""Characters per opportunity: the identity, and intervals that a bootstrap agrees with."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretype.eval.cpo import (
    FACTORS,
    TOTALS,
    IdentityError,
    check_identity,
    figures,
    movers,
    ratio,
    retention,
    t_quantile,
)
from foretype.lsp.log.schema import HORIZONS_S

_KEPT = [f"{name}_{seconds}" for name in ("looked_at", "retained") for seconds in HORIZONS_S]


def sessions(count: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Sums of made-up sessions, each with a taste of its own."""
    draw = np.random.default_rng(seed)
    opportunities = draw.integers(50, 3000, count)
    attempts = draw.binomial(opportunities, 0.8)
    shown = draw.binomial(attempts, 0.3)
    accepted = draw.binomial(shown, np.clip(draw.normal(0.3, 0.1, count), 0.01, 0.9))
    characters = accepted * draw.integers(5, 30, count)
    sums = dict(zip(TOTALS, (opportunities, attempts, shown, accepted, accepted * 6.5, characters), strict=True))
    for seconds in HORIZONS_S:
        sums[f"looked_at_{seconds}"] = characters * 0.9
        sums[f"retained_{seconds}"] = characters * 0.9 * draw.uniform(0.5, 1, count)
    return {name: np.asarray(values, float) for name, values in sums.items()}


def test_a_case_by_hand() -> None:
    rows = {
        "opportunities": [100, 100],
        "attempts": [80, 70],
        "shown": [20, 10],
        "accepted": [5, 1],
        "tokens": [30, 4],
        "characters": [90, 10],
    }
    of = figures({**{name: np.array(v, float) for name, v in rows.items()}, **dict.fromkeys(_KEPT, np.zeros(2))})
    assert (of["attempt_rate"], of["feedback_rate"], of["acceptance_rate"]) == (0.75, 0.2, 0.2)
    assert (of["tokens_per_acceptance"], of["characters_per_token"]) == (pytest.approx(34 / 6), pytest.approx(100 / 34))
    assert of["cpo"] == 0.5
    # y - R x is 40 and -40, over 200: a variance of 2 * (0.2 ** 2 + 0.2 ** 2)
    assert of["cpo_ci"] == pytest.approx([0.0, 0.5 + 12.7062 * 0.4], rel=1e-4)
    assert of["cpo_retained_300s"] is None


def test_nothing_at_all() -> None:
    of = figures(dict.fromkeys((*TOTALS, *_KEPT), np.array([])))
    assert of["opportunities"] == 0 and of["cpo"] is None and of["cpo_ci"] is None


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_factors_multiply_to_cpo(count: int, seed: int) -> None:
    of = figures(sessions(count, seed))
    factors = [of[name] for name in FACTORS]
    if None not in factors:
        assert math.prod(factors) == pytest.approx(of["cpo"], rel=1e-9)
    assert of["cpo"] == pytest.approx(of["characters"] / of["opportunities"])


def test_factors_that_do_not_multiply_are_found() -> None:
    of = figures(sessions(10))
    with pytest.raises(IdentityError):
        check_identity({**of, "attempt_rate": of["attempt_rate"] + 1e-6})


@pytest.mark.parametrize("name", [*FACTORS, "cpo"])
def test_intervals_are_those_of_a_bootstrap_of_sessions(name: str) -> None:
    sums = sessions(200)
    over, under = {**FACTORS, "cpo": ("characters", "opportunities")}[name]
    drawn = np.random.default_rng(2).integers(0, 200, (3000, 200))
    values = sums[over][drawn].sum(1) / sums[under][drawn].sum(1)
    low, high = figures(sums)[f"{name}_ci"]
    assert [low, high] == pytest.approx(np.percentile(values, (2.5, 97.5)), rel=0.02, abs=0.15 * (high - low))


def test_a_product_of_ratios_too() -> None:
    sums = sessions(200)
    drawn = np.random.default_rng(3).integers(0, 200, (3000, 200))
    total = {name: values[drawn].sum(1) for name, values in sums.items()}
    values = total["characters"] / total["opportunities"] * total["retained_300"] / total["looked_at_300"]
    of = figures(sums)
    low, high = of["cpo_retained_300s_ci"]
    assert [low, high] == pytest.approx(np.percentile(values, (2.5, 97.5)), abs=0.15 * (high - low))
    assert of["cpo_retained_300s"] < of["cpo"]


def test_rows_of_one_session_do_not_make_it_surer() -> None:
    """Sessions that do everything ten times tell no more than before."""
    sums = sessions(30)
    ten = {name: values * 10 for name, values in sums.items()}
    assert figures(ten)["cpo_ci"] == pytest.approx(figures(sums)["cpo_ci"])


def test_one_session_has_no_interval() -> None:
    assert figures(sessions(1))["cpo_ci"] is None
    assert ratio(np.array([1.0]), np.array([2.0])).interval() is None


def test_the_interval_covers_what_it_says() -> None:
    """The true CPO lies in 95 % of the intervals of 400 samples of 25 sessions, give or take three standard errors."""
    many = sessions(200_000, seed=9)
    truth = many["characters"].sum() / many["opportunities"].sum()
    hits = 0
    for sample in range(400):
        part = slice(25 * sample, 25 * sample + 25)
        interval = ratio(many["characters"][part], many["opportunities"][part]).interval()
        assert interval
        hits += interval[0] <= truth <= interval[1]
    assert 0.95 - 3 * math.sqrt(0.05 * 0.95 / 400) < hits / 400 <= 1.0


def test_what_moved_cpo_most_comes_first() -> None:
    then = {**dict.fromkeys(FACTORS, 1.0), "cpo": 1.0}
    now = {**then, "feedback_rate": 0.5, "attempt_rate": 1.2, "cpo": 0.6}
    rows = movers(now, then)
    assert [row["factor"] for row in rows[:2]] == ["feedback_rate", "attempt_rate"]
    assert (rows[0]["change"], rows[0]["cpo_if_then"]) == (-0.5, 1.2)
    assert rows[1]["cpo_if_then"] == pytest.approx(0.5)


def test_retention_is_of_what_could_be_looked_at() -> None:
    sums = sessions(50)
    rows = retention(sums)
    assert [row["after_s"] for row in rows] == list(HORIZONS_S)
    assert all(0.5 < row["share"] < 1 for row in rows)


@pytest.mark.parametrize(("degrees", "value"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (10, 2.2281), (1000, 1.9623)])
def test_quantiles_of_student(degrees: int, value: float) -> None:
    """W. Student's table, two-sided 5 %."""
    assert t_quantile(0.975, degrees) == pytest.approx(value, rel=2e-3)
