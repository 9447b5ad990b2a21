"""The OpenAI-compatible backend against a real HTTP server on a socket that does not answer well."""

import threading
import time
from http.server import ThreadingHTTPServer

import pytest
from completion_server import REQUEST, Handler, backends, drop, error, failure, good, serving, status

from foretype.model import connections, openai, sse
from foretype.model.backend import Cancel, Cancelled


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def connect(server, monkeypatch):
    monkeypatch.setattr(openai, "BACKOFF_S", 0.005)
    with backends(server) as connect:
        yield connect


# Trying again


@pytest.mark.parametrize("first", [status(429), status(500), status(503, Retry_After="0"), drop])
def test_tries_again(connect, server, first):
    assert connect(first, good).complete(REQUEST, Cancel()).text == "1 + 1"
    assert len(server.bodies) == 2


def test_retry_after_is_waited_for(connect):
    begin = time.monotonic()
    assert connect(status(429, Retry_After="1"), good).complete(REQUEST, Cancel()).text == "1 + 1"
    assert time.monotonic() - begin >= 1


def test_retry_after_beyond_the_limit(connect, server):
    message = failure(connect(status(429, Retry_After="60"), good))
    assert "asked too often" in message
    assert len(server.bodies) == 1


def test_gives_up_in_the_end(connect, server):
    assert "500: out of memory" in failure(connect(error(500, "out of memory"), retries=2))
    assert len(server.bodies) == 3


def test_server_that_refuses_optional_fields(connect, server):
    def picky(handler):
        good(handler) if "logprobs" not in server.bodies[-1] else error(400, "logprobs: unknown field")(handler)

    backend = connect(picky, family="qwen2.5-coder")
    assert [backend.complete(REQUEST, Cancel()).text for _ in range(2)] == ["1 + 1"] * 2
    assert ["logprobs" in body for body in server.bodies] == [True, False, False]
    assert "skip_special_tokens" not in server.bodies[1]


def test_refusal_for_another_reason_leaves_optional_fields(connect, server):
    backend = connect(error(400, "too long"), error(400, "too long"), good)
    assert "400: too long" in failure(backend)
    backend.complete(REQUEST, Cancel())
    assert ["logprobs" in body for body in server.bodies] == [True, False, True]


# Bad answers


def raw(data, kind="text/event-stream"):
    def answer(handler):
        handler.begin(kind)
        handler.piece(data)
        handler.piece(b"")

    return answer


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (b"data: {not json\n\n", "text/event-stream", "does not answer as"),
        (b"data: []\n\n", "text/event-stream", "does not answer as"),
        (b'data: {"choices": [{"text": 5}]}\n\n', "text/event-stream", "does not answer as"),
        (b'data: {"choices": {"a": 1}}\n\n', "text/event-stream", "does not answer as"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "text/event-stream", "does not answer as"),
        (b"<html>Welcome</html>", "text/html", "does not answer as"),
        (b"{}", "application/json", "does not answer as"),
        (b"\xff\xfe", "application/json", "does not answer as"),
        (b'data: {"error": {"message": "no such model"}}\n\n', "text/event-stream", "failed: no such model"),
        (b'data: {"choices": [{"text": "a"}]}\n\n', "text/event-stream", "broke off"),
        (b"", "text/event-stream", "broke off"),
    ],
)
def test_broken_answer(connect, server, data, kind, says):
    backend = connect(raw(data, kind))
    assert says in failure(backend)
    assert len(server.bodies) == 1
    server.script[:] = [good]
    assert backend.complete(REQUEST, Cancel()).text == "1 + 1"


def test_dropped_in_the_middle(connect, server):
    def answer(handler):
        handler.begin()
        handler.event("one")
        handler.close_connection = True

    assert "broke off" in failure(connect(answer))
    assert len(server.bodies) == 1


def test_answer_without_end(connect, monkeypatch):
    monkeypatch.setattr(sse, "MAX_ANSWER_BYTES", 1 << 20)

    def answer(handler):
        handler.begin()
        while True:
            handler.event("x" * 10_000)

    assert "more than 1 MiB" in failure(connect(answer))


@pytest.mark.parametrize("speaks_first", [False, True])
def test_slow_server(connect, server, speaks_first):
    def slow(handler):
        if speaks_first:
            handler.begin()
            handler.event("one")
        handler.wait_for_hang_up()

    assert "did not answer within 0.2 s" in failure(connect(slow, timeout_s=0.2))
    assert server.hung_up.wait(2)


def test_redirect_is_not_followed(connect, server):
    assert "redirects" in failure(connect(status(307, Location=f"{server.url}/v1/completions"), good))
    assert len(server.bodies) == 1


def test_wrong_path(connect, server):
    message = failure(connect(error(404, "File Not Found"), url=f"{server.url}/wrong"))
    assert "/wrong/completions" in message
    assert "404: File Not Found" in message


def test_nobody_listens(connect, server):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        url = f"http://127.0.0.1:{other.server_port}"
    assert "cannot reach 127.0.0.1" in failure(connect(good, url=url))


def test_closed_backend(connect):
    backend = connect(good)
    backend.close()
    backend.close()
    assert "closed" in failure(backend)


def test_closing_ends_a_request_that_waits(connect, server):
    backend = connect(lambda handler: handler.wait_for_hang_up())
    threading.Thread(target=lambda: server.arrived.wait(2) and backend.close()).start()
    with pytest.raises(Cancelled):
        backend.complete(REQUEST, Cancel())
    assert server.hung_up.wait(2)


def test_given_up_requests_do_not_use_up_the_connections(connect, server, monkeypatch):
    monkeypatch.setattr(connections, "MOST_GIVEN_UP", 1)
    backend = connect(lambda handler: handler.wait_for_hang_up(), good)
    first = backend._connections._current.http
    cancel = Cancel()
    threading.Thread(target=lambda: server.arrived.wait(2) and cancel.set()).start()
    with pytest.raises(Cancelled):
        backend.complete(REQUEST, cancel)
    assert backend.complete(REQUEST, Cancel()).text == "1 + 1"
    assert first.is_closed
