"""One client's session: its documents, the requests that are under way, and what became of them.

One request per document is alive at a time. It ends when it is answered, when a newer one comes, when its document
changes or closes, or when the client takes it back. The model's work for it goes on only while the user types what the
model says, and then serves the request that follows. All of this happens on the event loop. Knows plain values, no
messages.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from foretype.context.text import Snapshot, column_from_units, content, inserted
from foretype.lsp import policy
from foretype.lsp.documents import Documents, path_inside
from foretype.lsp.edits.session import Listing, NextEdits
from foretype.lsp.events import Ledger
from foretype.lsp.host import Host, open_backend
from foretype.lsp.job import Job
from foretype.lsp.log.opportunities import Log
from foretype.lsp.memory import Memory, Place
from foretype.lsp.options import Options
from foretype.lsp.outcome import REASONS, Ask, Nothing, Outcome, Reason, Suggestion
from foretype.lsp.project import Project
from foretype.model.backend import Backend, Cancel
from foretype.model.progress import Progress

# The cursor rests for so long before the text around it is read ahead of any request, in seconds; and reading for a
# place goes on when a request comes for one no more lines away.
_REST_S = 0.15
_SAME_PLACE_LINES = 2
# The confidence in a suggestion from which on what would follow its acceptance is prepared.
_LIKELY = 0.4


@dataclass
class _Attempt:
    """A request under way. The first to call `end` decides its outcome."""

    outcome: asyncio.Future[Outcome]
    asked_at: float

    def end(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)


@dataclass
class _Ahead:
    """Text that is read, or will be after a rest, before anybody asks."""

    uri: str
    line: int
    timer: asyncio.TimerHandle | None = None
    cancel: Cancel = field(default_factory=Cancel)

    def stop(self) -> None:
        self.cancel.set()
        if self.timer:
            self.timer.cancel()


class Session:
    """What the protocol's handlers talk to."""

    def __init__(
        self,
        options: Options,
        host: Host,
        ledger: Ledger,
        tell: Callable[[Listing], None] = lambda listing: None,
        log: Log | None = None,
    ) -> None:
        self.documents = Documents()
        self.options = options
        self.host = host
        self.ledger = ledger
        self.project: Project | None = None
        self.log = log or Log(lambda row: None)
        self.edits = NextEdits(self.documents, host, tell, self.log)
        self._include: tuple[str, ...] | None = None  # that the project was made with
        self._memory = Memory()
        self._alive: dict[str, _Attempt] = {}
        self._jobs: dict[str, Job] = {}
        self._ahead: _Ahead | None = None
        self._last: Mapping[str, object] = {}
        self._trimmed: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()

    async def suggest(self, uri: str, line: int, units: int, explicit: bool = False) -> Suggestion | None:
        """Ghost text at a position of the document as it is now; None where there is none. `units` counts code units
        of the agreed encoding. `explicit` skips the debounce (and see `policy`)."""
        snapshot = self.documents.get(uri)
        started = time.perf_counter()
        language = snapshot.language if snapshot else ""
        self.ledger.requested(language)
        ticket = self.log.asked(uri, language, line, self._column(snapshot, line, units), explicit, snapshot)
        self.edits.make_way()
        self._end(uri, "superseded")
        attempt = self._alive[uri] = _Attempt(asyncio.get_running_loop().create_future(), started)
        outcome: Outcome = Nothing("failed")
        try:
            outcome = await self._outcome(attempt, snapshot, line, units, explicit)
        except asyncio.CancelledError:
            if attempt.outcome.done():  # it made way for what was typed, and its work goes on for that
                outcome = attempt.outcome.result()
            else:
                outcome = Nothing("cancelled")
                self._drop(uri)
            raise
        finally:
            if self._alive.get(uri) is attempt:
                del self._alive[uri]
            stages_ms = {**outcome.stages_ms, "total": _ms(started, time.perf_counter())}
            if isinstance(outcome, Suggestion) and outcome.recalled:
                stages_ms["earlier"] = _ms(outcome.asked_at, started)  # that the model began on it
            ended = replace(outcome, stages_ms=stages_ms)
            self.log.answered(ticket, ended)  # before the ledger speaks of it
            self._record(ended, language)
        return outcome if isinstance(outcome, Suggestion) else None

    def open(self, uri: str, language: str, version: int, text: str) -> None:
        self._end(uri, "stale")
        self._drop(uri)
        self.log.closed(uri)
        self.documents.open(uri, language, version, text)
        if (project := self._project_of(uri)) and (snapshot := self.documents.get(uri)):
            project.opened(snapshot)
            self.edits.opened(snapshot)

    def change(self, uri: str, version: int, changes: Iterable[Any]) -> None:
        self._end(uri, "stale")
        project = self._project_of(uri)
        before = self.documents.get(uri) if project else None
        change = self.documents.change(uri, version, changes)
        self.log.changed(uri, self.documents.language(uri), change.edits)
        if (job := self._jobs.get(uri)) and not job.follow(change.edits):
            del self._jobs[uri]
        if project and before and (after := self.documents.get(uri)):
            project.edited(before, change.edits, after)
            self.edits.changed(before, change.edits, after)

    def moved(self, uri: str, line: int) -> None:
        """The cursor went to a line without typing: what a request there would need is read while the user looks."""
        self._stop_ahead()
        timer = asyncio.get_running_loop().call_later(_REST_S, self._read_ahead)
        self._ahead = _Ahead(uri, line, timer)
        self.log.moved(uri)
        self.edits.moved(uri, line)

    def rejected(self, suggestion_id: str) -> None:
        if self.edits.rejected(suggestion_id):
            return
        self.ledger.rejected(suggestion_id)
        self._memory.reject(suggestion_id)

    def close(self, uri: str) -> None:
        self._end(uri, "stale")
        self._drop(uri)
        snapshot = self.documents.get(uri)
        self.log.closed(uri)
        self.documents.close(uri)
        if (project := self._project_of(uri)) and snapshot:
            self.edits.closed(snapshot)
            project.closed(snapshot)

    def saved(self, uri: str) -> None:
        self.file_changed(uri)
        self.edits.saved(uri)

    def file_changed(self, uri: str) -> None:
        """A file changed on disk."""
        if (project := self._project_of(uri)) and (path := path_inside(uri, self.documents.root)):
            project.changed(path)
            self.edits.file_changed()

    def _project_of(self, uri: str) -> Project | None:
        """None for a document outside the workspace: it may have the name of a file inside, and is nobody's context."""
        return self.project if path_inside(uri, self.documents.root) else None

    def _context_of(self, uri: str) -> Project | None:
        """What gives parts of other files to a prompt in this document."""
        return self._project_of(uri) if self.options.context.enabled else None

    def _column(self, snapshot: Snapshot | None, line: int, units: int) -> int:
        """Of a position of the client's, in characters; 0 where there is no such line."""
        if snapshot is None or line >= len(snapshot.lines):
            return 0
        return column_from_units(snapshot.lines[line], units, self.documents.encoding)

    def configure(self, options: Options) -> None:
        if options != self.options:
            self._memory.clear()  # what was suggested under others need not be wanted under these
            for uri in list(self._jobs):
                self._drop(uri)
        self.options = options
        self._configure_project(options)
        if self.host.configure(options):
            for uri in list(self._alive):
                self._end(uri, "loading" if options.completion.enabled else "off")

    def _configure_project(self, options: Options) -> None:
        root, needed = self.documents.root, options.context.enabled or options.edits.enabled
        include = options.context.include if needed else None
        if include != self._include:
            self._include = include
            if self.project:
                self.project.stop()
            self.project = Project(Path(root), include) if include is not None and root else None
            for snapshot in self.documents.all():
                if project := self._project_of(snapshot.uri):
                    project.opened(snapshot)
        self.edits.configure(options.edits, self.project)

    def status(self) -> dict[str, object]:
        """State of the model, counts since the start, and what became of the last request."""
        status = self.host.status
        return {
            "state": status.state,
            "message": status.message,
            "model": status.model,
            "counts": self.ledger.counts(),
            "reasons": self.ledger.reasons(),
            "trimmed": dict(self._trimmed),
            "tokens": dict(self._tokens),
            "last": dict(self._last),
            "edits": self.edits.status(),
        }

    async def _outcome(
        self, attempt: _Attempt, snapshot: Snapshot | None, line: int, units: int, explicit: bool
    ) -> Outcome:
        reason = policy.suppressed(snapshot, line, self.options) or self.host.unavailable(explicit)
        if reason or snapshot is None:
            return Nothing(reason or "unknown_document")
        column = column_from_units(snapshot.lines[line], units, self.documents.encoding)
        ask = Ask(snapshot, line, column, explicit)
        if found := self._recall(ask):
            return found
        job = self._jobs.get(snapshot.uri)
        if job and job.serves(line, column) and job.ask.explicit >= explicit:
            if await self._first(attempt, job):
                return attempt.outcome.result()
            if found := self._recall(ask):
                if isinstance(found, Suggestion):
                    self._look_ahead(ask, found)
                return found
            if not job.typed and not job.cancel.is_set():  # the same question: there was no answer, and is none now
                return job.outcome.result()
        elif not explicit:
            await asyncio.wait([attempt.outcome], timeout=self.options.completion.debounce_ms / 1000)
        if attempt.outcome.done():
            return attempt.outcome.result()
        job = self._begin(ask, attempt.asked_at)
        if await self._first(attempt, job):
            return attempt.outcome.result()
        outcome = job.outcome.result()
        if isinstance(outcome, Suggestion):
            self._look_ahead(ask, outcome)
        return outcome

    def _recall(self, ask: Ask) -> Suggestion | Nothing | None:
        """What is known without the model. Who asks explicitly is shown also what was rejected."""
        found = self._memory.recall(Place.at(ask.snapshot, ask.line, ask.column))
        return None if ask.explicit and isinstance(found, Nothing) else found

    async def _first(self, attempt: _Attempt, job: Job) -> bool:
        """Waits for either; whether it is the attempt that has ended."""
        await asyncio.wait([attempt.outcome, job.outcome], return_when=asyncio.FIRST_COMPLETED)
        return attempt.outcome.done()

    def _look_ahead(self, ask: Ask, suggestion: Suggestion) -> None:
        """Begins on what will be asked when a suggestion is accepted, if that is likely."""
        if suggestion.confidence is None or suggestion.confidence < _LIKELY:
            return
        snapshot, line, column = inserted(ask.snapshot, ask.line, ask.column, suggestion.text)
        after = Ask(snapshot, line, column)
        job = Job(after, time.perf_counter(), self.host.post, suggestion.text, (ask.line, ask.column))
        self._submit(job)

    def _begin(self, ask: Ask, asked_at: float) -> Job:
        uri = ask.snapshot.uri
        if (ahead := self._ahead) and (ahead.uri != uri or abs(ahead.line - ask.line) > _SAME_PLACE_LINES):
            self._stop_ahead()
        job = Job(ask, asked_at, self.host.post)
        self._submit(job)
        return job

    def _submit(self, job: Job) -> None:
        uri = job.ask.snapshot.uri
        self._drop(uri)
        self._jobs[uri] = job
        work = partial(_complete, job.ask, self.options, self._context_of(uri), job.listen)
        self.host.submit(work, job.cancel, partial(self._settle, job))

    def _settle(self, job: Job, outcome: Outcome | None) -> None:
        if outcome and (figures := outcome.figures):
            self._tokens.update(prompt=figures.prompt_tokens, cached=figures.cached_tokens)
        if isinstance(outcome, Suggestion):
            self._memory.remember(job.place, replace(outcome, asked_at=job.asked_at))
        job.settle(outcome or Nothing("failed"))
        uri = job.ask.snapshot.uri
        if self._jobs.get(uri) is job:
            del self._jobs[uri]

    def _drop(self, uri: str) -> None:
        if job := self._jobs.pop(uri, None):
            job.cancel.set()

    def _read_ahead(self) -> None:
        ahead = self._ahead
        snapshot = self.documents.get(ahead.uri) if ahead else None
        at_work = any(not job.cancel.is_set() for job in self._jobs.values())
        if ahead is None or snapshot is None or at_work or self.host.unavailable():
            return
        if policy.suppressed(snapshot, ahead.line, self.options) is None:
            ask = Ask(snapshot, ahead.line, len(content(snapshot.lines[ahead.line])))
            work = partial(_prepare, ask, self.options, self._context_of(ahead.uri))
            self.host.submit(work, ahead.cancel, lambda _: None)

    def _stop_ahead(self) -> None:
        if self._ahead:
            self._ahead.stop()
        self._ahead = None

    def _end(self, uri: str, reason: Reason) -> None:
        if attempt := self._alive.get(uri):
            attempt.end(Nothing(reason))

    def _record(self, outcome: Outcome, language: str) -> None:
        if isinstance(outcome, Suggestion):
            self.ledger.answered(outcome.id, outcome.text, language, outcome.stages_ms)
            what = {"suggestion_id": outcome.id, "trimmed": list(outcome.trimmed)}
        else:
            self.ledger.nothing(outcome.reason, language)
            what = {"reason": outcome.reason, "why": REASONS[outcome.reason]}
        self._trimmed.update(outcome.trimmed)
        figures = asdict(outcome.figures) if outcome.figures else {}
        self._last = {**what, "language": language, **figures, "stages_ms": outcome.stages_ms}


def _ms(start_s: float, end_s: float) -> float:
    return round((end_s - start_s) * 1000, 2)


# The pipeline's imports (parsers, grammars) belong to the worker: nobody waits for them there.


def open_all(options: Options, progress: Progress) -> Backend:
    """The backend, and what the first request would otherwise have to import."""
    from foretype.lsp import completion  # noqa: F401

    return open_backend(options, progress)


def _complete(
    ask: Ask, options: Options, project: Project | None, listen: Callable[[str], None], backend: Backend, cancel: Cancel
) -> Outcome:
    from foretype.lsp.completion import complete

    return complete(ask, options, backend, cancel, project, listen)


def _prepare(ask: Ask, options: Options, project: Project | None, backend: Backend, cancel: Cancel) -> None:
    from foretype.lsp.completion import prepare

    prepare(ask, options, backend, cancel, project)
