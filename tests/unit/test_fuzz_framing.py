"""Message framing under fire: whatever is torn, mixed or made up, whole messages arrive, however the bytes are cut."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise

from fuzzing import cases
from hypothesis import example, given
from hypothesis import strategies as st

from foretype.lsp.stdio import Malformed, messages

TYPED = b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\n"
MESSAGE = st.dictionaries(st.sampled_from(["id", "method", "å\n"]), st.one_of(st.integers(), st.text(max_size=8)))
# What headers are made of: put together in any order they are rarely one.
PIECES = st.sampled_from(
    [
        *(b"Content-Length: ", b"Content-Length:", b"Content-Type: x", b"content-length: 2", b"GET / HTTP/1.1"),
        *(b"\r\n", b"\r\n\r\n", b"\n", b"7", b"0", b"-1", b" ", b"999999999999", b"9999999999999"),
        *(b"{}", b'{"', b"[", b"\0", b"\xff"),
    ]
)
SOUP = st.lists(PIECES, max_size=12).map(b"".join)


def frame(message: object, headers: bytes = b"", more: bytes = b"") -> bytes:
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    return headers + b"Content-Length: %d\r\n" % len(body) + more + b"\r\n" + body


def read_in(data: bytes, cuts: Sequence[int]) -> list[object]:
    """What is read where the stream arrives in pieces that end at `cuts`."""
    edges = [0, *sorted(set(cuts)), len(data)]
    pieces: Iterator[bytes] = iter([piece for a, b in pairwise(edges) if (piece := data[a:b])])
    return list(messages(lambda: next(pieces, b"")))


def contains(found: Sequence[object], wanted: Sequence[object]) -> bool:
    """Whether all that is wanted was found, in order."""
    rest = iter(found)
    return all(any(one == other for other in rest) for one in wanted)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[object], int]:
    """Whole messages, and before each perhaps one that a writer broke off; how many were broken off."""
    data, whole, torn = b"", [], 0
    for message in draw(st.lists(MESSAGE, min_size=1, max_size=5)):
        if draw(st.booleans()):
            half = frame(draw(MESSAGE), draw(st.sampled_from([b"", TYPED])), draw(st.sampled_from([b"", TYPED])))
            kept = draw(st.integers(1, len(half) - 1))
            data, torn = data + half[:kept], torn + 1
        data += frame(message, draw(st.sampled_from([b"", TYPED])), draw(st.sampled_from([b"", TYPED])))
        whole.append(json.loads(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")))
    return data, whole, torn


CUTS = st.lists(st.integers(0, 400), max_size=30)


@cases(150)
@given(streams(), CUTS)
@example((b"Content-Length: 9\r\n" + frame({"id": 1}), [{"id": 1}], 1), [])
def test_a_message_that_is_broken_off_costs_itself_alone(stream: tuple[bytes, list[object], int], cuts: list[int]):
    data, whole, torn = stream
    found = read_in(data, cuts)
    assert [one for one in found if not isinstance(one, Malformed)] == whole
    assert sum(isinstance(one, Malformed) for one in found) <= torn


@cases(150)
@given(st.lists(st.tuples(SOUP, MESSAGE), min_size=1, max_size=4), CUTS)
def test_made_up_headers_hide_no_message(parts: list[tuple[bytes, dict]], cuts: list[int]) -> None:
    data = b"".join(junk + b"\r\n" + frame(message) for junk, message in parts)
    found = read_in(data, cuts)
    wanted = [json.loads(json.dumps(one, ensure_ascii=False).encode("utf-8", "replace")) for _, one in parts]
    assert contains(found, wanted)
    assert all("\n" not in one.reason for one in found if isinstance(one, Malformed))


@cases(60)
@given(st.one_of(st.binary(max_size=200), SOUP), CUTS)
def test_any_bytes_are_read_to_their_end(data: bytes, cuts: list[int]) -> None:
    assert len(read_in(data, cuts)) <= data.count(b"Content-Length") + 1


@cases(60)
@given(st.lists(MESSAGE, max_size=5), CUTS)
def test_where_the_bytes_are_cut_makes_no_difference(sent: list[dict], cuts: list[int]) -> None:
    data = b"".join(map(frame, sent))
    assert read_in(data, cuts) == read_in(data, range(len(data))) == read_in(data, [])
