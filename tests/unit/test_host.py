"""The worker's order, and a backend that comes too late, fails, or is not wanted any more."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from foretype.lsp.host import Host, Status
from foretype.lsp.options import CompletionOptions, ModelOptions, Options
from foretype.model.backend import BackendError, Cancel, FimRequest, FimResult
from foretype.model.progress import Progress
from foretype.model.worker import Worker

OFF = Options(completion=CompletionOptions(enabled=False))


def named(name: str) -> Options:
    return replace(Options(), model=ModelOptions(name=name))


class Loop:
    """The event loop's part: what was posted runs when the test says so."""

    def __init__(self) -> None:
        self._posted: queue.Queue[tuple[Callable[..., object], tuple[Any, ...]]] = queue.Queue()

    def post(self, function: Callable[..., object], *args: object) -> None:
        self._posted.put((function, args))

    def run(self, until: Callable[[], object]) -> None:
        while not until():
            function, args = self._posted.get(timeout=5)
            function(*args)


class Model:
    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = threading.Event()

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        return FimResult(self.name, "stop", 1)

    def close(self) -> None:
        self.closed.set()


class Models:
    """Opens models one by one, each when its gate is open."""

    def __init__(self) -> None:
        self.gates: dict[str, threading.Event] = {}
        self.opened: dict[str, Model] = {}
        self.missing: set[str] = set()

    def open(self, options: Options, progress: Progress) -> Model:
        name = options.model.name
        assert self.gates[name].wait(5) if name in self.gates else True
        if name in self.missing:
            raise BackendError(f"no {name}")
        self.opened[name] = Model(name)
        return self.opened[name]


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def told() -> list[Status]:
    return []


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def host(loop: Loop, models: Models, told: list[Status], said: list[str]) -> Iterator[Host]:
    host = Host(loop.post, told.append, said.append, models.open)
    yield host
    for gate in models.gates.values():
        gate.set()
    assert host.stop(5)


def test_the_newest_job_runs_first_and_cancelled_ones_never() -> None:
    worker, started, gate, ended = Worker(), threading.Event(), threading.Event(), threading.Event()
    order: list[int] = []

    def hold() -> None:
        started.set()
        gate.wait(5)

    worker.put(hold, Cancel())
    assert started.wait(5)
    worker.put(ended.set, Cancel())
    cancels = [Cancel() for _ in range(3)]
    for number, cancel in enumerate(cancels):
        worker.put(partial(order.append, number), cancel)
    worker.put_first(partial(order.append, -1))
    cancels[1].set()
    gate.set()
    assert ended.wait(5)
    assert worker.stop(5)
    assert order == [-1, 2, 0]


def test_a_job_that_raises_does_not_end_the_worker() -> None:
    worker, ended = Worker(), threading.Event()
    worker.put(lambda: 1 // 0, Cancel())  # type: ignore[arg-type, return-value]
    worker.put(ended.set, Cancel())
    assert ended.wait(5)
    assert worker.stop(5)


def test_the_model_asked_for_last_is_the_one(host: Host, loop: Loop, models: Models) -> None:
    models.gates["slow"] = threading.Event()
    host.configure(named("slow"))
    assert host.unavailable() == "loading"
    host.configure(named("other"))
    models.gates["slow"].set()
    loop.run(lambda: host.status.state == "ready")
    assert host.status.model == "other"
    if late := models.opened.get("slow"):
        assert late.closed.wait(5)


def test_the_old_model_is_closed_before_the_new_one_opens(host: Host, loop: Loop, models: Models) -> None:
    host.configure(named("old"))
    loop.run(lambda: host.status.state == "ready")
    models.gates["new"] = threading.Event()
    assert host.configure(named("new"))
    assert models.opened["old"].closed.wait(5)
    assert "new" not in models.opened


def test_options_that_need_no_other_model_leave_it_alone(host: Host, loop: Loop, models: Models) -> None:
    host.configure(named("one"))
    loop.run(lambda: host.status.state == "ready")
    changed = replace(named("one"), completion=CompletionOptions(debounce_ms=7))
    assert not host.configure(changed)
    assert not models.opened["one"].closed.is_set()


def test_switched_off_means_not_loaded(host: Host, models: Models) -> None:
    host.configure(OFF)
    assert (host.status.state, host.unavailable(explicit=True)) == ("off", "off")
    assert models.opened == {}


def test_a_missing_model_is_said_once_and_looked_for_again_when_asked(
    host: Host, loop: Loop, models: Models, said: list[str]
) -> None:
    models.missing.add("gone")
    host.configure(named("gone"))
    loop.run(lambda: host.status.state == "error")
    assert host.unavailable() == "paused"
    assert host.unavailable(explicit=True) == "loading"
    loop.run(lambda: host.status.state == "error")
    assert said == ["no gone"]
    models.missing.clear()
    host.unavailable(explicit=True)
    loop.run(lambda: host.status.state == "ready")


def test_progress_is_part_of_the_status(loop: Loop, told: list[Status]) -> None:
    def open_slowly(options: Options, progress: Progress) -> Model:
        progress("downloading", 1, 4)
        progress("building", 0, 0)
        return Model("slow")

    host = Host(loop.post, told.append, lambda line: None, open_slowly)
    host.configure(named("slow"))
    loop.run(lambda: host.status.state == "ready")
    assert host.stop(5)
    assert [(status.message, status.done) for status in told if status.state == "loading"] == [
        ("loading the model", None),
        ("downloading", 0.25),
        ("building", None),
    ]
