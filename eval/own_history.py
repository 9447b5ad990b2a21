"""`foretype train TASK --repo REPO...`: an adapter for one's own code, kept only if it is better on the newest commits.

    foretype train edits --repo ~/src/shop

Mines the history but its newest commits, trains for `--max-minutes` on from the adapter that is in use, and asks both
adapters for what the newest commits did (`eval/likelihood.py`). The new one is kept where it tells that better, by a
paired test over commits. It goes nowhere else. A run that was ended goes on. Without `--repo` this is `foretype train`
of pairs that were mined before (`model/train/command.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from foretype.context.machine import cores, data_dir
from foretype.context.row_files import MANIFEST, ShardError, manifest
from foretype.eval import likelihood
from foretype.eval.likelihood import Change
from foretype.lsp.log import installation
from foretype.lsp.log.store import StoreError as LogError
from foretype.mining import captured, crew, licence, pipeline
from foretype.mining.captured import Captured, CaptureError
from foretype.mining.config import Config
from foretype.mining.crew import CrewError
from foretype.mining.pipeline import PipelineError
from foretype.mining.sources import Source, SourceError, sources
from foretype.model.backend import ModelError
from foretype.model.progress import Progress, silent, terminal_progress
from foretype.model.store import CONFIG, RECORD, WEIGHTS
from foretype.model.train import command

Say = Callable[[str], None]

# The newest tenth of the commits judges: with fewer, half an hour's training is too small a change to tell from luck.
MINING = Config(licences=(licence.ANY,), validation_share=0.1, test_share=0.0, context_rows=150)
_JUDGED = 400  # rows at most
_LEAST_ROWS, _LEAST_COMMITS = 100, 10  # to learn from, and to judge by
_RUN = "run"  # the folder of what is under way


class HistoryError(Exception):
    """There is too little to learn from. The message tells a user what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    command.add_arguments(parser)
    parser.add_argument(
        "--repo", nargs="+", metavar="REPO", help="your own clones: mines them, and keeps the adapter if it is better"
    )


def run(args: argparse.Namespace) -> int:
    """Trains, on pairs or on one's own history; the exit status."""
    if not args.repo:
        return command.run(args)
    if args.pairs:
        sys.stderr.write("foretype train: --repo mines its own pairs: give it or --pairs\n")
        return 2

    def say(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    try:
        found = sources(args.repo)
        out = args.out or data_dir() / "adapters" / "-".join(source.name for source in found)
        with nullcontext(silent) if args.json else terminal_progress() as progress:
            figures = learn(found, out, args, progress, say)
    except ImportError as error:
        sys.stderr.write(f"foretype train needs {error.name}: pip install 'foretype[mine,train]'\n")
        return 2
    except (SourceError, HistoryError, ShardError) as error:
        sys.stderr.write(f"foretype train: {error}\n")
        return 2
    except (ModelError, PipelineError, CrewError, OSError) as error:
        sys.stderr.write(f"foretype train: {error}\n")
        return 1
    if args.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def learn(found: Sequence[Source], out: Path, args: argparse.Namespace, progress: Progress, say: Say) -> dict[str, Any]:
    """The figures of what came of it; what a person reads goes to standard output unless `args.json`. Raises
    `HistoryError`, `ModelError`, `PipelineError`, OSError."""
    from foretype.model.train import job as train_job
    from foretype.model.train import judge

    under_way = out / _RUN
    pairs = under_way / "pairs"
    start = _start(out, args)
    if not (pairs / MANIFEST).is_file() or not (under_way / "adapter").is_dir():
        pipeline.run(found, MINING, pairs, lambda jobs: crew.locally(jobs, cores()), progress, _captures())
    rows = judge.rows(pairs, "validation", likelihood.kinds_of(args.task), _JUDGED, args.seed)
    _enough(manifest(pairs), len({row.origin.commit for row in rows}), pairs)
    job = replace(command.job(args), pairs=(pairs,), out=under_way / "adapter", adapter=start, validation_rows=0)
    before = judge.judge(rows, args.model, start, args.dtype, progress)
    if not before:
        raise HistoryError(f"no row of the newest commits fits into a prompt (what was mined is in {pairs})")
    train_job.run(job, progress, say)
    after = judge.judge(rows, args.model, job.out, args.dtype, progress)
    changes = likelihood.compare(before, after)
    kept = changes[0].better
    if kept:
        _keep(job.out, out)
    shutil.rmtree(under_way)
    name = start.name if start else "no adapter"
    if not args.json:
        sys.stdout.write(_said(changes, name, out if kept else None))
    return {"kept": kept, "adapter": str(out) if kept else "", "from": name, **likelihood.figures(changes[0])}


def _start(out: Path, args: argparse.Namespace) -> Path | None:
    """The adapter to go on from, and to be better than: the one named, the last one that was kept, the shipped one."""
    if args.base:
        return Path(args.base)
    return out if (out / WEIGHTS).is_file() else likelihood.adapter_folder(args.model, "default")


def _captures() -> list[Captured]:
    """What was accepted and kept, where the user has capture on."""
    try:
        return captured.read(installation.database())
    except (CaptureError, LogError, sqlite3.Error):
        return []


def _enough(said: dict[str, Any], commits: int, pairs: Path) -> None:
    refused = [f"{one['repository']}: {one['refused'] or one['problem']}" for one in said["repositories"]]
    refused = [line for line in refused if not line.endswith(": ")]
    if refused:
        raise HistoryError("; ".join(refused))
    rows = said["rows_by_split"].get("train", 0)
    if rows < _LEAST_ROWS or commits < _LEAST_COMMITS:
        raise HistoryError(
            f"the history gives {rows} rows to learn from and {commits} commits to judge by, it takes {_LEAST_ROWS} "
            f"and {_LEAST_COMMITS}: name more repositories, or come back later (what was mined is in {pairs})"
        )


def _keep(adapter: Path, out: Path) -> None:
    """Puts the adapter where it is to be used from, its weights last; one that was there is replaced."""
    for path in sorted(adapter.iterdir(), key=lambda path: path.name == WEIGHTS):
        if path.name in (CONFIG, RECORD, WEIGHTS, "log.jsonl", "losses.png"):
            os.replace(path, out / path.name)


def _said(changes: Sequence[Change], start: str, kept: Path | None) -> str:
    change = changes[0]
    lines = [f"the {change.rows} rows of the {change.commits} newest commits, which this training has not seen:", ""]
    lines += [likelihood.table(changes, (start, "your own"))]
    if kept is None:
        lines += [f"Not kept: it does not tell the newest commits better than {start}, which stays."]
    else:
        lines += [
            f"Kept, since it tells the newest commits better than {start}. To use it, run",
            f"    foretype model build --adapter {kept}",
            "and put into your own foretype.toml, under [model]:",
            f"    adapter = {json.dumps(str(kept))}",
        ]
    return "\n".join(lines) + "\n"
