"""What left this machine: one line for each request to a completion server, for `foretype doctor --sent`.

    <data>/sent.jsonl                 {"at_ms", "host", "local", "body_bytes", "files"}, oldest first
    <data>/sent.1.jsonl .. sent.7     those before it; a file is full at 4 MiB, and the last one goes

It holds paths and so is no part of the event log; for this user alone, and never sent. Nothing switches it off: a trail
that may be off proves nothing. A line is handed over before its request leaves, and a thread of its own puts it on the
disk: nobody who types waits for that, and what cannot be written fails no request. So what could not connect has a line
too, and a process that is killed may lose the lines of its last moment. Lines that wait for a disk that cannot be
written to are tried again with the next request; when too many wait the oldest are given up, and a line says how many
({"at_ms", "lost"}).

Knows what was handed to it: no prompt, no answer, and nothing of a proxy that the user's environment names.
"""

from __future__ import annotations

import errno
import itertools
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from foretype.context.machine import data_dir

log = logging.getLogger(__name__)

# With three paths each some 200,000 requests in all: what is typed in three months.
_MOST_BYTES = 4 << 20
_FILES = 8
_WAITING = 10_000
_LOCK_S = 5.0
_YEAR_10000_MS = 253_402_300_800_000

# Stands for a document that no file has yet.
UNNAMED = "untitled"


@dataclass(frozen=True)
class Sent:
    """A request: when (Unix milliseconds), to which host (with the port that its address names), whether that is this
    machine, the size of its body, and the files whose text was in it, the document first."""

    at_ms: int
    host: str
    local: bool
    body_bytes: int
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """What the trail holds, oldest first. `lost` requests could not be written down; `damaged` lines cannot be read."""

    requests: tuple[Sent, ...] = ()
    lost: int = 0
    damaged: int = 0


def trail() -> Path:
    """Of this user. May not exist."""
    return data_dir() / "sent.jsonl"


def read(path: Path) -> Kept:
    """What is kept at `path` and in the files before it. Raises OSError."""
    requests: list[Sent] = []
    lost = damaged = 0
    for line in _lines(path):
        try:
            row = json.loads(line)
            if "lost" in row:
                lost += int(row["lost"])
            else:
                requests.append(_request(row))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            damaged += 1
    return Kept(tuple(requests), lost, damaged)


def purge(path: Path) -> int:
    """Deletes the trail; how many files. Servers that run begin a new one. Raises OSError, `Timeout`."""
    if not any(file.exists() for file in _names(path)):
        return 0
    with FileLock(path.with_suffix(".lock"), timeout=_LOCK_S):
        there = [file for file in _names(path) if file.exists()]
        for file in there:
            file.unlink()
    return len(there)


def record(path: Path, sent: Sent) -> None:
    """Puts it down at once. Raises OSError, `Timeout`."""
    _append(path, [_line(sent)])


class Trail:
    """Lines for the file at `path`, this user's without one. Any thread may hand over; none waits for the disk."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or trail()
        self._lock = threading.Lock()  # guards the two below, for microseconds
        self._waiting: deque[str] = deque()
        self._lost = 0
        self._told = False
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="foretype-sent", daemon=True)
        self._thread.start()

    def put(self, sent: Sent) -> None:
        """Never raises, whatever the disk does."""
        line = _line(sent)
        with self._lock:
            self._waiting.append(line)
            while len(self._waiting) > _WAITING:
                self._waiting.popleft()
                self._lost += 1
        self._wake.set()

    def close(self, patience_s: float = 1.0) -> None:
        """Writes what waits, for so long at most. What is handed over later is not written."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(patience_s)

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            self._write()
        self._write()  # what came in meanwhile

    def _write(self) -> None:
        with self._lock:
            lines, lost = list(self._waiting), self._lost
            self._waiting.clear()
            self._lost = 0
        if not lines:
            return
        told = [json.dumps({"at_ms": int(time.time() * 1000), "lost": lost})] if lost else []
        try:
            _append(self._path, [*told, *lines])
        except (OSError, Timeout) as error:
            with self._lock:
                self._lost += lost
                self._waiting.extendleft(reversed(lines))
            if not self._told:
                log.warning("what is sent cannot be written down, suggestions go on: %s", error)
            self._told = True
        else:
            self._told = False


def _request(row: dict[str, Any]) -> Sent:
    """Raises ValueError, KeyError, TypeError, OverflowError."""
    if not 0 <= row["at_ms"] < _YEAR_10000_MS:
        raise ValueError("no time that a calendar has")
    files = tuple(map(str, row["files"]))
    return Sent(int(row["at_ms"]), str(row["host"]), bool(row["local"]), int(row["body_bytes"]), files)


def _line(sent: Sent) -> str:
    return json.dumps(asdict(sent), separators=(",", ":"))


def _append(path: Path, lines: Sequence[str]) -> None:
    """All of them at the end of the file, or none; it makes room first where the file is full. Raises OSError,
    `Timeout`."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    data = "".join(f"{line}\n" for line in lines).encode()
    with FileLock(path.with_suffix(".lock"), timeout=_LOCK_S):
        if path.exists() and path.stat().st_size + len(data) > _MOST_BYTES:
            _make_room(path)
        with open(path, "ab+", buffering=0, opener=_private) as file:
            size = file.seek(0, os.SEEK_END)
            if size and not _ends_a_line(file, size):
                data = b"\n" + data  # whoever wrote it was killed: that line alone is damaged
            if file.write(data) < len(data):
                file.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _ends_a_line(file: FileIO, size: int) -> bool:
    file.seek(size - 1)
    return file.read(1) == b"\n"


def _make_room(path: Path) -> None:
    """Each file takes the name of the one before it, beginning with the oldest, so that nothing is lost halfway."""
    names = _names(path)
    for newer, older in reversed(list(itertools.pairwise(names))):
        if newer.exists():
            newer.replace(older)


def _names(path: Path) -> list[Path]:
    """The newest first."""
    return [path, *(path.with_name(f"{path.stem}.{number}{path.suffix}") for number in range(1, _FILES))]


def _lines(path: Path) -> Iterator[bytes]:
    there = [file for file in reversed(_names(path)) if file.exists()]
    if not there:
        return
    lock = FileLock(path.with_suffix(".lock"), timeout=_LOCK_S)
    try:
        lock.acquire()  # nothing may change its name meanwhile
    except (OSError, Timeout):
        pass  # a folder that cannot be written to; nothing changes there either
    try:
        for file in reversed(_names(path)):
            if file.exists():
                with file.open("rb") as opened:
                    yield from opened
    finally:
        lock.release()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
