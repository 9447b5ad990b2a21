"""`foretype telemetry`: what the event log holds, switching it off and on, deleting it, and exporting it.

The log is a file on this machine, and nothing is ever sent. What else is to be forgotten goes with it: the list of
requests to completion servers (`model/sent.py`), which `off` leaves on. An export has the columns of `schema.py`'s view
`events` and so no code, also where the log holds some.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from filelock import Timeout

from foretype.lsp.log import installation
from foretype.lsp.log.schema import exported
from foretype.lsp.log.store import StoreError, purge, reader
from foretype.model import sent

ACTIONS = ("status", "off", "on", "purge", "export")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, nargs="?", default="status", help="default: %(default)s")
    parser.add_argument("--format", choices=("jsonl", "parquet"), default="jsonl", help="of an export")
    parser.add_argument("--out", type=Path, metavar="FILE", help="of an export; standard output for jsonl without it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    try:
        match args.action:
            case "off" | "on":
                installation.switch(args.action == "on")
            case "purge":
                sent.purge(sent.trail())
                purge(installation.database())
            case "export":
                return _export(args)
    except (StoreError, sqlite3.Error, Timeout) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"{error.filename or installation.folder()}: {error.strerror or error}")
    found = status()
    sys.stdout.write(json.dumps(found) + "\n" if args.json else "\n".join(_lines(found)) + "\n")
    return 0


def status() -> dict[str, object]:
    """What there is, and whether more comes."""
    path = installation.database()
    found: dict[str, object] = {"switched_off": installation.switched_off(), "path": str(path), "problem": ""}
    files = [path, Path(f"{path}-wal")]
    found["size_mib"] = round(sum(file.stat().st_size for file in files if file.exists()) / 2**20, 2)
    found["set_aside"] = sorted(file.name for file in path.parent.glob(f"{path.stem}.damaged-*{path.suffix}"))
    counts = {"opportunities": 0, "sessions": 0, "captures": 0, "dropped": 0}
    since: int | None = None
    if path.exists():
        try:
            connection = reader(path)
            try:
                for name, sql in _COUNTS.items():
                    counts[name] = connection.execute(sql).fetchone()[0]
                since = connection.execute("SELECT min(started_ms) FROM runs").fetchone()[0]
            finally:
                connection.close()
        except (StoreError, sqlite3.Error) as error:
            found["problem"] = str(error)
    return {**found, **counts, "since": _date(since) if since is not None else None}


def lines(connection: sqlite3.Connection) -> Iterator[str]:
    """Each opportunity with what holds for it, as one JSON object with the columns of the view `events`."""
    names = tuple(exported())
    cursor = connection.execute(f"SELECT {', '.join(names)} FROM events")
    while rows := cursor.fetchmany(1000):
        for row in rows:
            yield json.dumps(dict(zip(names, row, strict=True)), separators=(",", ":")) + "\n"


def export_lines(out: TextIO) -> int:
    """How many rows were written. Raises `StoreError`, `sqlite3.Error`, OSError."""
    connection = reader(installation.database())
    try:
        written = 0
        for line in lines(connection):
            out.write(line)
            written += 1
        return written
    finally:
        connection.close()


def export_parquet(path: Path) -> int:
    """How many rows were written. Raises `StoreError`, `sqlite3.Error`, OSError."""
    try:
        import duckdb
    except ImportError:
        raise StoreError("--format parquet needs DuckDB: pip install 'foretype[report]'") from None
    kinds = {"INTEGER": "BIGINT", "REAL": "DOUBLE", "TEXT": "VARCHAR"}
    columns = ", ".join(f"{name}: '{kinds[kind]}'" for name, kind in exported().items())
    with tempfile.TemporaryDirectory(prefix="foretype-export-") as folder:
        plain = Path(folder) / "events.jsonl.gz"  # a tenth of what it is without
        with gzip.open(plain, "wt", compresslevel=1, encoding="utf-8", newline="\n") as out:
            written = export_lines(out)
        with duckdb.connect() as connection:
            rows = f"read_json({_quoted(plain)}, format = 'newline_delimited', columns = {{{columns}}})"
            try:
                connection.execute(f"COPY (FROM {rows}) TO {_quoted(path)} (FORMAT parquet, COMPRESSION zstd)")
            except duckdb.Error as error:
                raise StoreError(f"{path} cannot be written: {str(error).splitlines()[0]}") from error
    return written


_COUNTS = {
    "opportunities": "SELECT count(*) FROM opportunities WHERE origin IN ('typed', 'deleted')",
    "sessions": "SELECT count(DISTINCT session) FROM runs",
    "captures": "SELECT count(*) FROM captures",
    "dropped": "SELECT coalesce(sum(dropped), 0) FROM runs",
}


def _export(args: argparse.Namespace) -> int:
    if args.format == "parquet":
        if args.out is None:
            return _complain("an export as parquet needs --out FILE", 2)
        written = export_parquet(args.out)
    elif args.out is None:
        export_lines(sys.stdout)
        return 0
    else:
        with args.out.open("w", encoding="utf-8", newline="\n") as out:
            written = export_lines(out)
    if args.json:
        sys.stdout.write(json.dumps({"rows": written, "out": str(args.out)}) + "\n")
    else:
        sys.stdout.write(f"{written:,} rows are in {args.out}\n")
    return 0


def _lines(found: dict[str, object]) -> Iterator[str]:
    off = "switched off: `foretype telemetry on` switches it on"
    yield off if found["switched_off"] else "on, unless the option telemetry.enabled is false"
    yield f"log: {found['path']}, {found['size_mib']} MiB; it stays on this machine"
    if found["problem"]:
        yield str(found["problem"])
    since = f" since {found['since']}" if found["since"] else ""
    yield f"{found['opportunities']:,} opportunities in {found['sessions']:,} sessions{since}"
    if found["captures"]:
        yield f"{found['captures']:,} suggestions with their code, as telemetry.capture_code asks for"
    if found["dropped"]:
        yield f"{found['dropped']:,} rows were lost to a slow disk"
    if isinstance(found["set_aside"], list) and found["set_aside"]:
        yield f"damaged, set aside: {', '.join(found['set_aside'])}"


def _date(at_ms: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at_ms / 1000))


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _complain(message: str, code: int = 1) -> int:
    sys.stderr.write(f"foretype telemetry: {message}\n")
    return code
