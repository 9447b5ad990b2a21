import math

import numpy as np
import pyarrow as pa
import pytest
import tea_tasting as tt

from foretype.eval import simulate, trial
from foretype.eval.trial import Sample, compare, mismatch, units_needed


def made(seed: int, units: int = 400) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    under, before = rng.poisson(200, units) + 1, rng.poisson(150, units) + 1
    rate = rng.gamma(4, 0.1, units)
    return {
        "variant": rng.integers(0, 2, units),
        "over": rng.poisson(under * rate),
        "under": under,
        "over_before": rng.poisson(before * rate),
        "under_before": before,
    }


@pytest.mark.parametrize("past", [False, True], ids=["plain", "cuped"])
@pytest.mark.parametrize("seed", range(5))
def test_estimates_are_those_of_tea_tasting(seed: int, past: bool) -> None:
    data = made(seed)
    names = ("over", "under", "over_before", "under_before")[: 4 if past else 2]
    covariates = {"numer_covariate": "over_before", "denom_covariate": "under_before"} if past else {}
    theirs = tt.Experiment(cpo=tt.RatioOfMeans("over", "under", **covariates)).analyze(pa.table(data))["cpo"]
    control, treatment = (Sample(*(data[name][data["variant"] == arm] for name in names)) for arm in (0, 1))
    ours = compare(control, treatment)
    pairs = [
        (ours.control, theirs.control),
        (ours.treatment, theirs.treatment),
        (ours.lift, theirs.rel_effect_size),
        (ours.fixed.low, theirs.rel_effect_size_ci_lower),
        (ours.fixed.high, theirs.rel_effect_size_ci_upper),
        (ours.p, theirs.pvalue),
    ]
    for mine, other in pairs:
        assert mine == pytest.approx(other, abs=1e-6)


def test_the_past_narrows_the_interval() -> None:
    data = made(3)
    arms = [data["variant"] == arm for arm in (0, 1)]
    plain = compare(*(Sample(data["over"][arm], data["under"][arm]) for arm in arms))
    known = compare(
        *(Sample(*(data[name][arm] for name in ("over", "under", "over_before", "under_before"))) for arm in arms)
    )
    assert known.fixed.high - known.fixed.low < 0.6 * (plain.fixed.high - plain.fixed.low)


def test_the_sequential_interval_holds_the_fixed_one() -> None:
    data = made(1)
    found = compare(*(Sample(data["over"][data["variant"] == a], data["under"][data["variant"] == a]) for a in (0, 1)))
    assert found.sequential.low < found.fixed.low < found.lift < found.fixed.high < found.sequential.high


def test_verdicts() -> None:
    rng = np.random.default_rng(0)
    ones = np.ones(200)
    low, high = rng.normal(1.0, 0.1, 200), rng.normal(2.0, 0.1, 200)
    assert compare(Sample(low, ones), Sample(high, ones)).verdict == "better"
    assert compare(Sample(high, ones), Sample(low, ones)).verdict == "worse"
    assert compare(Sample(low, ones), Sample(low[::-1], ones)).verdict == "not yet known"
    few = trial.LEAST_UNITS - 1
    assert compare(Sample(low[:few], ones[:few]), Sample(high[:few], ones[:few])).verdict == "not yet known"


@pytest.mark.parametrize("units", [0, 1, 40])
def test_nothing_to_divide_by_is_not_yet_known(units: int) -> None:
    none = Sample(np.zeros(units), np.zeros(units))
    found = compare(none, Sample(np.ones(40), np.ones(40)))
    assert found.verdict == "not yet known"
    assert math.isnan(found.lift)


def test_a_split_that_lost_units_is_seen() -> None:
    assert mismatch([5000, 5000], [0.5, 0.5]) == 1.0
    assert mismatch([5100, 4900], [0.5, 0.5]) > trial.MISMATCH_P
    assert mismatch([5300, 4700], [0.5, 0.5]) < trial.MISMATCH_P
    assert mismatch([2000, 8000], [0.2, 0.8]) == 1.0
    assert mismatch([], []) == 1.0


def test_a_smaller_lift_needs_more_units() -> None:
    data = made(2)
    sample = Sample(data["over"], data["under"])
    assert units_needed(sample, 0.05) > 3 * units_needed(sample, 0.1)
    assert units_needed(sample, 0.1, arms=3) > units_needed(sample, 0.1)


def test_simulated_experiments_hold_what_the_statistics_promise() -> None:
    """At a size at which what is wrong by half shows."""
    found = simulate.figures(experiments=150, units=400, seed=7)
    assert found["fixed_rejects"] <= 0.1 and found["fixed_covers"] >= 0.9
    assert found["sequential_rejects"] <= 0.065 and found["sequential_covers"] >= 0.93
    assert found["naive_rejects"] > 0.15
    assert found["rows_reject"] > 0.3
    assert 0.68 <= found["power"] <= 0.92
