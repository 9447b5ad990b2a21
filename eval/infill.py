"""HumanEval-Infilling: how often a model fills a hole in a function so that the function's tests pass.

M. Bavarian et al., "Efficient training of language models to fill in the middle" (2022), data and scoring of
https://github.com/openai/human-eval-infilling. One greedy answer a task, through the `Backend` interface, from the
whole prompt and suffix; all answers first, their tests afterwards, so that judging does not disturb the latencies.
With `--answers` they are kept as they are made, and judged anew whenever the same is asked (`eval/answers.py`).

A task is passed if prompt + completion + suffix defines a function that the task's `check` accepts. In the single-line
split the answer ends at its first newline, which is put back for the tests; in the others it is taken as it came.
"exact": equal to the canonical solution after stripping trailing white space. Does not know how an engine works.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from foretype.context.machine import peak_mib
from foretype.eval import engines, sandbox, stats
from foretype.eval.answers import clock_ms, kept
from foretype.eval.cage import runner
from foretype.eval.cage.pool import in_order
from foretype.eval.provenance import revision
from foretype.model.backend import Backend, BackendError, Cancel, FimRequest

SPLITS = {
    "single-line": "HumanEval-SingleLineInfilling.jsonl",
    "multi-line": "HumanEval-MultiLineInfilling.jsonl",
    "random-span": "HumanEval-RandomSpanInfilling.jsonl",
    "random-span-light": "HumanEval-RandomSpanInfillingLight.jsonl",
}
JUDGES = 2

_T = TypeVar("_T")


class DataError(Exception):
    """The benchmark's data cannot be used. The message tells a user what to do."""


@dataclass(frozen=True)
class Task:
    """One row of a split's file; the names are the file's."""

    task_id: str
    entry_point: str
    prompt: str
    suffix: str
    canonical_solution: str
    test: str


@dataclass(frozen=True)
class Answer:
    """What the model said. `latency_ms` is the whole request on this side of the backend; tokens are counts."""

    completion: str
    latency_ms: float
    prompt_tokens: int
    tokens: int


@dataclass(frozen=True)
class Row:
    """One task's outcome, as `--out` has it."""

    task_id: str
    passed: bool
    reason: str
    exact: bool
    completion: str
    latency_ms: float
    prompt_tokens: int
    tokens: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the benchmark's files")
    parser.add_argument("--split", choices=SPLITS, default="single-line", help="default: %(default)s")
    parser.add_argument("--limit", type=int, default=150, metavar="N", help="tasks, 0 for all (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=7, metavar="N", help="of the choice of tasks (default: %(default)s)"
    )
    engines.add_arguments(parser)
    sandbox.add_arguments(parser)
    parser.add_argument("--max-tokens", type=int, default=0, metavar="N", help="default: 64 for a line, 256 for more")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write one JSON object a task to this file")
    parser.add_argument(
        "--answers", type=Path, metavar="FILE", help="keep answers there, and ask for none of them again"
    )
    check = parser.add_argument_group("the scorer itself; asks no model")
    check.add_argument(
        "--agree", type=int, default=0, metavar="N", help="compare it with the benchmark's own on N answers"
    )
    check.add_argument(
        "--judge-cost",
        type=int,
        default=0,
        metavar="N",
        help="measure its CPU time on N tasks, against running them bare",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, open_backend: Callable[[argparse.Namespace], Backend] = engines.open_backend) -> int:
    """Runs the benchmark; the exit status. `open_backend` stands in for the engine that `args` names."""
    if args.agree or args.judge_cost:
        from foretype.eval import judging

        return judging.run(args)
    try:
        if args.limit < 0 or args.max_tokens < 0:
            raise DataError("--limit and --max-tokens must not be negative")
        tasks = choose(read_tasks(args.data, args.split), args.limit, args.seed)
        if args.out:
            _check_writable(args.out)
    except DataError as error:
        return _complain(str(error), 2)
    try:
        box = sandbox.open_sandbox(args.unsafe_exec)
    except sandbox.SandboxError as error:
        return _complain(str(error), 1)
    if not runner.LIMITED:
        _complain("this platform can limit the answers' programs in time only, not in memory or files", 0)

    single_line = args.split == "single-line"
    max_tokens = args.max_tokens or (64 if single_line else 256)
    answers: list[Answer] = []
    failure = ""
    try:
        backend = kept(open_backend(args), args.answers)
        try:
            produced = generate(backend, tasks, single_line, max_tokens)
            for answer in _progress(produced, "generating", len(tasks)):
                answers.append(answer)
        finally:
            backend.close()
    except engines.UsageError as error:
        return _complain(str(error), 2)
    except (BackendError, KeyboardInterrupt) as error:
        failure = str(error) or "interrupted"

    if failure and not (args.out and answers):
        return _complain(failure, 1)
    rows = judge(tasks[: len(answers)], answers, single_line, box)
    if args.out:
        _write(args.out, rows)
    if failure:
        return _complain(f"{failure}; {len(rows)} of {len(tasks)} tasks are in {args.out}", 1)
    figures = summary(rows) | {
        "split": args.split,
        "seed": args.seed,
        "max_tokens": max_tokens,
        "model": args.model or backend.name,
        "model_sha256": getattr(backend, "model_sha256", None),
        "adapter": args.adapter if args.engine == "local" else None,
        "engine": args.engine,
        "peak_rss_mib": round(peak_mib()),
        "revision": revision(),
    }
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else table(figures, rows))
    return 0


def read_tasks(folder: Path, split: str) -> list[Task]:
    """All tasks of a split, from its `.jsonl.gz` or `.jsonl` file. Raises `DataError`."""
    name = SPLITS[split]
    path = next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)
    if path is None:
        raise DataError(
            f"expected {name}.gz (or {name}) in {folder}: get the folder `data` of "
            "https://github.com/openai/human-eval-infilling and give it with --data"
        )
    tasks = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    tasks.append(_task(line, f"{path}:{number}"))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}): download it again") from error
    if not tasks:
        raise DataError(f"{path} has no tasks: download it again")
    return tasks


def choose(tasks: list[Task], limit: int, seed: int) -> list[Task]:
    """The first `limit` tasks, 0 for all, after a shuffle that `seed` decides."""
    shuffled = list(tasks)
    random.Random(seed).shuffle(shuffled)
    return shuffled[: limit or None]


def generate(backend: Backend, tasks: Iterable[Task], single_line: bool, max_tokens: int) -> Iterator[Answer]:
    """One answer a task, in order, each from a cold KV cache where the backend has a `reset()`."""
    reset = getattr(backend, "reset", None)
    for task in tasks:
        if reset:
            reset()
        request = FimRequest(task.prompt, task.suffix, max_tokens=max_tokens, single_line=single_line)
        started_ms = clock_ms(backend)
        result = backend.complete(request, Cancel())
        latency_ms = clock_ms(backend) - started_ms
        text = result.text.partition("\n")[0] if single_line else result.text
        yield Answer(text, latency_ms, result.prompt_tokens, result.tokens)


def judge(
    tasks: Sequence[Task], answers: Sequence[Answer], single_line: bool, box: sandbox.Sandbox = sandbox.BARE
) -> list[Row]:
    """Runs each answer's tests, `JUDGES` at a time."""

    def row(of: tuple[Task, Answer]) -> Row:
        task, answer = of
        verdict = runner.run(program(task, answer.completion, single_line), task.test, task.entry_point, box=box)
        exact = answer.completion.rstrip() == task.canonical_solution.rstrip()
        return Row(task.task_id, verdict.passed, verdict.reason, exact, **asdict(answer))

    judged = in_order(row, zip(tasks, answers, strict=True), min(JUDGES, os.cpu_count() or 1))
    return list(_progress(judged, "judging", len(answers)))


def program(task: Task, completion: str, single_line: bool) -> str:
    return task.prompt + completion + ("\n" if single_line else "") + task.suffix


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures of at least one row. Percentiles interpolate linearly; intervals are Wilson's, of 95 %."""
    passed, exact = sum(row.passed for row in rows), sum(row.exact for row in rows)
    latencies = [row.latency_ms for row in rows]
    return {
        "pass_at_1": passed / len(rows),
        "pass_at_1_ci": list(stats.wilson(passed, len(rows))),
        "exact_match": exact / len(rows),
        "exact_match_ci": list(stats.wilson(exact, len(rows))),
        "latency_ms_p50": stats.percentile(latencies, 50),
        "latency_ms_p95": stats.percentile(latencies, 95),
        "tasks": len(rows),
    }


def table(figures: dict[str, Any], rows: Sequence[Row]) -> str:
    """The figures for people."""
    unpassed = Counter(row.reason for row in rows if not row.passed)
    lines = [
        f"HumanEval-Infilling {figures['split']}: {figures['tasks']} tasks, seed {figures['seed']}",
        f"{figures['model']} on {figures['engine']}"
        + (f", adapter {figures['adapter']}" if figures["adapter"] else ""),
        "",
        "pass@1       {pass_at_1:.3f}  [{pass_at_1_ci[0]:.3f}, {pass_at_1_ci[1]:.3f}]".format(**figures),
        "exact match  {exact_match:.3f}  [{exact_match_ci[0]:.3f}, {exact_match_ci[1]:.3f}]".format(**figures),
        "latency      {latency_ms_p50:.0f} ms median, {latency_ms_p95:.0f} ms 95th percentile".format(**figures),
        "not passed   " + (", ".join(f"{count} {reason}" for reason, count in unpassed.most_common()) or "none"),
    ]
    return "\n".join(lines) + "\n"


def _task(line: str, place: str) -> Task:
    names = [field.name for field in fields(Task)]
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{place} is not JSON ({error.msg}): download it again") from error
    missing = [name for name in names if not isinstance(row, dict) or not isinstance(row.get(name), str)]
    if missing:
        raise DataError(f"{place} lacks {', '.join(missing)}: is it a file of HumanEval-Infilling?")
    return Task(**{name: row[name] for name in names})


def _check_writable(path: Path) -> None:
    """Raises `DataError` now, rather than after an hour's work; leaves what the file holds."""
    try:
        path.open("a").close()
    except OSError as error:
        raise DataError(f"--out {path} cannot be written: {error.strerror}") from error


def _write(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(json.dumps(asdict(row)) + "\n" for row in rows)


def _progress(items: Iterable[_T], what: str, total: int) -> Iterable[_T]:
    """The same items, with a progress bar on stderr where that is a terminal."""
    return tqdm(items, desc=what, total=total, unit="task", file=sys.stderr, disable=None)


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval infill: {message}\n")
    return status
