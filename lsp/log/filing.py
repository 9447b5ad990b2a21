"""Puts rows into the event log's file, and deals with what may be wrong with it: a damaged or newer file, a full disk.

What is wrong is told once; rows wait for a while, and it is tried again now and then. Captured code is cut and rid of
secrets here, since that takes time. Blocks: for the writer's thread. Knows no lives, only rows.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from filelock import Timeout

from foretype.lsp.log import capture, installation
from foretype.lsp.log.schema import Capture, Run
from foretype.lsp.log.store import Store, StoreError, damaged
from foretype.lsp.log.writer import Key

log = logging.getLogger(__name__)

# Rows that wait for a disk that cannot be written to; the oldest are lost first.
_WAITING = 50_000
_RETRY_S = 30.0
_ROTATE_S = 3600.0


class Filing:
    """The log at `path`; `tell` hears a line for each thing that is wrong."""

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self._path, self._tell = path, tell
        self._store: Store | None = None
        self._told: set[str] = set()
        self._run: Run | None = None
        self._waiting: dict[Key, tuple] = {}
        self._lost = 0
        self._rotate_at = self._retry_at = 0.0

    def file(self, rows: Mapping[Key, tuple | Run | Capture], dropped: int, days: float, mib: float) -> None:
        """Writes these and what waits; none where the log is switched off."""
        for key, row in rows.items():
            if isinstance(row, Run):
                self._run = row
            self._waiting.pop(key, None)
            if (columns := _columns(row)) is not None:
                self._waiting[key] = columns
        if installation.switched_off():
            self._waiting.clear()
            self.close()
        elif time.monotonic() >= self._retry_at:
            self._write(dropped + self._lost, days, mib)
        while len(self._waiting) > _WAITING:
            self._waiting.pop(next(iter(self._waiting)))
            self._lost += 1

    def retry(self) -> None:
        """The next rows are tried in any case."""
        self._retry_at = 0.0

    def close(self) -> None:
        if self._store:
            try:
                self._store.close()
            except sqlite3.Error:
                pass
            self._store = None

    def _write(self, dropped: int, days: float, mib: float) -> None:
        try:
            try:
                self._put(dropped)
            except (sqlite3.Error, UnicodeDecodeError) as error:
                self.close()
                if not damaged(error):
                    raise
                self._put(dropped)  # it is set aside when it is opened again
            if time.monotonic() >= self._rotate_at:
                self._rotate_at = time.monotonic() + _ROTATE_S
                if self._store:
                    self._store.rotate(days, mib, self._run.run if self._run else -1)
        except (StoreError, sqlite3.Error, OSError, Timeout) as error:
            self.close()
            self._retry_at = time.monotonic() + _RETRY_S
            self._say(f"the event log is not written, suggestions go on: {error}")

    def _put(self, dropped: int) -> None:
        if self._store is None or not self._path.exists():
            self.close()
            self._store = Store(self._path)
            if self._store.told:
                self._say(self._store.told)
        if self._waiting:
            if self._run:
                self._run = replace(self._run, seen_ms=int(time.time() * 1000), dropped=dropped)
                self._waiting["runs", self._run.run, 0] = tuple(vars(self._run).values())
            batch: dict[str, list[tuple]] = {}
            for (table, _, _), row in self._waiting.items():
                batch.setdefault(table, []).append(row)
            self._store.write(batch)
            self._waiting.clear()

    def _say(self, message: str) -> None:
        kind = message.partition(":")[0]
        if kind not in self._told:
            self._told.add(kind)
            log.warning("%s", message)
            self._tell(message)


def _columns(row: tuple | Run | Capture) -> tuple | None:
    """As the table has them; None where the row is not kept."""
    match row:
        case Run():
            return tuple(vars(row).values())
        case Capture():
            return capture.columns(row)
    return row
