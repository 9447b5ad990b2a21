"""The way of rows to the event log, so that nobody who types waits for a disk.

What is handed over waits for about `INTERVAL_S`, then a thread takes it to the file (`filing.py`); of several
states of a row only the last one goes. When too many wait, no more are taken, and what was lost is counted. Knows no
lives and no file, and importing it is quick.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from foretype.lsp.log.schema import Capture, Opportunity, Run, values

if TYPE_CHECKING:
    from foretype.lsp.log.filing import Filing

log = logging.getLogger(__name__)

INTERVAL_S = 0.3
# Rows: several seconds of 10,000 events a second, of which a row has about four.
CAPACITY = 20_000

# Table, run and number of a row.
Key = tuple[str, int, int]

_TABLES: dict[type, str] = {Opportunity: "opportunities", Run: "runs", Capture: "captures"}


class Writer:
    """Writes to the log at `path`. `tell` is called from the thread, once for each thing that is wrong. `days` and
    `mib` are how old and how large the log may grow."""

    def __init__(
        self, path: Path, tell: Callable[[str], None], days: float = 90.0, mib: float = 256.0, capacity: int = CAPACITY
    ) -> None:
        self.dropped = 0
        self.days, self.mib = days, mib
        self._path, self._tell, self._capacity = path, tell, capacity
        # filled by one thread and emptied by the other, each by single operations of a dict, which are atomic
        self._new: dict[Key, tuple | Run | Capture] = {}
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="foretype-events", daemon=True)
        self._thread.start()

    def put(self, row: Opportunity | Run | Capture) -> None:
        """Takes microseconds, whatever the disk does: no lock is waited for."""
        key = (_TABLES[type(row)], row.run, 0 if isinstance(row, Run) else row.seq)
        if len(self._new) >= self._capacity and key not in self._new:
            self.dropped += 1
            return
        # what is written later must not be what became of it meanwhile
        self._new[key] = values(row) if isinstance(row, Opportunity) else row
        if not self._wake.is_set():
            self._wake.set()

    def stop(self, patience_s: float = 2.0) -> bool:
        """Writes what is there; whether it came to an end in that time."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        from foretype.lsp.log.filing import Filing

        filing = Filing(self._path, self._tell)
        self._file(filing)  # opens the log, so that the first row need not wait for that
        while not self._stopping.is_set():
            self._wake.wait()
            self._stopping.wait(INTERVAL_S)
            self._wake.clear()
            self._file(filing)
        filing.retry()
        self._file(filing)  # what came in meanwhile
        filing.close()

    def _file(self, filing: Filing) -> None:
        rows = dict(self._new.popitem() for _ in range(len(self._new)))
        try:
            filing.file(rows, self.dropped, self.days, self.mib)
        except Exception as error:  # nobody waits for a log, and nobody may miss its end
            log.exception("rows of the event log are lost")
            self._tell(f"the event log lost {len(rows)} rows: {type(error).__name__}")
