import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from foretype.eval.llama.server import LlamaServer
from foretype.model.backend import BackendError, Cancel, Cancelled, ContextFile, FimRequest

PROPERTIES = {"model_path": "/models/coder.gguf", "build_info": "b11434-abc"}
ANSWER = {
    "content": "x = 1\ny = 2",
    "stop_type": "word",
    "tokens_predicted": 4,
    "tokens_evaluated": 30,
    "timings": {"cache_n": 20, "prompt_n": 10, "prompt_ms": 12.5, "predicted_ms": 40.0},
}


class Stub(ThreadingHTTPServer):
    """Answers `/props` and `/infill` with what it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.answer, self.asked = 200, dict(ANSWER), list[dict[str, Any]]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        self.reply(200, PROPERTIES if self.path == "/props" else {})

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.reply(self.server.status, self.server.answer)

    def reply(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def peer(stub: Stub) -> Iterator[LlamaServer]:
    backend = LlamaServer(stub.url)
    yield backend
    backend.close()


def test_a_line_is_asked_for_greedily(stub: Stub, peer: LlamaServer) -> None:
    files = (ContextFile("a.py", "A = 1\n"),)
    result = peer.complete(FimRequest("p", "s", files=files, max_tokens=9, single_line=True), Cancel())
    (asked,) = stub.asked
    assert asked == {
        "input_prefix": "p",
        "input_suffix": "s",
        "input_extra": [{"filename": "a.py", "text": "A = 1\n"}],
        "n_predict": 9,
        "temperature": 0.0,
        "top_k": 1,
        "samplers": ["top_k"],
        "stop": ["\n"],
        "cache_prompt": True,
        "stream": False,
    }
    assert (result.text, result.finish) == ("x = 1", "stop")
    assert (result.tokens, result.prompt_tokens, result.cached_tokens) == (4, 30, 20)
    assert result.stages_ms == {"prefill": 12.5, "decode": 40.0}
    assert (peer.name, peer.build) == ("coder.gguf", "b11434-abc")


def test_several_lines_end_where_the_request_says(stub: Stub, peer: LlamaServer) -> None:
    stub.answer["stop_type"] = "limit"
    whole = peer.complete(FimRequest("p", "s"), Cancel())
    assert (whole.text, whole.finish, stub.asked[0]["stop"]) == ("x = 1\ny = 2", "length", [])
    cut = peer.complete(FimRequest("p", "s", stop=lambda text: text.find("\n") + 1), Cancel())
    assert (cut.text, cut.finish) == ("x = 1\n", "stop")


def test_reset_makes_the_next_request_cold_and_only_that(stub: Stub, peer: LlamaServer) -> None:
    peer.reset()
    for _ in range(2):
        peer.complete(FimRequest("p", "s"), Cancel())
    assert [asked["cache_prompt"] for asked in stub.asked] == [False, True]


def test_a_refusal_is_a_backend_error_and_the_next_request_works(stub: Stub, peer: LlamaServer) -> None:
    stub.status, stub.answer = 501, {"error": {"code": 501, "message": "Infill is not supported by this model"}}
    with pytest.raises(BackendError, match="501 Infill is not supported"):
        peer.complete(FimRequest("p", "s"), Cancel())
    stub.status, stub.answer = 200, dict(ANSWER)
    assert peer.complete(FimRequest("p", "s"), Cancel()).tokens == 4


def test_no_server_is_said_when_it_is_made(stub: Stub) -> None:
    closed = stub.url.rstrip("/")
    stub.shutdown()
    stub.server_close()
    with pytest.raises(BackendError, match=f"no llama-server answers at {closed}"):
        LlamaServer(closed)
    with pytest.raises(BackendError, match="no llama-server answers"):
        LlamaServer("no address")


def test_a_cancelled_request_is_not_sent(stub: Stub, peer: LlamaServer) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        peer.complete(FimRequest("p", "s"), cancel)
    assert stub.asked == []
