"""A completion server on a socket that answers as scripted, well or not, and backends that ask it."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from foretype.model.backend import BackendError, Cancel, FimRequest
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
        if isinstance(sys.exception(), ConnectionError):  # who hangs up with something unread resets the connection
            self.hung_up.set()


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


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@contextmanager
def backends(server: Server) -> Iterator[Callable[..., OpenAIBackend]]:
    """Makes backends that ask the server, which answers by `script`."""
    made: list[OpenAIBackend] = []

    def connect(*script, url: str | None = None, **options: Any) -> OpenAIBackend:
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
