"""The protocol's two byte streams: standard input and output, taken away from everybody else, and message framing.

Knows JSON and the `Content-Length` header (LSP 3.18, "Base Protocol"), but no message's meaning.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# A header that claims more than this is damaged: no client sends a document that large.
MAX_BODY = 256 * 1024 * 1024

# A second length means that the first message was broken off within its headers.
_OTHERS = rb"(?:(?![^\r\n]*Content-Length:)[\w-]+:[^\r\n]*\r\n)*"
_HEADER = re.compile(rb"Content-Length: *(\d{1,12})\r\n" + _OTHERS + rb"\r\n")
_OTHER_HEADERS = re.compile(_OTHERS)
_MAX_HEADERS = 4096
_READ = 1 << 16


@dataclass(frozen=True)
class Malformed:
    """Bytes that are no message. The reason is one line and quotes none of them."""

    reason: str


def take_streams() -> tuple[Callable[[], bytes], Callable[[bytes], None]]:
    """Standard input and output as `read` (some bytes, b"" at the end) and `write` (all bytes, at once).

    From here on descriptor 1 is standard error and descriptor 0 is empty, for this process, its C libraries and its
    children: a stray print cannot corrupt the protocol and a child cannot swallow a message. `write` raises `OSError`
    when the client is gone.
    """
    sys.stdout.flush()
    source, sink, nothing = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDONLY)
    os.dup2(2, 1)
    os.dup2(nothing, 0)
    os.close(nothing)
    if sys.platform == "win32":  # else each \n would leave as \r\n
        import msvcrt

        msvcrt.setmode(source, os.O_BINARY)
        msvcrt.setmode(sink, os.O_BINARY)

    def read() -> bytes:
        try:
            return os.read(source, _READ)
        except OSError:
            return b""

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(sink, view) :]

    return read, write


def messages(read: Callable[[], bytes]) -> Iterator[object]:
    """The JSON values on a stream until it ends, with one `Malformed` for each stretch of bytes that holds none."""
    frames = Frames()
    while data := read():
        yield from frames.feed(data)


class Frames:
    """Cuts a stream of bytes into messages, and keeps in `rest` what is not a whole one yet.

    A header inside a body means that the length before it was wrong (JSON has no bare line end inside a string), so
    damage costs the damaged message alone: reading goes on at the next header. A body of more than `largest` bytes is
    damage too.
    """

    def __init__(self, largest: int = MAX_BODY) -> None:
        self.largest = largest
        self.rest = bytearray()
        self._damaged = False
        self._searched = 0  # bytes of `rest` in which no header begins but the one at the front

    def feed(self, data: bytes) -> Iterator[object]:
        """The values that are whole with these bytes, and a `Malformed` at the beginning of damage. Those that were not
        taken come with the next bytes."""
        buffer = self.rest
        buffer += data
        while header := _HEADER.search(buffer):
            start, end = header.end(), header.end() + int(header[1])
            problem = None
            if not _OTHER_HEADERS.fullmatch(buffer, 0, header.start()):
                problem, start = "bytes that are neither a header nor a body", header.start()
            elif len(buffer) < end:
                # what was searched before this read is not searched again, but for a header that it may have cut
                begin = max(start, self._searched - _MAX_HEADERS)
                if end - start <= self.largest and not _HEADER.search(buffer, begin):
                    self._searched = len(buffer)
                    break
                problem = "a Content-Length that is too large"
            else:
                try:
                    value = json.loads(buffer[start:end].decode("utf-8"))
                except (ValueError, RecursionError):
                    problem = "a body that is not JSON in UTF-8"
            self._searched = 0
            if problem is None:
                del buffer[:end]
                self._damaged = False
                yield value
                continue
            del buffer[:start]  # the bytes after a bad header may hold the next good one
            if not self._damaged:
                yield Malformed(problem)
            self._damaged = True
        else:
            del buffer[:-_MAX_HEADERS]
