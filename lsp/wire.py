"""A small language client over a child's stdin and stdout: for tests, the demo and replay.

Synchronous for its caller, who sends and waits; three threads behind it write, read and drain stderr, so that a server
that stops reading or talks too much can hang nobody: every wait has a time limit. Knows the base protocol (LSP 3.18,
"Base Protocol") and what a server asks of a client; knows no types of messages beyond JSON, and no pygls.

    with Client.start(["foretype", "serve"]) as client:
        client.initialize(root, {"completion": {"debounce_ms": 0}})
        uri = client.open(root / "a.py", "python", "def f(")
        answer = client.request("textDocument/inlineCompletion", {...}, timeout=30)
"""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from foretype import __version__

# What is kept: bytes of stderr, and messages that nobody has waited for. The oldest go first.
STDERR_BYTES = 64 * 1024
MESSAGES = 10_000

Notified = Callable[[str, Any], None]


class ResponseError(Exception):
    """The server answered a request with an error; `code` as in the protocol's "ErrorCodes"."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code, self.message, self.data = code, message, data


class ServerEnded(ConnectionError):
    """No message will come any more: the server ended, or wrote to stdout what is not the protocol."""


class Client:
    """One server process and the conversation with it. Any thread may call; `close` or `with` ends the process."""

    @classmethod
    def start(
        cls,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        on_notification: Notified | None = None,
    ) -> Self:
        """Starts a server. `env` adds to this process's environment; `on_notification` gets method and params of each
        notification, on the reading thread, which waits for it."""
        process = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
        )
        return cls(process, on_notification)

    def __init__(self, process: subprocess.Popen[bytes], on_notification: Notified | None = None) -> None:
        assert process.stdin and process.stdout and process.stderr
        self.process = process
        self._on_notification = on_notification
        self._changed = threading.Condition()  # guards all that follows
        self._methods: dict[int, str] = {}
        self._responses: dict[int, dict[str, Any]] = {}
        self._messages: deque[tuple[str, Any]] = deque(maxlen=MESSAGES)
        self._versions: dict[str, int] = {}
        self._ended: str | None = None
        self._stderr = bytearray()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        jobs = (self._write, process.stdin), (self._read, process.stdout), (self._drain, process.stderr)
        self._threads = [threading.Thread(target=job, args=(pipe,), daemon=True) for job, pipe in jobs]
        for thread in self._threads:
            thread.start()

    def request(self, method: str, params: Any = None, timeout: float = 10.0) -> Any:
        """The result of a request. Raises `ResponseError`, `TimeoutError` or `ServerEnded`; `timeout` in seconds."""
        return self.wait(self.send_request(method, params), timeout)

    def send_request(self, method: str, params: Any = None) -> int:
        """Sends a request and returns its id, for `wait` or `cancel`."""
        with self._changed:
            number = len(self._methods) + 1
            self._methods[number] = method
        self._send({"id": number, "method": method, "params": params})
        return number

    def wait(self, number: int, timeout: float = 10.0) -> Any:
        """The result of the request with this id; once only, unless it raised `TimeoutError`."""
        what = f"answer to {self._methods[number]} (id {number})"
        response = self._wait_for(lambda: self._responses.pop(number, None), timeout, what)
        if "error" in response:
            error = response["error"]
            raise ResponseError(error["code"], error["message"], error.get("data"))
        return response.get("result")

    def cancel(self, number: int) -> None:
        """Asks the server to cancel a request, which it still has to answer."""
        self.notify("$/cancelRequest", {"id": number})

    def notify(self, method: str, params: Any = None) -> None:
        self._send({"method": method, "params": params})

    def wait_for_notification(
        self, method: str, predicate: Callable[[Any], bool] = lambda params: True, timeout: float = 10.0
    ) -> Any:
        """The params of the first such notification that no earlier call returned, whether it came already or not.

        Requests of the server count as well; they have been answered by then. So does an error that has no id, because
        the server could not read what it answers: its method is "error" and its params are the error.
        """

        def first() -> tuple[Any] | None:
            for message in self._messages:
                if message[0] == method and predicate(message[1]):
                    self._messages.remove(message)
                    return (message[1],)
            return None

        return self._wait_for(first, timeout, method)[0]

    def send_raw(self, data: bytes) -> None:
        """Writes bytes as they are, header and all, to see what the server makes of them."""
        self._outbox.put(data)

    def initialize(
        self,
        root: str | Path | None = None,
        options: Any = None,
        encodings: Sequence[str] = ("utf-16",),
        timeout: float = 30.0,
    ) -> dict[str, Any]:
        """`initialize` and `initialized`; returns the server's answer. `options` are `initializationOptions`."""
        uri = Path(root).resolve().as_uri() if root else None
        result = self.request(
            "initialize",
            {
                "processId": os.getpid(),
                "clientInfo": {"name": "foretype.wire", "version": __version__},
                "rootUri": uri,
                "workspaceFolders": [{"uri": uri, "name": Path(root).name}] if uri and root else None,
                "capabilities": _capabilities(encodings),
                "initializationOptions": options,
            },
            timeout,
        )
        self.notify("initialized", {})
        return result

    def open(self, document: str | Path, language: str, text: str | None = None) -> str:
        """didOpen of a path or a URI; without `text`, with that of the file. Returns the URI."""
        is_uri = re.match("[A-Za-z][A-Za-z0-9+.-]+:", str(document)) is not None
        uri = str(document) if is_uri else Path(document).resolve().as_uri()
        if text is None:
            text = Path(document).read_bytes().decode("utf-8")
        self._versions[uri] = 1
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return uri

    def change(self, uri: str, *changes: dict[str, Any]) -> int:
        """didChange of an opened document with the next version, which it returns."""
        self._versions[uri] += 1
        document = {"uri": uri, "version": self._versions[uri]}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})
        return self._versions[uri]

    @property
    def stderr(self) -> str:
        """The end of what the server has written to stderr so far."""
        with self._changed:
            return self._stderr.decode("utf-8", "replace")

    def close(self, timeout: float = 5.0) -> int:
        """`shutdown`, `exit`, and the server's exit status. Each step may take `timeout` seconds; then it is killed,
        which shows in the status (negative, or 1 on Windows)."""
        if self.process.poll() is None:
            try:
                self.request("shutdown", timeout=timeout)
            except (ResponseError, TimeoutError, ServerEnded):
                pass
            self.notify("exit")
        self._outbox.put(None)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
        status = self.process.wait()
        for thread in self._threads:
            thread.join(timeout)  # a child of the server may hold the pipes open
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, message: dict[str, Any]) -> None:
        if message.get("params", ()) is None:
            del message["params"]
        # Escaped, so that a lone surrogate gets through.
        body = json.dumps({"jsonrpc": "2.0", **message}).encode("ascii")
        self._outbox.put(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def _wait_for(self, look: Callable[[], Any], timeout: float, what: str) -> Any:
        """The first of what `look` finds that is not None."""
        until = time.monotonic() + timeout
        with self._changed:
            while (found := look()) is None:
                if self._ended is not None:
                    end = self._stderr[-2000:].decode("utf-8", "replace").strip()
                    raise ServerEnded(f"no {what}: {self._ended}; stderr: {end or 'empty'}")
                if not self._changed.wait(until - time.monotonic()) and time.monotonic() >= until:
                    raise TimeoutError(f"no {what} within {timeout:g} s")
        return found

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            with pipe:
                while (data := self._outbox.get()) is not None:
                    pipe.write(data)
                    pipe.flush()
        except OSError:
            pass  # the server is gone, which the reader tells

    def _read(self, pipe: IO[bytes]) -> None:
        try:
            with pipe:
                while (message := _next_message(pipe)) is not None:
                    self._receive(message)
            ended = f"the server ended with status {self.process.wait(1)}"
            self._threads[-1].join(1)  # stderr says why
        except subprocess.TimeoutExpired:
            ended = "the server closed its stdout"
        except (ValueError, RecursionError) as error:
            ended = f"stdout carried what is not the protocol: {error}"
        except Exception as error:  # of `on_notification`
            ended = f"reading failed: {error!r}"
        with self._changed:
            self._ended = ended
            self._changed.notify_all()

    def _receive(self, message: dict[str, Any]) -> None:
        method, number = message.get("method"), message.get("id")
        params = message.get("params")
        if method is None and number is not None:
            with self._changed:
                self._responses[number] = message
                self._changed.notify_all()
            return
        if method is None:
            method, params = "error", message.get("error")
        elif number is not None:
            self._send({"id": number, **_answer(method, params)})
        elif self._on_notification:
            self._on_notification(method, params)
        with self._changed:
            self._messages.append((method, params))
            self._changed.notify_all()

    def _drain(self, pipe: IO[bytes]) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), 4096):
                with self._changed:
                    self._stderr += data
                    del self._stderr[:-STDERR_BYTES]
                    self._changed.notify_all()


def _next_message(pipe: IO[bytes]) -> dict[str, Any] | None:
    """The next message, None at the end of the stream. Raises ValueError for anything that is not one."""
    length = None
    while (line := pipe.readline()).strip():
        name, colon, value = line.partition(b":")
        if not colon or name.lower() not in (b"content-length", b"content-type"):
            raise ValueError(repr(line[:200]))
        if name.lower() == b"content-length":
            length = int(value)
    if not line and length is None:
        return None
    if length is None:
        raise ValueError("a header without Content-Length")
    body = pipe.read(length)
    if len(body) < length:
        raise ValueError(f"{len(body)} bytes of a message of {length}")
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError(repr(body[:200]))
    return message


def _answer(method: str, params: Any) -> dict[str, Any]:
    """What this client answers to a request of the server: it has no settings, shows nothing and applies no edit."""
    match method:
        case "workspace/configuration":
            return {"result": [None] * len(params["items"])}
        case "workspace/applyEdit":
            return {"result": {"applied": False}}
        case "window/showDocument":
            return {"result": {"success": False}}
        case (
            "window/workDoneProgress/create"
            | "window/showMessageRequest"
            | "client/registerCapability"
            | "client/unregisterCapability"
        ):
            return {"result": None}
    return {"error": {"code": -32601, "message": f"this client knows no {method}"}}


def _capabilities(encodings: Sequence[str]) -> dict[str, Any]:
    return {
        "general": {"positionEncodings": list(encodings)},
        "textDocument": {
            "synchronization": {"didSave": True},
            "inlineCompletion": {"dynamicRegistration": False},
        },
        "window": {"workDoneProgress": True},
        "workspace": {
            "configuration": True,
            "workspaceFolders": True,
            "didChangeConfiguration": {},
            "didChangeWatchedFiles": {"dynamicRegistration": True},
        },
    }
