"""A server that fails and comes back, and the local model that answers meanwhile; nobody sleeps to find out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from foretype.model.backend import BackendError, Cancel, Cancelled, EditQuestion, EditResult, FimRequest, FimResult
from foretype.model.failover import Failover, Patience
from foretype.model.progress import Progress

REQUEST = FimRequest("a = ", "\n")
# A failed server is looked at so seldom that a test says when.
NEVER = Patience(slow_s=30, check_s=1, first_pause_s=3600, last_pause_s=3600)
QUICK = Patience(slow_s=0.02, doubt_s=10, check_s=1, again_s=0.02, first_pause_s=0.01, last_pause_s=0.01)


@dataclass
class FakeServer:
    """`wrong` is what each request fails with, `sick` what each check says; with `hangs` requests wait for ever."""

    name: str = "openai:m"
    wrong: str = ""
    sick: str = ""
    hangs: bool = False
    asked: list[FimRequest] = field(default_factory=list)
    silent: threading.Event | None = None  # what a check waits for
    checks: int = 0
    checked: threading.Condition = field(default_factory=threading.Condition)
    closed: bool = False

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        self.asked.append(request)
        if self.hangs:
            given_up = threading.Event()
            cancel.on_set(given_up.set)
            assert given_up.wait(10)
            raise Cancelled
        if self.wrong:
            raise BackendError(self.wrong)
        return FimResult("remote", "stop", 1)

    def check(self, timeout_s: float) -> str:
        with self.checked:
            self.checks += 1
            self.checked.notify_all()
        if self.silent:
            assert self.silent.wait(10)
        return self.sick

    def checked_times(self, times: int) -> None:
        with self.checked:
            assert self.checked.wait_for(lambda: self.checks >= times, 10)

    def close(self) -> None:
        self.closed = True


class FakeModel:
    name = "local-model"

    def __init__(self) -> None:
        self.asked: list[FimRequest] = []
        self.prepared: list[FimRequest] = []
        self.closed = threading.Event()

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        cancel.check()
        self.asked.append(request)
        return FimResult("local", "stop", 1, stages_ms={"decode": 1.0})

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        self.prepared.append(request)

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        return EditResult("edited")

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def both(server: FakeServer, model: FakeModel) -> Iterator[Callable[..., Failover]]:
    made: list[Failover] = []

    def make(patience: Patience = NEVER) -> Failover:
        opened = threading.Event()

        def open_local(progress: Progress) -> FakeModel:
            opened.set()
            return model

        made.append(Failover(server, open_local, patience))
        assert opened.wait(10)
        until(lambda: made[-1]._local is model)
        return made[-1]

    yield make
    for one in made:
        one.close()


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.001)


def text(backend: Failover) -> str:
    return backend.complete(REQUEST, Cancel()).text


def test_the_server_answers_as_long_as_it_does(both, server, model) -> None:
    backend = both()
    assert [text(backend) for _ in range(3)] == ["remote"] * 3
    assert (backend.name, backend.notice, model.asked) == ("openai:m", "", [])
    backend.prepare(REQUEST, Cancel())
    assert model.prepared == []


def test_the_very_request_that_fails_is_answered_by_the_local_model(both, server, model) -> None:
    backend = both()
    server.checked_times(1)
    server.wrong = server.sick = "gpu:8000 failed (500)"
    result = backend.complete(REQUEST, Cancel())
    assert result.text == "local" and model.asked == [REQUEST] and server.asked == [REQUEST]
    assert 0 <= result.stages_ms["lost"] < 300 and result.stages_ms["decode"] == 1.0
    assert backend.name == "local-model"
    assert backend.notice == "gpu:8000 failed (500); the local model answers"


def test_while_it_is_down_nothing_is_asked_of_it(both, server, model) -> None:
    backend = both()
    server.checked_times(1)
    server.wrong = server.sick = "gone"
    assert [text(backend) for _ in range(3)] == ["local"] * 3
    assert len(server.asked) == 1
    backend.prepare(REQUEST, Cancel())
    assert model.prepared == [REQUEST]


def test_it_is_asked_again_once_it_passes_a_check(both, server) -> None:
    backend = both(QUICK)
    server.checked_times(1)
    server.wrong = server.sick = "gone"
    assert text(backend) == "local"
    server.checked_times(4)  # with pauses, until it is back
    server.wrong = server.sick = ""
    until(lambda: backend.notice == "")
    assert (text(backend), backend.name) == ("remote", "openai:m")


def test_a_server_that_is_down_at_the_start_is_not_waited_for(both, server) -> None:
    server.sick = "cannot reach gpu:8000"
    backend = both()
    until(lambda: backend.notice)
    assert text(backend) == "local" and server.asked == []


def test_a_request_that_hangs_goes_on_locally_when_a_check_fails(both, server, model) -> None:
    server.hangs = True
    backend = both(QUICK)
    server.checked_times(1)
    server.sick = "gpu:8000 does not answer"
    assert text(backend) == "local"
    assert server.asked == [REQUEST] and model.asked == [REQUEST]


def test_a_request_goes_on_locally_while_a_check_has_no_answer(both, server, model) -> None:
    """And so does the next one; a check that is passed in the end takes the doubt away."""
    backend = both(replace(QUICK, doubt_s=0.02))
    server.checked_times(1)
    server.hangs, server.silent = True, threading.Event()
    assert [text(backend), text(backend)] == ["local", "local"]
    assert len(server.asked) == 1 and (backend.name, backend.notice) == ("local-model", "")
    server.hangs = False
    server.silent.set()
    until(lambda: backend.name == "openai:m")
    assert text(backend) == "remote"


@pytest.mark.parametrize(("took_s", "given_s"), [(0.0, 0.2), (0.05, 0.2), (0.1, 0.3), (5.0, 0.4)])
def test_a_server_that_is_far_away_is_given_more_time(both, took_s: float, given_s: float) -> None:
    backend = both(replace(NEVER, doubt_s=0.2))
    until(lambda: not backend._checking)
    backend._took_s = took_s
    assert backend._doubt_s() == pytest.approx(given_s)


def test_a_silent_check_turns_nobody_away_while_there_is_no_local_model(server) -> None:
    loading = threading.Event()

    def open_local(progress: Progress) -> FakeModel:
        assert loading.wait(10)
        raise BackendError("no room")

    server.silent = threading.Event()
    backend = Failover(server, open_local, replace(QUICK, doubt_s=0.001))
    server.checked_times(1)
    assert [text(backend) for _ in range(3)] == ["remote"] * 3
    loading.set()
    server.silent.set()
    backend.close()


def test_a_server_that_passed_a_check_is_not_checked_again_at_once(both, server) -> None:
    backend = both(replace(QUICK, again_s=3600))
    server.checked_times(1)
    until(lambda: not backend._checking)
    cancel = Cancel()
    server.hangs = True
    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(Cancelled):
        backend.complete(REQUEST, cancel)
    assert server.checks == 1


def test_a_slow_server_that_passes_its_checks_is_waited_for(both, server, model) -> None:
    server.hangs = True
    backend = both(QUICK)
    cancel = Cancel()
    threading.Thread(target=lambda: (server.checked_times(4), cancel.set())).start()
    with pytest.raises(Cancelled):
        backend.complete(REQUEST, cancel)
    assert model.asked == [] and backend.notice == ""


def test_giving_up_one_request_after_the_other_does_not_keep_it_from_being_checked(both, server) -> None:
    backend = both(Patience(slow_s=0.05, doubt_s=10, again_s=0, first_pause_s=3600, last_pause_s=3600))
    server.checked_times(1)
    server.hangs, server.sick = True, "gpu:8000 does not answer"

    def type_on() -> str:
        cancel = Cancel()
        timer = threading.Timer(0.01, cancel.set)
        timer.start()
        try:
            return backend.complete(REQUEST, cancel).text
        except Cancelled:
            return ""
        finally:
            timer.cancel()

    until(lambda: type_on() == "local")


def test_nothing_is_checked_when_nobody_asks(both, server) -> None:
    backend = both(Patience(slow_s=30, first_pause_s=0.001, last_pause_s=0.001, awake_s=0.0))
    server.checked_times(1)
    server.wrong = server.sick = "gone"
    assert text(backend) == "local"
    assert (server.checks, backend._check_at) == (1, float("inf"))
    assert text(backend) == "local"  # whoever asks again is a reason to look
    server.checked_times(2)


def test_a_user_who_gives_up_says_nothing_of_the_server(both, server, model) -> None:
    server.hangs = True
    backend = both()
    cancel = Cancel()
    threading.Thread(target=lambda: (until(lambda: server.asked), cancel.set())).start()
    with pytest.raises(Cancelled):
        backend.complete(REQUEST, cancel)
    assert (backend.notice, model.asked) == ("", [])


def test_edits_are_the_local_models(both) -> None:
    assert both().edit(EditQuestion(None), Cancel()).text == "edited"


def test_the_server_answers_while_the_local_model_loads_and_after_that_failed(server) -> None:
    def fails(progress: Progress) -> FakeModel:
        raise BackendError("no room for the model")

    backend = Failover(server, fails, NEVER)
    assert text(backend) == "remote"
    server.wrong = "gone"
    until(lambda: "no room" in backend._no_local)
    with pytest.raises(BackendError, match=r"^gone; and there is no local model: no room for the model$"):
        text(backend)
    backend.close()


def test_closing_ends_the_loading_and_closes_both(server, model) -> None:
    loading, ended = threading.Event(), threading.Event()

    def slowly(progress: Progress) -> FakeModel:
        loading.set()
        try:
            while True:
                progress("loading", 0, 0)
                time.sleep(0.001)
        finally:
            ended.set()

    backend = Failover(server, slowly, NEVER)
    assert loading.wait(10)
    backend.close()
    assert ended.wait(10) and server.closed
    with pytest.raises(Cancelled):
        backend._standby()


def test_closing_closes_the_local_model(both, server, model) -> None:
    both().close()
    assert model.closed.is_set() and server.closed
