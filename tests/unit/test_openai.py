"""The OpenAI-compatible backend against a real HTTP server on a socket, well behaved and not."""

import json
import logging
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from foretype.model import openai, sse
from foretype.model.backend import BackendError, Cancel, Cancelled, ContextFile, FimRequest
from foretype.model.openai import OpenAIBackend

REQUEST = FimRequest("a = ", "\nb = 2\n", max_tokens=8)


class Server(ThreadingHTTPServer):
    """Answers each request with the next of `script` (the last one again and again); keeps what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Callable[[Handler], None]] = []
        self.bodies: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.peers: list[int] = []
        self.arrived = threading.Event()
        self.hung_up = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(body))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.peers.append(self.client_address[1])
        self.server.arrived.set()
        script = self.server.script
        (script.pop(0) if len(script) > 1 else script[0])(self)

    def log_message(self, *args):
        pass

    def begin(self, kind="text/event-stream"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def piece(self, data: bytes):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, text, **choice):
        choice = {"index": 0, "text": text, "finish_reason": None} | choice
        self.piece(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")

    def end(self, finish="stop", usage=None):
        self.event("", finish_reason=finish)
        if usage:
            self.piece(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n")
        self.piece(b"data: [DONE]\n\n")
        self.piece(b"")

    def wait_for_hang_up(self):
        if self.rfile.read(1) == b"":
            self.server.hung_up.set()


def good(handler):
    handler.begin()
    handler.event("1", logprobs={"tokens": ["1"], "token_logprobs": [-0.5]})
    handler.event(" + 1", logprobs={"tokens": [" + 1"], "token_logprobs": [-0.25]})
    handler.end(usage={"prompt_tokens": 12, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 7}})


def status(code, body=b"{}", **headers):
    def answer(handler):
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def drop(handler):
    handler.close_connection = True


def error(code, message):
    return status(code, json.dumps({"error": {"message": message}}).encode())


@pytest.fixture
def server():
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def connect(server, monkeypatch):
    monkeypatch.setattr(openai, "BACKOFF_S", 0.005)
    made = []

    def connect(*script, url=None, **options):
        server.script[:] = script
        made.append(OpenAIBackend(**{"url": url or server.url, "model": "m", "timeout_s": 5.0} | options))
        return made[-1]

    yield connect
    for backend in made:
        backend.close()


def failure(backend, request=REQUEST):
    with pytest.raises(BackendError) as caught:
        backend.complete(request, Cancel())
    message = str(caught.value)
    assert "\n" not in message
    return message


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
