"""Message framing: what is damaged costs itself alone, however the bytes are cut."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from foretype.lsp import stdio
from foretype.lsp.stdio import MAX_BODY, Malformed, messages

A, B = {"a": "å"}, {"b": 2}


def frame(message: object) -> bytes:
    body = json.dumps(message, ensure_ascii=False).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def read_in(data: bytes, size: int) -> list[object]:
    pieces: Iterator[bytes] = (data[i : i + size] for i in range(0, len(data), size))
    return list(messages(lambda: next(pieces, b"")))


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_messages_with_any_headers_are_read(size: int) -> None:
    typed = b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n"
    data = frame(A) + typed + frame(B) + frame(A).replace(b"\r\n\r\n", b"\r\n" + typed + b"\r\n")
    assert read_in(data, size) == [A, B, A]


@pytest.mark.parametrize("size", [1, 7, 10**6])
@pytest.mark.parametrize(
    "damage",
    [
        b"Content-Length: many\r\n\r\n{}",
        b"Content-Length: -5\r\n\r\n{}",
        b'Content-Length: 3\r\n\r\n{"x": 1}',
        b'Content-Length: 20\r\n\r\n{"x": 1}',
        b'Content-Length: 5000\r\n\r\n{"x": 1}',
        b"Content-Length: %d\r\n\r\n{}" % (MAX_BODY + 1),
        b'Content-Length: 5\r\n\r\n{"x":',
        b"Content-Length: 0\r\n\r\n",
        b'Content-Length: 3\r\n\r\n"\xff"',
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        b"\x00\xff" * 100,
    ],
)
def test_damage_costs_the_damaged_message_alone(damage: bytes, size: int) -> None:
    first, broken, *rest = read_in(frame(A) + damage + frame(B) + frame(A), size)
    assert first == A
    assert isinstance(broken, Malformed)
    assert rest == [B, A]


def test_json_that_is_nested_too_deeply_is_damage() -> None:
    body = b"[" * 200_000
    broken, good = read_in(b"Content-Length: %d\r\n\r\n" % len(body) + body + frame(A), 65536)
    assert isinstance(broken, Malformed) and good == A


def test_what_was_read_of_a_large_message_is_not_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = 0

    class Counting:
        def search(self, buffer: bytearray, start: int = 0) -> object:
            nonlocal searched
            found = header.search(buffer, start)
            searched += (found.end() if found else len(buffer)) - start
            return found

    header = stdio._HEADER
    monkeypatch.setattr(stdio, "_HEADER", Counting())
    large = {"text": "x" * 2_000_000}
    data = frame(A) + frame(large) + frame(B)
    assert read_in(data, 65536) == [A, large, B]
    assert searched < 2 * len(data)


@pytest.mark.parametrize("size", [1, 100, 4095, 4096, 5000])
def test_a_header_is_found_in_a_broken_message_however_the_reads_cut_it(size: int) -> None:
    broken = b"Content-Length: 900000\r\n\r\n" + b"x" * 12_000
    (_, *good) = read_in(broken + frame(A) + frame(B), size)
    assert good == [A, B]


def test_a_stream_without_a_header_is_not_kept() -> None:
    assert read_in(b"x" * 3_000_000, 65536) == []


def test_an_unfinished_message_is_none() -> None:
    assert read_in(frame(A) + frame(B)[:-1], 5) == [A]
