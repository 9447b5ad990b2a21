"""The symbol graph of a workspace: what is defined, used and imported where, asked by name and by file.

Answers go by names and imports, not by types: a method is found by its name wherever it is. They come from tables in
the user's cache folder (`context/index/indexing.py` keeps them fresh), in a bounded time whatever the workspace holds.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from foretype.context import languages
from foretype.context.guard import Guard
from foretype.context.index import environments, imports, indexing, libraries, symbol_rows, workers
from foretype.context.index.apart import Reader
from foretype.context.index.database import Database
from foretype.context.index.imports import Layout
from foretype.context.index.indexing import Progress, Stats
from foretype.context.index.moves import Move
from foretype.context.index.symbol_rows import DEFINITION, GO_MOD
from foretype.context.machine import cores
from foretype.context.symbols import Definition, Import, Reference

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_MOST_ROWS = 400  # that one question looks at, of names that are everywhere
_MOST_IMPORTERS = 5000  # import statements
_LAYOUT_S = 0.05  # of arranging the files; what takes longer is done seldom
_DEPTH = 6  # of names that are imported to be exported again
_INDEX_STEMS = {"__init__", "index", "mod", "lib", "main"}  # files that stand for their folder
_FOLDER_IS_MODULE = {"go", "java"}
_TEST = re.compile(r"(?:^|[/_.])tests?(?:[/_.]|$)|(?:^|/)(?:examples?|benchmarks?|vendor|third_party)/", re.IGNORECASE)


@dataclass(frozen=True)
class Neighbours:
    """The files that a file imports, in the order of its imports, and those that import it, nearest first."""

    imports: tuple[str, ...]
    importers: tuple[str, ...]


class Graph:
    """The symbol graph of one workspace. Any thread may call; paths are relative to the workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._epoch = -1
        self._layout = imports.layout(())
        self._layout_until = 0.0
        self._shelf = environments.Shelf()
        self._shelf_epoch = -1
        self._reader = Reader()
        self.move_of: Callable[[str], Move | None] = lambda path: None  # of a document edited since it was taken up

    @classmethod
    def open(cls, root: str | Path, cache_dir: Path | None) -> Graph:
        """The graph of the folder `root`, as it was left; in memory and empty where `cache_dir` is None.

        Never raises: what went wrong is `problem`, and the graph is then empty and kept in memory.
        """
        if cache_dir is None:
            return cls(Database(None, symbol_rows.SCHEMA))
        real = os.path.normcase(os.path.realpath(root))
        key = hashlib.sha256(os.fsencode(real)).hexdigest()[:16]
        name = re.sub(r"[^\w.-]", "_", os.path.basename(real))[:40]
        path = cache_dir / "graphs" / f"{name}-{key}" / f"symbols-{symbol_rows.edition()}.sqlite"
        return cls(Database(path, symbol_rows.SCHEMA))

    @property
    def problem(self) -> str:
        """Why the graph was built again or is kept in memory, "" if neither."""
        return self._database.problem

    def close(self) -> None:
        self._reader.close()
        self._database.close()

    def refresh(
        self,
        guard: Guard,
        progress: Progress = lambda *_: None,
        children: int | None = None,
        others_wait: bool = False,
    ) -> Stats:
        """Makes the graph say what the guard lets be read; parses in child processes where it is much.

        `others_wait`: other threads wait for the interpreter, so no large file is parsed in this process.
        """
        count = min(cores(), workers.MOST) if children is None else children
        parse = self._reader.rows if others_wait else symbol_rows.rows
        return self._surely(lambda: indexing.refresh(self._database, guard, progress, count, parse))

    def index(
        self, pairs: Iterable[tuple[str, bytes]], progress: Progress = lambda *_: None, children: int | None = None
    ) -> Stats:
        """Makes the graph say what the pairs of path and bytes hold, and nothing else. Raises `sqlite3.Error`."""
        count = min(cores(), workers.MOST) if children is None else children
        return indexing.index(self._database, pairs, progress, count)

    def update(self, path: str, source: bytes | None) -> bool:
        """One file as it is now, None if it is gone; whether that changed anything. The caller has asked the guard."""
        return self._surely(lambda: indexing.update(self._database, path, source, self._reader.rows))

    def update_libraries(self, path: str, guard: Guard) -> int:
        """Reads what a file of the workspace imports from libraries, where that is new; the number of files read."""
        outside = [row for row in self.import_rows(path) if not self._resolve(row)]
        work = lambda: libraries.take_up(self._database, guard, outside, self._reader.apart)  # noqa: E731
        return self._surely(work) if outside else 0

    def definitions(self, name: str, seen_from: str = "", limit: int = 20) -> tuple[Definition, ...]:
        """The definitions of a name, likeliest first.

        What the name is bound to in the file `seen_from`, then what the files hold that it imports, then the rest of
        the workspace: the same folder before others, tests last.
        """
        found = dict.fromkeys(self.bound(name, seen_from, with_libraries=False)) if seen_from else {}
        near = self.imports(seen_from) if seen_from else ()
        if seen_from:
            found |= dict.fromkeys(self._in_files(name, (seen_from, *near)))
        if len(found) < limit:
            rest = self._definitions("d.name = ? AND f.refused = '' AND f.library = '' LIMIT ?", (name, _MOST_ROWS))
            found |= dict.fromkeys(sorted(rest, key=lambda row: _distance(row, seen_from)))
        return tuple(found)[:limit]

    def bound(self, name: str, seen_from: str, with_libraries: bool = True) -> tuple[Definition, ...]:
        """What a bare name means in a file as far as its imports tell: its own top level, else what it imports.

        That may be a library's, whose definitions are there to be read alone (`environments.inside` tells them).
        """
        own = self._in_files(name, (seen_from,))
        top = tuple(row for row in own if not row.container)
        return top or self._imported(name, seen_from, set(), with_libraries) or own

    def references(self, name: str, seen_from: str = "", limit: int = 200) -> tuple[Reference, ...]:
        """The uses of a name, those in `seen_from` and in its folder first."""
        sql = (
            "SELECT u.file, f.path, u.names FROM uses u JOIN files f ON f.id = u.file WHERE instr(u.names, ?)"
            " ORDER BY f.path = ? DESC, f.path LIKE ? ESCAPE '\\' DESC, f.path LIMIT ?"
        )
        folder = re.sub(r"([%_\\])", r"\\\1", _folder(seen_from)) + "%" if _folder(seen_from) else ""
        found: list[Reference] = []
        wanted = f"\n{name}\n"
        for file, path, names in self._read(sql, (wanted, seen_from, folder, limit)):
            number = names.count("\n", 0, names.index(wanted))
            packed = self._read("SELECT columns FROM places WHERE file = ?", (file,))
            places = symbol_rows.places_of(number, packed[0][0])[: limit - len(found)] if packed else []
            around = self._names(file, {ordinal for _, _, ordinal in places if ordinal >= 0})
            rows = [Reference(name, path, line, start, around.get(at, "")) for line, start, at in places]
            found += map(move.reference, rows) if (move := self.move_of(path)) else rows
            if len(found) >= limit:
                break
        return tuple(found)

    def callers(self, definition: Definition, limit: int = 50) -> tuple[Definition, ...]:
        """The definitions that use this one, or their files as a definition of kind "module".

        Of a member, whatever uses its name; of the others, what is in a file that sees it by its imports.
        """
        name = definition.name
        callers: dict[Definition, None] = {}
        for path, rows in itertools.groupby(self.references(name, definition.path, _MOST_ROWS), lambda row: row.path):
            if not definition.container and not self._sees(path, definition):
                continue
            statements = [row.line for row in self.import_rows(path) if name in (row.name, row.alias)]
            for row in rows:
                if statements and row.line >= statements[0]:  # the first use from there on is the import itself
                    statements.pop(0)
                elif path != definition.path or not definition.start <= row.start < definition.end:
                    callers.setdefault(self._enclosing(row))
                if len(callers) >= limit:
                    return tuple(callers)
        return tuple(callers)

    def members(self, of: Definition) -> tuple[Definition, ...]:
        """What is defined inside a class, a type or a module, in the order of its file; not what it inherits."""
        dotted = f"{of.container}.{of.name}" if of.container else of.name
        rows = self.outline(of.path)
        if (language := languages.find("", of.path)) and language.name == "go":  # methods lie anywhere in the package
            others = "f.path >= ? AND f.path < ? AND f.path <> ? AND d.container = ? LIMIT ?"
            folder = _folder(of.path)
            rows += self._definitions(others, (folder, folder[:-1] + "0", of.path, dotted, _MOST_ROWS))
        return tuple(row for row in rows if row.container == ("" if of.kind == "module" else dotted))

    def own_member(self, name: str, path: str, line: int) -> tuple[Definition, ...]:
        """What `self.NAME` means at a line (from 0) of a file if the class around it defines it: innermost first."""
        around = [row for row in self.outline(path) if row.kind == "class" and row.line <= line <= row.end_line]
        held = (self.members(holder) for holder in sorted(around, key=lambda row: -row.start))
        return tuple(row for rows in held for row in rows if row.name == name)

    def paths_below(self, folder: str) -> tuple[str, ...]:
        """The files that are stored of a folder, at any depth."""
        sql = "SELECT path FROM files WHERE path > ? AND path < ?"
        return tuple(path for (path,) in self._read(sql, (folder + "/", folder + "0")))  # "0" comes after "/"

    def outline(self, path: str) -> tuple[Definition, ...]:
        """All that a file defines, in its order."""
        return self._definitions("f.path = ? ORDER BY d.ordinal", (path,))

    def neighbours(self, path: str, limit: int = 50) -> Neighbours:
        return Neighbours(self.imports(path)[:limit], self.importers(path)[:limit])

    def imports(self, path: str) -> tuple[str, ...]:
        """The files of the workspace that a file imports."""
        targets = {target: None for row in self.import_rows(path) for target in self._resolve(row)}
        targets.pop(path, None)
        return tuple(targets)

    def importers(self, path: str) -> tuple[str, ...]:
        """The files of the workspace that import a file, by its path or its folder's name."""
        file = PurePosixPath(path)
        language = languages.find("", path)
        names = {file.stem, file.stem.partition(".")[0]}
        if file.stem in _INDEX_STEMS or (language and language.name in _FOLDER_IS_MODULE):
            names |= {file.parent.name, "."}
        sql = (
            "SELECT f.path, i.module, i.name, i.alias, i.line FROM import_words w"
            " JOIN imports i ON i.file = w.file AND i.ordinal = w.ordinal JOIN files f ON f.id = w.file"
            f" WHERE w.word IN ({', '.join('?' * len(names))}) AND f.path <> ? LIMIT ?"
        )
        importers: dict[str, None] = {}
        passed: set[tuple[str, str, str]] = set()
        for row in (Import(*row) for row in self._read(sql, (*names, path, _MOST_IMPORTERS))):
            way = row.path, row.module, row.name if row.name in names else ""
            if row.path not in importers and way not in passed and path in self._resolve(row):
                importers[row.path] = None
            passed.add(way)
        return tuple(sorted(importers, key=lambda other: _path_distance(other, path)))

    def import_rows(self, path: str) -> tuple[Import, ...]:
        """The import statements of a file."""
        sql = (
            "SELECT f.path, i.module, i.name, i.alias, i.line FROM imports i JOIN files f ON f.id = i.file"
            " WHERE f.path = ? ORDER BY i.ordinal"
        )
        return tuple(Import(*row) for row in self._read(sql, (path,)))

    def paths(self) -> frozenset[str]:
        """All files of the graph."""
        return self._arranged().files

    def _arranged(self) -> Layout:
        """The files as the imports need them; of a large workspace not arranged anew at each file that comes."""
        epoch = self._read("SELECT paths FROM epoch")
        started = time.monotonic()
        if epoch and epoch[0][0] != self._epoch and started >= self._layout_until:
            paths = [path for (path,) in self._read("SELECT path FROM files WHERE refused = '' AND library = ''")]
            modules = {
                path: row[0].signature for path in paths if path.endswith(GO_MOD) and (row := self.outline(path))
            }
            self._layout = imports.layout(paths, lambda path: modules.get(path, "").encode())
            self._epoch = epoch[0][0]
            took = time.monotonic() - started
            self._layout_until = started + 20 * took if took > _LAYOUT_S else 0.0
        return self._layout

    def _resolve(self, row: Import) -> tuple[str, ...]:
        language = languages.find("", row.path)
        return imports.resolve(row, self._arranged(), language) if language else ()

    def _resolve_outside(self, row: Import) -> tuple[str, ...]:
        """The files of libraries that an import means."""
        language = languages.find("", row.path)
        epoch = self._read("SELECT shelf FROM epoch")
        if epoch and epoch[0][0] != self._shelf_epoch:
            self._shelf, self._shelf_epoch = self._surely(lambda: libraries.stored(self._database)), epoch[0][0]
        return libraries.resolve(row, self._shelf, language) if language else ()

    def _imported(
        self, name: str, path: str, passed: set[tuple[str, str]], with_libraries: bool = False
    ) -> tuple[Definition, ...]:
        """What a file imports under a name, followed through files that import it to export it again."""
        if (path, name) in passed or len(passed) > _DEPTH:
            return ()
        passed.add((path, name))
        found: dict[Definition, None] = {}
        for row in self.import_rows(path):
            if row.name != "*" and name != (row.alias or row.name or _last_word(row.module)):
                continue
            inside = () if environments.inside(path) else self._resolve(row)
            for target in inside or (self._resolve_outside(row) if with_libraries else ()):
                if not row.name:
                    found.setdefault(_module(target))
                    continue
                wanted = name if row.name in ("*", "default") else row.name
                module = _module(target)
                is_module = (
                    module.name == row.name and target.endswith((".py", ".pyi")) and _last_word(row.module) != row.name
                )
                top = [hit for hit in self._in_files(wanted, (target,)) if not hit.container]
                if is_module:
                    found.setdefault(module)
                else:
                    found |= dict.fromkeys(top or self._imported(wanted, target, passed, with_libraries))
        return tuple(found)

    def _sees(self, path: str, definition: Definition) -> bool:
        if path == definition.path or definition.path in self.imports(path):
            return True
        language = languages.find("", path)
        if language and language.name in _FOLDER_IS_MODULE and _folder(path) == _folder(definition.path):
            return True
        return definition in self._imported(definition.name, path, set())

    def _names(self, file: int, ordinals: Collection[int]) -> dict[int, str]:
        """The dotted names of definitions of a file."""
        marks = ", ".join("?" * len(ordinals))
        sql = f"SELECT ordinal, container, name FROM definitions WHERE file = ? AND ordinal IN ({marks})"
        rows = self._read(sql, (file, *ordinals)) if ordinals else []
        return {ordinal: f"{container}.{name}" if container else name for ordinal, container, name in rows}

    def _enclosing(self, row: Reference) -> Definition:
        """The innermost definition around a reference."""
        if row.enclosing:
            name = row.enclosing.rpartition(".")[2]
            around = [hit for hit in self._in_files(name, (row.path,)) if hit.start <= row.start < hit.end]
            if around:
                return max(around, key=lambda hit: hit.start)
        return _module(row.path)

    def _in_files(self, name: str, paths: Sequence[str]) -> tuple[Definition, ...]:
        some = paths[:_MOST_ROWS]
        marks = ", ".join("?" * len(some))
        found = self._definitions(f"d.name = ? AND f.path IN ({marks}) LIMIT ?", (name, *some, _MOST_ROWS))
        order = {path: at for at, path in enumerate(some)}
        return tuple(sorted(found, key=lambda row: (order[row.path], row.start)))

    def _definitions(self, where: str, args: Sequence[object]) -> tuple[Definition, ...]:
        sql = f"SELECT {DEFINITION} FROM definitions d JOIN files f ON f.id = d.file WHERE {where}"
        rows = (Definition(*row) for row in self._read(sql, args))
        return tuple(move.definition(row) if (move := self.move_of(row.path)) else row for row in rows)

    def _read(self, sql: str, args: Sequence[object] = ()) -> list[tuple]:
        """Rows, or none where the tables cannot be read: they are begun anew then, and full after the next refresh."""
        try:
            return self._database.read(sql, args)
        except sqlite3.ProgrammingError:  # closed
            return []
        except sqlite3.Error as error:
            self._database.recover(error)
            return []

    def _surely(self, work: Callable[[], Answer]) -> Answer:
        """The work, begun anew with other tables where those at hand fail: with a new file, then in memory."""
        for _ in range(2):
            try:
                return work()
            except sqlite3.ProgrammingError:
                raise
            except (sqlite3.Error, OSError) as error:
                self._database.recover(error)
        return work()


def _module(path: str) -> Definition:
    """A file as a definition."""
    file = PurePosixPath(path)
    name = file.parent.name if file.stem in _INDEX_STEMS and file.parent.name else file.stem
    return Definition(name, "module", path, 0, 0, 0, 0, "", "", "")


def _distance(row: Definition, seen_from: str) -> tuple:
    return (bool(row.container), *_path_distance(row.path, seen_from), row.start)


def _path_distance(path: str, seen_from: str) -> tuple[bool, int, str]:
    """Tests last, unless asked from a test; then by the folders that lie between; then by name."""
    here, there = _folder(seen_from).split("/"), _folder(path).split("/")
    shared = next(
        (at for at, (a, b) in enumerate(zip(here, there, strict=False)) if a != b), min(len(here), len(there))
    )
    is_test = bool(_TEST.search(path)) and not _TEST.search(seen_from)
    return is_test, len(here) + len(there) - 2 * shared, path


def _folder(path: str) -> str:
    """The folder of a path with a slash at its end, "" at the root."""
    head, slash, _ = path.rpartition("/")
    return head + slash


def _last_word(module: str) -> str:
    return re.split(r"[./:\\]+", module.strip("\"'<>"))[-1]
