"""Turns at a server: so many requests of this process are there at once, and the others wait in the order they came.

Windows of one process share a server's turns, each from an event loop and a thread of its own. What a server still does
for a request that was given up is not known here.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from functools import cache


class Turns:
    """`most` at once."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._free = most
        self._waiting: deque[Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn and holds it; who is cancelled while waiting holds none."""
        await self._take()
        try:
            yield
        finally:
            self._give()

    async def _take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            mine: Future[None] = Future()
            self._waiting.append(mine)
        try:
            await asyncio.wrap_future(mine)
        except asyncio.CancelledError:
            if not mine.cancel():  # it was given meanwhile
                self._give()
            raise

    def _give(self) -> None:
        with self._lock:
            while self._waiting:
                if (first := self._waiting.popleft()).set_running_or_notify_cancel():
                    break
            else:
                self._free += 1
                return
        first.set_result(None)


@cache
def turns(server: str, most: int) -> Turns:
    """Those of a server, for the whole process."""
    return Turns(most)
