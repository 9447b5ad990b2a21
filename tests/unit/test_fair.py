"""Whose turn it is at an engine: with costs that are known, and a queue that cannot grow."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial

from foretype.model.backend import Cancel
from foretype.model.fair import FairQueue
from foretype.model.worker import Newest, Worker


def nothing() -> None:
    """A job."""


def turn(queue: FairQueue, seconds: float) -> str:
    """Whose job is next; it takes so long."""
    found = queue.take()
    assert found
    client = str(found[1])
    queue.charge(client, seconds)
    return client


def ask(queue: FairQueue, *clients: str) -> None:
    for client in clients:
        queue.put((nothing, Cancel()), client)


def test_each_has_a_turn_before_anybody_has_a_second() -> None:
    queue, order = FairQueue(), []
    ask(queue, *"abcd")
    for _ in range(8):
        order.append(turn(queue, 1.0))
        ask(queue, order[-1])  # who was served asks again at once
    assert "".join(order) == "abcdabcd"


def test_a_newer_job_takes_the_place_of_the_older_one() -> None:
    queue, done = FairQueue(), []
    for number in range(3):
        queue.put((partial(done.append, number), Cancel()), "a")
        ask(queue, "b")
    assert len(queue) == 2
    found = queue.take()
    assert found and found[1] == "a"
    found[0][0]()
    assert done == [2]


def test_who_types_on_is_not_sent_to_the_end() -> None:
    queue = FairQueue()
    cancel = Cancel()
    ask(queue, *"bcd")
    queue.put((nothing, cancel), "a")
    assert turn(queue, 1.0) == "b"
    ask(queue, "b")
    cancel.set()
    assert turn(queue, 1.0) == "c"  # while `a` has nothing waiting
    ask(queue, "a", "c")
    assert turn(queue, 1.0) in "ad"
    assert turn(queue, 1.0) in "ad"


def test_a_job_that_was_given_up_costs_what_it_took() -> None:
    queue = FairQueue()
    ask(queue, *"ab")
    assert turn(queue, 0.01) == "a"
    ask(queue, "a")
    assert turn(queue, 1.0) == "b"
    ask(queue, "b")
    assert turn(queue, 1.0) == "a"
    ask(queue, "a")
    assert turn(queue, 1.0) == "b"  # who had it for 1.01 s in all waits for who had 1 s


def test_time_is_shared_not_the_number_of_jobs() -> None:
    queue, cost, had = FairQueue(), {"a": 1, "b": 3}, Counter[str]()
    ask(queue, *"ab")
    for _ in range(400):
        found = queue.take()
        assert found
        client = str(found[1])
        queue.charge(client, cost[client])
        had[client] += cost[client]
        ask(queue, client)
    assert abs(had["a"] - had["b"]) <= 3


def test_who_was_away_is_owed_a_moment_only() -> None:
    queue = FairQueue()
    ask(queue, *"ab")
    assert turn(queue, 0.0) == "a"
    for _ in range(100):
        assert turn(queue, 0.1) == "b"
        ask(queue, "b")
    ask(queue, "a")
    before = 0
    while turn(queue, 0.01) == "a":
        before += 1
        ask(queue, "a")
        assert before < 16  # the moment, and what is left of the turn of `b`
    assert before >= 1


def test_many_who_come_do_not_push_back_who_was_there() -> None:
    queue = FairQueue()
    for _ in range(50):
        ask(queue, "first")
        assert turn(queue, 0.04) == "first"
    newcomers = [f"newcomer {number}" for number in range(19)]
    ask(queue, "first", *newcomers)
    order = []
    while not order or order[-1] != "first":
        order.append(turn(queue, 0.04))
        ask(queue, order[-1])
    assert len(order) <= 2 * 20


def test_it_holds_one_job_a_client_and_forgets_who_went() -> None:
    queue = FairQueue()
    for number in range(10_000):
        ask(queue, f"client {number % 20}")
    assert len(queue) == 20
    for number in range(10_000):
        ask(queue, f"visitor {number}")
        queue.forget(f"visitor {number}")
        queue.charge(f"visitor {number}", 1.0)  # it was at work when it went
    assert len(queue) == len(queue._used) == 20


def test_cancelled_jobs_of_a_busy_worker_do_not_pile_up() -> None:
    jobs = Newest()
    for _ in range(10_000):
        cancel = Cancel()
        jobs.put((nothing, cancel), None)
        cancel.set()
    assert len(jobs._jobs) == 1
    assert jobs.take() is None


def test_a_worker_goes_by_its_queue() -> None:
    worker, began, go, ended = Worker(FairQueue()), threading.Event(), threading.Event(), threading.Event()
    order: list[str] = []

    def hold() -> None:
        began.set()
        go.wait(10)

    worker.put(hold, Cancel(), "a")
    assert began.wait(10)
    worker.put(partial(order.append, "a, superseded"), Cancel(), "a")
    worker.put(partial(order.append, "a"), Cancel(), "a")
    worker.put(partial(order.append, "b"), Cancel(), "b")
    go.set()
    worker.put(ended.set, Cancel(), "c")
    assert ended.wait(10)
    worker.put_first(partial(order.append, "errand"))
    assert worker.stop(10)
    assert order[0] == "b"  # `a` had the engine just now
    assert "a, superseded" not in order
