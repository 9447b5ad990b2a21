"""Several editors at one server over real sockets, and others who try to get in."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from serving import SERVE, ask, framed, options, status, until, wait_for_state
from stub_openai import StubOpenAI

from foretype.lsp.wire import Client, ServerEnded

TIMEOUT = 60.0


class Running:
    """A server that listens, its file, and what it wrote to its log."""

    def __init__(self, data: Path) -> None:
        self.file, self._log = data / "serve.json", data / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*SERVE, "--tcp"], stderr=log, env={**os.environ, "FORETYPE_DATA": str(data)}
            )
        until(lambda: self.file.exists() or self.process.poll() is not None, TIMEOUT)
        assert self.process.poll() is None, self.log
        self.address = json.loads(self.file.read_text("utf-8"))

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8")

    def socket(self) -> socket.socket:
        return socket.create_connection((self.address["host"], self.address["port"]), TIMEOUT)

    def hello(self, token: str | None = None, **about: Any) -> bytes:
        given = {"token": token or self.address["token"], **about}
        params = {"capabilities": {}, "processId": None, "rootUri": None, "initializationOptions": given}
        return framed({"id": 1, "method": "initialize", "params": params})

    def editor(self, url: str, root: Path | None = None, **completion: Any) -> Client:
        """One that speaks through the bridge, ready to ask."""
        client = Client.start([*SERVE, "--connect"], env={"FORETYPE_DATA": str(self.file.parent)})
        client.initialize(root, options(url, **completion), timeout=TIMEOUT)
        wait_for_state(client, "ready", TIMEOUT)
        return client


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while more := connection.recv(65536):
            data += more
    return data


@pytest.fixture(scope="module")
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        yield stub


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A folder that others may enter, as a home folder may be: the file has to look after itself."""
    folder = Path(tempfile.mkdtemp(prefix="foretype-tcp-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Running]:
    running = Running(data)
    yield running
    running.process.terminate()
    try:
        assert running.process.wait(30) == 0
    finally:
        running.process.kill()
    assert not running.file.exists()


def test_editors_have_a_server_each_in_one_process(server: Running, stub: StubOpenAI, tmp_path: Path) -> None:
    stub.reset()
    stub.script = lambda prompt, suffix: "print(a)"
    editors = [server.editor(stub.url, debounce_ms=number) for number in range(2)]
    uris = [editor.open(tmp_path / f"{number}.py", "python", "a = 1\n") for number, editor in enumerate(editors)]
    assert ask(editors[0], uris[0], 1, 0) == "print(a)"
    assert ask(editors[1], uris[1], 1, 0) == "print(a)"
    assert [status(editor)["counts"]["requests"] for editor in editors] == [1, 1]
    assert ask(editors[0], uris[1], 1, 0) is None
    assert status(editors[0])["last"]["reason"] == "unknown_document"
    assert [editor.close(TIMEOUT) for editor in editors] == [0, 0]
    until(lambda: server.log.count(" went; ") >= 2, TIMEOUT)
    with contextlib.closing(sqlite3.connect(server.file.parent / "events.sqlite3")) as events:
        assert len(events.execute("select distinct run from opportunities").fetchall()) >= 2


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://example.org\r\n\r\n",
        b'POST / HTTP/1.1\r\nOrigin: null\r\nContent-Type: text/plain\r\n\r\n{"token": ""}',
        b"Content-Length: 2\r\nOrigin: https://example.org\r\n\r\n{}",
    ],
)
def test_a_page_in_a_browser_is_told_nothing(server: Running, said: bytes) -> None:
    with server.socket() as page:
        page.sendall(said)
        assert rest(page) == b""


def test_a_wrong_token_is_refused_and_closed(server: Running) -> None:
    with server.socket() as guess:
        guess.sendall(server.hello("0" * 64) + framed({"id": 2, "method": "foretype/status"}))
        answer = rest(guess)
    assert b"capabilities" not in answer and b"state" not in answer
    assert server.address["token"] not in server.log
    assert server.log.count("initializationOptions.token is not") == 1


def test_strangers_make_way(server: Running, stub: StubOpenAI) -> None:
    strangers = [server.socket() for _ in range(30)]
    strangers[-1].sendall(b"Content-Length: 500\r\n\r\n{")
    with server.socket() as editor:
        editor.sendall(server.hello())
        assert b"capabilities" in editor.recv(65536)
        assert rest(strangers[0]) == b""  # closed, long before its time is over
    assert rest(strangers[-1]) == b""  # and the last ones when it is
    for stranger in strangers:
        stranger.close()


def test_who_does_not_read_is_let_go_of(server: Running, stub: StubOpenAI, tmp_path: Path) -> None:
    stub.reset()
    other = server.editor(stub.url)
    before = psutil.Process(server.process.pid).memory_info().rss
    with server.socket() as deaf:
        deaf.sendall(server.hello())
        long = framed({"id": 2, "method": "x" * 2**20})  # the answer repeats it
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                deaf.sendall(long)
        until(lambda: "does not read" in server.log, TIMEOUT)
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                deaf.sendall(long)
    assert server.log.count("does not read") == 1
    assert psutil.Process(server.process.pid).memory_info().rss - before < 100 * 2**20
    assert status(other)["state"] == "ready"
    assert other.close(TIMEOUT) == 0


def test_who_asks_without_end_is_read_no_faster_than_answered(server: Running, stub: StubOpenAI) -> None:
    stub.reset()
    stub.gate.clear()
    with server.socket() as greedy:
        given = options(stub.url)
        greedy.sendall(server.hello(**given) + framed({"method": "initialized", "params": {}}))
        for number in range(2, 102):
            item = {"uri": f"untitled:{number}", "languageId": "python", "version": 1, "text": "a"}
            greedy.sendall(framed({"method": "textDocument/didOpen", "params": {"textDocument": item}}))
        greedy.settimeout(0.5)
        question = {"position": {"line": 0, "character": 1}, "context": {"triggerKind": 1}}
        sent = 0
        with contextlib.suppress(TimeoutError):
            for number in range(2, 20_000):
                uri = f"untitled:{2 + number % 100}"
                params = {**question, "textDocument": {"uri": uri}, "padding": "x" * 5000}
                greedy.sendall(framed({"id": number, "method": "textDocument/inlineCompletion", "params": params}))
                sent = number
        assert sent < 19_999  # the socket was full
        stub.gate.set()
    other = server.editor(stub.url)
    assert status(other)["state"] == "ready"
    assert other.close(TIMEOUT) == 0


def test_those_who_went_leave_nothing_behind(server: Running, stub: StubOpenAI) -> None:
    process = psutil.Process(server.process.pid)

    def visit() -> None:
        with server.socket() as editor:
            editor.sendall(server.hello(**options(stub.url)) + framed({"method": "initialized", "params": {}}))
            assert b"capabilities" in editor.recv(65536)

    visit()
    until(lambda: server.log.count(" came; ") == server.log.count(" went; "), TIMEOUT)
    threads, descriptors = process.num_threads(), len(process.open_files()) + len(process.net_connections())
    for _ in range(10):
        visit()
    until(lambda: server.log.count(" came; ") == server.log.count(" went; "), TIMEOUT)
    assert process.num_threads() <= threads + 8  # those that the loop keeps for blocking calls
    assert len(process.open_files()) + len(process.net_connections()) <= descriptors + 1


def test_the_address_is_of_this_machine_alone(server: Running) -> None:
    sockets = psutil.Process(server.process.pid).net_connections("inet")
    listening = [one.laddr for one in sockets if one.status == psutil.CONN_LISTEN]
    assert listening == [("127.0.0.1", server.address["port"])]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no other user to become")
@pytest.mark.skipif(os.name != "nt" and os.geteuid() != 0, reason="only root can become another user")
def test_another_user_gets_nothing(server: Running) -> None:
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        found: dict[str, str] = {}
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            for name, attempt in (
                ("read", lambda: server.file.read_text()),
                ("write", lambda: server.file.write_text("{}")),
                ("replace", lambda: server.file.unlink()),
                ("memory", lambda: os.open(f"/proc/{server.process.pid}/mem", os.O_RDONLY)),
            ):
                try:
                    attempt()
                    found[name] = "done"
                except OSError as error:
                    found[name] = type(error).__name__
            with server.socket() as connection:
                connection.sendall(server.hello("0" * 64))
                found["said"] = rest(connection).decode()
            os.write(write, json.dumps(found).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        found = json.loads(pipe.read())
    os.waitpid(child, 0)
    assert found.pop("memory") in ("PermissionError", "FileNotFoundError")
    assert "capabilities" not in found["said"] and "error" in found.pop("said")
    assert found == dict.fromkeys(("read", "write", "replace"), "PermissionError")


def test_there_is_one_server(server: Running) -> None:
    env = {**os.environ, "FORETYPE_DATA": str(server.file.parent)}
    second = subprocess.run([*SERVE, "--tcp"], env=env, capture_output=True, text=True, timeout=TIMEOUT)
    assert second.returncode == 1
    assert "running already" in second.stderr and "Traceback" not in second.stderr
    assert json.loads(server.file.read_text()) == server.address


def test_a_server_that_is_killed(tmp_path: Path, stub: StubOpenAI) -> None:
    running = Running(tmp_path)
    editor = running.editor(stub.url)
    running.process.kill()
    running.process.wait()
    with pytest.raises(ServerEnded, match="let go of this editor"):
        editor.request("foretype/status", timeout=TIMEOUT)
    assert editor.close() == 1
    assert running.file.exists()
    bridge = [*SERVE, "--connect"]
    env = {**os.environ, "FORETYPE_DATA": str(tmp_path)}
    alone = subprocess.run(bridge, env=env, input=b"", capture_output=True, timeout=TIMEOUT)
    assert alone.returncode == 1
    assert alone.stderr.decode().strip() == (
        "foretype serve --connect: no server is running; start one with foretype serve --tcp"
    )
    again = Running(tmp_path)
    until(lambda: json.loads(again.file.read_text())["pid"] == again.process.pid, TIMEOUT)
    again.process.send_signal(signal.SIGTERM)
    assert again.process.wait(30) == 0
    assert not again.file.exists()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        env = {**os.environ, "FORETYPE_DATA": str(tmp_path)}
        words = [*SERVE, "--tcp", str(port)]
        end = subprocess.run(words, env=env, capture_output=True, text=True, timeout=TIMEOUT)
    assert end.returncode == 1
    assert f"port {port} cannot be listened at" in end.stderr and "Traceback" not in end.stderr
