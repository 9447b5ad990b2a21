"""The event loop's own account of how long it was away."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import pytest

from foretype.lsp.watch import LoopWatch


def _turn(handler: Callable[[], object], before: Callable[[LoopWatch], object] = lambda watch: None) -> LoopWatch:
    """A watch of a loop that ran a handler once."""
    watch = LoopWatch()

    async def main() -> None:
        await asyncio.sleep(0)
        before(watch)
        asyncio.get_running_loop().call_soon(handler)
        await asyncio.sleep(0.001)

    with asyncio.Runner(loop_factory=watch.loop) as runner:
        runner.run(main())
    return watch


def _work() -> None:
    end = time.thread_time() + 0.03
    while time.thread_time() < end:
        pass


def test_a_handler_that_sleeps_is_counted_as_late_but_not_as_busy(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "foretype.lsp.watch"):
        figures = _turn(lambda: time.sleep(0.03)).figures()
    assert figures["late_ms_max"] >= 30
    assert figures["busy_ms_max"] < 20
    assert figures["over_20_ms"] >= 1 and figures["busy_over_20_ms"] == 0


def test_a_handler_that_works_is_counted_as_both() -> None:
    figures = _turn(_work).figures()
    assert figures["busy_ms_max"] >= 29
    assert figures["over_20_ms"] >= 1 and figures["busy_over_20_ms"] == 1


def test_the_log_has_one_line_for_many_long_turns(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("foretype").propagate = True
    watch = LoopWatch()
    with caplog.at_level(logging.WARNING, "foretype.lsp.watch"):
        for _ in range(5):
            watch.turn(25.0, 24.0)
    assert len(caplog.records) == 1
    assert "25 ms" in caplog.text
    assert watch.figures()["over_20_ms"] == 5


def test_a_restart_forgets_the_turns_and_the_one_under_way() -> None:
    watch = LoopWatch()
    watch.turn(25.0, 24.0)
    watch.restart()
    watch.turn(40.0, 40.0)
    assert watch.figures() == {"late_ms_max": 0.0, "busy_ms_max": 0.0, "over_20_ms": 0, "busy_over_20_ms": 0}
    watch.turn(5.0, 4.0)
    assert watch.figures()["late_ms_max"] == 5.0
