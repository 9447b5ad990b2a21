"""llama.vim's own timing, against a server that answers when the test lets it."""

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import pytest
from test_llama_cache import lines_of

from foretype.eval.llama import plugin as llama_plugin
from foretype.eval.llama.vim import LlamaVim, listener
from foretype.eval.typing.assistant import Shown
from foretype.model.backend import BackendError

PATIENCE_S = 5.0
T = TypeVar("T")


class Stub(ThreadingHTTPServer):
    """A llama-server that answers each request to complete with the next thing put into `answers`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.prefilled = queue.Queue[dict[str, Any]](), queue.Queue[dict[str, Any]]()
        self.answers = queue.Queue[str | int]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def next(self) -> dict[str, Any]:
        return self.asked.get(timeout=PATIENCE_S)


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_GET(self) -> None:
        self.reply(200, {"model_path": "/m/coder.gguf", "build_info": "b1"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["n_predict"] == 0:
            self.server.prefilled.put(body)
            return self.reply(200, {})
        self.server.asked.put(body)
        answer = self.server.answers.get()
        if isinstance(answer, int):
            return self.reply(answer, {"error": {"message": "no"}})
        return self.reply(200, {"content": answer, "timings/predicted_n": len(answer)})

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
def vim(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Iterator[LlamaVim]:
    """With the pauses short, and the ring still unless a test moves it."""
    monkeypatch.setattr(llama_plugin, "RETRY_S", 0.01)
    monkeypatch.setattr(llama_plugin, "ENTERED_S", 0.0)
    monkeypatch.setattr(llama_plugin, "RING_S", 1000.0)
    assistant = LlamaVim(stub.url)
    yield assistant
    assistant.stop()


def until(value: Callable[[], T]) -> T:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := value()) and time.monotonic() < deadline:
        time.sleep(0.001)
    assert found
    return found


class Typist:
    """Types into one file from its cursor on, and asks after each key."""

    def __init__(self, vim: LlamaVim, text: str, row: int, column: int) -> None:
        self.vim, self.row, self.column, self.key = vim, row, column, 0
        vim.open("a.py", "python", text)
        vim.move("a.py", row, column)

    def type(self, text: str) -> None:
        for character in text:
            self.vim.edit("a.py", self.row, self.column, "", character)
            self.column += 1
            self.key += 1
            self.vim.ask("a.py", self.row, self.column, self.key)


def test_an_answer_is_shown_and_what_follows_it_prepared(stub: Stub, vim: LlamaVim) -> None:
    typist = Typist(vim, "def f():\n\nend\n", 1, 0)
    typist.type("x")
    asked = stub.next()
    assert (asked["input_prefix"], asked["prompt"], asked["input_suffix"]) == ("def f():\n", "x", "\nend\n")
    assert vim.shown() is None and vim.busy()
    stub.answers.put(" = 1")
    shown = until(vim.shown)
    assert shown == Shown(" = 1", 1, shown.ms, False, 4) and 0 < shown.ms < 1000 * PATIENCE_S

    ahead = stub.next()
    assert (ahead["prompt"], ahead["t_max_predict_ms"]) == ("x = 1", 1000)
    stub.answers.put("\ny = 2")
    until(lambda: vim.counts()["answered"] == 2)
    assert vim.shown() == shown

    vim.accepted(4)
    assert vim.shown() is None
    vim.edit("a.py", 1, 1, "", " = 1")
    vim.ask("a.py", 1, 5, 1)
    after = vim.shown()
    assert after and (after.text, after.key, after.cached) == ("\ny = 2", 1, True)
    # what would follow the second hint is being prepared
    expected = {"attempts": 2, "requests": 3, "speculative": 2, "answered": 2, "empty": 0, "wasted": 0, "prefills": 0}
    assert vim.counts() == expected


def test_typing_along_shows_the_rest_and_asks_again(stub: Stub, vim: LlamaVim) -> None:
    typist = Typist(vim, "", 0, 0)
    typist.type("x")
    stub.next()
    for answer in " = foo", "":
        stub.answers.put(answer)
    until(vim.shown)
    stub.next()
    until(lambda: vim.counts()["empty"] == 1)
    typist.type(" ")
    shown = vim.shown()
    assert shown and (shown.text, shown.key, shown.cached, shown.tokens) == ("= foo", 2, True, 5)
    assert stub.next()["prompt"] == "x "
    typist.type("-")
    assert vim.shown() is None


def test_one_request_at_a_time_and_the_next_for_the_last_key(stub: Stub, vim: LlamaVim) -> None:
    typist = Typist(vim, "", 0, 0)
    typist.type("abcd")
    assert stub.next()["prompt"] == "a"
    stub.answers.put("zz")  # "a" was followed by something else
    assert stub.next()["prompt"] == "abcd"
    assert vim.shown() is None and vim.busy()
    stub.answers.put("ef")
    shown = until(vim.shown)
    assert (shown.text, shown.key) == ("ef", 4)
    counts = vim.counts()
    assert (counts["answered"], counts["wasted"]) == (2, 1)


def test_a_late_answer_that_was_typed_along_is_shown(stub: Stub, vim: LlamaVim) -> None:
    typist = Typist(vim, "", 0, 0)
    typist.type("ab")
    stub.next()
    stub.answers.put("bcd")
    shown = until(vim.shown)
    assert (shown.text, shown.key, shown.cached) == ("cd", 2, False)
    assert vim.counts()["wasted"] == 0


def test_an_empty_answer_shows_nothing(stub: Stub, vim: LlamaVim) -> None:
    Typist(vim, "", 0, 0).type("x")
    stub.next()
    stub.answers.put("")
    until(lambda: vim.counts()["empty"])
    assert vim.shown() is None
    assert vim.counts()["answered"] == vim.counts()["wasted"] == 0


def test_nothing_is_asked_before_much_text_on_the_line(stub: Stub, vim: LlamaVim) -> None:
    typist = Typist(vim, "(123456789)\n", 0, 2)
    typist.type("x")
    assert stub.asked.empty() and not vim.busy()
    assert (vim.counts()["suppressed_line_suffix"], vim.counts()["attempts"]) == (1, 0)
    typist.column += 1
    vim.move("a.py", 0, typist.column)
    typist.type("x")
    assert stub.next()["input_suffix"] == "3456789)\n\n"


def test_nothing_is_shown_after_the_cursor_went_elsewhere(stub: Stub, vim: LlamaVim) -> None:
    Typist(vim, "a\nb\n", 0, 1).type("x")
    stub.next()
    vim.move("a.py", 1, 0)
    stub.answers.put("yz")
    until(lambda: vim.counts()["answered"])
    assert vim.shown() is None
    assert vim.counts()["wasted"] == 1


def test_a_dismissed_hint_is_gone(stub: Stub, vim: LlamaVim) -> None:
    Typist(vim, "", 0, 0).type("x")
    stub.answers.put("yz")
    until(vim.shown)
    vim.rejected()
    assert vim.shown() is None


def test_closing_the_last_file_waits_for_what_runs(stub: Stub, vim: LlamaVim) -> None:
    Typist(vim, "", 0, 0).type("xy")
    stub.next()
    threading.Timer(0.05, lambda: stub.answers.put("z")).start()
    vim.close("a.py")
    assert (vim.counts()["answered"], vim.counts()["requests"], vim.busy()) == (1, 1, False)


def test_what_was_left_and_written_is_prefilled_and_sent(
    stub: Stub, vim: LlamaVim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_plugin, "RING_S", 0.01)
    vim._do(vim._plugin._update_ring)
    vim.open("b.py", "python", "one\ntwo\nthree\n")
    vim.edit("b.py", 0, 0, "one", "eins")
    typist = Typist(vim, "", 0, 0)
    chunks = [{"text": f"{first}\ntwo\nthree\n", "filename": "b.py"} for first in ("one", "eins")]
    assert stub.prefilled.get(timeout=PATIENCE_S)["input_extra"] == chunks[:1]
    assert stub.prefilled.get(timeout=PATIENCE_S)["input_extra"] == chunks
    typist.type("x")
    assert stub.next()["input_extra"] == chunks


def test_chunks_outside_the_window_are_picked_far_from_the_last_ones(stub: Stub, vim: LlamaVim) -> None:
    typist = Typist(vim, "\n".join(lines_of("a", 200) + lines_of("b", 200)) + "\n", 300, 0)
    ring = vim._plugin._ring
    until(lambda: ring.queued)  # upon entering
    ring.queued.clear()
    typist.type("x")
    assert [chunk.lines[0][0] for chunk in ring.queued] == ["a", "b"]
    picked = list(ring.queued)
    stub.answers.put("")
    until(lambda: vim.counts()["empty"])
    typist.row, typist.column = 330, 0
    typist.type("y")
    assert ring.queued == picked


def test_a_failed_request_is_raised_at_the_next_ask(stub: Stub, vim: LlamaVim) -> None:
    typist = Typist(vim, "", 0, 0)
    typist.type("x")
    stub.answers.put(500)
    until(lambda: not vim.busy())
    with pytest.raises(BackendError, match="500"):
        typist.type("y")


def test_no_server_is_told_at_once() -> None:
    with pytest.raises(BackendError, match="no llama-server answers"):
        LlamaVim("http://127.0.0.1:9")


def test_its_process_is_found_by_its_port(stub: Stub, vim: LlamaVim) -> None:
    process = listener(stub.url)
    assert process and process.pid == os.getpid()
    assert listener("http://192.0.2.1:80") is None
    assert vim.cpu_s() > 0
    assert (vim.model, vim.build) == ("coder.gguf", "b1")
