"""Next edits, from what was edited to what is proposed: the rules first, then the model at the places that are left.

Each edit is told of as soon as it is there, so that the first one is on screen while others are computed. What is not
proposed has a reason. Knows neither the protocol nor how a prompt is spelt.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from foretype.context import minimal, places, propagate, repeat, rows
from foretype.context.hunks import WORD, hunks, lines_of, substance, unified
from foretype.context.next_edit import Diagnostic, EditedFile, Lane, NextEdit, Place
from foretype.context.rows import Diff, Window
from foretype.context.rules import change
from foretype.context.text import split_lines
from foretype.model import edit_filters, edit_format
from foretype.model.backend import Backend, BackendError, Cancel, EditQuestion, EditResult
from foretype.model.edit_filters import Proposal
from foretype.model.edit_format import EditRequest, NoEdit, Nothing
from foretype.model.edits import WINDOW_LINES

if TYPE_CHECKING:
    from foretype.context.workspace import Workspace

_DUE = ("left", "diagnostic", "dangling", "unhandled", "short")  # features of a place at which something has to be done
_HISTORY = 6  # edits that the model is told of
# Why nothing was proposed at a place: a filter's reason; the model's answer; it was too unsure of it, or is sure enough
# that nothing is due; its lines are too wide for a prompt; another edit changes them already; they have a symbol that
# the rules have dealt with.
Withholding = edit_filters.Reason | Nothing | Literal["unsure", "quiet", "too_wide", "taken", "settled"]


@dataclass(frozen=True)
class Options:
    """`lanes` say who is asked. The model looks at `max_places` windows at most, and at no further one after
    `deadline_ms`. It writes an answer where something else is by `least_gap` (natural logarithm; by `due_gap` where a
    rule or a linter knows that something is due) likelier than doing nothing, and where that is not known the edit is
    proposed only if its confidence is at least `threshold`, and at least `sure` where it shares no word with what the
    user did; with `due_only` it is not asked there at all. `max_edits` are the rules'.

    The thresholds were chosen with mined-v2, of which the adapter that ships is half, on 260 rows of the validation
    split, so that it is quiet at nine in ten rows that ask for nothing; docs/next-edits.md has the figures.
    """

    threshold: float = 0.2
    sure: float = 0.6
    least_gap: float = 0.0
    due_gap: float = -8.0
    max_places: int = 6
    least_score: float = 0.15
    deadline_ms: float = 8000.0
    due_only: bool = False
    max_edits: int = 500
    lanes: tuple[Lane, ...] = ("rule", "model")


@dataclass(frozen=True)
class Withheld:
    """Why lines (start, stop) of a file have no edit."""

    path: str
    lines: tuple[int, int]
    reason: Withholding
    lane: Lane


@dataclass(frozen=True)
class Found:
    """The edits, the surest lane first; `places` is how many places were ranked, `due` at how many of them something is
    known to be due that no rule's edit does, `capped` how many edits the rules left out because there were too many.
    `problem` says in one line why the model could not be asked, if so."""

    edits: tuple[NextEdit, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    places: int = 0
    due: int = 0
    capped: int = 0
    stages_ms: dict[str, float] = field(default_factory=dict)
    problem: str = ""


def next_edits(
    workspace: Workspace,
    edited: Sequence[EditedFile],
    *,
    cursor: tuple[str, int] | None = None,
    diagnostics: Sequence[Diagnostic] = (),
    backend: Backend | None = None,
    options: Options = Options(),
    cancel: Cancel,
    rejected: Callable[[NextEdit], bool] = lambda edit: False,
    on_edit: Callable[[NextEdit], None] = lambda edit: None,
) -> Found:
    """What to do after the edits. `on_edit` hears of every edit at once. Raises `Cancelled`."""
    return _Search(workspace, edited, diagnostics, options, cancel, rejected, on_edit).run(cursor, backend)


class _Search:
    """One search, and what it has found so far."""

    def __init__(
        self,
        workspace: Workspace,
        edited: Sequence[EditedFile],
        diagnostics: Sequence[Diagnostic],
        options: Options,
        cancel: Cancel,
        rejected: Callable[[NextEdit], bool],
        on_edit: Callable[[NextEdit], None],
    ) -> None:
        self._workspace, self._edited, self._diagnostics = workspace, edited, diagnostics
        self._options, self._cancel = options, cancel
        self._rejected, self._on_edit = rejected, on_edit
        self._wording = False
        self._texts = {file.path: file.after for file in edited}
        self._edits: list[NextEdit] = []
        self._withheld: list[Withheld] = []
        self._stages_ms: dict[str, float] = {}
        self._began = self._lap = time.perf_counter()

    def run(self, cursor: tuple[str, int] | None, backend: Backend | None) -> Found:
        left: tuple[Place, ...] = ()
        capped, problem = 0, ""
        if "rule" in self._options.lanes:
            left, capped = self._carry()
            self._done("rules")
        found = places.find(self._workspace, self._edited, cursor, self._diagnostics, left)
        self._done("places")
        if "rule" in self._options.lanes:
            for edit in repeat.repeat(self._workspace, self._edited, found):
                self._repeat(edit)
            self._done("repeat")
        self._cancel.check()
        due = sum(_is_due(place) and not self._taken(place.path, place.start, place.stop) for place in found)
        if backend is not None and "model" in self._options.lanes:
            try:
                self._ask(backend, found)
            except BackendError as error:
                problem = str(error)
            self._done("model")
        return Found(tuple(self._edits), tuple(self._withheld), len(found), due, capped, self._stages_ms, problem)

    def _carry(self) -> tuple[tuple[Place, ...], int]:
        """The rules' edits; the places that they leave, and how many edits were too many."""
        told: set[NextEdit] = set()

        def tell(edit: NextEdit) -> None:
            if edit not in told and len(told) < self._options.max_edits:
                told.add(edit)
                self._cancel.check()
                self._propose(edit)

        carried = propagate.carry(self._workspace, self._edited, self._options.max_edits, tell)
        for edit in carried.edits:
            tell(edit)
        return carried.left, carried.capped

    def _repeat(self, edit: NextEdit) -> None:
        """Proposes the user's own change at another place, unless a rule has done so or the text would not parse."""
        span = edit.span
        reason: Withholding | None = "taken" if self._taken(edit.path, span.start_line, span.end_line + 1) else None
        if reason is None and edit_filters.breaks_parsing(self._language(edit.path), edit.path, *self._both(edit)):
            reason = "parse_error"
        if reason:
            self._withheld.append(Withheld(edit.path, (span.start_line, span.end_line + 1), reason, edit.lane))
        else:
            self._propose(edit)

    def _ask(self, backend: Backend, found: Sequence[Place]) -> None:
        """The model's edits at the likeliest places."""
        substances = {substance(file) for file in self._edited}
        if substances <= {"nothing"} and not self._diagnostics:
            return
        self._wording = "code" not in substances
        history, settled = self._history(), self._settled()
        asked: list[tuple[str, int, int]] = []
        for place in found:
            late = 1000 * (time.perf_counter() - self._began) > self._options.deadline_ms
            if len(asked) >= self._options.max_places or place.score < self._options.least_score or late:
                break
            if any(path == place.path and start <= place.start < stop for path, start, stop in asked):
                continue
            if self._is_settled(place, settled) or self._taken(place.path, place.start, place.stop):
                continue
            if self._options.due_only and not _is_due(place):
                continue
            request = self._request(place, history)
            if request is None:
                continue
            self._cancel.check()
            least_gap = self._options.due_gap if _is_due(place) else self._options.least_gap
            result = backend.edit(EditQuestion(request, least_gap), self._cancel)
            if result.window is not None:
                request = request.shown(*result.window)
            asked.append((place.path, request.window.start, request.window.stop))
            edit = self._judged(request, result, place, settled)
            if isinstance(edit, NextEdit):
                self._propose(edit)
            else:
                self._withheld.append(Withheld(place.path, request.focus, edit, "model"))

    def _settled(self) -> frozenset[str]:
        """The symbols that only the rules touch: what is due where they are used, and not proven, they have left."""
        if "rule" not in self._options.lanes:
            return frozenset()
        return frozenset(one.name for one in change.symbol_changes(self._edited) if one.kind in ("renamed", "resigned"))

    def _is_settled(self, place: Place, settled: frozenset[str]) -> bool:
        """Whether a place is the rules' business, since it has a symbol that they know the change of; nor is there
        anything for a model to say in a comment."""
        if _is_due(place):
            return False
        lines = lines_of(self._text(place.path))[place.start : place.stop]
        return "comment" in place.features or not settled.isdisjoint(WORD.findall("\n".join(lines)))

    def _judged(
        self, request: EditRequest, result: EditResult, place: Place, settled: frozenset[str]
    ) -> NextEdit | Withholding:
        """The edit that an answer means, or why it is not proposed."""
        text = self._text(request.path)
        if result.window is None or result.finish == "length":
            return "too_wide"
        if not result.finish:
            return "quiet"
        target = edit_format.parse(request, result.text)
        if isinstance(target, NoEdit):
            return target.reason
        proposal = Proposal(
            request.path,
            self._language(request.path),
            lines_of(text),
            target,
            (request.window.start, request.window.stop),
            request.history,
            "\n".join(one.message for one in request.diagnostics if _within(one.line, request.focus)),
            self._wording,
            (sure := confidence(result)) >= self._options.sure,
        )
        reason = edit_filters.refusal(proposal)
        due = _is_due(place)
        beside = edit_filters.beside(proposal) if reason == "replaces" and due else None
        if beside and not edit_filters.refusal(beside):
            proposal, target, reason = beside, beside.target, None
        if reason:
            return reason
        if self._taken(request.path, target.start, target.stop):
            return "taken"
        # an answer may be about other lines of the window than the place's
        here = due and target.start <= place.stop and place.start <= target.stop
        if not here and not settled.isdisjoint(WORD.findall("\n".join(proposal.old))):
            return "settled"
        if sure < self._options.threshold and not due:
            return "unsure"
        why = f"follows from the change of {place.symbol}" if place.symbol else "follows from your last edits"
        return minimal.edit(
            request.path,
            text,
            (target.start, target.stop),
            target.lines,
            lane="model",
            reason="model",
            why=why,
            confidence=sure,
        )

    def _request(self, place: Place, history: tuple[Diff, ...]) -> EditRequest | None:
        lines = lines_of(self._text(place.path))
        while lines and not lines[-1]:
            lines.pop()
        start, stop = place.start, min(place.stop, len(lines))
        if start >= stop:
            return None
        first, last = max(0, start - WINDOW_LINES), min(len(lines), stop + WINDOW_LINES)
        said = [
            rows.Diagnostic(one.path, one.start, one.source, one.code, one.message)
            for one in self._diagnostics
            if one.path == place.path
        ]
        window = Window(place.path, first, tuple(lines[first:last]))
        return EditRequest(place.path, history, window, tuple(said), (), (start, stop))

    def _history(self) -> tuple[Diff, ...]:
        """The latest edits, oldest first: as the workspace has heard of them, or as the texts tell."""
        heard = [Diff(event.path, event.diff) for event in self._workspace.recent_edits(_HISTORY) if event.diff]
        return tuple(reversed(heard)) or tuple(_told(self._edited))[-_HISTORY:]

    def _propose(self, edit: NextEdit) -> None:
        if self._rejected(edit):
            lines = edit.span.start_line, edit.span.end_line + 1
            self._withheld.append(Withheld(edit.path, lines, "rejected", edit.lane))
            return
        self._edits.append(edit)
        self._on_edit(edit)

    def _taken(self, path: str, start: int, stop: int) -> bool:
        """Whether an edit changes one of the lines already."""
        return any(
            edit.path == path and edit.span.start_line < max(stop, start + 1) and start <= edit.span.end_line
            for edit in self._edits
        )

    def _both(self, edit: NextEdit) -> tuple[str, str]:
        """A file's text before and after an edit."""
        before, span = split_lines(self._text(edit.path)), edit.span
        head = [*before[: span.start_line], before[span.start_line][: span.start_column]]
        tail = [before[span.end_line][span.end_column :], *before[span.end_line + 1 :]]
        return "".join(before), "".join([*head, edit.text, *tail])

    def _language(self, path: str) -> str:
        return next((file.language for file in self._edited if file.path == path), "")

    def _text(self, path: str) -> str:
        if path not in self._texts:
            self._texts[path] = "".join(self._workspace.read(path) or ())
        return self._texts[path]

    def _done(self, stage: str) -> None:
        now = time.perf_counter()
        self._stages_ms[stage], self._lap = 1000 * (now - self._lap), now


def _within(line: int, lines: tuple[int, int]) -> bool:
    return lines[0] <= line < lines[1]


def _is_due(place: Place) -> bool:
    """Whether it is known that something is to be done: by a rule, by a linter, or as the symbols tell."""
    return not place.features.keys().isdisjoint(_DUE)


def _told(edited: Sequence[EditedFile]) -> Iterator[Diff]:
    before = {file.path: lines_of(file.before) for file in edited}
    for hunk in hunks(edited):
        yield Diff(hunk.path, unified(hunk, before[hunk.path]))


def confidence(result: EditResult) -> float:
    """How sure the model is of its answer's tokens (their mean probability, geometrically), and that something is to be
    done at all."""
    mean = sum(result.logprobs) / max(1, len(result.logprobs))
    return math.exp(mean) / (1 + math.exp(-result.gap))
