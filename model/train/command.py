"""`foretype train`: an adapter from training pairs.

    foretype train fim --pairs DIR --out DIR --from model/adapters/mined-v3 --max-minutes 60

Writes the adapter in PEFT's layout, `train_config.json` (all that decided it), `log.jsonl`, `losses.png` and a
checkpoint; run again with the same settings it goes on where it stopped. Several GPUs or machines: the same behind
`torchrun --nproc-per-node N -m foretype.cli`. Progress goes to standard error, the summary to standard output; with
`--json` one object and nothing else there. Exit status 0 done, 1 training failed, 2 bad usage or input.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

from foretype.context.row_files import ShardError
from foretype.model import catalogue
from foretype.model.backend import ModelError
from foretype.model.progress import silent, terminal_progress
from foretype.model.train import stream as train_stream
from foretype.model.train.rows import Kind

_KINDS: tuple[Kind, ...] = get_args(Kind)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", choices=("fim", "edits", "both"), help="fill in the middle, the next edit, or both")
    parser.add_argument("--pairs", type=Path, nargs="+", metavar="DIR", help="what `foretype mine --out` wrote")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the adapter goes")
    default = next((name for name, entry in catalogue.catalogue().items() if entry.default), "")
    parser.add_argument("--model", default=default, help="of the catalogue, or a GGUF file (default: %(default)s)")
    parser.add_argument("--from", dest="base", type=Path, metavar="DIR", help="an adapter to go on from")
    limits = parser.add_argument_group("limits")
    limits.add_argument("--max-minutes", type=float, metavar="N", help="default: 30 without --max-tokens")
    limits.add_argument("--max-tokens", type=int, default=0, metavar="N", help="the learning rate then needs no clock")
    limits.add_argument("--max-rows", type=int, default=50_000, metavar="N", help="in memory (default: %(default)s)")
    rows = parser.add_argument_group("rows")
    rows.add_argument("--shares", type=_shares, metavar="KIND=X,...", help=f"of {', '.join(_KINDS)}")
    rows.add_argument("--validation-rows", type=int, default=24, metavar="N", help="of each kind (%(default)s)")
    how = parser.add_argument_group("training")
    how.add_argument("--rank", type=int, default=16, help="of a new adapter (default: %(default)s)")
    how.add_argument("--from-layer", type=int, default=8, metavar="N", help="first one to adapt (default: %(default)s)")
    how.add_argument("--rate", type=float, default=2e-4, help="highest learning rate (default: %(default)s)")
    how.add_argument("--batch", type=int, default=16, metavar="N", help="examples a step (default: %(default)s)")
    how.add_argument("--pack", type=int, default=2048, metavar="N", help="tokens at once (default: %(default)s)")
    how.add_argument("--warm-up", type=int, default=20, metavar="N", help="steps (default: %(default)s)")
    how.add_argument("--seed", type=int, default=1, metavar="N", help="of all choices (default: %(default)s)")
    how.add_argument("--threads", type=int, default=0, metavar="N", help="default: all cores")
    how.add_argument("--dtype", choices=("auto", "bf16", "fp32"), default="auto", help="of products (default: auto)")
    how.add_argument(
        "--fused",
        action=argparse.BooleanOptionalAction,
        default=shutil.which("g++") is not None,
        help="have torch compile what is not a product (default: where there is g++)",
    )
    how.add_argument("--checkpoint-minutes", type=float, default=5.0, metavar="N", help="default: %(default)s")
    how.add_argument("--validation-minutes", type=float, default=10.0, metavar="N", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Trains; the exit status."""
    if not (args.pairs and args.out):
        sys.stderr.write("foretype train: say with --pairs what to learn from and with --out where the adapter goes\n")
        return 2
    try:
        from foretype.model.train import job as train_job
    except ImportError as error:
        sys.stderr.write(f"foretype train needs {error.name}: pip install 'foretype[train]'\n")
        return 2

    def say(text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    try:
        with nullcontext(silent) if args.json else terminal_progress() as progress:
            figures = train_job.run(job(args), progress, say)
    except (ShardError, train_job.UsageError) as error:
        sys.stderr.write(f"foretype train: {error}\n")
        return 2
    except (ModelError, OSError) as error:
        sys.stderr.write(f"foretype train: {error}\n")
        return 1
    if figures:  # only the first of several processes speaks
        sys.stdout.write(json.dumps(figures) + "\n" if args.json else _summary(figures))
    return 0


def job(args: argparse.Namespace) -> Any:
    """The `Job` that the arguments describe. Raises ImportError without torch."""
    from foretype.model.train.job import Job
    from foretype.model.train.loop import Plan
    from foretype.model.train.rows import Layout

    minutes = args.max_minutes if args.max_minutes is not None else 0.0 if args.max_tokens else 30.0
    return Job(
        task=args.task,
        pairs=tuple(args.pairs or ()),
        out=args.out,
        model=args.model,
        adapter=args.base,
        shares=args.shares or train_stream.shares(args.task),
        layout=Layout(seed=args.seed),
        plan=Plan(
            rate=args.rate,
            batch=args.batch,
            pack=args.pack,
            warm_up=args.warm_up,
            minutes=minutes,
            tokens=args.max_tokens,
            checkpoint_minutes=args.checkpoint_minutes,
            validation_minutes=args.validation_minutes,
        ),
        rank=args.rank,
        first_layer=args.from_layer,
        seed=args.seed,
        most_rows=args.max_rows,
        validation_rows=args.validation_rows,
        threads=args.threads,
        dtype=args.dtype,
        fused=args.fused,
    )


def _summary(figures: Mapping[str, Any]) -> str:
    losses = ", ".join(
        f"{name.removeprefix('validation_loss_')} {value:.3f}"
        for name, value in figures.items()
        if name.startswith("validation_loss_")
    )
    skipped = f", {figures['skipped_steps']} skipped" if figures["skipped_steps"] else ""
    return (
        f"{figures['steps']} steps{skipped}, {figures['tokens']} tokens in {figures['seconds'] / 60:.0f} min "
        f"({figures['tokens_per_s']:.0f} tokens/s)\n"
        f"loss {figures['loss']}; of validation rows {figures.get('validation_loss', 'not known')} ({losses})\n"
        f"the adapter, {figures['adapter_mib']:.1f} MiB, is in {figures['adapter']}: "
        f"foretype model build --adapter {figures['adapter']}\n"
    )


def _shares(text: str) -> dict[Kind, float]:
    found: dict[Kind, float] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        kind = next((kind for kind in _KINDS if kind == name.strip()), None)
        try:
            share = float(value)
        except ValueError:
            share = -1.0
        if kind is None or not 0 <= share < math.inf:
            raise argparse.ArgumentTypeError(f"{part!r} is no share like edit=0.5 of {', '.join(_KINDS)}")
        found[kind] = share
    return found
