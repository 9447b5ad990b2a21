"""One SQLite file that may be lost at any time: shared by processes, thrown away and begun anew, or done without.

What it holds can all be made again, so a file that is damaged is deleted, and where none can be written (a read-only
folder, a full disk) the same tables are kept in memory. Either is told in `problem`, once in the log. Knows nothing of
what the tables mean.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_log = logging.getLogger(__name__)

_BUSY_S = 10.0  # how long to wait for another process's transaction; each takes far less
_CACHE_KIB = 16_384  # of pages, per connection
_STALE_S = 14 * 86_400.0  # files of other versions that nobody has used for so long are deleted
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Database:
    """The tables of `schema` in the file at `path`, or in memory for None.

    Any thread may call. Readers do not wait for a writer, and the other way round, but in memory, where they take
    turns. An `sqlite3.Error` out of `read` or `write` is answered with `recover`, after which the tables are there
    and empty.
    """

    def __init__(self, path: Path | None, schema: str) -> None:
        self.problem = ""
        self._path = path
        self._schema = schema
        self._node: tuple[int, int] | None = None
        self._writing = self._reading = threading.RLock()
        self._writer = self._reader = self._open_memory()
        if path is not None:
            try:
                self._open_file(path)
            except (OSError, sqlite3.Error, Timeout) as error:
                self.recover(error)

    @property
    def path(self) -> Path | None:
        """Where the tables are, None for in memory."""
        return self._path

    def read(self, sql: str, args: Sequence[object] = ()) -> list[tuple]:
        with self._reading:
            return self._reader.execute(sql, args).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing if the body raises."""
        with self._writing, transaction(self._writer):
            yield self._writer

    def recover(self, error: Exception) -> None:
        """Begins anew after `error`: with another file if this one is damaged, else in memory."""
        with self._writing, self._reading:
            self._close()
            if self._path is not None and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                path = self._path
                try:
                    self._discard(path)
                    self._open_file(path)
                    self._tell(f"{path} was damaged and is built again")
                    return
                except (OSError, sqlite3.Error, Timeout) as again:
                    error = again
            where = f"{self._path} cannot be used ({error})" if self._path else str(error)
            self._path = None
            self._writing = self._reading = threading.RLock()
            self._writer = self._reader = self._open_memory()
            self._tell(f"{where}; kept in memory, so it is built again at each start")

    def close(self) -> None:
        with self._writing, self._reading:
            self._close()

    def _close(self) -> None:
        for connection in {self._writer, self._reader}:
            try:
                connection.close()
            except sqlite3.Error:
                pass

    def _tell(self, problem: str) -> None:
        self.problem = problem
        _log.warning("%s", problem)

    def _open_memory(self) -> sqlite3.Connection:
        connection = self._connect(":memory:")
        connection.executescript(self._schema)
        return connection

    def _open_file(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # nobody opens a file while another process deletes its parts
        with FileLock(path.with_suffix(".open"), timeout=_BUSY_S):
            writer = self._connect(str(path))
            try:
                writer.execute("PRAGMA journal_mode = WAL")
                writer.executescript(self._schema)
                reader = self._connect(str(path))
            except sqlite3.Error:
                writer.close()
                raise
            status = path.stat()
        self._close()
        self._node = (status.st_dev, status.st_ino)
        self._writer, self._reader = writer, reader
        self._writing, self._reading = threading.RLock(), threading.RLock()
        _forget_stale(path)

    def _connect(self, path: str) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return connection

    def _discard(self, path: Path) -> None:
        """Deletes the file, unless another process has already put a new one in its place."""
        with FileLock(path.with_suffix(".open"), timeout=_BUSY_S):
            if not path.exists():
                return
            status = path.stat()
            if self._node in (None, (status.st_dev, status.st_ino)):
                for part in ("-wal", "-shm", ""):
                    Path(f"{path}{part}").unlink(missing_ok=True)


def _forget_stale(path: Path) -> None:
    """Deletes the files of other versions beside `path` that are no longer used; marks `path` as used."""
    try:
        os.utime(path)
        for other in path.parent.glob(f"*{path.suffix}"):
            if other != path and time.time() - other.stat().st_mtime > _STALE_S:
                for part in ("", "-wal", "-shm"):
                    Path(f"{other}{part}").unlink(missing_ok=True)
    except OSError as error:
        _log.debug("%s: %s", path.parent, error)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All that the body writes, or nothing if it raises. Of a connection without transactions of Python's own."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
