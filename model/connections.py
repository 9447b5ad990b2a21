"""The connections to one HTTP server, thrown away and made anew before requests that were given up have used them up.

A request that is given up in the middle can leave its connection in the pool of httpx for good, neither usable nor
closed (httpcore 1.0.9: one in forty). At a hundred of them, a day's typing, every further request would wait for one
until its time was up. So a client is left for a new one after `MOST_GIVEN_UP`, and closed with all of its connections
once nobody uses it. One event loop alone may use an object. Knows nothing of what is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

# A given-up request costs its connection anyway, so that one handshake more in so many is nothing.
MOST_GIVEN_UP = 64


@dataclass(eq=False)
class _Client:
    http: httpx.AsyncClient
    users: int = 0
    given_up: int = 0


class Connections:
    """`make` opens a client; nothing is sent by that."""

    def __init__(self, make: Callable[[], httpx.AsyncClient]) -> None:
        self._make = make
        self._current = _Client(make())
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        """The client for one request with its whole answer."""
        mine = self._current
        mine.users += 1
        try:
            yield mine.http
        except (asyncio.CancelledError, httpx.TimeoutException):
            mine.given_up += 1
            raise
        finally:
            mine.users -= 1
            if mine is self._current and mine.given_up >= MOST_GIVEN_UP:
                self._current = _Client(self._make())
            if mine is not self._current and not mine.users:
                self._close(mine)

    async def aclose(self) -> None:
        """Closes all; no request may be under way."""
        await asyncio.gather(*self._closing, self._current.http.aclose(), return_exceptions=True)

    def _close(self, client: _Client) -> None:
        # in a task of its own: who gave up a request shall not wait for it, nor take it back
        task = asyncio.get_running_loop().create_task(client.http.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
