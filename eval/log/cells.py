"""Event logs, read for the report: sums of the rows that are alike, never the rows themselves.

A source is the user's own log (SQLite) or files that `foretype telemetry export` wrote, Parquet or JSON Lines, however
many, through DuckDB. Both are asked the same question in SQL, and only its answer is held here: one cell for each run,
day and fate. Knows what columns there are, not what a report makes of them.
"""

from __future__ import annotations

import glob
import itertools
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foretype.lsp.log.schema import EXPORTED_OF_RUN, HORIZONS_S, STAGES, exported
from foretype.lsp.log.store import StoreError, reader

LATE_MS = 500  # what ghost text takes in the field on average: what comes later is late
# Whole numbers below these, one after the other in a single one: rows are sorted by it much faster than by each.
_PACKED = {"hour": 24, "now": 2, "multi": 2, "recalled": 2, "attempted": 2}
_TEXTS = ("language", "origin", "reason", "ending")
KEYS = ("run", "day", *_PACKED, *_TEXTS)
# Of all rows, and of those alone that ended in an acceptance: the others have none of it, which saves adding up zeros.
_OF_ALL = {
    "rows": "count(*)",
    "typed": "sum(typed)",
    "attempts": "sum(attempted)",
    "shown": "sum(shown)",
    "inferred": "sum(CASE WHEN inferred <> '' THEN 1 ELSE 0 END)",
    "late": f"sum(CASE WHEN attempted = 1 AND total_us > {LATE_MS * 1000} THEN 1 ELSE 0 END)",
    "model_ms": "coalesce(sum(model_us), 0) / 1000.0",
}
_OF_ACCEPTED = {
    "accepted": "count(*)",
    "tokens": "sum(accepted_tokens)",
    "characters": "sum(accepted_characters)",
    **{
        f"looked_at_{s}": f"sum(CASE WHEN retained_{s} IS NULL THEN 0 ELSE accepted_characters END)" for s in HORIZONS_S
    },
    **{f"retained_{s}": f"coalesce(sum(retained_{s} * accepted_characters), 0)" for s in HORIZONS_S},
}
SUMS = (*_OF_ALL, *_OF_ACCEPTED)

# Of so many attempts the times are looked at; the error of a percentile is below 0.2 of a percentage point.
_TIMED = 100_000
_THREADS = 2
_MEMORY = "700MiB"  # of DuckDB's; a report then stays below 1 GiB
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000


@dataclass(frozen=True)
class Window:
    """Unix milliseconds: what is reported begins at `since`, what it is compared with at `before`; equal where there is
    nothing to compare with."""

    since: int
    before: int


@dataclass(frozen=True)
class Cells:
    """`keys` and `sums` by the names of `KEYS` and `SUMS`, an element for each cell; `day` is in days since 1970 on
    this machine's clock, `now` is 1 in the window and 0 before it. `runs`: what holds for each. `times_ms`: by stage,
    a sample of the attempts in the window. `skipped`: rows of files that could not be read."""

    keys: dict[str, np.ndarray]
    sums: dict[str, np.ndarray]
    runs: dict[int, dict[str, str]]
    times_ms: dict[str, np.ndarray]
    dropped: int = 0
    skipped: int = 0


def of_log(path: Path, window: Window, by_hour: bool = False) -> Cells:
    """Those of the user's own log. Raises `StoreError`."""
    connection = reader(path)
    try:
        names = ", ".join(("run", *EXPORTED_OF_RUN))
        runs = {run: dict(zip(EXPORTED_OF_RUN, rest, strict=True)) for run, *rest in _all(connection, names)}
        dropped = connection.execute("SELECT coalesce(sum(dropped), 0) FROM runs").fetchone()[0]
        seen = connection.execute("SELECT run FROM runs WHERE seen_ms >= ? ORDER BY run", (window.before,)).fetchall()
        # SQLite lets go of the interpreter while it counts; a run at a time, since it sorts what it groups
        parts = [[run for (run,) in seen[part::_THREADS]] for part in range(_THREADS)]
        with ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(lambda part: _counted(path, window, by_hour, part), parts))
        keys, sums = _joined(found)
        attempts = int(sums["attempts"][keys["now"] == 1].sum())
        sql = _timed("opportunities", window, attempts)
        return Cells(keys, sums, runs, _times(connection.execute(sql)), dropped)
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    finally:
        connection.close()


def of_files(pattern: str, window: Window, by_hour: bool = False) -> Cells:
    """Those of exported files; rows that are not of a log are skipped and counted. Raises `StoreError`."""
    try:
        import duckdb
    except ImportError:
        raise StoreError("--from needs DuckDB: pip install 'foretype[report]'") from None
    files = sorted(glob.glob(pattern, recursive=True))
    if not files:
        raise StoreError(f"no file matches {pattern}")
    if unknown := [name for name in files if not name.endswith((".parquet", ".jsonl", ".jsonl.gz"))]:
        raise StoreError(f"{unknown[0]} is neither .parquet nor .jsonl")
    with duckdb.connect(config={"memory_limit": _MEMORY, "threads": _THREADS}) as connection:
        try:
            skipped = _load(connection, files)
            keys, sums = _columns(connection.execute(sql) for sql in _cells("events", window, by_hour))
            attempts = int(sums["attempts"][keys["now"] == 1].sum())
            names = ", ".join(f"any_value({name})" for name in EXPORTED_OF_RUN)
            rows = connection.execute(f"SELECT run, {names} FROM events GROUP BY run").fetchall()
            times = _times(connection.execute(_timed("events", window, attempts)))
        except duckdb.Error as error:
            raise StoreError(f"{pattern} cannot be read: {str(error).splitlines()[0]}") from error
    runs = {run: dict(zip(EXPORTED_OF_RUN, rest, strict=True)) for run, *rest in rows}
    return Cells(keys, sums, runs, times, skipped=skipped)


def _load(connection: Any, files: Sequence[str]) -> int:
    """A view `events` of the rows of all files that are sound; how many are not."""
    kinds = {"INTEGER": "BIGINT", "REAL": "DOUBLE", "TEXT": "VARCHAR"}
    types = {name: kinds[kind] for name, kind in exported().items()}
    # an older version's export has fewer columns: they are null there
    parts = ["SELECT " + ", ".join(f"NULL::{kind} AS {name}" for name, kind in types.items()) + " WHERE false"]
    if parquet := [name for name in files if name.endswith(".parquet")]:
        parts.append(f"SELECT * FROM read_parquet({_list(parquet)}, union_by_name = true, filename = true)")
    if lines := [name for name in files if not name.endswith(".parquet")]:
        columns = ", ".join(f"{name}: '{kind}'" for name, kind in types.items())
        parts.append(
            f"SELECT * FROM read_json({_list(lines)}, format = 'newline_delimited', columns = {{{columns}}}, "
            "ignore_errors = true, filename = true)"
        )
    cast = ", ".join(f"TRY_CAST({name} AS {kind}) AS {name}" for name, kind in types.items())
    connection.execute(f"CREATE VIEW all_rows AS SELECT {cast}, filename FROM ({' UNION ALL BY NAME '.join(parts)})")
    sound = " AND ".join(f"{name} IS NOT NULL" for name in ("run", "seq", "at_ms", "kind", "origin", "session"))
    total, good = connection.execute(f"SELECT count(*), count(*) FILTER ({sound}) FROM all_rows").fetchone()
    # a log that was exported again has grown: of the files that have a run, the one with the last name has all of it
    last = f"SELECT run, max(filename) AS filename FROM all_rows WHERE {sound} GROUP BY run"
    newest = f"SEMI JOIN ({last}) USING (run, filename)" if len(files) > 1 else ""
    connection.execute(f"CREATE VIEW events AS SELECT * FROM all_rows {newest} WHERE {sound}")
    return total - good


def _counted(path: Path, window: Window, by_hour: bool, runs: Sequence[int]) -> Any:
    connection = reader(path)
    statements = _cells("opportunities", window, by_hour, one_run=True)
    try:
        return _columns(connection.execute(sql, (run,)) for run in runs for sql in statements)
    finally:
        connection.close()


def _cells(table: str, window: Window, by_hour: bool, one_run: bool = False) -> tuple[str, str]:
    """What asks for the cells of the rows without an acceptance, and of those with one; `one_run`: of the run that is
    its argument. The columns are the run, the packed keys, the texts and the sums."""
    local = f"(at_ms + {_offset_ms()})"
    computed = {
        "hour": f"({local} % {_DAY_MS} - {local} % {_HOUR_MS}) / {_HOUR_MS}" if by_hour else "0",
        "now": f"CASE WHEN at_ms >= {window.since} THEN 1 ELSE 0 END",
    }
    packed = f"({local} - {local} % {_DAY_MS}) / {_DAY_MS}"
    for name, size in _PACKED.items():
        packed = f"({packed}) * {size} + {computed.get(name, name)}"
    keys = ", ".join(("run", packed, *_TEXTS))
    places = ", ".join(str(place + 1) for place in range(int(one_run), 2 + len(_TEXTS)))
    where = f"{'run = ?' if one_run else 'true'} AND at_ms >= {window.before}"
    nothing = dict.fromkeys(_OF_ACCEPTED, "0")
    others, accepted = (
        f"SELECT {keys}, {', '.join(sums.values())} FROM {table} WHERE {where} AND ending {sign} 'accepted' "
        f"GROUP BY {places}"
        for sign, sums in (("<>", _OF_ALL | nothing), ("=", _OF_ALL | _OF_ACCEPTED))
    )
    return others, accepted


def _timed(table: str, window: Window, attempts: int) -> str:
    every = max(1, math.ceil(attempts / _TIMED))
    columns = ", ".join(f"{stage}_us" for stage in STAGES)
    return (
        f"SELECT {columns} FROM {table} WHERE seq % {every} = 0 AND attempted = 1 AND recalled = 0 "
        f"AND kind = 'completion' AND total_us IS NOT NULL AND at_ms >= {window.since}"
    )


def _columns(cursors: Iterable[Any]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The answers as arrays, some thousand cells at a time."""
    kinds = [np.int64] * 2 + [object] * len(_TEXTS) + [np.float64] * len(SUMS)
    parts = [[np.array([], kind) for kind in kinds]]
    rows = itertools.chain.from_iterable(map(_rows, cursors))
    while some := list(itertools.islice(rows, 4096)):
        columns = zip(*some, strict=True)
        parts.append([np.array(column, kind) for kind, column in zip(kinds, columns, strict=True)])
    run, packed, *rest = (np.concatenate(column) for column in zip(*parts, strict=True))
    keys = {"run": run}
    for name, size in reversed(_PACKED.items()):
        packed, keys[name] = np.divmod(packed, size)
    keys |= {"day": packed, **dict(zip(_TEXTS, rest, strict=False))}
    return keys, dict(zip(SUMS, rest[len(_TEXTS) :], strict=True))


def _rows(cursor: Any) -> Iterator[tuple]:
    while rows := cursor.fetchmany(4096):
        yield from rows


def _joined(found: Sequence[Any]) -> Any:
    return tuple({name: np.concatenate([part[at][name] for part in found]) for name in found[0][at]} for at in (0, 1))


def _times(cursor: Any) -> dict[str, np.ndarray]:
    rows = list(_chunks(cursor))
    table = np.concatenate(rows) if rows else np.empty((0, len(STAGES)))
    return {stage: table[:, at][~np.isnan(table[:, at])] / 1000 for at, stage in enumerate(STAGES)}


def _chunks(cursor: Any) -> Iterator[np.ndarray]:
    while rows := cursor.fetchmany(4096):
        yield np.array(rows, float)


def _all(connection: sqlite3.Connection, names: str) -> Iterable[tuple]:
    return connection.execute(f"SELECT {names} FROM runs")


def _offset_ms() -> int:
    """Of this machine's clock against UTC, now."""
    return time.localtime().tm_gmtoff * 1000


def _list(names: Sequence[str]) -> str:
    return "[" + ", ".join("'" + name.replace("'", "''") + "'" for name in names) + "]"
