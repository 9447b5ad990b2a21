"""Signatures of the libraries that a workspace imports, from the environments that lie in it.

Python's virtual environments (`.venv`, `venv`, `env` with a `pyvenv.cfg`) and type declarations under `node_modules`. A
file of a library is read when a file of the workspace imports it, with those of the same package that it takes its
names from; its definitions are stored beside the workspace's, under the mark `files.library`, until the package has
another version. They are no files of the workspace: nothing is looked up in them by name alone, and no body of theirs
is shown. The standard library is left out, and packages that are linked in from elsewhere.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from foretype.context import languages
from foretype.context.guard import Guard, content_refusal
from foretype.context.index.database import Database
from foretype.context.index.environments import HOME, INSIDE, Shelf, entry, inside, on_disk, readable, version
from foretype.context.index.indexing import Parse, forget, source_of, store_rows
from foretype.context.index.symbol_rows import Rows
from foretype.context.languages import Language
from foretype.context.symbols import Import

_HOPS = 2  # imports that are followed inside of a package, from the file that the workspace imports
_MOST_FILES = 64  # of one package, read for one file of the workspace
_MOST_STORED = 400  # of one package
_LONGEST_S = 3.0  # of reading for one file of the workspace
_ECMA = ("javascript", "typescript", "tsx")
_STUBS = (".pyi", "/__init__.pyi", ".py", "/__init__.py")
_DECLARATIONS = (".d.ts", ".d.mts", ".d.cts", "/index.d.ts", "/index.d.mts")
_SCRIPT = re.compile(r"\.[mc]?js$")


def stored(database: Database) -> Shelf:
    """What is in the tables."""
    files = frozenset(path for (path,) in database.read("SELECT path FROM files WHERE library <> ''"))
    entries = dict(database.read("SELECT folder, entry FROM libraries"))
    homes = dict.fromkeys(found["home"] for folder in entries if (found := INSIDE.match(folder)))
    return Shelf(tuple(homes), files.__contains__, lambda folder: entries.get(folder, ""))


def resolve(row: Import, shelf: Shelf, language: Language) -> tuple[str, ...]:
    """The files of libraries that an import may mean, likeliest first."""
    if language.name == "python":
        found = _python(row, shelf)
    elif language.name in _ECMA:
        found = _ecmascript(row, shelf)
    else:
        return ()
    return tuple(dict.fromkeys(path for path in found if path != row.path))


def take_up(database: Database, guard: Guard, rows: Iterable[Import], parse: Parse) -> int:
    """Reads what the imports of a file of the workspace mean in libraries, and is not stored yet or in another version.

    Returns the number of files that were read. Bounded in files and seconds: what is left is not read.
    """
    shelves: dict[str, Shelf] = {}
    wanted: dict[_Package, dict[str, None]] = {}
    for row in rows:
        language = languages.find("", row.path)
        if language is None or _is_standard(row, language):
            continue
        folder = row.path.rpartition("/")[0]
        if folder not in shelves:
            shelves[folder] = on_disk(guard, folder)
        for path in resolve(row, shelves[folder], language):
            if package := _package(path):
                wanted.setdefault(package, {})[path] = None
    until = time.monotonic() + _LONGEST_S
    return sum(
        _Reading(database, guard, package, parse, until).read(paths, shelves) for package, paths in wanted.items()
    )


@dataclass(frozen=True)
class _Package:
    """`home` is the folder that it lies in, `name` what it is imported by ("requests", "@scope/thing")."""

    home: str
    name: str

    @property
    def folder(self) -> str:
        return f"{self.home}/{self.name}"


def _package(path: str) -> _Package | None:
    found = INSIDE.match(path)
    if found is None:
        return None
    first, *rest = path[found.end() :].split("/")
    if first.startswith("@") and rest:
        return _Package(found["home"], f"{first}/{rest[0]}")
    return _Package(found["home"], first if rest else first.partition(".")[0])


@dataclass
class _Reading:
    """One package being read."""

    database: Database
    guard: Guard
    package: _Package
    parse: Parse
    until: float
    count: int = field(default=0)

    def read(self, paths: Iterable[str], shelves: Mapping[str, Shelf]) -> int:
        self._renew()
        known = {path for (path,) in self.database.read("SELECT path FROM files WHERE library = ?", (self._key,))}
        disk = Shelf((self.package.home,), readable(self.guard, self.package.home), lambda folder: "")
        queue = [path for path in paths if path not in known]
        for _ in range(_HOPS + 1):
            following: dict[str, None] = {}
            for path in queue:
                if self.count >= _MOST_FILES or len(known) >= _MOST_STORED or time.monotonic() > self.until:
                    return self.count
                known.add(path)
                found = self._store(path)
                language = languages.find("", path)
                if found is not None and language is not None:
                    rows = (Import(path, *row) for row in found.imports)
                    following |= {to: None for row in rows for to in resolve(row, disk, language)}
            queue = [path for path in following if path not in known and _package(path) == self.package]
        return self.count

    @property
    def _key(self) -> str:
        return self.package.folder

    def _renew(self) -> None:
        """Forgets what is stored of another version."""
        package = self.package
        now = version(self.guard, package.home, package.name), entry(self.guard, package.folder)
        if self.database.read("SELECT version, entry FROM libraries WHERE folder = ?", (self._key,)) == [now]:
            return
        old = [path for (path,) in self.database.read("SELECT path FROM files WHERE library = ?", (self._key,))]
        forget(self.database, old)
        with self.database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO libraries VALUES (?, ?, ?)", (self._key, *now))

    def _store(self, path: str) -> Rows | None:
        try:
            content = (self.guard.root / path).read_bytes()
        except OSError:
            return None
        if content_refusal(content):
            return None
        found = replace(self.parse(path, content), references=0, uses=(), places=b"", import_words=[])
        source = source_of(path, content, -1)
        with self.database.write() as connection:
            store_rows(connection, [source], [found], self._key)
        self.count += 1
        return found


def _python(row: Import, shelf: Shelf) -> Iterator[str]:
    module = row.module.lstrip(".")
    dots = len(row.module) - len(module)
    parts = [part for part in module.split(".") if part]
    if dots:
        if not inside(row.path):
            return
        bases = ["/".join([*row.path.split("/")[:-dots], *parts])]
    elif parts:
        homes = _homes(row.path, shelf, "site-packages")
        bases = ["/".join([home, top, *parts[1:]]) for home in homes for top in (f"{parts[0]}-stubs", parts[0])]
    else:
        return
    for base in bases:
        stems = [base] if row.name in ("", "*") else [f"{base}/{row.name}", base]
        found = [next((stem + end for end in _STUBS if shelf.holds(stem + end)), "") for stem in stems]
        if any(found):
            yield from filter(None, found)
            return


def _ecmascript(row: Import, shelf: Shelf) -> Iterator[str]:
    module = row.module
    if module.startswith("."):
        if inside(row.path):
            base = os.path.normpath(f"{row.path.rpartition('/')[0]}/{module}").replace("\\", "/")
            yield from _declared(base, shelf)
        return
    name, rest = re.fullmatch(r"((?:@[^/]+/)?[^/]*)/?(.*)", module, re.DOTALL).groups()  # type: ignore[union-attr]
    typed = "@types/" + name.removeprefix("@").replace("/", "__")
    for home in _homes(row.path, shelf, "node_modules"):
        for package in (f"{home}/{name}", f"{home}/{typed}"):
            found = list(_declared(f"{package}/{rest}", shelf)) if rest else [shelf.entry(package)]
            if found and found[0] and shelf.holds(found[0]):
                yield found[0]
                return


def _declared(base: str, shelf: Shelf) -> Iterator[str]:
    """The declarations of a module, which may be named by its declarations, its script or without an ending."""
    if base.endswith((".d.ts", ".d.mts", ".d.cts")):
        stems: tuple[str, ...] = (base,)
    else:
        stems = tuple(_SCRIPT.sub("", base) + end for end in _DECLARATIONS)
    yield from [path for path in stems if shelf.holds(path)][:1]


def _homes(path: str, shelf: Shelf, kind: str) -> list[str]:
    """The folders that a file's libraries lie in, nearest first; that of a library's file is its own."""
    own = INSIDE.match(path)
    if own:
        return [own["home"]]
    serving = [
        home
        for home in shelf.homes
        if home.endswith(kind) and (found := HOME.fullmatch(home)) and path.startswith(found["above"])
    ]
    return sorted(serving, key=lambda home: (-home.count("/"), HOME.fullmatch(home)["above"], home))  # type: ignore[index]


def _is_standard(row: Import, language: Language) -> bool:
    if language.name == "python":
        return row.module.startswith(".") or row.module.partition(".")[0] in sys.stdlib_module_names
    return row.module.startswith((".", "/", "node:"))
