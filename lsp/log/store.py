"""The event log's file: opened, brought up to date, written to in batches, cleared of what is old, set aside if broken.

SQLite with a write-ahead log, so that several servers may write and a report may read meanwhile. A server that is
killed loses what it had not handed over yet; a power cut also what the system had not put on disk. Everything here
blocks: servers call it from `writer.py`'s thread. Knows no lives, only rows.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path

from filelock import FileLock

from foretype.context.index.database import transaction
from foretype.lsp.log import installation
from foretype.lsp.log.schema import CAPTURE_COLUMNS, COLUMNS, COUNTED, RUN_COLUMNS, VERSION, migrate

_BUSY_S = 10.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# A file that is too large is cut down to this part of what it may be.
_CUT_TO = 0.8
_COLUMNS = {"opportunities": COLUMNS, "runs": RUN_COLUMNS, "captures": CAPTURE_COLUMNS}

# Table -> rows as tuples of its columns.
Batch = Mapping[str, Iterable[tuple]]


class StoreError(Exception):
    """The log cannot be used. The message is one line that says what to do."""


class Store:
    """The log in the file at `path`, made where there is none. `told` says what had to be done to have it, "" for
    nothing. Raises `StoreError`, `sqlite3.Error`, OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told = ""
        installation.make_folder(path.parent)
        # nobody opens the file while another sets it aside
        with FileLock(path.with_suffix(".lock"), timeout=_BUSY_S):
            try:
                self._open()
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if not (damaged(error) or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR):
                    raise  # SQLITE_ERROR is said of tables that are not those of this version
                aside = _set_aside(path)
                self.told = f"{path} was damaged: it is {aside.name} now, and a new log was begun"
                self._open()

    def _open(self) -> None:
        self._connection = _opened(self.path)
        try:
            self._close_runs()
        except BaseException:
            self._connection.close()
            raise

    def write(self, batch: Batch) -> None:
        """All of it, or nothing. A row takes the place of an older one with its key."""
        with transaction(self._connection) as connection:
            for table, rows in batch.items():
                places = ", ".join("?" * len(_COLUMNS[table]))
                connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", rows)

    def rotate(self, days: float, mib: float, keep: int = -1) -> int:
        """Deletes runs that nobody has added to for so many days, then the oldest until the file is small enough; never
        the run `keep`. How many runs went. A run that is dated in the future stays."""
        before = (time.time() - days * 86_400) * 1000
        gone = self._delete([run for run, seen in self._runs(keep) if seen < before])
        oldest = self._runs(keep)
        while oldest and self._mib() > mib:
            few = [run for run, _ in oldest[: max(1, round(len(oldest) * (1 - _CUT_TO)))]]
            gone += self._delete(few)
            oldest = oldest[len(few) :]
        return gone

    def close(self) -> None:
        self._connection.close()

    def _close_runs(self) -> None:
        """Rows that a server left open are expired; what a server that lives says later takes their place anyway."""
        rows = self._connection.execute("SELECT run, process, process_at FROM runs WHERE process <> 0").fetchall()
        dead = [(run,) for run, process, process_at in rows if not alive(process, process_at)]
        with transaction(self._connection) as connection:
            connection.executemany("UPDATE opportunities SET ending = 'expired' WHERE run = ? AND ending = ''", dead)
            connection.executemany("UPDATE runs SET process = 0 WHERE run = ?", dead)

    def _runs(self, keep: int) -> list[tuple[int, int]]:
        return self._connection.execute(
            "SELECT run, seen_ms FROM runs WHERE run <> ? ORDER BY seen_ms", (keep,)
        ).fetchall()

    def _delete(self, runs: list[int]) -> int:
        for run in runs:
            with transaction(self._connection) as connection:
                for table in _COLUMNS:
                    connection.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
        if runs:
            self._connection.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page
        return len(runs)

    def _mib(self) -> float:
        pages, free, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size / 2**20


def reader(path: Path) -> sqlite3.Connection:
    """For queries alone. Raises `StoreError` where there is no log, or none that this program can read."""
    if not path.is_file():
        raise StoreError(f"there is no event log yet at {path}")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None)
    try:
        if _check_version(connection, path) < VERSION:
            raise StoreError(f"{path} is not ready yet: it is brought up to date when a server writes to it")
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreError(f"{path} cannot be read: {error}; a server that starts sets it aside") from error
    except StoreError:
        connection.close()
        raise
    return connection


def today(path: Path) -> dict[str, float]:
    """The figures of the day so far, for a status line: `opportunities`, `shown`, `accepted`, `accepted_characters`,
    `cpo`. Raises `StoreError`, `sqlite3.Error`."""
    local = time.localtime()
    midnight = time.mktime((*local[:3], 0, 0, 0, 0, 0, -1)) * 1000
    marks = ", ".join("?" * len(COUNTED))
    connection = reader(path)
    try:
        found = connection.execute(
            "SELECT count(*), total(shown), total(ending = 'accepted'), total(accepted_characters) FROM opportunities"
            f" WHERE run IN (SELECT run FROM runs WHERE seen_ms >= ?) AND at_ms >= ? AND origin IN ({marks})",
            (midnight, midnight, *COUNTED),
        ).fetchone()
    finally:
        connection.close()
    names = ("opportunities", "shown", "accepted", "accepted_characters")
    figures = dict(zip(names, map(int, found), strict=True))
    return {**figures, "cpo": figures["accepted_characters"] / max(1, figures["opportunities"])}


def purge(path: Path) -> int:
    """Deletes the log and what was set aside of it; how many files. Servers that run begin a new one."""
    files = [*path.parent.glob(f"{path.stem}.damaged-*"), *(Path(f"{path}{part}") for part in ("-wal", "-shm", ""))]
    with FileLock(path.with_suffix(".lock"), timeout=_BUSY_S) if path.parent.is_dir() else nullcontext():
        there = [file for file in files if file.exists()]
        for file in there:
            file.unlink()
    return len(there)


def damaged(error: Exception) -> bool:
    """Whether the file is to blame. Python raises a `UnicodeDecodeError` where SQLite quotes damaged text."""
    return isinstance(error, UnicodeDecodeError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def alive(process: int, started: float) -> bool:
    """Whether a server is still there; a process with the same id that began at another time is another one."""
    import psutil

    try:
        return bool(process) and abs(psutil.Process(process).create_time() - started) < 1.0
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _opened(path: Path) -> sqlite3.Connection:
    new = not path.exists() or path.stat().st_size == 0
    # SQLite gives the files beside it the same mode
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        if new:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        found = _check_version(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if found < VERSION:
            # it takes 0.1 s of processor time to import
            import sqlite_utils

            migrate(sqlite_utils.Database(connection))
        connection.isolation_level = None
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        raise StoreError(f"{path} is of a newer Foretype (version {found}): update this one, or move the file away")
    return found


def _set_aside(path: Path) -> Path:
    name = f"{path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**6:06}{path.suffix}"
    aside = path.with_name(name)
    for part in ("-wal", "-shm", ""):
        if Path(f"{path}{part}").exists():
            Path(f"{path}{part}").replace(f"{aside}{part}")
    return aside
