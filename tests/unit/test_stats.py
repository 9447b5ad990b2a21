import numpy as np
import pytest

from foretype.eval import stats


# R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_newcombes_intervals(successes: int, trials: int, low: float, high: float) -> None:
    assert stats.wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_symmetric_and_touches_the_ends() -> None:
    low, high = stats.wilson(3, 10)
    assert stats.wilson(7, 10) == pytest.approx((1 - high, 1 - low))
    assert stats.wilson(0, 7)[0] == 0.0
    assert stats.wilson(7, 7)[1] == 1.0
    assert stats.wilson(0, 0) == (0.0, 1.0)


def test_wilson_widens_with_confidence() -> None:
    narrow, wide = stats.wilson(5, 10, 0.8), stats.wilson(5, 10, 0.99)
    assert wide[0] < narrow[0] < 0.5 < narrow[1] < wide[1]


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3)])
def test_wilson_refuses_impossible_counts(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        stats.wilson(successes, trials)


@pytest.mark.parametrize(("q", "expected"), [(0, 1.0), (25, 2.0), (50, 3.0), (95, 4.8), (100, 5.0)])
def test_percentile_interpolates_and_does_not_need_order(q: float, expected: float) -> None:
    assert stats.percentile([5, 1, 4, 2, 3], q) == pytest.approx(expected)


def test_percentile_of_one_value_and_of_an_even_number() -> None:
    assert stats.percentile([7.0], 95) == 7.0
    assert stats.percentile([1, 2, 3, 10], 50) == 2.5


@pytest.mark.parametrize(("values", "q"), [([], 50), ([1.0], 101), ([1.0], -1)])
def test_percentile_refuses_nonsense(values: list[float], q: float) -> None:
    with pytest.raises(ValueError):
        stats.percentile(values, q)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        (121, 59, 4.434449263755510e-06),  # the worked example of statsmodels' `mcnemar(exact=True)`
        (0, 5, 0.0625),
        (1, 9, 22 / 1024),
        (4, 4, 1.0),
        (0, 0, 1.0),
    ],
)
def test_mcnemar_is_the_exact_two_sided_binomial(first: int, second: int, p: float) -> None:
    assert stats.mcnemar(first, second) == pytest.approx(p, rel=1e-9)
    assert stats.mcnemar(second, first) == stats.mcnemar(first, second)


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="negative"):
        stats.mcnemar(-1, 2)


# M. W. Fagerland et al., BMC Medical Research Methodology 14 (2014); Newcombe (1998), table II
@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((1, 1, 7, 12), 0.026, 0.507), ((36, 12, 2, 0), -0.3404, -0.0569), ((1, 7, 1, 12), -0.507, -0.026)],
)
def test_gain_interval(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    assert stats.gain_interval(*counts) == pytest.approx((low, high), abs=6e-4)


def test_a_few_tasks_that_agree_are_no_certainty() -> None:
    low, high = stats.gain_interval(2, 0, 0, 1)
    assert low < -0.3 < 0.3 < high
    for counts in ((0, 0, 0, 0), (1, -1, 0, 0)):
        with pytest.raises(ValueError, match="impossible"):
            stats.gain_interval(*counts)


def test_a_paired_change_is_found_where_single_values_hide_it() -> None:
    first = [(7 * at % 100) / 100 for at in range(100)]
    found = stats.paired(first, [value + 0.02 + 0.01 * (at % 3) for at, value in enumerate(first)])
    assert found.change == pytest.approx(0.0299, abs=1e-4)
    assert 0.027 < found.low < found.change < found.high < 0.033
    assert found.p == pytest.approx(1 / 10_001)


def test_a_paired_test_rejects_what_is_no_difference_as_often_as_it_may() -> None:
    rng = np.random.default_rng(3)
    rejected = 0
    for at in range(200):
        first, second = rng.exponential(size=(2, 25))
        rejected += stats.paired(first, second, seed=at, resamples=400).p < 0.05
    assert 2 <= rejected <= 20  # 10 are expected


def test_a_paired_test_is_repeatable_and_refuses_what_is_not_paired() -> None:
    assert stats.paired([0, 1, 1], [1, 1, 0], seed=5) == stats.paired([0, 1, 1], [1, 1, 0], seed=5)
    assert stats.paired([0.5], [0.5]).p == 1
    for first, second in (([], []), ([1.0], [1.0, 2.0])):
        with pytest.raises(ValueError):
            stats.paired(first, second)


def test_holm() -> None:
    # Holm 1979: smallest times 3, next times 2, largest times 1, and none below the one before it
    assert stats.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert stats.holm({"a": 0.9, "b": 0.8}) == {"b": 1.0, "a": 1.0}
    assert stats.holm({}) == {}
