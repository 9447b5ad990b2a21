"""What a source file defines, refers to and imports, read from its syntax tree.

One file at a time and by name alone: what a name means elsewhere is `context/graph.py`'s, which file an import means is
`context/index/imports.py`'s. Names that a function binds for itself (parameters, variables) are neither definitions nor
references: nothing outside of the function means them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt
import tree_sitter

from foretype.context import languages
from foretype.context.index import captures, import_statements, signatures
from foretype.context.index.captures import Kind
from foretype.context.languages import Language

# A longer file is read up to here; `context/guard.py` refuses it before.
MAX_BYTES = 2 << 20


class Definition(NamedTuple):
    """A definition in `path` (relative to the workspace, forward slashes).

    `start` and `end` are byte offsets of the whole of it, `line` and `end_line` count from 0. `signature` is the
    definition without its body, as written, white space folded, at most 300 characters; `doc` the first line of its
    doc comment or docstring or ""; `container` the dotted names of the definitions around it, "" at top level.
    """

    name: str
    kind: Kind
    path: str
    start: int
    end: int
    line: int
    end_line: int
    signature: str
    doc: str
    container: str


class Reference(NamedTuple):
    """A use of a name at byte `start`; `enclosing` is the dotted name of the definition around it, "" at top level."""

    name: str
    path: str
    line: int
    start: int
    enclosing: str


class Import(NamedTuple):
    """One imported name: `from a.b import c as d` is module "a.b", name "c", alias "d"; `import a.b` has name "".

    Leading dots of a relative module are kept. A C include has its quotes or angle brackets in `module`.
    """

    path: str
    module: str
    name: str
    alias: str
    line: int


@dataclass(frozen=True, eq=False)
class References(Sequence[Reference]):
    """The references of one file by columns, since there are hundreds a file; a sequence of `Reference` to its readers.

    `names` are the distinct names, `scopes` the dotted names of the file's definitions. The columns are int32, one
    entry a reference, by place: `name` indexes `names`, `owner` indexes `scopes` and the file's definitions (-1: top
    level).
    """

    path: str
    names: tuple[str, ...]
    scopes: tuple[str, ...]
    name: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    line: npt.NDArray[np.int32]
    owner: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.name)

    @overload
    def __getitem__(self, index: int) -> Reference: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Reference, ...]: ...
    def __getitem__(self, index: int | slice) -> Reference | tuple[Reference, ...]:
        if isinstance(index, slice):
            return tuple(self[at] for at in range(*index.indices(len(self))))
        owner = int(self.owner[index])
        scope = self.scopes[owner] if owner >= 0 else ""
        return Reference(self.names[self.name[index]], self.path, int(self.line[index]), int(self.start[index]), scope)

    def __iter__(self) -> Iterator[Reference]:
        rows = zip(*(column.tolist() for column in (self.name, self.line, self.start, self.owner)), strict=True)
        for name, line, start, owner in rows:
            yield Reference(self.names[name], self.path, line, start, self.scopes[owner] if owner >= 0 else "")

    @property
    def columns(self) -> npt.NDArray[np.int32]:
        """All of them as rows of one array: name, line, byte offset, owner."""
        return np.stack((self.name, self.line, self.start, self.owner))


@dataclass(frozen=True)
class FileSymbols:
    """What one file holds; definitions and references by place."""

    path: str
    language: str
    definitions: tuple[Definition, ...]
    references: References
    imports: tuple[Import, ...]


def extract(path: str, source: bytes, language: Language) -> FileSymbols:
    """The symbols of one file. Never raises for broken text; a language without a grammar or queries has none."""
    parser, query = languages.parser(language), captures.query(language)
    source = source[:MAX_BYTES]
    found: captures.Captures = {}
    if parser is not None and query is not None:
        found = tree_sitter.QueryCursor(query).captures(parser.parse(source).root_node)
    items, used = captures.read(found, source)
    breaks = np.flatnonzero(np.frombuffer(source, np.uint8) == ord("\n"))
    lines = np.searchsorted(breaks, [item.start for item in items]).tolist()
    last_lines = np.searchsorted(breaks, [item.end for item in items]).tolist()
    definitions = tuple(
        Definition(
            *(item.name, item.kind, path, item.start, item.end, line, last_line),
            *(signatures.signature(item, source), signatures.doc(item, source, language), item.container),
        )
        for item, line, last_line in zip(items, lines, last_lines, strict=True)
    )
    scopes = tuple(f"{item.container}.{item.name}" if item.container else item.name for item in items)
    at = np.searchsorted(breaks, used.start).astype(np.int32)
    references = References(path, used.names, scopes, used.name, used.start, at, used.owner)
    return FileSymbols(
        path, language.name, definitions, references, tuple(_imports(path, source, found, breaks, language))
    )


def _imports(
    path: str, source: bytes, found: captures.Captures, breaks: npt.NDArray[np.intp], language: Language
) -> Iterator[Import]:
    nodes = sorted(found.get("import", ()), key=lambda node: node.start_byte)
    lines = np.searchsorted(breaks, [node.start_byte for node in nodes]).tolist()
    for node, line in zip(nodes, lines, strict=True):
        statement = source[node.start_byte : node.end_byte].decode(errors="replace")
        for module, name, alias in import_statements.parse(statement, language):
            yield Import(path, module, name, alias, line)
