"""The next edits that are proposed now, best first, each kept where it stands while the user types.

A proposal counts only for a text that is exactly the one it was computed for, or has become another by changes that
were seen here. Remembers what was rejected, and carries that through typing as well. Plain calls on the event loop;
knows neither timers nor threads nor messages.
"""

from __future__ import annotations

import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from foretype.context.next_edit import NextEdit, text_digest
from foretype.context.text import Snapshot
from foretype.lsp.documents import Edit
from foretype.lsp.edits import rebase
from foretype.lsp.edits.present import Present, Texts, Unavailable
from foretype.lsp.edits.rebase import Standing

# Why a proposal is not passed on. "stale": its text is another by now. "unavailable": its file is gone or read-only.
Withheld = Literal["stale", "unavailable", "overlap", "rejected", "done"]

_REJECTED_KEPT = 256
_REMEMBERED = 1024  # proposals that a client may still speak of


@dataclass(frozen=True)
class LiveEdit:
    """A proposal: `edit` as it was computed, `standing` in the present text of its file. `digest` is that text's where
    the file is not open: nobody tells of each of its changes."""

    id: str
    edit: NextEdit
    standing: Standing
    digest: str

    @property
    def path(self) -> str:
        return self.edit.path


@dataclass(frozen=True)
class _Step:
    """A change of an open document: the lines that it found, and what it did to them."""

    lines: tuple[str, ...]
    edits: tuple[Edit, ...]

    @cached_property
    def digest(self) -> str:
        return text_digest("".join(self.lines))


@dataclass(frozen=True)
class _Rejected:
    path: str
    standing: Standing
    at: float


class LiveEdits:
    """`offered` is called once for each proposal that is new to the client."""

    def __init__(self, texts: Texts, offered: Callable[[LiveEdit], None] = lambda live: None) -> None:
        self._texts = texts
        self._offered = offered
        self._edits: list[LiveEdit] = []
        self._steps: dict[str, list[_Step]] = {}  # by path, since `begin`
        self._known: OrderedDict[str, NextEdit] = OrderedDict()
        self._rejected: list[_Rejected] = []

    def __len__(self) -> int:
        return len(self._edits)

    def listing(self) -> tuple[tuple[LiveEdit, Present], ...]:
        """The proposals that stand, best first, each with the text that it stands in; lets go of the others."""
        texts, _ = self._checked()
        return tuple((live, texts[live.path]) for live in self._edits)

    def problems(self) -> dict[str, str]:
        """Why proposals stand no more, by file, as the end of a sentence that begins with its path; lets go of them."""
        return self._checked()[1]

    def get(self, suggestion_id: str) -> LiveEdit | None:
        return next((live for live in self._edits if live.id == suggestion_id), None)

    def known(self, suggestion_id: str) -> bool:
        """Whether it is, or was a while ago, a proposal of a next edit."""
        return suggestion_id in self._known

    def lost(self, ids: Collection[str]) -> dict[str, str]:
        """Of these, the ones that are no longer proposed, by file."""
        gone = set(ids) - {live.id for live in self._edits}
        return {self._known[one].path if one in self._known else "": "has changed since" for one in gone}

    def begin(self) -> None:
        """From here on proposals are computed for the texts as they are now."""
        self._steps.clear()

    def add(self, edit: NextEdit) -> LiveEdit | Withheld:
        """A proposal that was found; it comes last until `rank`."""
        found = self._placed(edit)
        if not isinstance(found, tuple):
            return found
        if known := self._overlapping(edit.path, found[0]):
            return known if known.standing == found[0] else "overlap"
        return self._take(edit, *found)

    def rank(self, edits: Sequence[NextEdit], keep: bool = False) -> dict[Withheld, int]:
        """These are all, best first: what else was proposed goes, or stays behind them with `keep`. Says how many were
        withheld, and why."""
        before, self._edits = self._edits, []
        withheld: Counter[Withheld] = Counter()
        for edit in edits:
            found = self._placed(edit)
            if not isinstance(found, tuple):
                withheld[found] += 1
            elif self._overlapping(edit.path, found[0]):
                withheld["overlap"] += 1
            else:
                self._take(edit, *found, before)
        taken = {live.id for live in self._edits}
        for live in before if keep else ():
            if live.id not in taken and not self._overlapping(live.path, live.standing):
                self._edits.append(live)
        return dict(withheld)

    def clear(self) -> None:
        self._edits = []

    def changed(self, before: Snapshot, edits: Sequence[Edit], after: Snapshot) -> tuple[LiveEdit, ...]:
        """Follows a change of an open document. Returns the proposals that its text says now: accepted, or typed."""
        path = before.path
        self._steps.setdefault(path, []).append(_Step(before.lines, tuple(edits)))
        here = [live for live in self._edits if live.path == path]
        rejected = [one for one in self._rejected if one.path == path]
        if not here and not rejected:
            return ()
        torn = rebase.growth(edits) != len(after.lines) - len(before.lines)  # CR and LF joined, or were parted
        all_here: list[LiveEdit | _Rejected] = [*here, *rejected]
        standings: list[Standing | None] = [None if torn else one.standing for one in all_here]
        done: list[LiveEdit] = []
        for edit in edits:
            moved = [one and rebase.moved(one, edit) for one in standings]
            if any(one and one.done for one in moved):  # a proposal was accepted: those beside it stay
                moved = [now or (one and rebase.beside(one, edit)) for one, now in zip(standings, moved, strict=True)]
            done += [live for live, one in zip(here, moved, strict=False) if one and one.done]
            standings = [None if one and one.done else one for one in moved]
        standings = [one if one and rebase.stands(one, after.lines) else None for one in standings]
        now = dict(zip((live.id for live in here), standings, strict=False))
        self._edits = [
            replace(live, standing=now[live.id]) if live.id in now else live  # type: ignore[arg-type]
            for live in self._edits
            if live.id not in now or now[live.id]
        ]
        kept = zip(rejected, standings[len(here) :], strict=True)
        others = [one for one in self._rejected if one.path != path]
        self._rejected = others + [replace(one, standing=where) for one, where in kept if where]
        return tuple(done)

    def opened(self, path: str, lines: Sequence[str]) -> None:
        """A document was opened, or begins anew: its proposals stay where its text is what they were computed for."""
        self._steps.pop(path, None)
        digest = text_digest("".join(lines))
        self._edits = [
            replace(live, digest="") if live.path == path else live
            for live in self._edits
            if live.path != path or live.digest == digest
        ]

    def closing(self, path: str, lines: Sequence[str]) -> None:
        """A document closes with this text; from now on its proposals depend on the file."""
        self._steps.pop(path, None)
        digest = text_digest("".join(lines))
        self._edits = [replace(live, digest=digest) if live.path == path else live for live in self._edits]

    def reject(self, suggestion_id: str, now: float) -> None:
        """It is not proposed again, at least not until its text is another. `now` is in seconds of any clock."""
        if live := self.get(suggestion_id):
            self._edits.remove(live)
            self._rejected = [*self._rejected, _Rejected(live.path, live.standing, now)][-_REJECTED_KEPT:]

    def rejected_lines(self, path: str, since: float) -> set[int]:
        """The lines of a file on which a proposal was rejected since then."""
        spans = [one.standing.span for one in self._rejected if one.path == path and one.at >= since]
        return {line for span in spans for line in range(span.start_line, span.end_line + 1)}

    def turned_down(self, since: float) -> Callable[[NextEdit], bool]:
        """Whether a proposal for the texts as they are now was rejected before, or is on a line where one was since
        then. The answer may be asked for on another thread."""
        known = frozenset((one.path, one.standing.span, one.standing.new) for one in self._rejected)
        lines = {path: self.rejected_lines(path, since) for path in {one.path for one in self._rejected}}

        def is_rejected(edit: NextEdit) -> bool:
            span = range(edit.span.start_line, edit.span.end_line + 1)
            return (edit.path, edit.span, edit.text) in known or not lines.get(edit.path, set()).isdisjoint(span)

        return is_rejected

    def _placed(self, edit: NextEdit) -> tuple[Standing, Present] | Withheld:
        """Where an edit stands now, and in which text."""
        try:
            text = self._texts.at(edit.path)
        except Unavailable:
            return "unavailable"
        standing = self._standing(edit, text)
        if standing is None or not rebase.stands(standing, text.lines):
            return "stale"
        return "done" if standing.done else (standing, text)

    def _standing(self, edit: NextEdit, text: Present) -> Standing | None:
        if edit.digest == text.digest:
            old = rebase.text_at(text.lines, edit.span)
            return None if old is None else Standing(edit.span, old, edit.text)
        steps = self._steps.get(edit.path, [])
        for number, step in enumerate(steps):
            if step.digest == edit.digest:
                old = rebase.text_at(step.lines, edit.span)
                later = [change for one in steps[number:] for change in one.edits]
                return None if old is None else rebase.after(Standing(edit.span, old, edit.text), later)
        return None

    def _checked(self) -> tuple[dict[str, Present], dict[str, str]]:
        """The texts of the proposals, and why those that are let go of stand no more."""
        texts: dict[str, Present] = {}
        problems: dict[str, str] = {}
        for live in self._edits:
            if live.path not in texts and live.path not in problems:
                try:
                    texts[live.path] = self._texts.at(live.path)
                except Unavailable as error:
                    problems[live.path] = str(error)
            if text := texts.get(live.path):
                same = text.version is not None or live.digest == text.digest
                if not same or not rebase.stands(live.standing, text.lines):
                    problems[live.path] = "has changed since"
        self._edits = [live for live in self._edits if live.path not in problems]
        return texts, problems

    def _overlapping(self, path: str, standing: Standing) -> LiveEdit | None:
        here = (live for live in self._edits if live.path == path)
        return next((live for live in here if rebase.overlap(live.standing.span, standing.span)), None)

    def _take(self, edit: NextEdit, standing: Standing, text: Present, before: Sequence[LiveEdit] = ()) -> LiveEdit:
        """Takes a proposal up, under the id that it had before, if it had one."""
        digest = text.digest if text.version is None else ""
        same = next((one.id for one in before if one.path == edit.path and one.standing == standing), "")
        live = LiveEdit(same or secrets.token_hex(6), edit, standing, digest)
        self._edits.append(live)
        if not same:
            self._known[live.id] = edit
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            self._offered(live)
        return live
