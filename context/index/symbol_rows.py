"""The symbols of one file as rows for the symbol graph's tables, and back.

A file's references are one row, their names a text and their places a blob: a code base has a million and a half of
them, and a row for each would take ten times the room and the time, a row for each name of a file three times. To find
a name is to look through the names of all files, some 400 bytes each. Knows the tables' columns, not the tables.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from foretype import __version__
from foretype.context import languages, secrets, symbols
from foretype.context.symbols import Definition, Import, Kind

SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, language TEXT NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,   -- -1: not to be trusted, compare the digest
    digest BLOB NOT NULL, refused TEXT NOT NULL, symbols INTEGER NOT NULL, refs INTEGER NOT NULL,
    library TEXT NOT NULL);      -- the folder of the package that it is of, '' for a file of the workspace
CREATE TABLE IF NOT EXISTS libraries (  -- `entry` is the file that the name alone means, where it needs saying
    folder TEXT PRIMARY KEY, version TEXT NOT NULL, entry TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS files_by_library ON files (library) WHERE library <> '';
CREATE TABLE IF NOT EXISTS definitions (
    file INTEGER NOT NULL, ordinal INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, line INTEGER NOT NULL, end_line INTEGER NOT NULL,
    signature TEXT NOT NULL, doc TEXT NOT NULL, container TEXT NOT NULL, PRIMARY KEY (file, ordinal)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS definitions_by_name ON definitions (name, file);
CREATE TABLE IF NOT EXISTS uses (  -- `names` each with a line end before and after it
    file INTEGER PRIMARY KEY, names TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS places (file INTEGER PRIMARY KEY, columns BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS imports (
    file INTEGER NOT NULL, ordinal INTEGER NOT NULL, module TEXT NOT NULL, name TEXT NOT NULL, alias TEXT NOT NULL,
    line INTEGER NOT NULL, PRIMARY KEY (file, ordinal)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS import_words (  -- the words of an import that a file it means may be called by
    word TEXT NOT NULL, file INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    PRIMARY KEY (word, file, ordinal)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS import_words_by_file ON import_words (file);
-- counts the changes of the set of files, of the workspace and of libraries
CREATE TABLE IF NOT EXISTS epoch (paths INTEGER NOT NULL, shelf INTEGER NOT NULL);
INSERT INTO epoch SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM epoch);
CREATE TRIGGER IF NOT EXISTS file_came AFTER INSERT ON files
    BEGIN UPDATE epoch SET paths = paths + (new.library = ''), shelf = shelf + (new.library <> ''); END;
CREATE TRIGGER IF NOT EXISTS file_went AFTER DELETE ON files
    BEGIN UPDATE epoch SET paths = paths + (old.library = ''), shelf = shelf + (old.library <> ''); END;
CREATE TRIGGER IF NOT EXISTS file_changed AFTER UPDATE ON files
    WHEN old.refused <> new.refused OR new.path LIKE '%go.mod' AND old.digest <> new.digest
    BEGIN UPDATE epoch SET paths = paths + 1; END;
"""
DEFINITION = 'd.name, d.kind, f.path, d.start, d."end", d.line, d.end_line, d.signature, d.doc, d.container'
GO_MOD = "go.mod"


@dataclass(frozen=True)
class Rows:
    """What the tables hold of one file; each row without its file. `uses` are the distinct names, `places` is for
    `places_of`."""

    path: str
    language: str
    references: int
    definitions: list[tuple]
    uses: tuple[str, ...]
    places: bytes
    imports: list[tuple[str, str, str, int]]
    import_words: list[tuple[str, int]]


def rows(path: str, source: bytes) -> Rows:
    """The rows of one file; none for a file of a language without grammar.

    A `go.mod` has one definition, whose signature is the line that names the module.
    """
    if path.rpartition("/")[2] == GO_MOD:
        line = next((line for line in source.decode(errors="replace").splitlines() if line.startswith("module ")), "")
        definition = (
            line.removeprefix("module ").partition("//")[0].strip(),
            "module",
            0,
            len(source),
            0,
            0,
            line,
            "",
            "",
        )
        return Rows(path, "go", 0, [definition] if line else [], (), b"", [], [])
    language = languages.find("", path)
    if language is None:
        return Rows(path, "", 0, [], (), b"", [], [])
    found = symbols.extract(path, source, language)
    return Rows(
        path=path,
        language=found.language,
        references=len(found.references),
        definitions=[
            (row.name, row.kind, row.start, row.end, row.line, row.end_line, row.signature, row.doc, row.container)
            for row in _hidden(found.definitions)
        ],
        uses=found.references.names,
        places=found.references.columns.astype("<i4", copy=False).tobytes(),
        imports=[(row.module, row.name, row.alias, row.line) for row in found.imports],
        import_words=[(word, ordinal) for ordinal, row in enumerate(found.imports) for word in sorted(words(row))],
    )


def places_of(number: int, columns: bytes) -> list[tuple[int, int, int]]:
    """The places of the name `uses[number]`, in the order of the file: line, byte offset, ordinal of the definition
    around it or -1."""
    name, *rest = np.frombuffer(columns, "<i4").reshape(4, -1)
    chosen = name == number
    return list(zip(*(column[chosen].tolist() for column in rest), strict=True))


def words(row: Import) -> set[str]:
    """The last word of the imported module and the imported name: what the file that is meant may be called by.

    "." stands for a module of dots alone, which means a folder by its place and not by its name.
    """
    path = row.module.strip("\"'<>").replace("::", "/").replace("\\", "/")
    last = path.rstrip("./").rpartition("/")[2]
    is_file = "/" in path or last.endswith(_FILE_ENDS)
    last = last.partition(".")[0] if is_file else last.rpartition(".")[2]
    modules = path.split("/") if "::" in row.module else []  # the last ones may be types, the file's name before them
    return {last or ".", row.name, *modules} - {"", "*"}


_FILE_ENDS = (
    ".h",
    ".hpp",
    ".hh",
    ".hxx",
    ".inc",
    ".c",
    ".cc",
    ".cpp",
    ".js",
    ".mjs",
    ".cjs",
    ".jsx",
    ".ts",
    ".tsx",
    ".json",
)


def _hidden(definitions: Sequence[Definition]) -> Iterable[Definition]:
    """Their signatures and doc lines without secrets: what may not be shown is not stored either."""
    telling = [row.signature for row in definitions if _may_hold(row)] + [row.doc for row in definitions if row.doc]
    if not secrets.secret("\n".join(telling)):  # one look at all of them is much faster, and they seldom hold any
        return definitions
    return (
        row._replace(
            signature=secrets.redact(row.signature) if _may_hold(row) else row.signature, doc=secrets.redact(row.doc)
        )
        for row in definitions
    )


def _may_hold(row: Definition) -> bool:
    return row.kind in _WITH_VALUES or '"' in row.signature or "'" in row.signature


_WITH_VALUES: tuple[Kind, ...] = ("constant", "field")


# The modules that decide what is in the tables.
_DECIDING = ("captures", "environments", "import_statements", "libraries", "signatures", "symbol_rows", "../symbols")


@cache
def edition() -> str:
    """Changes with whatever decides what is in the tables: another edition has another file."""
    parts = [__version__, SCHEMA]
    here = Path(__file__).parent
    sources = [*here.parent.glob("queries/*/*.scm"), *(here / f"{name}.py" for name in _DECIDING)]
    digest = zlib.crc32(repr(parts).encode())
    for source in sorted(sources):
        if source.is_file():
            digest = zlib.crc32(source.read_bytes(), digest)
    return f"{digest:08x}"
