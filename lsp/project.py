"""The workspace folder behind a session: kept fresh by a thread of its own, asked for what belongs into a prompt.

What it answers stays the same while the cursor stays about where it is, so that the model's cache survives typing; it
is chosen anew when the user pauses, moves, or goes to another file. Where anything fails there is less context, never
an error. Knows neither protocol nor model.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from foretype.context.text import Snapshot
from foretype.lsp.options import Options

if TYPE_CHECKING:
    from foretype.context.gather import Snippet
    from foretype.context.workspace import Workspace
    from foretype.lsp.documents import Edit

log = logging.getLogger(__name__)

CHARACTERS_PER_TOKEN = 3.5  # of code: not every backend has a tokenizer to ask
_HEADER_TOKENS = 8  # a snippet's path costs about as many beside its text
_SAME_PLACE_LINES = 3  # how far the cursor may go from where the snippets were chosen
_PAUSE_S = 2.0  # without a request, after which they are chosen again
_SETTLED_S = 1.0  # since the last edit of a file, after which it is taken up

Job = Callable[["Workspace"], object]


@dataclass(frozen=True)
class _Choice:
    """What was chosen last, and where; `asked_at` is when it was last asked for, in seconds."""

    uri: str
    line: int
    asked_at: float
    snippets: tuple[Snippet, ...]


class Gathering(Protocol):
    """What gives parts of other files to a prompt."""

    def snippets(self, snapshot: Snapshot, line: int, column: int, options: Options) -> tuple[Snippet, ...]: ...


class Project:
    """All methods but `snippets` are quick, and meant for the event loop; `snippets` is for the worker."""

    def __init__(self, root: Path, include: Iterable[str] = ()) -> None:
        self._root, self._include = root, tuple(include)
        self._workspace: Workspace | None = None
        self._jobs: list[Job] = [lambda workspace: workspace.refresh()]
        self._due: dict[str, float] = {}  # path -> when it is to be taken up
        self._wake = threading.Condition()  # guards the two above and `_ended`
        self._ended = False
        self._choice: _Choice | None = None
        threading.Thread(target=self._work, name="foretype-project", daemon=True).start()

    @property
    def workspace(self) -> Workspace | None:
        """The workspace, once its files are known."""
        return self._workspace

    def opened(self, snapshot: Snapshot) -> None:
        self._do(lambda workspace: workspace.opened(snapshot))
        self.changed(snapshot.path)

    def edited(self, before: Snapshot, edits: Iterable[Edit], after: Snapshot) -> None:
        now = time.monotonic()
        self._do(lambda workspace: workspace.edited(before, edits, now, after))
        self.changed(after.path, _SETTLED_S)

    def closed(self, snapshot: Snapshot) -> None:
        self._do(lambda workspace: workspace.closed(snapshot.uri))
        self.changed(snapshot.path)

    def changed(self, path: str, after_s: float = 0.0) -> None:
        """A file is to be read again, on disk or as the document that is open."""
        with self._wake:
            if self._ended:
                return
            self._due[path] = time.monotonic() + after_s
            self._wake.notify()

    def stop(self) -> None:
        with self._wake:
            self._ended = True
            self._wake.notify()

    def snippets(self, snapshot: Snapshot, line: int, column: int, options: Options) -> tuple[Snippet, ...]:
        """The snippets for a prompt at a place, the most useful last; none before the workspace is known."""
        workspace, last, now = self._workspace, self._choice, time.monotonic()
        if workspace is None:
            return ()
        if (
            last is None
            or last.uri != snapshot.uri
            or abs(last.line - line) > _SAME_PLACE_LINES
            or now - last.asked_at > _PAUSE_S
        ):
            from foretype.context.gather import Budget, gather

            completion = options.completion
            budget = Budget(options.context.tokens, completion.prefix_tokens, completion.suffix_tokens)
            last = _Choice(snapshot.uri, line, now, gather(workspace, snapshot, line, column, budget, tokens_of))
        self._choice = _Choice(last.uri, last.line, now, last.snippets)
        return last.snippets

    def _do(self, job: Job) -> None:
        """What only takes note is done at once where that is possible."""
        with self._wake:
            if self._ended:
                return
            if self._workspace is None:
                self._jobs.append(job)
                return
        job(self._workspace)

    def _work(self) -> None:
        try:
            from foretype.context.machine import cache_dir
            from foretype.context.workspace import Workspace

            workspace = Workspace.open(self._root, cache_dir(), self._include)
            while not self._ended:
                self._step(workspace)
            workspace.close()
        except Exception as error:
            log.error("no context from other files: %s", type(error).__name__)
            with self._wake:  # nothing is to pile up for a thread that is gone
                self._ended, self._workspace = True, None
                self._jobs.clear()
                self._due.clear()

    def _step(self, workspace: Workspace) -> None:
        """One job, or one file that is due, or a wait for either."""
        job: Job | None = None
        with self._wake:
            if self._jobs:
                job = self._jobs.pop(0)
            elif self._workspace is None:
                self._workspace = workspace  # all that was noted meanwhile is done
            elif path := self._next_due():
                job = lambda workspace: workspace.changed(path)  # noqa: E731
            else:
                soonest = min(self._due.values(), default=None)
                self._wake.wait(None if soonest is None else max(0.01, soonest - time.monotonic()))
        if job is not None:
            try:
                job(workspace)
            except Exception as error:
                log.warning("a file's context was left out: %s", type(error).__name__)

    def _next_due(self) -> str | None:
        now = time.monotonic()
        path = next((path for path, due in self._due.items() if due <= now), None)
        if path is not None:
            del self._due[path]
        return path


def tokens_of(text: str) -> int:
    """A guess at a snippet's tokens, its header included."""
    return round(len(text) / CHARACTERS_PER_TOKEN) + _HEADER_TOKENS
