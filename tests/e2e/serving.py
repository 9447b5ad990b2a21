"""How the tests start the real server and speak with it: ghost text comes from a scripted completion server."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stub_openai import StubOpenAI

from foretype.lsp.wire import Client

SERVE = [Path(sys.executable).with_name("foretype"), "serve"]

METHOD = "textDocument/inlineCompletion"
INVOKED, AUTOMATIC = 1, 2


def options(url: str, **completion: Any) -> dict[str, Any]:
    """`initializationOptions` for a scripted server: no debounce, no second tries."""
    return {
        "model": {"backend": "openai"},
        "openai": {"url": url, "model": "scripted", "retries": 0, "timeout_s": 10.0},
        "completion": {"debounce_ms": 0, **completion},
    }


def start(url: str, encodings: tuple[str, ...] = ("utf-16",), **completion: Any) -> Client:
    """A server that is ready to answer."""
    client = Client.start(SERVE)
    client.initialize(None, options(url, **completion), encodings)
    wait_for_state(client, "ready")
    return client


def wait_for_state(client: Client, state: str, timeout: float = 10.0) -> None:
    client.wait_for_notification("foretype/didChangeStatus", lambda status: status["state"] == state, timeout)


def place(uri: str, line: int, character: int, trigger: int = AUTOMATIC) -> dict[str, Any]:
    return {
        "textDocument": {"uri": uri},
        "position": {"line": line, "character": character},
        "context": {"triggerKind": trigger},
    }


def framed(message: dict[str, Any]) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def ask(client: Client, uri: str, line: int, character: int, trigger: int = AUTOMATIC) -> str | None:
    """The text suggested at a position."""
    answer = client.request(METHOD, place(uri, line, character, trigger))
    return answer and answer["items"][0]["insertText"]


def status(client: Client) -> Any:
    return client.request("foretype/status")


def reason(client: Client) -> str | None:
    """Why the last request had no suggestion."""
    return status(client)["last"].get("reason")


def until(true: Callable[[], Any], timeout: float = 5.0) -> None:
    """Waits for something that happens in another thread of this process."""
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.002)


def held(client: Client, stub: StubOpenAI, uri: str, line: int, character: int) -> int:
    """A request that has reached the completion server, which keeps it waiting. Returns its id."""
    stub.gate.clear()
    before = len(stub.requests)
    number = client.send_request(METHOD, place(uri, line, character))
    until(lambda: len(stub.requests) > before)
    return number
