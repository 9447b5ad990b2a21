"""So many at once, in the order they came; whoever gives up leaves the turn to the next."""

from __future__ import annotations

import asyncio
import threading

import pytest
from completion_server import REQUEST, backends, good, serving

from foretype.model.backend import Cancel, Cancelled
from foretype.model.turns import Turns, turns


def test_no_more_than_that_are_in_at_once_and_they_come_in_order() -> None:
    async def main() -> list[int]:
        line, inside, came = Turns(2), 0, list[int]()

        async def one(number: int) -> None:
            nonlocal inside
            async with line.turn():
                came.append(number)
                inside += 1
                assert inside <= 2
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*map(one, range(20)))
        return came

    assert asyncio.run(main()) == list(range(20))


@pytest.mark.parametrize("late", [False, True], ids=["while waiting", "when its turn has just come"])
def test_who_is_cancelled_loses_no_turn(late: bool) -> None:
    async def main() -> None:
        line = Turns(1)

        async def one() -> None:
            async with line.turn():
                pass

        async with line.turn():
            waiting = asyncio.create_task(one())
            await asyncio.sleep(0)
            if not late:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
        if late:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(one(), 5)

    asyncio.run(main())


def test_loops_of_several_threads_share_them() -> None:
    line, most, inside, lock = Turns(3), 0, 0, threading.Lock()

    async def some() -> None:
        nonlocal most, inside
        for _ in range(50):
            async with line.turn():
                with lock:
                    inside += 1
                    most = max(most, inside)
                await asyncio.sleep(0)
                with lock:
                    inside -= 1

    async def many() -> None:
        await asyncio.gather(*(some() for _ in range(3)))

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert most == 3 and inside == 0


def test_a_server_has_one_line_for_the_process() -> None:
    assert turns("http://a/v1/completions", 2) is turns("http://a/v1/completions", 2)
    assert turns("http://a/v1/completions", 2) is not turns("http://b/v1/completions", 2)


def test_backends_wait_for_each_other_and_one_that_waits_can_be_given_up() -> None:
    with serving() as server, backends(server) as connect:
        held = threading.Event()

        def slow(handler) -> None:
            assert held.wait(10)
            good(handler)

        first, second = connect(slow, concurrent=1), connect(slow, concurrent=1)
        answers = list[str]()
        thread = threading.Thread(target=lambda: answers.append(first.complete(REQUEST, Cancel()).text))
        thread.start()
        assert server.arrived.wait(10)
        cancel = Cancel()
        threading.Timer(0.05, cancel.set).start()
        with pytest.raises(Cancelled):
            second.complete(REQUEST, cancel)
        assert len(server.bodies) == 1  # the second never left
        held.set()
        thread.join(10)
        assert answers == ["1 + 1"]
        assert second.complete(REQUEST, Cancel()).text == "1 + 1"
