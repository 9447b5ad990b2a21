"""`foretype gate fit --from-events`: the confidence gate, fitted to what became of suggestions on this machine.

The rows are suggestions that were shown and judged: accepted, or rejected, left unread or typed over. What was typed
through was right and not taken, and what expired nobody judged: neither is a row, nor is one that rests on inference,
nor one that was asked for by a key and so never met the gate. Each has what the gate looked at when it was made; no
code is read. What the gate kept back has no row, so that the fit says nothing new of it: it begins at the weights
that ship and moves them as far as the rows bear.

Fitted on the earlier sessions and measured on the latest ones, since what comes next is what counts. It is kept only if
it is better there than the weights in force. Fitted to one model's rows, since another's probabilities are others.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foretype.eval import cpo
from foretype.eval.gate import HELD_OUT, Fit, FitError, brier, fit, log_loss, ranking, toml
from foretype.eval.report import window_of
from foretype.lsp import gate
from foretype.lsp.log import installation
from foretype.lsp.log.store import StoreError, reader

# What was shown and judged; True was taken.
ENDINGS = {"accepted": True, "rejected": False, "ignored": False, "superseded": False}
# Rows without which a difference says nothing.
FEWEST_HELD_OUT = 20


@dataclass(frozen=True)
class Judgement:
    """One suggestion that was shown: what the gate looked at, by name, and how many characters of it were accepted.
    `at_ms` in Unix milliseconds."""

    session: str
    at_ms: int
    evidence: Mapping[str, float]
    accepted: int


@dataclass(frozen=True)
class Found:
    """What a log has of one model; `skipped` rows cannot be read, since another version wrote them or nobody did."""

    model: str
    rows: tuple[Judgement, ...]
    skipped: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from-events", action="store_true", required=True, help="fit it to this machine's event log")
    parser.add_argument("--since", default="all", metavar="TIME", help="7d, 24h, 2w, or all (default: %(default)s)")
    parser.add_argument("--model", default="", metavar="NAME", help="whose suggestions (default: the one used last)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Fits, and keeps what is better; the exit status."""
    window = window_of(args.since, int(time.time() * 1000))
    if window is None:
        return _complain(f"--since {args.since}: write it as 7d, 24h, 2w, or all", 2)
    try:
        found = read(installation.database(), window.since, args.model)
        figures, text = refitted(found)
        if figures["kept"]:
            keep(text)
    except (StoreError, FitError, sqlite3.Error) as error:
        return _complain(str(error), 1)
    except OSError as error:
        return _complain(f"{error.filename or gate.own_file()}: {error.strerror or error}", 1)
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else _told(figures))
    return 0


def read(log: Path, since_ms: int = 0, model: str = "") -> Found:
    """The judgements that a log holds from a time on, in Unix milliseconds, of a model or of the one used last. Raises
    `StoreError`, `sqlite3.Error`."""
    marks = ", ".join("?" * len(ENDINGS))
    connection = reader(log)
    try:
        told = connection.execute(
            "SELECT session, at_ms, model, evidence, ending, accepted_characters FROM events"
            f" WHERE kind = 'completion' AND shown AND inferred = '' AND origin <> 'invoked' AND ending IN ({marks})"
            " AND evidence IS NOT NULL AND at_ms >= ? ORDER BY at_ms",
            (*ENDINGS, since_ms),
        ).fetchall()
    finally:
        connection.close()
    model = model or (told[-1][2] if told else "")
    rows, skipped = [], 0
    for session, at_ms, of, evidence, ending, accepted in told:
        if of == model:
            values = _values(evidence)
            if values:
                rows.append(Judgement(session, at_ms, values, accepted if ENDINGS[ending] else 0))
            else:
                skipped += 1
    return Found(model, tuple(rows), skipped)


def split(rows: Sequence[Judgement]) -> tuple[list[Judgement], list[Judgement]]:
    """The earlier sessions' rows and those of the latest sessions, which are about `HELD_OUT` of all. Raises `FitError`
    where the latest say too little."""
    begun: dict[str, int] = {}
    for row in rows:
        begun[row.session] = min(row.at_ms, begun.get(row.session, row.at_ms))
    held: set[str] = set()
    count = 0
    for session in sorted(begun, key=lambda one: -begun[one]):
        if count >= HELD_OUT * len(rows) or len(held) == len(begun) - 1:
            break
        held.add(session)
        count += sum(row.session == session for row in rows)
    if count < FEWEST_HELD_OUT:
        raise FitError(
            f"{len(rows)} judged suggestions in {len(begun)} sessions say too little: it takes two sessions or more, "
            f"and {FEWEST_HELD_OUT} suggestions in the latest ones"
        )
    return [row for row in rows if row.session not in held], [row for row in rows if row.session in held]


def refitted(found: Found) -> tuple[dict[str, Any], str]:
    """The figures that `--json` prints, and the new weights as a file. Raises `FitError`."""
    training, held = split(found.rows)
    shipped, in_force = gate.shipped(), gate.in_force(found.model)
    fitted = fit(training, start=Fit(shipped.bias, shipped.by_feature))
    about = [
        f"Fitted by `foretype gate fit --from-events` to {len(training)} suggestions of the event log.",
        "Delete this file to go back to the weights that ship.",
    ]
    text = toml(fitted, about, found.model)
    new = gate.read(text)  # what is measured is what is written
    said = {name: _said(held, weights) for name, weights in (("new", new), ("in_force", in_force))}
    taken = [row.accepted > 0 for row in held]
    losses = {name: log_loss(chances, taken) for name, chances in said.items()}
    figures: dict[str, Any] = {
        "model": found.model,
        "rows": len(found.rows),
        "skipped": found.skipped,
        "accepted": sum(row.accepted > 0 for row in found.rows),
        "sessions": len({row.session for row in found.rows}),
        "rows_held_out": len(held),
        "sessions_held_out": len({row.session for row in held}),
        "log_loss": losses["new"],
        "log_loss_in_force": losses["in_force"],
        "log_loss_change": losses["new"] - losses["in_force"],
        "log_loss_change_ci": _interval(held, said, taken),
        "brier": brier(said["new"], taken),
        "brier_in_force": brier(said["in_force"], taken),
        "roc_area": ranking(said["new"], taken),
        "roc_area_in_force": ranking(said["in_force"], taken),
        "in_force": "shipped" if in_force is shipped else "own",
        "kept": losses["new"] < losses["in_force"],
        "path": str(gate.own_file()),
    }
    return figures, text


def keep(text: str) -> None:
    """Puts the weights where servers read them: those that run have them with the next suggestion. Raises OSError."""
    path = gate.own_file()
    installation.make_folder(path.parent)
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        new.write_text(text, "utf-8")
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def _values(evidence: str) -> dict[str, float] | None:
    try:
        numbers = [float(value) for value in json.loads(evidence)]
    except (ValueError, TypeError):
        return None
    if len(numbers) != len(gate.FEATURES) or not all(map(math.isfinite, numbers)):
        return None
    return dict(zip(gate.FEATURES, numbers, strict=True))


def _said(rows: Sequence[Judgement], weights: gate.Weights) -> list[float]:
    return [gate.probability([row.evidence[name] for name in gate.FEATURES], weights) for row in rows]


def _interval(
    rows: Sequence[Judgement], said: Mapping[str, Sequence[float]], taken: Sequence[bool]
) -> list[float] | None:
    """95 %, of the change of the log-loss, by the delta method over sessions; None with one session."""
    sessions = {session: number for number, session in enumerate({row.session: 0 for row in rows})}
    over, under = np.zeros(len(sessions)), np.zeros(len(sessions))
    for row, new, old, came in zip(rows, said["new"], said["in_force"], taken, strict=True):
        at = sessions[row.session]
        over[at] += log_loss([new], [came]) - log_loss([old], [came])
        under[at] += 1
    interval = cpo.ratio(over, under).interval()
    return list(interval) if interval else None


def _told(figures: Mapping[str, Any]) -> str:
    old, new, interval = figures["log_loss_in_force"], figures["log_loss"], figures["log_loss_change_ci"]
    sure = f", 95 % interval of the change [{interval[0]:+.4f}, {interval[1]:+.4f}]" if interval else ""
    lines = [
        f"{figures['rows']:,} suggestions of {figures['model']} that were judged in {figures['sessions']:,} sessions, "
        f"{figures['accepted']:,} of them accepted",
        f"on {figures['rows_held_out']:,} of the latest {figures['sessions_held_out']:,} sessions, not seen before:",
        f"  log-loss {new:.4f} (in force {old:.4f}){sure}",
        f"  Brier score {figures['brier']:.4f} ({figures['brier_in_force']:.4f}), "
        f"area under ROC {figures['roc_area']:.3f} ({figures['roc_area_in_force']:.3f})",
    ]
    if figures["skipped"]:
        lines.append(f"{figures['skipped']:,} rows could not be read and were skipped")
    if figures["kept"]:
        lines.append(f"kept: the weights are in {figures['path']}, and servers that run use them from now on")
    else:
        lines.append(f"not kept: it is no better than the weights in force ({figures['in_force']}), which stay")
    return "\n".join(lines) + "\n"


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype gate fit: {message}\n")
    return status
