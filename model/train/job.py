"""One run of `foretype train`: finds weights and rows, puts stream, decoder and loop together, writes the results."""

from __future__ import annotations

import ctypes
import hashlib
import json
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from foretype.context.row_files import manifest
from foretype.context.rows import RowError, from_json
from foretype.model import edit_format
from foretype.model.carriers import is_disk_full
from foretype.model.progress import Progress
from foretype.model.store import WEIGHTS
from foretype.model.train import log as train_log
from foretype.model.train import stream as train_stream
from foretype.model.train.base import UsageError, choose_dtype, open_base
from foretype.model.train.checkpoint import NAME, State
from foretype.model.train.crew import Crew
from foretype.model.train.decoder import Decoder
from foretype.model.train.loop import Plan, Run, TrainError, train
from foretype.model.train.rows import Example, Kind, Layout, Rows
from foretype.model.train.stream import Lines
from foretype.model.train.weights import new_adapter, old_adapter, trained, write_adapter


@dataclass(frozen=True)
class Job:
    """What to train: `adapter` is the folder of one to go on from; `rank` and `first_layer` are of a new one.

    `most_rows` are kept in memory; `validation_rows` of each kind are looked at. `threads` 0 means all cores; `dtype`
    is "bf16", "fp32" or "auto": bf16 on GPUs and on processors that multiply in it. `fused` as the decoder has it.
    """

    task: str
    pairs: tuple[Path, ...]
    out: Path
    model: str
    adapter: Path | None
    shares: Mapping[Kind, float]
    layout: Layout
    plan: Plan
    rank: int = 16
    first_layer: int = 8
    seed: int = 1
    most_rows: int = 50_000
    validation_rows: int = 24
    threads: int = 0
    dtype: str = "auto"
    fused: bool = False


def run(job: Job, progress: Progress, say: Callable[[str], None]) -> dict[str, Any]:
    """Trains; the figures of the summary, empty in all processes but the first. Raises `ModelError`, `ShardError`,
    OSError."""
    _check(job)
    if job.fused:
        torch._dynamo.config.suppress_errors = True  # what cannot be compiled is computed as it is written
    if job.threads:
        torch.set_num_threads(job.threads)
    crew = Crew()
    rows = train_stream.load(job.pairs, "train", job.shares, job.most_rows, job.seed)
    if not any(rows.get(kind) for kind, share in job.shares.items() if share):
        raise UsageError(f"{job.pairs[0]} holds no rows to train on of {', '.join(job.shares)}; mine more")
    base = open_base(job.model, job.adapter, job.first_layer, choose_dtype(job.dtype, crew.device), progress)
    examples = Rows(base.vocab, base.family, job.layout)
    adapted = old_adapter(base.model, job.adapter) if job.adapter else None
    adapted = adapted or new_adapter(base.model, job.rank, job.first_layer, job.seed)
    adapted.to(crew.device)
    weights = trained(adapted)
    record = _record(job, base.sha256, {kind: len(lines) for kind, lines in rows.items()})
    job.out.mkdir(parents=True, exist_ok=True)

    def log(facts: Mapping[str, Any]) -> None:
        if crew.first:
            _log(job, facts, progress, say)

    def keep(state: State) -> None:
        write_adapter(adapted, job.out, base.name, {**record, **asdict(state)})
        train_log.draw(job.out)

    _keep_freed_memory()  # from here on: what reading the weights took goes back
    with _stop_signals() as stopped:
        one_run = Run(
            decoder=Decoder(adapted, choose_dtype(job.dtype, crew.device), job.fused),
            weights=weights,
            examples=lambda start: _examples(examples, rows, job, start),
            validation=_validation(examples, job),
            plan=job.plan,
            crew=crew,
            checkpoint=job.out / NAME,
            config=json.dumps(_decides(record), sort_keys=True),
            log=log,
            keep=keep,
            stopped=stopped,
        )
        state = train(one_run)
        if stopped() and job.plan.done(state) < 1:
            raise TrainError(f"stopped after {state.step} steps; run again with the same settings to go on")
    return _figures(job, state, record) if crew.first else {}


def _check(job: Job) -> None:
    if job.plan.minutes <= 0 and job.plan.tokens <= 0:
        raise UsageError("give --max-minutes or --max-tokens, or training has no end")
    counts = (
        *(("--rank", job.rank, 1), ("--batch", job.plan.batch, 1), ("--warm-up", job.plan.warm_up, 1)),
        *(("--threads", job.threads, 0), ("--validation-rows", job.validation_rows, 0)),
    )
    for name, value, least in counts:
        if value < least:
            raise UsageError(f"{name} has to be {least} or more")
    if job.adapter and job.adapter.resolve() == job.out.resolve():
        raise UsageError(f"--out has to be another folder than --from: {job.out} would be written over")
    if job.plan.pack < job.layout.limit:
        raise UsageError(f"--pack has to be {job.layout.limit} or more: an example may have that many tokens")


def _examples(rows: Rows, lines: Lines, job: Job, start: int) -> Iterator[Example | None]:
    for draw in train_stream.draws(lines, job.shares, job.seed, start):
        yield _example(rows, draw.line)


def _example(rows: Rows, line: bytes) -> Example | None:
    try:
        return rows.example(from_json(line))
    except RowError as error:
        raise UsageError(f"a row cannot be read: {error}; mine again") from error


def _validation(rows: Rows, job: Job) -> dict[Kind, list[Example]]:
    """The same rows each time: some of each kind that is trained, as the seed draws them."""
    found = train_stream.load(job.pairs, "validation", job.shares, job.most_rows, job.seed)
    chosen: dict[Kind, list[Example]] = {}
    for kind, lines in sorted(found.items()):
        order = random.Random(f"{job.seed} validation {kind}").sample(lines, min(len(lines), job.validation_rows))
        chosen[kind] = [one for line in order if (one := _example(rows, line))]
    return chosen


def _record(job: Job, base_sha256: str, rows: Mapping[str, int]) -> dict[str, Any]:
    """All that decided an adapter, and what it was made with."""
    adapter = job.adapter / WEIGHTS if job.adapter else None
    return {
        "task": job.task,
        "base": job.model,
        "base_sha256": base_sha256,
        "from_sha256": hashlib.sha256(adapter.read_bytes()).hexdigest() if adapter else "",
        "rank": job.rank,
        "first_layer": job.first_layer,
        "seed": job.seed,
        "most_rows": job.most_rows,
        "shares": dict(job.shares),
        "layout": asdict(job.layout) | {"edits": edit_format.NAME},
        "plan": asdict(job.plan),
        "pairs": [_shards(folder) for folder in job.pairs],
        "rows_by_kind": dict(rows),
        "dtype": job.dtype,
        "fused": job.fused,
        "torch": torch.__version__,
    }


def _decides(record: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be the same for a run to go on: not how long it is, how often it looks and writes, how it rounds."""
    plan = {name: record["plan"][name] for name in ("rate", "batch", "warm_up", "clip")}
    left_out = ("plan", "rows_by_kind", "torch", "fused")
    return {**{name: value for name, value in record.items() if name not in left_out}, **plan}


def _shards(folder: Path) -> list[str]:
    return [shard["sha256"] for shard in manifest(folder)["shards"] if shard["split"] == "train"]


def _log(job: Job, facts: Mapping[str, Any], progress: Progress, say: Callable[[str], None]) -> None:
    try:
        train_log.append(job.out, facts)
    except OSError as error:
        if not is_disk_full(error):  # training is worth more than its log
            raise
    if "message" in facts:
        say(str(facts["message"]))
    elif "validation_loss" in facts:
        say(f"step {facts['step']}, {facts['tokens']} tokens: validation loss {facts['validation_loss']}")
    elif "loss" in facts:
        state = State(facts["step"], facts["tokens"], facts["seconds"])
        progress("training", round(1000 * job.plan.done(state)), 1000)


def _figures(job: Job, state: State, record: Mapping[str, Any]) -> dict[str, Any]:
    said = train_log.entries(job.out)
    losses = [one["loss"] for one in said if one.get("loss") is not None][-20:]
    validation: dict[str, Any] = next((one for one in reversed(said) if "validation_loss" in one), {})
    weights = job.out / WEIGHTS
    return {
        "adapter": str(job.out),
        "adapter_mib": round(weights.stat().st_size / 2**20, 2),
        "adapter_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "model": job.model,
        "model_sha256": record["base_sha256"],
        "seed": job.seed,
        "steps": state.step,
        "skipped_steps": state.skipped,
        "tokens": state.tokens,
        "seconds": round(state.seconds, 1),
        "tokens_per_s": round(state.tokens / max(state.seconds, 1e-9), 1),
        "loss": round(sum(losses) / len(losses), 4) if losses else None,
        **{name: value for name, value in validation.items() if name.startswith("validation_loss")},
        "rows_by_kind": record["rows_by_kind"],
    }


def _keep_freed_memory() -> None:
    """Steps want the same sizes again and again, and to get pages anew from the system costs a tenth of the time."""
    if sys.platform == "linux":
        try:
            libc = ctypes.CDLL("libc.so.6")
            libc.mallopt(-3, 2**31 - 1)  # M_MMAP_THRESHOLD of glibc's malloc.h
            libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        except (OSError, AttributeError):
            pass


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Whether the user or the system wants an end: the step that runs is finished and kept, then there is one."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, frame: asked.append(number)) for number in signals}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
