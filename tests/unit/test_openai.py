"""The OpenAI-compatible backend against a real HTTP server on a socket that answers well."""

import itertools
import json
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from completion_server import REQUEST, backends, error, failure, good, serving, status

from foretype.model import openai
from foretype.model.backend import BackendError, Cancel, Cancelled, ContextFile, FimRequest
from foretype.model.openai import OpenAIBackend


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def connect(server, monkeypatch):
    monkeypatch.setattr(openai, "BACKOFF_S", 0.005)
    with backends(server) as connect:
        yield connect


# Good answers


def test_answer_with_figures(connect, server):
    result = connect(good).complete(REQUEST, Cancel())
    assert (result.text, result.finish, result.tokens) == ("1 + 1", "stop", 2)
    assert result.logprobs == (-0.5, -0.25)
    assert (result.prompt_tokens, result.cached_tokens) == (12, 7)
    assert server.bodies[0]["prompt"] == "a = "
    assert server.bodies[0]["suffix"] == "\nb = 2\n"
    assert (server.bodies[0]["temperature"], server.bodies[0]["stream"], server.bodies[0]["max_tokens"]) == (0, True, 8)
    assert "stop" not in server.bodies[0]


def test_family_renders_the_prompt_and_gives_the_stop_strings(connect, server):
    request = FimRequest("a = ", "\n", path="main.py", files=(ContextFile("x.py", "X = 1\n"),), single_line=True)
    connect(good, family="granite").complete(request, Cancel())
    body = server.bodies[0]
    assert body["prompt"] == "<filename>x.py\nX = 1\n<filename>main.py\n<fim_prefix>a = <fim_suffix>\n<fim_middle>"
    assert "suffix" not in body
    assert {"<filename>", "<fim_middle>", "<|endoftext|>", "\n"} <= set(body["stop"])


def test_connection_is_kept(connect, server):
    backend = connect(good)
    for _ in range(3):
        backend.complete(REQUEST, Cancel())
    assert len(set(server.peers)) == 1


def test_connection_that_the_server_closed_in_between(connect, server):
    def good_then_close(handler):
        good(handler)
        handler.close_connection = True

    backend = connect(good_then_close)
    assert [backend.complete(REQUEST, Cancel()).text for _ in range(3)] == ["1 + 1"] * 3


def test_server_that_does_not_stream(connect):
    body = json.dumps({"choices": [{"text": "1\u2028<|x|>", "finish_reason": "length"}]}).encode()
    result = connect(status(200, body, Content_Type="application/json")).complete(REQUEST, Cancel())
    assert (result.text, result.finish) == ("1\u2028<|x|>", "length")


def test_events_in_any_pieces_with_comments_and_odd_line_ends(connect):
    data = (
        ': ping\r\n\r\nevent: x\r\ndata: {"choices": [{"text": "é\u2028"}]}\r\n\r\n'
        'data:{"choices": [{"text": "b", "finish_reason": "stop"}]}\n\ndata: [DONE]'
    ).encode()

    def answer(handler):
        handler.begin()
        for at in range(len(data)):
            handler.piece(data[at : at + 1])
        handler.piece(b"")

    assert connect(answer).complete(REQUEST, Cancel()).text == "é\u2028b"


def test_logprobs_of_llama_cpp(connect):
    def answer(handler):
        handler.begin()
        handler.event("1", logprobs={"content": [{"token": "1", "logprob": -0.125}]})
        handler.end("length")

    result = connect(answer).complete(REQUEST, Cancel())
    assert (result.logprobs, result.finish) == ((-0.125,), "length")


def test_long_sides_are_cut_at_lines(connect, server):
    connect(good, prefix_chars=10, suffix_chars=10).complete(FimRequest("1234\n5678\n90", "12\n345678\n90"), Cancel())
    assert (server.bodies[0]["prompt"], server.bodies[0]["suffix"]) == ("5678\n90", "12\n345678\n")


# Ending an answer early


def never_ending(handler):
    handler.begin()
    for text in ("one", "; tw", "o\n", "three"):
        handler.event(text, logprobs={"token_logprobs": [-1.0]})
    handler.wait_for_hang_up()


@pytest.mark.parametrize(
    ("options", "family", "text", "tokens"),
    [
        ({"single_line": True}, "", "one; two", 3),
        ({"stop": lambda text: text.find(";") if ";" in text else None}, "", "one", 1),
        ({}, "codestral", "one; tw", 2),
    ],
)
def test_answer_is_ended_here_and_the_server_told(connect, server, monkeypatch, options, family, text, tokens):
    if family:
        monkeypatch.setattr(openai, "FAMILIES", {family: _with_stop(openai.FAMILIES[family], "o\nth")})
    result = connect(never_ending, family=family).complete(FimRequest("a", "b", **options), Cancel())
    assert (result.text, result.finish, result.tokens) == (text, "stop", tokens)
    assert server.hung_up.wait(2)


def _with_stop(family, string):
    return type(family)(**{**vars(family), "stop": (string,)})


@pytest.mark.parametrize("speaks_first", [False, True], ids=["before the answer", "in the answer"])
def test_cancelling_while_the_server_is_silent(connect, server, speaks_first):
    def silent(handler):
        if speaks_first:
            handler.begin()
            handler.event("one")
        handler.wait_for_hang_up()

    backend, cancel, set_at = connect(silent), Cancel(), []

    def cancel_soon():
        server.arrived.wait(2)
        # Long enough that the client is inside its read.
        threading.Event().wait(0.05)
        set_at.append(time.monotonic())
        cancel.set()

    threading.Thread(target=cancel_soon).start()
    with pytest.raises(Cancelled):
        backend.complete(REQUEST, cancel)
    assert time.monotonic() - set_at[0] < 0.05
    assert server.hung_up.wait(2)
    server.script[:] = [good]
    assert backend.complete(REQUEST, Cancel()).text == "1 + 1"


def test_cancelled_before_the_start(connect, server):
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        connect(good).complete(REQUEST, cancel)
    assert server.bodies == []


def test_cancelling_while_waiting_to_try_again(connect, server):
    backend, cancel = connect(status(503, Retry_After="3")), Cancel()
    timer = threading.Timer(0.1, cancel.set)
    timer.start()
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        backend.complete(REQUEST, cancel)
    assert time.monotonic() - begin < 1


# What leaves the machine, and where to


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.org:8000/v1", "use https://example.org"),
        ("http://192.168.1.7", "only for this machine"),
        ("http://127.0.0.1.example.org", "only for this machine"),
        ("https://user:secret@example.org", "must not hold a user"),
        ("ftp://example.org", "must start with https://"),
        ("", "must start with https://"),
        ("127.0.0.1:8000", "openai.url"),
        ("http://[::1", "openai.url"),
    ],
)
def test_addresses_that_are_refused(url, says):
    with pytest.raises(BackendError, match=says) as caught:
        OpenAIBackend(url, "m")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1/completions"),
        ("http://[::1]:8000/v1/", "http://[::1]:8000/v1/completions"),
        ("https://example.org/api/v2", "https://example.org/api/v2/completions"),
        ("https://example.org/v1/fim/completions", "https://example.org/v1/fim/completions"),
    ],
)
def test_addresses(url, address):
    assert str(openai._endpoint(url)[0]) == address


def test_unknown_family():
    with pytest.raises(BackendError, match="choose one of qwen"):
        OpenAIBackend("http://127.0.0.1", "m", family="gpt")


def test_key_is_sent_and_nowhere_shown(connect, server, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", "sk-0123\n")
    message = failure(connect(status(401), api_key_env="MY_KEY"))
    assert "$MY_KEY" in message
    assert server.headers[0]["authorization"] == "Bearer sk-0123"
    assert "sk-0123" not in message + caplog.text


def test_key_that_cannot_be_a_header(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-\u00e9\x01")
    with pytest.raises(BackendError, match=r"\$MY_KEY") as caught:
        OpenAIBackend("http://127.0.0.1", "m", api_key_env="MY_KEY")
    assert "sk-" not in str(caught.value)


def test_no_key_no_header(connect, server, monkeypatch):
    monkeypatch.delenv("FORETYPE_API_KEY", raising=False)
    connect(good).complete(REQUEST, Cancel())
    assert "authorization" not in server.headers[0]


def test_proxy_of_the_environment_is_not_asked_for_this_machine(connect, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert connect(good).complete(REQUEST, Cancel()).text == "1 + 1"


def test_error_that_quotes_the_prompt_is_not_repeated(connect, caplog):
    caplog.set_level(logging.DEBUG)
    request = FimRequest("password = 'hunter2 is secret'\n    x = ", "")
    backend = connect(error(400, "bad input: {'prompt': \"password = 'hunter2 is secret'\\n    x = \"}"))
    assert "hunter2" not in failure(backend, request) + caplog.text


# Checks


class Health(BaseHTTPRequestHandler):
    status = 200
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Authorization"]))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "path", "where", "says"),
    [
        (200, "", "/health", ""),
        (200, "/team/llm/v1", "/team/llm/health", ""),
        (200, "/v1/completions", "/health", ""),
        (404, "/v1", "/health", ""),
        (401, "", "/health", ""),
        (501, "", "/health", ""),
        (503, "", "/health", "is not ready (503)"),
    ],
)
def test_a_check_asks_for_the_servers_health_without_the_key(monkeypatch, status, path, where, says):
    monkeypatch.setenv("FORETYPE_API_KEY", "secret")
    monkeypatch.setattr(Health, "status", status)
    Health.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        backend = OpenAIBackend(f"http://127.0.0.1:{server.server_port}{path}", "m")
        said = backend.check(5)
        backend.close()
        server.shutdown()
    assert Health.asked == [(where, None)]
    assert said == (said and f"127.0.0.1:{server.server_port} {says}") and bool(said) == bool(says)


def test_a_check_of_a_server_that_is_gone_or_hangs():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        backend = OpenAIBackend(f"http://127.0.0.1:{port}", "m")
        assert backend.check(0.05) == f"127.0.0.1:{port} does not answer"
    assert "cannot reach" in backend.check(5)
    backend.close()
    assert "closed" in backend.check(5)


# What a server has in its cache of the last prompt


def same(one: str, other: str) -> int:
    """Characters at the beginning that two texts share."""
    return next((place for place, pair in enumerate(zip(one, other, strict=False)) if len(set(pair)) > 1), len(one))


def test_a_prompt_that_is_cut_begins_where_it_began_while_somebody_types(connect, server):
    backend = connect(good, family="qwen2.5-coder", prefix_chars=400, suffix_chars=100)
    lines = "".join(f"value_{number} = {number}\n" for number in range(100))
    typed = "total = value_1 + value_2"
    for end in range(1, len(typed) + 1):
        backend.complete(FimRequest(lines + typed[:end], "\nprint(total)\n"), Cancel())
    prompts = [body["prompt"] for body in server.bodies]
    starts = {prompt.split("\n", 1)[0] for prompt in prompts}
    assert len(starts) <= 2
    kept = [same(*pair) / len(pair[1]) for pair in itertools.pairwise(prompts)]
    assert sum(share > 0.8 for share in kept) >= len(kept) - 1
