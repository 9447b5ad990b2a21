"""The files of a workspace as a rule looks at them: the present texts, one of them with a definition's former name.

Which files may use a name is the symbol graph's to say (`Graph.references`); what they import is read from their
present text, so that it holds before the graph has taken up an edit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

import tree_sitter

from foretype.context import languages
from foretype.context.guard import content_refusal
from foretype.context.index import import_statements, imports
from foretype.context.index.imports import Layout
from foretype.context.languages import Language
from foretype.context.rules.trees import Parsed, parse
from foretype.context.symbols import Import, Reference
from foretype.context.text import Snapshot, unmarked
from foretype.context.workspace import Workspace

_MOST_REFERENCES = 20_000  # of one name
_MOST_BYTES = 1 << 20  # of a file; a longer one was generated
_STATEMENTS = {
    "python": "[(import_statement) (import_from_statement)] @import",
    "ecmascript": """
        (import_statement) @import
        (export_statement source: (string)) @import
        (variable_declarator value: (call_expression function: (identifier) @_require arguments: (arguments . (string)))
          (#eq? @_require "require")) @import
    """,
    "go": "(import_spec) @import",
    "java": "(import_declaration) @import",
    "rust": "[(use_declaration) (mod_item !body)] @import",
}
_ECMASCRIPT = ("javascript", "typescript", "tsx")

# An import statement and what it imports.
Statement = tuple[tree_sitter.Node, tuple[Import, ...]]


@dataclass
class _Reach:
    """How many files are looked at, and whether that was too few."""

    most: int | None = None
    fell_short: bool = False


class View:
    """One look at a workspace. `instead` are files whose text is taken to be another one."""

    def __init__(self, workspace: Workspace, instead: Mapping[str, Parsed] | None = None) -> None:
        self.workspace = workspace
        self._instead = dict(instead or {})
        self._files: dict[str, Parsed | None] = {}
        self._sources: dict[str, bytes | None] = {}
        self._references: dict[str, tuple[Reference, ...]] = {}
        self._layout: Layout | None = None
        self.also: tuple[str, ...] = ()  # files that the graph may not know yet
        self.touched: Mapping[str, Sequence[tuple[int, int]]] = {}  # the lines that the user has just written
        self._reach = _Reach()

    def reach(self, most: int | None) -> None:
        """From now on looks at no more than so many files of each name besides the edited ones; None: at all."""
        self._reach.most, self._reach.fell_short = most, False

    @property
    def fell_short(self) -> bool:
        """Whether files were left out since `reach` was last called."""
        return self._reach.fell_short

    def with_instead(self, file: Parsed) -> View:
        """The same look with another text for one file."""
        other = View(self.workspace, {**self._instead, file.path: file})
        other._files = {path: row for path, row in self._files.items() if path != file.path}
        other._references, other._layout, other._sources = self._references, self._layout, self._sources
        other.also, other.touched, other._reach = self.also, self.touched, self._reach
        return other

    def file(self, path: str) -> Parsed | None:
        """The tree of a file, None if it is gone, may not be read, is too long or in no language with a grammar."""
        if path in self._instead:
            return self._instead[path]
        if path not in self._files:
            source, language = self.source(path), _language(path)
            self._files[path] = parse(path, source, language) if source is not None and language else None
        return self._files[path]

    def source(self, path: str) -> bytes | None:
        """The present text of a file, as UTF-8: what `Workspace.read` gives, but not taken to lines."""
        if path in self._instead:
            return self._instead[path].source
        if path not in self._sources:
            self._sources[path] = self._read(path)
        return self._sources[path]

    def _read(self, path: str) -> bytes | None:
        language = _language(path)
        if language is None or not language.grammar or self.workspace.guard.refusal(path):
            return None
        if (snapshot := self._documents.get(path)) is not None:
            source = snapshot.text.encode("utf-8", "replace")
        else:
            try:
                source = unmarked((self.workspace.root / path).read_bytes())
            except OSError:
                return None
        if len(source) > _MOST_BYTES or content_refusal(source):
            return None
        return source if _is_utf8(source) else source.decode("utf-8", "replace").encode()

    def users(self, name: str, near: str) -> tuple[str, ...]:
        """The paths of files, in languages like that of `near`, that may use a name, `near` first."""
        known = (row.path for row in self.references(name, near))
        paths = dict.fromkeys((near, *known, *self.also, *self._open_with(name)))
        family = family_of(near)
        return self._reached(near, [path for path in paths if family_of(path) == family])

    def _open_with(self, name: str) -> list[str]:
        """Documents with a name: what was typed a moment ago, the graph may not know yet."""
        word = name.encode("utf-8", "replace")
        return [path for path in self._documents if word in (self.source(path) or b"")]

    def _reached(self, near: str, paths: Sequence[str]) -> tuple[str, ...]:
        own = {near, *self.also}
        others = [path for path in paths if path not in own]
        if self._reach.most is None or len(others) <= self._reach.most:
            return tuple(paths)
        self._reach.fell_short = True
        kept = own.union(others[: self._reach.most])
        return tuple(path for path in paths if path in kept)

    def references(self, name: str, near: str) -> tuple[Reference, ...]:
        """What the graph has as references of a name; those of an edited file may be off."""
        if name not in self._references:
            self._references[name] = self.workspace.graph.references(name, near, _MOST_REFERENCES)
        return self._references[name]

    def is_touched(self, file: Parsed, start: int, end: int) -> bool:
        """Whether the user has just written something of these bytes of a file."""
        first, last = file.line(start), file.line(end)
        return any(a <= last and first < b for a, b in self.touched.get(file.path, ()))

    def statements(self, file: Parsed) -> tuple[Statement, ...]:
        """The import statements of a file."""
        if "imports" not in file.notes:
            file.notes["imports"] = tuple(_statements(file))
        found: tuple[Statement, ...] = file.notes["imports"]
        return found

    def targets(self, row: Import) -> tuple[str, ...]:
        """The files of the workspace that an import may mean."""
        language = _language(row.path)
        return imports.resolve(row, self.layout, language) if language else ()

    @cached_property
    def _documents(self) -> dict[str, Snapshot]:
        return {snapshot.path: snapshot for snapshot in self.workspace.open_documents()}

    @property
    def layout(self) -> Layout:
        if self._layout is None:
            graph = self.workspace.graph
            paths = graph.paths()
            missing = frozenset(path for path in self.also if path not in paths)
            modules = tuple(
                (path, rows[0].signature) for path in paths if path.endswith("go.mod") and (rows := graph.outline(path))
            )
            self._layout = _layout(paths | missing if missing else paths, modules)
        return self._layout


def family_of(path: str) -> str:
    """The language of a path, one for all that import each other."""
    language = _language(path)
    name = language.name if language else ""
    return "ecmascript" if name in _ECMASCRIPT else name


@lru_cache(maxsize=8192)
def _language(path: str) -> Language | None:
    return languages.find("", path)


def _is_utf8(source: bytes) -> bool:
    try:
        source.decode()
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(maxsize=4)
def _layout(paths: frozenset[str], modules: tuple[tuple[str, str], ...]) -> Layout:
    texts = dict(modules)
    return imports.layout(paths, lambda path: texts.get(path, "").encode())


def _statements(file: Parsed) -> list[Statement]:
    query = _query(file.language)
    if query is None:
        return []
    nodes = tree_sitter.QueryCursor(query).captures(file.root).get("import", [])
    found = []
    for node in sorted(nodes, key=lambda node: node.start_byte):
        rows = import_statements.parse(file.text(node), file.language)
        line = node.start_point[0]
        found.append((node, tuple(Import(file.path, module, name, alias, line) for module, name, alias in rows)))
    return found


@cache
def _query(language: Language) -> tree_sitter.Query | None:
    parser = languages.parser(language)
    text = _STATEMENTS.get("ecmascript" if language.name in _ECMASCRIPT else language.name)
    if parser is None or parser.language is None or text is None:
        return None
    return tree_sitter.Query(parser.language, text)
