"""Mined rows as tasks: the model's answer to each, beside what the commit did.

Only the model is asked, since a row has a window and no workspace. What keeps an answer from being proposed is what
does so in the editor (`model/edit_filters.py`, the confidence). Knows neither commands nor figures.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from foretype.context import minimal, row_files
from foretype.context.next_edit import NextEdit
from foretype.context.row_files import ShardError, Split
from foretype.context.rows import EditRow, RowError, Target, from_json
from foretype.eval.answers import clock_ms
from foretype.eval.next_edits import metrics as edit_metrics
from foretype.eval.next_edits.report import Row
from foretype.model import edit_filters, edit_format
from foretype.model.backend import Backend, Cancel, EditQuestion
from foretype.model.edit_filters import Proposal
from foretype.model.edit_format import NoEdit
from foretype.model.edits import request_of
from foretype.model.next_edits import Options, confidence

__all__ = ["ShardError", "answer", "read"]


def read(folder: Path, split: Split, limit: int, seed: int) -> list[EditRow]:
    """`limit` rows about edits, 0 for all, drawn evenly from a split. Raises `ShardError`."""
    kept: list[bytes] = []
    drawn, seen = random.Random(seed), 0
    for line in row_files.lines(folder, split):
        if b'"kind":"edit"' not in line[:64]:
            continue
        seen += 1
        if not limit or len(kept) < limit:
            kept.append(line)
        elif (at := drawn.randrange(seen)) < limit:
            kept[at] = line
    rows = []
    for line in kept:
        try:
            row = from_json(line)
        except RowError as error:
            raise ShardError(f"{folder}: {error}; mine again") from error
        if isinstance(row, EditRow):
            rows.append(row)
    return rows


def answer(row: EditRow, backend: Backend, options: Options) -> Row:
    """What is proposed at a row. Raises `BackendError`."""
    started_ms = clock_ms(backend)
    target, note = _proposed(row, backend, options)
    elapsed_ms = clock_ms(backend) - started_ms
    path, text = row.window.path, _text(row.window.lines)
    edits = [] if target is None else [_edit(row, text, target)]
    lines = list(row.window.lines)
    if row.target:
        first = row.window.start
        lines[row.target.start - first : row.target.stop - first] = row.target.lines
    verdict = edit_metrics.judge({path: text}, [{path: _text(lines)}], edits, _done(row))
    return Row(
        *(row.id, row.label, row.origin.language, "any", verdict),
        *(elapsed_ms, elapsed_ms),
        notes=(f"{row.origin.repository} {row.origin.commit[:12]} {path}: {note}",),
    )


def _proposed(row: EditRow, backend: Backend, options: Options) -> tuple[Target | None, str]:
    """The edit that would be shown, or None; and in words what it is, or why there is none."""
    request = request_of(row)
    result = backend.edit(EditQuestion(request, options.least_gap), Cancel())
    if result.window is None or result.finish == "length":
        return None, "too wide"
    if not result.finish:
        return None, "quiet"
    request = request.shown(*result.window)
    target = edit_format.parse(request, result.text)
    if isinstance(target, NoEdit):
        return None, target.reason
    # the file is known from the window on: lines above it are put there to keep the numbers right
    lines = [""] * row.window.start + list(row.window.lines)
    said, sure = "\n".join(one.message for one in request.diagnostics), confidence(result)
    proposal = Proposal(
        *(request.path, row.origin.language, lines, target, result.window, request.history),
        complaint=said,
        sure=sure >= options.sure,
    )
    if reason := edit_filters.refusal(proposal):
        return None, reason
    if sure < options.threshold:
        return None, f"unsure ({sure:.2f})"
    return target, f"{target.start + 1}-{target.stop} -> {' | '.join(target.lines)[:120]!r}"


def _edit(row: EditRow, text: str, target: Target) -> NextEdit:
    first = row.window.start
    place = target.start - first, target.stop - first
    return minimal.edit(
        row.window.path, text, place, target.lines, lane="model", reason="model", why="", confidence=1.0
    )


def _done(row: EditRow) -> edit_metrics.Done:
    found: dict[str, tuple[Counter[str], Counter[str]]] = {}
    for diff in row.history:
        gone, come = found.setdefault(diff.path, (Counter(), Counter()))
        lines = diff.diff.split("\n")
        gone.update(edit_metrics.said(line[1:] for line in lines if line[:1] == "-"))
        come.update(edit_metrics.said(line[1:] for line in lines if line[:1] == "+"))
    return found


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
