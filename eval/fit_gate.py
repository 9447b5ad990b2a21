"""`foretype eval replay --fit-gate FILE`: fits the confidence gate on repositories, and says how good it is.

Not to be fitted on the repositories that a gated server is then measured on. Takes a replay's arguments; `--out` keeps
the labelled answers, and goes on from there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from foretype.eval import gate, gate_rows
from foretype.eval.gate_rows import Decision
from foretype.eval.provenance import revision
from foretype.eval.typing.foretype_server import ServerError
from foretype.eval.typing.traces import HistoryError
from foretype.lsp.wire import ServerEnded


def run(args: argparse.Namespace, options: Mapping[str, Mapping[str, Any]]) -> int:
    """Collects, prints the fit, writes the weights to `args.fit_gate`; the exit status. `options` are the server's."""
    if not args.fit_gate.resolve().parent.is_dir():
        return _complain(f"there is no folder for {args.fit_gate}", 2)
    try:
        rows = _collect(args, options)
        found = gate.figures(rows, args.seed)
        args.fit_gate.write_text(gate.toml(gate.fit(rows), _about(rows, found)), "utf-8")
    except (HistoryError, ValueError, gate.FitError) as error:
        return _complain(str(error), 2)
    except (ServerError, ServerEnded, TimeoutError, OSError, KeyboardInterrupt) as error:
        kept = f"; what there is is in {args.out}" if args.out else ""
        return _complain((str(error) or "interrupted") + kept, 1)
    if args.json:
        sys.stdout.write(json.dumps({**found, "seed": args.seed, "revision": revision()}) + "\n")
    else:
        sys.stdout.write(gate.table(found) + f"  weights are in {args.fit_gate}\n")
    return 0


def _collect(args: argparse.Namespace, options: Mapping[str, Mapping[str, Any]]) -> list[Decision]:
    names = ("seed", "since", "until", "languages", "model", "adapter")
    settings = {"options": options, **{name: getattr(args, name) for name in names}}
    kept = gate_rows.read(args.out, settings) if args.out else {}
    total = args.commits * len(args.repositories)
    with tqdm(total=total, initial=len(kept), desc="asking", unit="commit", file=sys.stderr, disable=None) as bar:
        for repository in args.repositories:
            todo = gate_rows.collect(
                repository,
                args.commits,
                args.seed,
                options,
                since=args.since,
                until=args.until,
                wanted=tuple(filter(None, args.languages.split(","))),
                done=frozenset(kept),
            )
            for commit, rows in todo:
                kept[commit] = rows
                bar.update()
                if args.out:
                    gate_rows.append(args.out, commit, rows)
    return [row for rows in kept.values() for row in rows]


def _about(rows: list[Decision], found: Mapping[str, Any]) -> list[str]:
    """Where the weights are from."""
    return [
        f"Fitted by `foretype eval replay --fit-gate` on {len(rows)} answers in {found['commits']} commits of",
        f"{', '.join(sorted({row.repository for row in rows}))}.",
        f"On commits held out: log-loss {found['log_loss']:.3f} ({found['log_loss_base']:.3f} without features),",
        f"Brier score {found['brier']:.3f}, area under the ROC curve {found['roc_area']:.2f}.",
    ]


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval replay --fit-gate: {message}\n")
    return status
