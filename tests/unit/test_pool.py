import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from foretype.eval.cage.pool import in_order


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_when_early(number: int) -> int:
        time.sleep(0.02 if number % 4 == 0 else 0)
        return number * 2

    assert list(in_order(slow_when_early, range(20), 4)) == [number * 2 for number in range(20)]


def test_no_more_is_taken_than_is_asked_for() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    results = in_order(lambda number: number, items(), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 2 * 4 + 3
    results.close()  # type: ignore[attr-defined]


def test_as_many_work_at_once_as_there_are_workers() -> None:
    together = threading.Barrier(3, timeout=5)
    assert len(list(in_order(lambda _: together.wait(), range(6), 3))) == 6


def test_a_failure_is_raised_in_its_place() -> None:
    def work(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    results = in_order(work, range(100), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
