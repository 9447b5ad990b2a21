"""Next edits of one session: when they are looked for, what is under way, and what of it the client is told.

The rules run on a thread of their own, so that no model is waited for; the model's places follow on the host's worker,
and make way for ghost text. What is proposed is kept in `live.py`, when it is time is said by
`settling.py`. All calls come on the event loop. Knows plain values, no messages.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from foretype.context.next_edit import Diagnostic, NextEdit
from foretype.context.text import Snapshot
from foretype.lsp.documents import Documents, Edit
from foretype.lsp.edits import search as edit_search
from foretype.lsp.edits.live import LiveEdit, LiveEdits
from foretype.lsp.edits.policy import Cause, Hold
from foretype.lsp.edits.present import Present, Texts
from foretype.lsp.edits.search import Search
from foretype.lsp.edits.settling import Settling
from foretype.lsp.events import Ledger
from foretype.lsp.host import Host
from foretype.lsp.log.opportunities import Log
from foretype.lsp.log.schema import Opportunity
from foretype.lsp.options import EditsOptions
from foretype.lsp.project import Project
from foretype.model.backend import Cancel
from foretype.model.worker import Worker

if TYPE_CHECKING:
    from foretype.context.workspace import Workspace
    from foretype.model.next_edits import Found

# The client is told of changes of the list at most this often, after the first; seconds.
_TELL_S = 0.03
# A workspace that is still being read is looked at again after this many seconds.
_UNKNOWN_S = 0.5

Stage = Literal["rule", "model"]


@dataclass(frozen=True)
class Listing:
    """The proposals, best first, each with the text that it stands in. `complete` is false while more may come;
    `capped` is how many there were too many, `note` a line for people, or ""."""

    edits: tuple[tuple[LiveEdit, Present], ...] = ()
    complete: bool = True
    capped: int = 0
    note: str = ""


@dataclass(frozen=True)
class Applicable:
    """What "apply all" comes to: proposals with the texts they stand in, or the reasons why none of them is applied, by
    file, as the end of a sentence that begins with its path."""

    edits: tuple[tuple[LiveEdit, Present], ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Run:
    stage: Stage
    cancel: Cancel = field(default_factory=Cancel)


class NextEdits:
    """`tell` hears of each change of the list, on the event loop."""

    def __init__(self, documents: Documents, host: Host, tell: Callable[[Listing], None], log: Log) -> None:
        self.ledger = Ledger(log.heard)
        self._log = log
        self._row: Opportunity | None = None  # of the last edit that settled
        self._documents, self._host, self._tell = documents, host, tell
        self._options = EditsOptions(enabled=False)
        self._project: Project | None = None
        self._live = LiveEdits(Texts(documents, Path()))
        self._settling = Settling(documents, self._settled, lambda *where: self._live.rejected_lines(*where))
        self._worker: Worker | None = None
        self._run: _Run | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._waiting: list[asyncio.Future[bool]] = []
        # Edits count from here on. Goes along with the clock, but for those whose proposals are being accepted.
        self._since, self._followed_at = 0.0, 0.0
        # Nothing was changed since the last look but what was proposed. What stands then stays: an import that follows
        # takes from the uses below it what told the rules that they are due.
        self._only_followed = False
        self._last: dict[str, object] = {}
        self._capped, self._note = 0, ""

    # What the session tells.

    def configure(self, options: EditsOptions, project: Project | None) -> None:
        if project is not self._project or not options.enabled:
            self._stop_run()
            root = self._documents.root
            self._live = LiveEdits(Texts(self._documents, Path(root or ".")), self._offered)
            self._settling.reset()
            self._tell_soon()
            self._answer(True)
        self._options = self._settling.options = options
        self._project = project if options.enabled else None

    def opened(self, snapshot: Snapshot) -> None:
        self._settling.opened(snapshot)
        self._live.opened(snapshot.path, snapshot.lines)
        self._tell_soon()

    def changed(self, before: Snapshot, edits: Sequence[Edit], after: Snapshot) -> None:
        """A document of the workspace changed."""
        if not self._project:
            return
        if self._live.changed(before, edits, after):
            self._followed_at = time.monotonic()
        else:
            self._only_followed = False
            self._stop_run()
            self._answer(False)
        if self._run is None:
            self._live.begin()  # nothing is under way that would be of an earlier text
        self._settling.changed(before, edits, after)
        self._tell_soon()

    def closed(self, snapshot: Snapshot) -> None:
        self._settling.closed(snapshot.uri)
        self._live.closing(snapshot.path, snapshot.lines)
        self._tell_soon()

    def saved(self, uri: str) -> None:
        self._settling.saved(uri)

    def file_changed(self) -> None:
        """A file changed on disk: proposals for it may stand no more."""
        if len(self._live):
            self._tell_soon()

    def moved(self, uri: str, line: int) -> None:
        """The cursor went to a line without typing."""
        self._settling.moved(uri, line)

    def diagnosed(self, uri: str, diagnostics: Sequence[Diagnostic]) -> None:
        """All that other servers say of a document now."""
        self._settling.diagnosed(uri, diagnostics)

    def make_way(self) -> None:
        """Somebody wants the model now; its places are looked at again after a rest."""
        if self._run and self._run.stage == "model":
            self._stop_run()
            self._settling.again()

    def shown(self, suggestion_id: str) -> None:
        self.ledger.shown(suggestion_id)

    def accepted(self, suggestion_id: str) -> None:
        self.ledger.accepted(suggestion_id)
        self._followed_at = time.monotonic()

    def rejected(self, suggestion_id: str) -> bool:
        """False where it is no next edit's."""
        known = self._live.known(suggestion_id)
        if known:
            self.ledger.rejected(suggestion_id)
            self._live.reject(suggestion_id, time.monotonic())
            self._tell_soon()
        return known

    # What the client asks.

    async def asked(self, uri: str, line: int, explicit: bool) -> bool:
        """Waits until what was edited has been looked at by the rules, or by the model where they find nothing. False
        where the text became another meanwhile. `explicit` is not kept waiting for the edit to settle."""
        self._settling.look(uri, line)
        if explicit:
            self._settling.settle("asked")
        if not self._settling.waits and not self._run:
            return True
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        try:
            return await answer
        finally:
            self._waiting.remove(answer)

    def listing(self) -> Listing:
        return Listing(self._live.listing(), self._run is None, self._capped, self._note)

    def applicable(self, wanted: Sequence[str] | None = None) -> Applicable:
        """All proposals, or those wanted, if every one of them can be applied to the text that it was computed for.
        What cannot be is let go of, so that the rest can be asked for."""
        ids = None if wanted is None else set(wanted)
        lost = {} if ids is None else self._live.lost(ids)
        problems = {**lost, **self._live.problems()}
        if problems:
            self._tell_soon()
            return Applicable(problems=problems)
        return Applicable(tuple(one for one in self._live.listing() if ids is None or one[0].id in ids))

    def status(self) -> dict[str, object]:
        counts = self.ledger.counts()
        counted = {name: counts[name] for name in ("requests", "answered", "shown", "accepted", "rejected")}
        return {"enabled": self._project is not None, "live": len(self._live), "counts": counted, "last": self._last}

    def stop(self, timeout_s: float) -> bool:
        """Ends the rules' thread; False if it is stuck."""
        self._stop_run()
        return self._worker is None or self._worker.stop(timeout_s)

    # The runs.

    def _settled(self, cause: Cause, hold: Hold | None) -> None:
        """Looks for what the last edit calls for, unless something holds that up."""
        if not self._project:
            return
        workspace = self._project.workspace
        if hold:
            self._last = {**self._last, "held": hold}
            self._answer(True)
        elif workspace is None:
            self._settling.again(cause, _UNKNOWN_S)
        else:
            self._settling.looked_at()
            self._last = {"cause": cause}
            self._begin("rule", workspace)

    def _begin(self, stage: Stage, workspace: Workspace) -> None:
        self._stop_run()
        now = time.monotonic()
        if now - self._followed_at > self._options.recent_s:
            self._since = max(self._since, now - self._options.recent_s)
        edited = workspace.edited_files(self._since)
        if not edited:
            self._live.clear()
            self._tell_soon()
            return self._answer(True)
        self._live.begin()
        turned_down = self._live.turned_down(now - self._options.rejected_s)
        settling = self._settling
        likely = self._options.model == "likely"
        search = Search(
            workspace, edited, settling.cursor, settling.diagnostics, turned_down, self._options.most, likely
        )
        run = self._run = _Run(stage)
        done = partial(self._ended, run)

        def on_edit(edit: NextEdit) -> None:
            self._host.post(self._found, run, edit)

        work = partial(edit_search.run, search, on_edit)
        if stage == "model":
            return self._host.submit(work, run.cancel, done)
        self.ledger.requested(edited[0].language)
        self._row = self._log.settled(edited[0].language)
        self._worker = self._worker or Worker()
        self._worker.put(partial(edit_search.run_alone, work, run.cancel, self._host.post, done), run.cancel)

    def _stop_run(self) -> None:
        if self._run:
            self._run.cancel.set()
        self._run = None

    def _found(self, run: _Run, edit: NextEdit) -> None:
        if run is self._run and isinstance(self._live.add(edit), LiveEdit):
            self._tell_soon()
            if run.stage == "model":
                self._answer(True)

    def _ended(self, run: _Run, found: Found | None) -> None:
        if run is not self._run:
            return
        self._run = None
        only_followed = self._only_followed
        if found is not None:
            ranked = self._live.rank(found.edits, only_followed)
            self._only_followed = True
            withheld = Counter(one.reason for one in found.withheld) + Counter(ranked)
            stages_ms = {name: round(ms, 2) for name, ms in found.stages_ms.items()}
            self._capped, self._note = found.capped, found.problem
            self._log.searched(self._row, found.stages_ms)
            self._last |= {"places": found.places, "withheld": dict(withheld), f"{run.stage}_ms": stages_ms}
        workspace = self._project.workspace if self._project else None
        # The search with a model begins with the rules again, so that it is worth it only where something is left.
        wanted = found is not None and {"off": 0, "due": found.due, "likely": found.places}[self._options.model]
        if run.stage == "rule" and wanted and workspace and not self._host.unavailable():
            self._begin("model", workspace)
        carried_out = found is not None and only_followed and not (found.capped or self._run or len(self._live))
        if workspace and carried_out and self._followed_at > self._since:
            # All that followed was accepted. An edit that comes now, as a second renaming of the same name, is one to
            # the texts of now: those before the first one would tell of a name that nobody uses any more.
            self._since = time.monotonic()
            workspace.done_with_edits(self._since)
        self._tell_soon()
        if not self._run or len(self._live):
            self._answer(True)

    def _offered(self, live: LiveEdit) -> None:
        self._log.offered(self._row, live.id, live.standing.new)
        self.ledger.answered(live.id, live.standing.new, live.edit.lane, {})

    # What the client hears.

    def _answer(self, fresh: bool) -> None:
        """Tells those who wait that nothing better will come, or that their text is gone."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(fresh)

    def _tell_soon(self) -> None:
        """At once after a rest, else when it is time again."""
        if self._telling is None:
            wait_s = max(0.0, self._told_at + _TELL_S - time.monotonic())
            self._telling = asyncio.get_running_loop().call_later(wait_s, self._tell_now)

    def _tell_now(self) -> None:
        self._telling, self._told_at = None, time.monotonic()
        self._tell(self.listing())
