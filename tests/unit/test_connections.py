"""Connections do not run out, however many requests are given up, and nobody's answer is cut off for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx

from foretype.model.connections import MOST_GIVEN_UP, Connections


class Clients:
    """Makes clients whose answers take as long as `slow` is cleared, and says which of them are closed."""

    def __init__(self) -> None:
        self.made: list[httpx.AsyncClient] = []
        self.answer = asyncio.Event()

    def make(self) -> httpx.AsyncClient:
        async def answer(request: httpx.Request) -> httpx.Response:
            await self.answer.wait()
            return httpx.Response(200, text="here")

        self.made.append(httpx.AsyncClient(transport=httpx.MockTransport(answer)))
        return self.made[-1]

    @property
    def closed(self) -> list[bool]:
        return [client.is_closed for client in self.made]


async def _get(connections: Connections) -> str:
    async with connections.client() as client:
        return (await client.get("http://localhost/")).text


async def _give_up(connections: Connections, times: int) -> None:
    for _ in range(times):
        task = asyncio.create_task(_get(connections))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0.01)


def _run(test: Callable[[Clients, Connections], Awaitable[None]]) -> None:
    async def run() -> None:
        clients = Clients()
        connections = Connections(clients.make)
        await test(clients, connections)
        await connections.aclose()
        assert all(clients.closed)

    asyncio.run(run())


def test_after_so_many_a_new_client_takes_over_and_the_old_one_is_closed() -> None:
    async def test(clients: Clients, connections: Connections) -> None:
        await _give_up(connections, MOST_GIVEN_UP - 1)
        assert clients.closed == [False]
        await _give_up(connections, 1)
        assert clients.closed == [True, False]
        clients.answer.set()
        assert await _get(connections) == "here"
        await _give_up(connections, 0)
        assert clients.closed == [True, False]

    _run(test)


def test_who_still_waits_for_an_answer_gets_it() -> None:
    async def test(clients: Clients, connections: Connections) -> None:
        waiting = asyncio.create_task(_get(connections))
        await asyncio.sleep(0)
        await _give_up(connections, MOST_GIVEN_UP)
        assert clients.closed == [False, False]
        clients.answer.set()
        assert await waiting == "here"
        await asyncio.sleep(0.01)
        assert clients.closed == [True, False]

    _run(test)


def test_answers_and_failures_cost_no_client() -> None:
    async def test(clients: Clients, connections: Connections) -> None:
        clients.answer.set()
        for _ in range(2 * MOST_GIVEN_UP):
            assert await _get(connections) == "here"
        assert clients.closed == [False]

    _run(test)
