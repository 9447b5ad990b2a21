"""Keeps the tables of the symbol graph true to a folder, or to any pairs of path and bytes (a tree of Git, say).

A file is looked at again when its size or time of change differs, and parsed again when its digest does too; what
did not change costs a `stat`. Knows the tables; what they are asked is `context/graph.py`'s.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from filelock import FileLock, Timeout

from foretype.context import languages
from foretype.context.guard import Guard, content_refusal
from foretype.context.index import workers
from foretype.context.index.database import Database
from foretype.context.index.symbol_rows import GO_MOD, Rows, rows

# (stage, done, total): a total of 0 means that nobody knows
Progress = Callable[[str, int, int], None]
Parse = Callable[[str, bytes], Rows]  # as `symbol_rows.rows`

_BATCH_BYTES = 256 * 1024  # parsed by one child at a time
_BATCH_FILES = 64
_STORED_BYTES = 2 << 20  # in one transaction: some 0.2 s
_STORED_FILES = 512
_ALONE_BATCHES = 2  # so many are parsed in this process: children take longer to start
_SETTLED_NS = 2_000_000_000  # FAT keeps times of change to 2 s: a file may change again without showing it
_WAIT_S = 60.0  # for another process that refreshes the same graph
_ENDS = (GO_MOD, *(end for row in languages.LANGUAGES if row.grammar for end in row.extensions))
_TABLES = ("definitions", "uses", "places", "imports", "import_words")


@dataclass(frozen=True)
class Stats:
    """What the graph holds, and what a refresh did: `changed` files were parsed anew or forgotten, in `seconds`."""

    files: int
    symbols: int
    references: int
    seconds: float
    changed: int


@dataclass(frozen=True)
class Source:
    """One file to be stored; `content` is empty where it is `refused`."""

    path: str
    content: bytes
    size: int
    mtime_ns: int
    digest: bytes
    refused: str


def indexed(path: str) -> bool:
    """Whether the graph has use for the file, by its name."""
    return path.lower().endswith(_ENDS)


def refresh(database: Database, guard: Guard, progress: Progress, children: int, parse: Parse = rows) -> Stats:
    """Makes the tables say what the folder holds. Files that vanish or change meanwhile are right after the next.

    What is too little for child processes is parsed by `parse`.
    """
    started = time.monotonic()
    lock = FileLock(database.path.with_suffix(".refresh"), timeout=_WAIT_S) if database.path else None
    try:
        if lock:
            lock.acquire()
    except (Timeout, OSError):
        lock = None  # the work is done twice then, and is the same
    try:
        changed = _refresh(database, guard, progress, children, parse)
    finally:
        if lock:
            lock.release()
    return _stats(database, started, changed)


def index(database: Database, pairs: Iterable[tuple[str, bytes]], progress: Progress, children: int) -> Stats:
    """Makes the tables say what the pairs hold, and nothing else."""
    started = time.monotonic()
    known = _known(database)
    seen = set()

    def sources() -> Iterator[Source]:
        for path, content in pairs:
            if indexed(path):
                seen.add(path)
                source = source_of(path, content, -1)
                if path not in known or known[path][2] != source.digest:
                    yield source

    changed = _store(database, sources(), progress, 0, children)
    changed += forget(database, known.keys() - seen)
    return _stats(database, started, changed)


def update(database: Database, path: str, content: bytes | None, parse: Parse = rows) -> bool:
    """Stores one file as it is now, None if it is gone; whether anything changed."""
    known = database.read("SELECT digest FROM files WHERE path = ?", (path,))
    if content is None or not indexed(path):
        return bool(known) and forget(database, {path}) > 0
    source = source_of(path, content, -1)
    if known and known[0][0] == source.digest:
        return False
    found = parse(path, source.content)
    with database.write() as connection:
        store_rows(connection, [source], [found])
    return True


def _refresh(database: Database, guard: Guard, progress: Progress, children: int, parse: Parse) -> int:
    known = _known(database)
    seen = set()
    doubtful: list[tuple[str, int]] = []
    for path, status in guard.files(indexed):
        seen.add(path)
        if path not in known or known[path][:2] != (status.st_size, status.st_mtime_ns):
            doubtful.append((path, status.st_mtime_ns))
    touched: list[tuple[int, int, str]] = []

    def sources() -> Iterator[Source]:
        for path, mtime_ns in doubtful:
            try:
                with open(os.path.join(guard.root, path), "rb") as file:
                    content = file.read()
            except OSError:
                seen.discard(path)
                continue
            source = source_of(path, content, mtime_ns)
            if path in known and known[path][2] == source.digest:
                touched.append((source.size, source.mtime_ns, path))
            else:
                yield source

    changed = _store(database, sources(), progress, len(doubtful), children, parse)
    if touched:
        with database.write() as connection:
            connection.executemany("UPDATE files SET size = ?, mtime_ns = ? WHERE path = ?", touched)
    return changed + forget(database, known.keys() - seen)


def source_of(path: str, content: bytes, mtime_ns: int) -> Source:
    """A file as it was read. `mtime_ns` is of before that, so that a change meanwhile shows the next time."""
    refused = content_refusal(content)
    if time.time_ns() - mtime_ns < _SETTLED_NS:
        mtime_ns = -1
    digest = hashlib.blake2b(content, digest_size=16).digest()
    return Source(path, b"" if refused else content, len(content), mtime_ns, digest, refused)


def _known(database: Database) -> dict[str, tuple[int, int, bytes]]:
    rows = database.read("SELECT path, size, mtime_ns, digest FROM files WHERE library = ''")
    return {path: (size, mtime_ns, digest) for path, size, mtime_ns, digest in rows}


def _store(
    database: Database, sources: Iterator[Source], progress: Progress, total: int, children: int, parse: Parse = rows
) -> int:
    """Parses and stores; how many files that were."""
    done = 0
    batches = _batches(sources)
    first = list(itertools.islice(batches, _ALONE_BATCHES + 1))
    alone = children < 2 or len(first) <= _ALONE_BATCHES
    work = _alone(itertools.chain(first, batches), parse) if alone else _together(first, batches, children)
    waiting: list[tuple[Source, Rows]] = []
    for batch, parsed in work:
        waiting += zip(batch, parsed, strict=True)
        if sum(source.size for source, _ in waiting) >= _STORED_BYTES or len(waiting) >= _STORED_FILES:
            _write(database, waiting)
        done += len(batch)
        progress("indexing", done, total)
    _write(database, waiting)
    return done


def _write(database: Database, waiting: list[tuple[Source, Rows]]) -> None:
    """Stores and empties the list."""
    if waiting:
        with database.write() as connection:
            store_rows(connection, [source for source, _ in waiting], [found for _, found in waiting])
        waiting.clear()


def _alone(batches: Iterable[list[Source]], parse: Parse) -> Iterator[tuple[list[Source], list[Rows]]]:
    return ((batch, [parse(source.path, source.content) for source in batch]) for batch in batches)


def _together(
    first: list[list[Source]], batches: Iterator[list[Source]], children: int
) -> Iterator[tuple[list[Source], list[Rows]]]:
    """In child processes. A file that a child died of is stored without symbols, until it changes."""
    lost: list[Source] = []
    for batch, parsed in workers.each(_parse, itertools.chain(first, batches), children):
        if parsed is None:
            lost += batch
        else:
            yield batch, parsed
    for batch, parsed in workers.each(_parse, ([source] for source in lost), 1):
        yield batch, parsed if parsed is not None else [rows(source.path, b"") for source in batch]


def _parse(batch: list[Source]) -> list[Rows]:
    return [rows(source.path, source.content) for source in batch]


def _batches(sources: Iterator[Source]) -> Iterator[list[Source]]:
    batch: list[Source] = []
    size = 0
    for source in sources:
        batch.append(source)
        size += source.size
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def store_rows(
    connection: sqlite3.Connection, sources: Iterable[Source], parsed: Iterable[Rows], library: str = ""
) -> None:
    """Stores what files hold, in place of what they held; `library` is the mark of files of a library's.

    Many at once are faster: the rows go into the tables in the order of their keys.
    """
    tables: dict[str, list[tuple]] = {table: [] for table in _TABLES}
    for source, found in zip(sources, parsed, strict=True):
        head = (found.language, source.size, source.mtime_ns, source.digest, source.refused)
        file = _store_file(connection, (*head, len(found.definitions), found.references, library, source.path))
        tables["definitions"] += [(file, at, *line) for at, line in enumerate(found.definitions)]
        if found.uses:
            tables["uses"].append((file, "\n".join(("", *found.uses, ""))))
            tables["places"].append((file, found.places))
        tables["imports"] += [(file, at, *line) for at, line in enumerate(found.imports)]
        tables["import_words"] += [(word, file, at) for word, at in found.import_words]
    for table, lines in tables.items():
        if lines:
            marks = ", ".join("?" * len(lines[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", sorted(lines))


def _store_file(connection: sqlite3.Connection, values: tuple) -> int:
    """The number of a file, which holds nothing yet or no longer."""
    row = connection.execute("SELECT id FROM files WHERE path = ?", values[-1:]).fetchone()
    if row is None:
        insert = "INSERT INTO files (language, size, mtime_ns, digest, refused, symbols, refs, library, path)"
        return int(connection.execute(f"{insert} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values).lastrowid or 0)
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table} WHERE file = ?", row)
    connection.execute(
        "UPDATE files SET language = ?, size = ?, mtime_ns = ?, digest = ?, refused = ?, symbols = ?, refs = ?,"
        " library = ? WHERE path = ?",
        values,
    )
    return int(row[0])


def forget(database: Database, paths: Iterable[str]) -> int:
    """Deletes what is stored of files; how many of them there were."""
    gone = 0
    rest = iter(paths)
    while some := list(itertools.islice(rest, _BATCH_FILES)):
        with database.write() as connection:
            for path in some:
                row = connection.execute("SELECT id FROM files WHERE path = ?", (path,)).fetchone()
                if row:
                    for table in _TABLES:
                        connection.execute(f"DELETE FROM {table} WHERE file = ?", row)
                    connection.execute("DELETE FROM files WHERE id = ?", row)
                    gone += 1
    return gone


def _stats(database: Database, started: float, changed: int) -> Stats:
    counts = (
        "SELECT COUNT(*), IFNULL(SUM(symbols), 0), IFNULL(SUM(refs), 0) FROM files WHERE refused = '' AND library = ''"
    )
    files, symbols, references = database.read(counts)[0]
    return Stats(files, symbols, references, time.monotonic() - started, changed)
