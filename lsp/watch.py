"""How long the event loop is away from its messages, measured on every turn it takes.

Between two waits for input a loop runs everything that is due: one turn, in which no message is read. The selector is
where a turn ends and the next begins, so a selector that looks at the clock misses no block, however short, wakes
nobody, and costs a few clock calls a turn; a timer would miss what falls between its ticks. Knows no messages.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import time

log = logging.getLogger(__name__)

# A turn longer than this is counted.
LONG_MS = 20.0
# At most one line of the log in so many seconds.
_LOG_EVERY_S = 60.0


class LoopWatch:
    """What the turns of one loop took, from the last `restart` on, in milliseconds.

    `late_ms_max` is from when the loop was due to wake up until it waits again; `busy_ms_max` is the CPU time of the
    loop's own thread in one turn. Where the first is much longer than the second, the thread had to wait: for a
    processor, because the machine was busy or asleep, or for the interpreter, because another thread had it.
    `over_20_ms` counts the turns that were late by more than `LONG_MS`, `busy_over_20_ms` those that worked for longer.
    """

    def __init__(self) -> None:
        self._said_at = -_LOG_EVERY_S
        self._unsaid = (0.0, 0.0)
        self._skip = False
        self._late_max = self._busy_max = 0.0
        self._late_count = self._busy_count = 0

    def loop(self) -> asyncio.AbstractEventLoop:
        """A new loop that is watched."""
        return asyncio.SelectorEventLoop(_Selector(self))

    def restart(self) -> None:
        """Forgets all turns, and leaves out the one that calls it."""
        self._late_max = self._busy_max = 0.0
        self._late_count = self._busy_count = 0
        self._skip = True

    def figures(self) -> dict[str, float | int]:
        return {
            "late_ms_max": round(self._late_max, 2),
            "busy_ms_max": round(self._busy_max, 2),
            "over_20_ms": self._late_count,
            "busy_over_20_ms": self._busy_count,
        }

    def turn(self, late_ms: float, busy_ms: float) -> None:
        """Takes note of one turn."""
        if self._skip:
            self._skip = False
            return
        self._late_max = max(self._late_max, late_ms)
        self._busy_max = max(self._busy_max, busy_ms)
        self._busy_count += busy_ms > LONG_MS
        if late_ms > LONG_MS:
            self._late_count += 1
            self._say(late_ms, busy_ms)

    def _say(self, late_ms: float, busy_ms: float) -> None:
        """The longest since the last line, if it is time for one."""
        self._unsaid = max(self._unsaid, (late_ms, busy_ms))
        now = time.monotonic()
        if now - self._said_at < _LOG_EVERY_S:
            return
        longest, self._unsaid, self._said_at = self._unsaid, (0.0, 0.0), now
        log.warning("the event loop was away for %.0f ms, at work for %.0f; %d times", *longest, self._late_count)


class _Selector(selectors.DefaultSelector):
    """Tells a watch of each turn of the loop that waits with it."""

    def __init__(self, watch: LoopWatch) -> None:
        super().__init__()
        self._watch = watch
        self._woke: tuple[float, float] | None = None  # clock and CPU time of the thread, in seconds

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._woke:
            late, busy = time.perf_counter() - self._woke[0], time.thread_time() - self._woke[1]
            self._watch.turn(1000 * late, 1000 * busy)
        waits = time.perf_counter()
        ready = super().select(timeout)
        wakes = time.perf_counter()
        due = wakes if ready or timeout is None else waits + max(timeout, 0)
        self._woke = min(due, wakes), time.thread_time()
        return ready
