"""What is known of one workspace, in one place: what may be read, its symbols, its windows, its recent edits.

The text of an open document goes before that of its file. Keeping things fresh is work for a thread of the caller's
(`refresh`, `changed`); what the editor tells (`opened`, `edited`, `closed`) only takes note of it. Does not know when
it is time for either, nor what any of it is for.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from foretype.context import languages
from foretype.context.graph import Graph
from foretype.context.guard import RULE_FILES, Guard, content_refusal
from foretype.context.history import DiffEvent, Edit, History
from foretype.context.index.indexing import Progress, Stats
from foretype.context.index.moves import Move, between
from foretype.context.next_edit import EditedFile
from foretype.context.similar import SimilarIndex
from foretype.context.text import Snapshot, split_lines, unmarked
from foretype.context.together import Together

_log = logging.getLogger(__name__)

_Status = tuple[int, int]  # size, time of change in nanoseconds


class Workspace:
    """One workspace. Any thread may call; paths are relative to `root`, with forward slashes.

    `similar` is empty until the first `refresh`, and `graph` as the last session left it.
    """

    def __init__(self, guard: Guard, graph: Graph) -> None:
        self.root = guard.root
        self.guard = guard
        self.graph = graph
        self.similar = SimilarIndex()
        self.together = Together(self.root)
        self._history = History()
        self._open: dict[str, Snapshot] = {}
        self._known: dict[str, _Status] = {}
        self._taken: dict[str, Sequence[str]] = {}  # the lines of open documents as the graph has read them
        self._moved: tuple[Sequence[str], Sequence[str], Move | None] = ((), (), None)  # between two texts, the last
        self._noting = threading.Lock()  # held for no longer than a dictionary takes
        self._working = threading.Lock()  # one refresh at a time
        graph.move_of = self._move

    @classmethod
    def open(cls, root: str | Path, cache_dir: Path | None, include: Collection[str] = ()) -> Workspace:
        """The workspace in the folder `root`; its graph is kept in memory where `cache_dir` is None."""
        return cls(Guard(root, include), Graph.open(root, cache_dir))

    def close(self) -> None:
        self.graph.close()

    def refresh(self, progress: Progress = lambda *_: None, children: int | None = None) -> Stats:
        """Takes up every file that may be read, and is new or changed; forgets those that are gone.

        Takes seconds where the workspace is large and new. `children` are processes to parse with, by default as many
        as there are cores.
        """
        with self._working:
            stats = self.graph.refresh(self.guard, progress, children, others_wait=children != 0)
            self._refresh_similar(progress)
            for snapshot in self.open_documents():
                self._take_up(snapshot.path)
            return stats

    def changed(self, path: str) -> None:
        """Takes up one file as it is now: written, deleted, or edited in an open document that has settled.

        Of a folder that was deleted, editors tell nothing of the files in it, so these are taken up too. What an ignore
        file says holds for any file, so all of them are.
        """
        if path.rpartition("/")[2] in RULE_FILES:
            self.refresh()
            return
        with self._working:
            gone = () if os.path.lexists(self.root / path) else self.graph.paths_below(path)
            for one in (path, *gone):
                self._take_up(one)

    def opened(self, snapshot: Snapshot) -> None:
        """A document was opened, or is now this text."""
        with self._noting:
            self._open[snapshot.uri] = snapshot

    def edited(self, before: Snapshot, edits: Iterable[Edit], now: float, after: Snapshot | None = None) -> None:
        """Edits, the first of them to `before`, at `now` seconds of any clock that does not go backwards.

        `after` is the text that they left, where it is at hand.
        """
        with self._noting:
            self._history.record(before, edits, now)
            if after is not None:
                self._open[after.uri] = after

    def closed(self, uri: str) -> None:
        """A document was closed; its recent edits stay what they are. `changed` takes up its file again."""
        with self._noting:
            self._open.pop(uri, None)

    def open_documents(self) -> tuple[Snapshot, ...]:
        """The open documents, the one last opened or edited at the end."""
        with self._noting:
            return tuple(self._open.values())

    def recent_edits(self, limit: int) -> tuple[DiffEvent, ...]:
        """The latest edits of files that may be read, newest first."""
        with self._noting:
            events = self._history.recent(limit)
        allowed = {path for path in {event.path for event in events} if not self.guard.refusal(path)}
        return tuple(event for event in events if event.path in allowed)

    def done_with_edits(self, now: float) -> None:
        """What was edited before `now`, on the clock of `edited`, is no longer among what `edited_files` gives."""
        with self._noting:
            self._history.done_with(now)

    def edited_files(self, since: float) -> tuple[EditedFile, ...]:
        """The files edited since a time of the clock of `edited`, the last one first; none that may not be read, or are
        by now another text than their last edit left (a file that was closed, and written by somebody else)."""
        with self._noting:
            known = self._history.before(since)
        found = []
        for path, before, after in known.values():
            if before != after and tuple(self.read(path) or ()) == after:
                document = self._document(path)
                language = languages.find(document.language if document else "", path)
                name = language.name if language else ""
                found.append(EditedFile(path, name, "".join(before), "".join(after)))
        return tuple(found)

    def read(self, path: str) -> Sequence[str] | None:
        """The lines of a file as they are now, with terminators; None if it is gone or may not be read."""
        if self.guard.refusal(path):
            return None
        if (snapshot := self._document(path)) is not None:
            return snapshot.lines
        source = self._source(path)
        return None if source is None else split_lines(source.decode("utf-8", "replace"))

    def _take_up(self, path: str) -> None:
        lines = None
        snapshot = self._document(path)
        if self.guard.refusal(path):
            source = None
        elif snapshot is not None:
            source, lines = snapshot.text.encode("utf-8", "replace"), snapshot.lines
            if content_refusal(source):
                source = None
        else:
            source = self._source(path)
        self.graph.update(path, source)
        self._known.pop(path, None)
        with self._noting:
            if snapshot is None or source is None:
                self._taken.pop(path, None)
            else:
                self._taken[path] = snapshot.lines
        if source is None:
            self.similar.remove(path)
        else:
            self.similar.update(path, lines or split_lines(source.decode("utf-8", "replace")))
            if snapshot is not None:
                self._take_up_libraries(path)

    def _move(self, path: str) -> Move | None:
        """How far what the graph has of an open document is off by now."""
        read = self._taken.get(path)
        snapshot = self._document(path) if read is not None else None
        if read is None or snapshot is None or read is snapshot.lines:
            return None
        old, new, move = self._moved
        if old is not read or new is not snapshot.lines:
            move = between(read, snapshot.lines)
            self._moved = read, snapshot.lines, move
        return move

    def _take_up_libraries(self, path: str) -> None:
        """Reads the signatures that a document imports from libraries; the document is known without them."""
        try:
            self.graph.update_libraries(path, self.guard)
        except Exception as error:
            _log.warning("no signatures of libraries: %s", type(error).__name__)

    def _refresh_similar(self, progress: Progress) -> None:
        seen: dict[str, _Status] = {}
        for path, status in self.guard.files(_is_source):
            seen[path] = status.st_size, status.st_mtime_ns
        doubtful = [path for path, status in seen.items() if self._known.get(path) != status]
        for done, path in enumerate(doubtful, 1):
            source = self._source(path)
            if source is None:
                self.similar.remove(path)
            else:
                self.similar.update(path, split_lines(source.decode("utf-8", "replace")))
            progress("windows", done, len(doubtful))
            time.sleep(0)  # this is pure computing: others wait for the interpreter
        for path in self._known.keys() - seen.keys():
            self.similar.remove(path)
        self._known = seen

    def _source(self, path: str) -> bytes | None:
        """The bytes of a file, None if it cannot be read or is not worth it. The guard has been asked."""
        try:
            source = unmarked((self.root / path).read_bytes())
        except OSError as error:
            _log.debug("%s: %s", path, error)
            return None
        return None if content_refusal(source) else source

    def _document(self, path: str) -> Snapshot | None:
        with self._noting:
            return next((snapshot for snapshot in self._open.values() if snapshot.path == path), None)


def _is_source(path: str) -> bool:
    return languages.find("", path) is not None
