"""A completion server with scripted answers, for tests of the whole way from a key to ghost text."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Script = Callable[[str, str], str]


class StubOpenAI:
    """`/v1/completions` on this machine, streamed.

    An answer is the next of `answers` (texts), else what `script(prompt, suffix)` says, else nothing. `requests` holds
    the bodies received. An answer waits `delay_s`, and for as long as `gate` is cleared.
    """

    def __init__(self, port: int = 0) -> None:
        self.answers: deque[str] = deque()
        self.script: Script | None = None
        self.requests: list[dict[str, Any]] = []
        self.delay_s = 0.0
        self.gate = threading.Event()
        self.gate.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def reset(self) -> None:
        self.answers.clear()
        self.script = None
        self.requests.clear()
        self.delay_s = 0.0
        self.gate.set()

    def answer(self, prompt: str, suffix: str) -> str:
        if self.answers:
            return self.answers.popleft()
        return self.script(prompt, suffix) if self.script else ""

    def __enter__(self) -> StubOpenAI:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else the client's delayed acknowledgement costs 40 ms

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stub.requests.append(body)
                stub.gate.wait(timeout=10)
                time.sleep(stub.delay_s)
                text = stub.answer(body.get("prompt", ""), body.get("suffix", ""))
                events = [
                    {"choices": [{"text": text, "index": 0, "finish_reason": None}]},
                    {"choices": [{"text": "", "index": 0, "finish_reason": "stop"}]},
                ]
                lines = [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"]
                payload = "".join(lines).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "text/event-stream")
                    self.send_header("Content-Length", str(len(payload)))
                    self.end_headers()
                    self.wfile.write(payload)
                except OSError:
                    pass  # the request was given up meanwhile

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
