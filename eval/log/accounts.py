"""Whether an event log holds all that happened: what its rows come to, to be compared with what was done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from foretype.lsp.log.store import reader

# Rows that no change of a document made (`lsp/log/schema.py`).
_UNMADE = ("invoked", "unprompted", "settled")


@dataclass(frozen=True)
class Accounts:
    """`changes` of documents in the log; rows that were never closed (`open`), that `seq` says there were and that are
    not there (`missing`), and that the writer says it lost (`dropped`)."""

    changes: int
    open: int
    missing: int
    dropped: int


def read(log: Path) -> Accounts:
    """Of a log whose server has ended. Raises `StoreError`, `sqlite3.Error`."""
    connection = reader(log)
    try:
        marks = ", ".join("?" * len(_UNMADE))
        one = connection.execute(
            f"SELECT coalesce(sum(origin NOT IN ({marks})), 0), coalesce(sum(ending = ''), 0) FROM opportunities",
            _UNMADE,
        ).fetchone()
        runs = "SELECT max(seq) + 1 AS last, count(*) AS rows FROM opportunities GROUP BY run"
        missing = connection.execute(f"SELECT coalesce(sum(last - rows), 0) FROM ({runs})").fetchone()[0]
        dropped = connection.execute("SELECT coalesce(sum(dropped), 0) FROM runs").fetchone()[0]
        return Accounts(int(one[0]), int(one[1]), int(missing), int(dropped))
    finally:
        connection.close()
