"""What no client should send: the server answers null or an error of the protocol, and the next good request works."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from serving import METHOD, ask, framed, held, place, reason, start, status
from stub_openai import StubOpenAI

from foretype.lsp.wire import Client, ResponseError

GOOD = "file:///project/good.py"
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602

_numbers = count()


@pytest.fixture(scope="module")
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        stub.script = lambda prompt, suffix: "1"
        yield stub


@pytest.fixture(scope="module")
def served(stub: StubOpenAI) -> Iterator[Client]:
    client = start(stub.url)
    client.open(GOOD, "python", "good = ")
    yield client
    assert client.close() == 0
    assert "Traceback" not in client.stderr


@pytest.fixture
def client(served: Client) -> Iterator[Client]:
    """After each test a good request has to work, at once."""
    yield served
    assert ask(served, GOOD, 0, 7) == "1"


def opened(client: Client, text: str, language: str = "python") -> str:
    return client.open(f"file:///project/{next(_numbers)}", language, text)


def refused(client: Client, method: str, params: Any) -> int:
    with pytest.raises(ResponseError) as error:
        client.request(method, params)
    return error.value.code


def test_text_that_is_not_unicode(client: Client, stub: StubOpenAI) -> None:
    uri = opened(client, "x = '\udcff\ufffd\ud800'; y = ")
    assert ask(client, uri, 0, 15) == "1"
    assert stub.requests[-1]["prompt"] == "x = '\ufffd\ufffd\ufffd'; y = "


def test_a_document_of_50_000_lines(client: Client, stub: StubOpenAI) -> None:
    lines = 50_000
    uri = opened(client, "".join(f"value_{n} = compute({n}, 'text')\n" for n in range(lines)))
    end = {"line": lines - 1, "character": 5}
    client.change(uri, {"range": {"start": end, "end": end}, "text": "\n\nlast = "})
    begin = time.perf_counter()
    assert ask(client, uri, lines + 1, 7) == "1"
    assert time.perf_counter() - begin < 1
    number = held(client, stub, uri, lines // 2, 7)
    begin = time.perf_counter()
    client.cancel(number)
    with pytest.raises(ResponseError):
        client.wait(number)
    assert time.perf_counter() - begin < 0.2
    stub.gate.set()


def test_binary_text(client: Client) -> None:
    uri = opened(client, "\x7fELF\x00\x00\x01\n\x00" * 100)
    assert ask(client, uri, 0, 3) is None
    assert reason(client) == "binary"


def test_an_empty_document(client: Client, stub: StubOpenAI) -> None:
    assert ask(client, opened(client, ""), 0, 0) == "1"
    assert (stub.requests[-1]["prompt"], stub.requests[-1].get("suffix", "")) == ("", "")


def test_a_position_outside_of_the_document(client: Client, stub: StubOpenAI) -> None:
    uri = opened(client, "a = \nb")
    assert ask(client, uri, 2, 0) is None
    assert reason(client) == "outside"
    assert ask(client, uri, 2**31 - 1, 2**31 - 1) is None
    assert ask(client, uri, 0, 1000) == "1"  # past the end of a line means its end
    assert stub.requests[-1]["prompt"] == "a = "
    for line, character in ((-1, 0), (0, -1), (2**40, 0), ("x", 0), (None, None)):
        assert refused(client, METHOD, place(uri, line, character)) == INVALID_PARAMS  # type: ignore[arg-type]


def test_an_unknown_language(client: Client) -> None:
    assert ask(client, opened(client, "a = ", "klingon"), 0, 4) == "1"
    assert ask(client, opened(client, "a = ", ""), 0, 4) == "1"


@pytest.mark.parametrize("uri", ["file:///project/never-opened.py", "", "not a uri", "http://[::1", "file://%zz/%"])
def test_a_document_that_was_never_opened(client: Client, uri: str) -> None:
    client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    document = {"uri": uri, "version": 2}
    client.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": "x"}]})
    assert ask(client, uri, 0, 0) is None
    assert reason(client) == "unknown_document"


def test_odd_uris_can_be_opened(client: Client) -> None:
    for uri in ("untitled:Untitled-1", "http://[::1", "file://%zz/%"):
        client.open(uri, "python", "a = ")
        assert ask(client, uri, 0, 4) == "1"


def test_line_ends_that_are_none(client: Client, stub: StubOpenAI) -> None:
    uri = opened(client, "a\f\u2028 = 1\nb = ")
    here = {"line": 1, "character": 4}
    client.change(uri, {"range": {"start": here, "end": here}, "text": "2 + "})
    assert ask(client, uri, 1, 8) == "1"
    assert stub.requests[-1]["prompt"] == "a\f\u2028 = 1\nb = 2 + "


@pytest.mark.parametrize("position", [(5, 0, 1, 0), (0, 3, 0, 1), (0, 0, 99, 99)])
def test_ranges_outside_of_the_text(client: Client, position: tuple[int, int, int, int]) -> None:
    uri = opened(client, "abc = \n")
    a, b, c, d = position
    where = {"start": {"line": a, "character": b}, "end": {"line": c, "character": d}}
    client.change(uri, {"range": where, "text": "x"})
    assert ask(client, uri, 0, 1) == "1"


def test_a_change_that_cannot_be_read_ends_the_document(client: Client) -> None:
    uri = opened(client, "a = ")
    client.notify(
        "textDocument/didChange",
        {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"range": 7, "text": ""}]},
    )
    assert ask(client, uri, 0, 4) is None
    assert reason(client) == "unknown_document"
    client.open(uri, "python", "a = ")
    assert ask(client, uri, 0, 4) == "1"


@pytest.mark.parametrize(
    "raw",
    [
        b'Content-Length: 5\r\n\r\n{"a":',
        b'Content-Length: 12\r\n\r\n["jsonrpc"]x',
        b'Content-Length: 3\r\n\r\n"\xff"',
        b"Content-Length: 30000\r\n\r\n" + b"[" * 30000,
        b"Content-Length: many\r\n\r\n{}",
        b"Content-Length: -1\r\n\r\n{}",
        b"Content-Length: 999999999999\r\n\r\n{}",
        b"Content-Length: 0\r\n\r\n",
        b"Content-Length: 9\r\n\r\n{}",
        b'Content-Length: 1\r\n\r\n{"a": 1}',
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: me\r\n\r\n",
        b"\x00\xff" * 10_000,
        b'Content-Length: 28\r\n\r\n[{"jsonrpc":"2.0","id":100}]',
        b'Content-Length: 17\r\n\r\n{"jsonrpc":"1.0"}',
        b'Content-Length: 40\r\n\r\n{"jsonrpc":"2.0","method":[],"params":[]}',
        b"Content-Length: 4\r\n\r\nnull",
    ],
)
def test_bytes_that_are_no_message(client: Client, raw: bytes) -> None:
    client.send_raw(raw)
    assert ask(client, GOOD, 0, 7) == "1"


@pytest.mark.parametrize(
    "message",
    [
        {"id": 10**6, "result": None},
        {"id": "unknown", "error": {"code": 1, "message": "?"}},
        {"id": None, "method": "shutdown"},
        {"id": [1], "method": METHOD},
        {"id": 10**6, "method": 5},
        {"method": "textDocument/didOpen"},
        {"method": "textDocument/didOpen", "params": {"textDocument": {"uri": 1}}},
        {"method": "$/cancelRequest", "params": {"id": 10**6}},
        {"method": "$/cancelRequest", "params": {}},
        {"method": "initialized", "params": {}},
        {"method": "workspace/didChangeConfiguration", "params": {}},
        {
            "method": "workspace/didChangeConfiguration",
            "params": {"settings": {"model": 1, "completion": {"mode": []}}},
        },
        {"method": "workspace/didChangeWorkspaceFolders", "params": {"event": {"added": [1], "removed": []}}},
        {"method": "notebookDocument/didClose", "params": {}},
        {"method": "textDocument/didShowCompletion"},
        {"method": "textDocument/didShowCompletion", "params": {"item": {"command": {"arguments": [None]}}}},
        {"method": "textDocument/didPartiallyAcceptCompletion", "params": {"item": [], "acceptedLength": "x"}},
        {"method": "foretype/didReject", "params": [1]},
        {"method": "foretype/didReject", "params": {"suggestionId": "unknown"}},
        {"method": "jsonrpc", "params": {"jsonrpc": "2.0", "id": 1, "method": "shutdown"}},
    ],
)
def test_messages_that_mean_nothing(client: Client, message: dict[str, Any]) -> None:
    client.send_raw(framed(message))
    assert ask(client, GOOD, 0, 7) == "1"


def test_requests_that_cannot_be_answered_get_an_error(client: Client) -> None:
    assert refused(client, "textDocument/nothing", {}) == METHOD_NOT_FOUND
    assert refused(client, "$/nothing", None) == METHOD_NOT_FOUND
    assert refused(client, "textDocument/hover", place(GOOD, 0, 0)) == METHOD_NOT_FOUND
    assert refused(client, METHOD, None) == INVALID_PARAMS
    assert refused(client, METHOD, [1, 2]) == INVALID_PARAMS
    assert refused(client, METHOD, {"textDocument": GOOD}) == INVALID_PARAMS
    assert refused(client, "initialize", {"processId": None, "rootUri": None, "capabilities": {}}) == INVALID_REQUEST
    assert refused(client, "workspace/executeCommand", {"command": "rm"}) == INVALID_PARAMS


@pytest.mark.parametrize("arguments", [None, [], [None], ["x"], [{"suggestionId": 1}], [{"suggestionId": "?"}, 2]])
def test_accepting_what_does_not_exist_is_ignored(client: Client, arguments: Any) -> None:
    before = status(client)["counts"]
    assert client.request("workspace/executeCommand", {"command": "foretype.accept", "arguments": arguments}) is None
    assert status(client)["counts"] == before


def test_a_flood_of_notifications(client: Client) -> None:
    here = {"line": 0, "character": 0}
    change = {"range": {"start": here, "end": here}, "text": "x"}
    uri = opened(client, "a = ")
    for version in range(1000):
        client.notify("$/nothing", {"n": version})
        client.notify(
            "textDocument/didChange", {"textDocument": {"uri": uri, "version": 9}, "contentChanges": [change]}
        )
    numbers = [client.send_request(METHOD, place(uri, 0, 4)) for _ in range(200)]
    answers = [client.wait(number) for number in numbers]
    assert all(answer is None for answer in answers[:-1]) and answers[-1]
