"""A commit's files as a workspace: its symbols, its windows, and what of it is being edited, all in memory.

Goes from commit to commit by what differs between them. Beside a tree it holds documents, whose text goes before that
of the files, and recent edits. Reads what a workspace would let be read, as far as the names and contents of files
tell: ignore files are not asked, as Git keeps few files that they name, and libraries are not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from foretype.context import history as edits
from foretype.context import languages
from foretype.context.graph import Graph
from foretype.context.guard import content_refusal, name_refusal
from foretype.context.history import DiffEvent
from foretype.context.index import indexing, symbol_rows
from foretype.context.index.database import Database
from foretype.context.similar import SimilarIndex
from foretype.context.text import Snapshot, split_lines
from foretype.mining.git import History

_NO_EDITS = edits.History()
_READ_AT_ONCE = 64  # blobs


class TreeWorkspace:
    """What `context.gather` asks of a workspace, of a repository's commits. Not for use by several threads."""

    def __init__(self, repository: History) -> None:
        self._repository = repository
        self._database = Database(None, symbol_rows.SCHEMA)
        self.graph = Graph(self._database)
        self.similar = SimilarIndex()
        self._commit = ""
        self._sources: dict[str, bytes] = {}  # of the commit's files
        self._documents: Mapping[str, Snapshot] = {}  # by path
        self._missing: Mapping[str, None] = {}
        self._edits = _NO_EDITS

    def close(self) -> None:
        self.graph.close()

    def go_to(self, commit: str) -> None:
        """The files are from now on the commit's, and no document is open."""
        self.show((), _NO_EDITS)
        known = self._repository.between(self._commit, commit) if self._commit else None
        if known is None:
            found = {path: blob for path, blob in self._repository.tree(commit).items() if _is_wanted(path)}
            gone = self._sources.keys() - found.keys()
        else:
            found = {one.path: one.new_id for one in known if one.new_mode.startswith("100") and _is_wanted(one.path)}
            gone = {path for one in known for path in (one.old_path, one.path)} - found.keys()
        for path in sorted(gone & self._sources.keys()):
            del self._sources[path]
            self._take_up(path, None)
        paths = list(found)
        for start in range(0, len(paths), _READ_AT_ONCE):
            some = paths[start : start + _READ_AT_ONCE]
            for path, source in zip(some, self._repository.blobs([found[path] for path in some]), strict=True):
                if source is None or content_refusal(source):
                    self._sources.pop(path, None)
                    self._take_up(path, None)
                else:
                    self._sources[path] = source
                    self._take_up(path, source)
        self._commit = commit

    def show(self, documents: Iterable[Snapshot], recent: edits.History, gone: Iterable[str] = ()) -> None:
        """These documents are open and no others, the last of them edited last; files that are `gone` are not there."""
        before = self._documents
        self._documents = {one.path: one for one in documents}
        self._edits = recent
        missing = dict.fromkeys(gone)
        for path in dict.fromkeys((*before, *self._documents, *missing, *self._missing)):
            document = self._documents.get(path)
            if document is None:
                self._take_up(path, None if path in missing else self._sources.get(path))
            else:
                self._take_up(path, document.text.encode("utf-8", "replace"))
        self._missing = missing
        # one that has arranged its files already may put off doing so anew, by a clock
        self.graph = Graph(self._database)

    def read(self, path: str) -> Sequence[str] | None:
        if document := self._documents.get(path):
            return document.lines
        source = None if path in self._missing else self._sources.get(path)
        return None if source is None else split_lines(source.decode("utf-8", "replace"))

    def open_documents(self) -> tuple[Snapshot, ...]:
        return tuple(self._documents.values())

    def recent_edits(self, limit: int) -> tuple[DiffEvent, ...]:
        return tuple(event for event in self._edits.recent(limit) if not name_refusal(event.path))

    def _take_up(self, path: str, source: bytes | None) -> None:
        if source is not None and (not _is_wanted(path) or content_refusal(source)):
            source = None
        indexing.update(self._database, path, source)
        if source is None:
            self.similar.remove(path)
        else:
            self.similar.update(path, split_lines(source.decode("utf-8", "replace")))


def _is_wanted(path: str) -> bool:
    return languages.find("", path) is not None and not name_refusal(path)
