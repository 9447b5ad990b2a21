"""A git process that is asked by lines on its standard input, for as long as there are questions.

What it complains of is read all the time, since a full pipe would stop it. Its death is told when an answer is read.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any


class Process:
    """A process that reads questions and writes answers: started by `begin` when first needed, and again after it
    died. `begin` gives GitPython's wrapper of it."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        self._begin = begin
        self._process: Any = None
        self._stdin: Any = None
        self._stdout: Any = None
        self._buffer = bytearray()
        self._errors: deque[bytes] = deque(maxlen=20)
        self._drain: threading.Thread | None = None

    def start(self) -> None:
        if self._process is None:
            self._buffer.clear()
            self._errors.clear()
            self._process = self._begin()
            self._stdin, self._stdout = self._process.stdin, self._process.stdout
            # what git complains of must not fill its pipe, or it waits forever
            self._drain = threading.Thread(target=self._errors.extend, args=(self._process.stderr,), daemon=True)
            self._drain.start()

    def write(self, data: bytes) -> None:
        try:
            self._stdin.write(data)
            self._stdin.flush()
        except OSError:
            pass  # it died: reading its answer tells

    def read(self) -> bytes:
        """Some bytes, as they come; none at the end."""
        return os.read(self._stdout.fileno(), 1 << 18)

    def read_until(self, marker: bytes) -> bytes:
        """What comes before the marker. Raises `EOFError` where the process ends before."""
        searched = 0
        while (at := self._buffer.find(marker, searched)) < 0:
            searched = max(0, len(self._buffer) - len(marker))
            data = self.read()
            if not data:
                raise EOFError
            self._buffer += data
        answer = bytes(self._buffer[:at])
        del self._buffer[: at + len(marker)]
        return answer

    def records(self, fields: int) -> Iterator[list[str]]:
        """Runs of `fields` fields, each ended by a zero byte, as they come, to the end."""
        rest = b""
        held: list[bytes] = []
        while data := self.read():
            *whole, rest = (rest + data).split(b"\0")
            held += whole
            full = len(held) - len(held) % fields
            for at in range(0, full, fields):
                yield [field.decode(errors="replace") for field in held[at : at + fields]]
            del held[:full]

    def read_object(self) -> bytes | None:
        """The next object of `cat-file --batch`, None if it is missing. Raises `EOFError` where the process ends."""
        stdout = self._stdout
        header = stdout.readline()
        if not header.endswith(b"\n"):
            raise EOFError
        words = header.split()
        if len(words) != 3 or not words[2].isdigit():  # "NAME missing", "NAME ambiguous"
            return None
        contents = stdout.read(int(words[2]) + 1)
        if len(contents) <= int(words[2]):
            raise EOFError
        return contents[:-1]

    def wait(self) -> int:
        return self._process.proc.wait() if self._process else 0

    def complaint(self) -> str:
        """What the process wrote last on its standard error."""
        if self._drain:
            self._drain.join(timeout=5)
        return b" ".join(line.strip() for line in self._errors).decode(errors="replace") or "git ended early"

    def close(self) -> None:
        if self._process is None:
            return
        process = self._process.proc
        for pipe in (process.stdin, process.stdout):
            try:
                pipe.close()
            except OSError:
                pass
        process.wait()
        if self._drain:
            self._drain.join(timeout=5)
        process.stderr.close()
        self._process = None
