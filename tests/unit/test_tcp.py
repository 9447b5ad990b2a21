"""Who is let in at the port, and where it is told: without a socket."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from foretype.lsp.tcp_address import Address, NoServerError, address_file, find, only_server, publish
from foretype.lsp.tcp_proof import LARGEST_FIRST, NotProtocolError, Proof, RefusedError, prove

TOKEN = "ab" * 32


def framed(message: Any, headers: str = "") -> bytes:
    body = json.dumps(message).encode()
    return f"Content-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def hello(options: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"initializationOptions": options}}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path / "data"))
    yield tmp_path / "data"


@pytest.mark.parametrize("options", [{"token": TOKEN, "log": {}}, {"foretype": {"token": TOKEN, "log": {}}}])
@pytest.mark.parametrize("headers", ["", "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n"])
def test_the_token_lets_in_and_goes_no_further(options: Any, headers: str) -> None:
    proof = Proof(TOKEN)
    first = proof.feed(framed(hello(options), headers) + b"Content-Length: 2\r\n\r\n{}")
    assert first is not None and TOKEN not in json.dumps(first)
    assert "log" in json.dumps(first)
    assert list(proof.frames.feed(b"")) == [{}]


def test_it_may_come_in_pieces() -> None:
    proof, data = Proof(TOKEN), framed(hello({"token": TOKEN}))
    heard = [proof.feed(data[at : at + 1]) for at in range(len(data))]
    assert heard[:-1] == [None] * (len(data) - 1) and heard[-1]


@pytest.mark.parametrize(
    "message",
    [
        hello({}),
        hello(None),
        hello([TOKEN]),
        hello({"token": TOKEN[:-1]}),
        hello({"token": TOKEN + "a"}),
        hello({"token": ""}),
        hello({"token": "\ud800ä"}),
        hello({"token": [TOKEN]}),
        hello({"foretype": {"log": {}}, "token": TOKEN[1:]}),
        {**hello({}), "params": None},
        {**hello({"token": TOKEN}), "method": "shutdown"},
        [hello({"token": TOKEN})],
        7,
    ],
)
def test_nothing_else_does(message: Any) -> None:
    with pytest.raises(RefusedError) as refused:
        Proof(TOKEN).feed(framed(message))
    assert TOKEN not in str(refused.value)
    assert not isinstance(refused.value, NotProtocolError)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"P",
        b"OPTIONS / HTTP/1.1\r\nOrigin: https://example.org\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nOrigin: https://example.org\r\n\r\n"
        + framed(hello({"token": TOKEN})),
        b"\x16\x03\x01\x02\x00",
        b"\r\n" + framed(hello({"token": TOKEN})),
        framed(hello({"token": TOKEN}), "Origin: https://example.org\r\n"),
        framed(hello({"token": TOKEN}), "Host: localhost\r\n"),
        b"Content-Length: 2\r\n" + b"Content-Type: a\r\n" * 200,
        b"Content-" + b"x" * 2000,
    ],
)
def test_what_a_browser_can_send_is_not_even_read(data: bytes) -> None:
    with pytest.raises(NotProtocolError):
        Proof(TOKEN).feed(data)
    proof = Proof(TOKEN)
    with pytest.raises(NotProtocolError):
        for at in range(len(data)):
            assert proof.feed(data[at : at + 1]) is None


def test_little_is_kept_of_a_stranger() -> None:
    proof = Proof(TOKEN)
    assert proof.feed(b"Content-Length: %d\r\n\r\n" % (LARGEST_FIRST - 10)) is None
    with pytest.raises(RefusedError):
        for _ in range(LARGEST_FIRST // 65536):
            assert proof.feed(b" " * 65536) is None
    assert len(proof.frames.rest) <= LARGEST_FIRST
    with pytest.raises(RefusedError):
        Proof(TOKEN).feed(b"Content-Length: 999999999\r\n\r\n")
    with pytest.raises(RefusedError):  # json.loads raises RecursionError
        Proof(TOKEN).feed(b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000)


@pytest.mark.parametrize("options", [None, {}, {"log": {}}, {"foretype": {"log": {}}}, [1], "x"])
def test_what_the_bridge_makes_of_a_first_message_lets_in(options: Any) -> None:
    assert Proof(TOKEN).feed(framed(prove(hello(options), TOKEN)))


@pytest.mark.parametrize("message", [7, {}, {"params": []}, hello({"foretype": 1})])
def test_the_bridge_leaves_alone_what_it_does_not_understand(message: Any) -> None:
    assert prove(json.loads(json.dumps(message)), TOKEN) == message


def test_the_file_is_for_its_user_alone_and_says_all(data: Path) -> None:
    address = Address(4711)
    assert len(bytes.fromhex(address.token)) == 32
    assert address.token != Address(4711).token
    assert address.token not in repr(address)
    with only_server():
        publish(address)
        assert find() == address
        if os.name != "nt":
            assert address_file().stat().st_mode & 0o777 == 0o600
            assert data.stat().st_mode & 0o777 == 0o700
        assert json.loads(address_file().read_text())["host"] == "127.0.0.1"
        assert [path.name for path in data.iterdir() if path.suffix != ".lock"] == ["serve.json"]
    assert not address_file().exists()
    with pytest.raises(NoServerError, match="start one with foretype serve --tcp"):
        find()


def test_a_file_that_was_left_behind_is_not_believed(data: Path) -> None:
    with only_server():
        publish(Address(4711))
        left = address_file().read_bytes()
    descriptor = os.open(address_file(), os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(descriptor, left)
    os.close(descriptor)
    with pytest.raises(NoServerError, match="no server is running"):
        find()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_file_that_others_can_read_is_not_believed(data: Path) -> None:
    with only_server():
        publish(Address(4711))
        address_file().chmod(0o644)
        with pytest.raises(NoServerError, match="not this user's alone"):
            find()


def test_a_damaged_file(data: Path) -> None:
    with only_server():
        publish(Address(4711))
        for text in ("", "[]", '{"port": 1', '{"ports": 1}', "7"):
            address_file().write_text(text)
            with pytest.raises(NoServerError, match="damaged"):
                find()


def test_there_is_one_server(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foretype.lsp.tcp_address._MOMENT_S", 0.05)
    with only_server():
        publish(Address(4711))
        with pytest.raises(NoServerError, match="running already"), only_server():
            pass
        assert find().port == 4711
