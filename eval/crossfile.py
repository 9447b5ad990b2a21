"""`foretype eval crossfile`: how much a model gains from what the rest of a package tells it.

At places of real packages that use something defined in another file, a line or a call's arguments are taken out, and
one greedy answer is asked for with 256 tokens before the hole and 64 after, and with context beside them, up to 512
tokens in all: none, similar code, symbols, recent edits, all (`eval/projects/context.py`). What is written back is
compared with what stood there (`eval/projects/matching.py`), and at some places put there for the package's own tests
to judge (`eval/projects/own_tests.py`), which runs it. Figures to choose by come from the packages of the split "dev",
figures to report from "test".

Rows go to `--out` as they are made, and an answer that is there for the very same request to the same model is not
asked for again: a run that was cut off, or has more arms, goes on from there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from itertools import zip_longest
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from foretype.context.gather import Snippet
from foretype.context.machine import cache_dir, peak_mib
from foretype.eval import engines, sandbox
from foretype.eval.answers import identity
from foretype.eval.projects import context as crossfile_context
from foretype.eval.projects import matching, own_tests, packages
from foretype.eval.projects import report as crossfile_report
from foretype.eval.projects import tasks as crossfile_tasks
from foretype.eval.projects.context import ARMS
from foretype.eval.projects.packages import Package, PackageError
from foretype.eval.projects.report import Row
from foretype.eval.projects.tasks import Task
from foretype.eval.provenance import revision
from foretype.model.backend import Backend, BackendError, Cancel, FimRequest
from foretype.model.fim import LAYOUTS

_OWN_LAYOUT = "files"  # that any backend knows


@dataclass(frozen=True)
class Answer:
    """What a backend said to a request. Times in milliseconds, tokens are those of the prompt."""

    completion: str
    prefill_tokens: int
    latency_ms: float
    warm_latency_ms: float | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split", choices=("dev", "test"), default="dev", help="of the packages (default: %(default)s)"
    )
    parser.add_argument("--packages", type=int, default=0, metavar="N", help="the first N of the split (default: all)")
    parser.add_argument("--tasks", type=int, default=30, metavar="N", help="of each package (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="tasks in all, from each package alike")
    parser.add_argument(
        "--seed", type=int, default=7, metavar="N", help="of the choice of tasks (default: %(default)s)"
    )
    parser.add_argument(
        "--arms", type=_names(ARMS), default=tuple(ARMS), metavar="A,B", help=f"default: {','.join(ARMS)}"
    )
    parser.add_argument(
        "--layouts",
        type=_names(LAYOUTS),
        default=(_OWN_LAYOUT,),
        metavar="A,B",
        help=f"how other files stand in the prompt: {','.join(LAYOUTS)} (default: {_OWN_LAYOUT})",
    )
    parser.add_argument(
        "--judged",
        type=int,
        default=10,
        metavar="N",
        help="tasks of each package that its tests judge too, which runs what the model wrote (default: %(default)s)",
    )
    parser.add_argument("--warm", action="store_true", help="ask each again, with its prompt in the cache")
    engines.add_arguments(parser)
    sandbox.add_arguments(parser)
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the packages there (default: the cache)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="one JSON object an answer; taken up again if it is there"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, open_backend: Callable[[argparse.Namespace], Backend] = engines.open_backend) -> int:
    """Runs the benchmark; the exit status. `open_backend` stands in for the engine that `args` names."""
    if min(args.packages, args.tasks, args.limit, args.judged) < 0:
        return _complain("--packages, --tasks, --limit and --judged must not be negative", 2)
    rows: list[Row] = []
    failure = ""
    try:
        box = sandbox.open_sandbox(args.unsafe_exec) if args.judged else sandbox.BARE
    except sandbox.SandboxError as error:
        return _complain(str(error), 1)
    with ExitStack() as stack:
        try:
            out = stack.enter_context(args.out.open("a+", encoding="utf-8", newline="\n")) if args.out else None
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="foretype-crossfile-")))
            tasks = _tasks(args, scratch)
            backend = open_backend(args)
            stack.callback(backend.close)
            bar = tqdm(desc="tasks", total=len(tasks), unit="task", file=sys.stderr, disable=None)
            stack.callback(bar.close)
            judge = own_tests.Judge(args.judged, scratch / "judged", _folder(args), box)
            measure = Measurement(backend, args.layouts, args.warm, out, judge)
            by_name = {str(package): package for package in packages.PACKAGES}
            for task in tasks:
                package = by_name[task.package]
                rows += measure.task(task, args.arms, package, scratch / task.package, scratch / "cache")
                bar.update()
        except engines.UsageError as error:
            return _complain(str(error), 2)
        except OSError as error:
            return _complain(f"{error.filename or args.out}: {error.strerror}", 1)
        except (PackageError, BackendError, KeyboardInterrupt) as error:
            failure = str(error) or "interrupted"
    if failure:
        kept = f"; what is done is in {args.out}, and the same command goes on from there" if args.out and rows else ""
        return _complain(failure + kept, 1)
    if not rows:
        return _complain("no tasks: raise --tasks or --packages", 2)
    _tell(args, tasks, backend, rows)
    return 0


class Measurement:
    """Asks one backend, and keeps what it said in memory and in `out`."""

    def __init__(
        self, backend: Backend, layouts: Sequence[str], warm: bool, out: TextIO | None, judge: own_tests.Judge
    ) -> None:
        if tuple(layouts) != (_OWN_LAYOUT,) and not hasattr(backend, "context_layout"):
            raise engines.UsageError(f"this engine lays other files out by itself; use --layouts {_OWN_LAYOUT}")
        self._backend, self._layouts, self._warm, self._out, self._judge = backend, layouts, warm, out, judge
        self._model = identity(backend)
        self._count = getattr(backend, "count", crossfile_context.approximate)
        self._written: set[tuple[str, ...]] = set()
        self._known: dict[tuple[str, str], Answer] = {}
        if out:
            for row in _read(out):
                self._written.add(_key(row))
                self._remember(row.model, row.request, _answer(row))
                if row.passed is not None:
                    judge.remember(row.task_id, row.completion, row.passed)

    def task(self, task: Task, arms: Sequence[str], package: Package, root: Path, cache: Path) -> Iterator[Row]:
        """A row for each layout and arm. Raises `BackendError` and `PackageError`."""
        with crossfile_context.at(task, root, cache) as (workspace, snapshot):
            for arm in arms:
                started = time.perf_counter()
                added = crossfile_context.snippets(arm, task, workspace, snapshot, self._count)
                gather_ms = (time.perf_counter() - started) * 1000
                request = crossfile_context.request(task, added, self._count)
                for layout in self._layouts:
                    row = self._row(task, arm, layout, request, added, gather_ms)
                    row = replace(row, passed=self._judge.passes(task, package, root, row.completion))
                    if self._out and _key(row) not in self._written:
                        self._out.write(json.dumps(asdict(row)) + "\n")
                        self._out.flush()
                    yield row

    def _row(
        self, task: Task, arm: str, layout: str, request: FimRequest, added: Sequence[Snippet], gather_ms: float
    ) -> Row:
        digest = _digest(request, layout)
        answer = self._known.get((self._model, digest))
        if answer is None or (self._warm and answer.warm_latency_ms is None):
            answer = self._remember(self._model, digest, self._ask(request, layout))
        scores = asdict(matching.match(answer.completion, task.reference))
        return Row(
            *(task.task_id, task.package, arm, layout, self._model, digest, task.symbol, task.origin, task.reference),
            **(asdict(answer) | scores),
            context_tokens=sum(snippet.tokens for snippet in added),
            sources=dict(Counter(snippet.source for snippet in added)),
            gather_ms=gather_ms,
            passed=None,
        )

    def _ask(self, request: FimRequest, layout: str) -> Answer:
        if hasattr(self._backend, "context_layout"):
            self._backend.context_layout = layout
        if reset := getattr(self._backend, "reset", None):
            reset()
        started = time.perf_counter()
        result = self._backend.complete(request, Cancel())
        between = time.perf_counter()
        warm_ms = None
        if self._warm:
            self._backend.complete(request, Cancel())
            warm_ms = (time.perf_counter() - between) * 1000
        text = result.text.partition("\n")[0]
        kept = request.stop(text) if request.stop else None
        return Answer(text[:kept], result.prompt_tokens, (between - started) * 1000, warm_ms)

    def _remember(self, model: str, digest: str, answer: Answer) -> Answer:
        self._known[model, digest] = answer
        return answer


def _tell(args: argparse.Namespace, tasks: Sequence[Task], backend: Backend, rows: Sequence[Row]) -> None:
    layouts = crossfile_report.figures(rows)
    names = sorted({task.package for task in tasks})
    model = args.model or backend.name
    if not args.json:
        sys.stdout.write(f"Cross-file completion: {len(tasks)} tasks, {len(names)} packages ({args.split}), ")
        sys.stdout.write(f"seed {args.seed}\n{model} on {args.engine}\n\n{crossfile_report.table(layouts)}")
        return
    facts = {
        "tasks": len(tasks),
        "split": args.split,
        "seed": args.seed,
        "packages": names,
        "model": model,
        "model_sha256": getattr(backend, "model_sha256", None),
        "adapter": args.adapter if args.engine == "local" else None,
        "engine": args.engine,
        "peak_rss_mib": round(peak_mib()),
        "revision": revision(),
    }
    sys.stdout.write(json.dumps(facts | layouts[args.layouts[0]] | {"layouts": layouts}) + "\n")


def _tasks(args: argparse.Namespace, scratch: Path) -> list[Task]:
    """The tasks, those of one package together, from packages unpacked below `scratch`. Raises `PackageError`."""
    folder = _folder(args)
    by_package = []
    for package in tqdm(packages.of_split(args.split, args.packages), desc="packages", file=sys.stderr, disable=None):
        by_package.append(_of_package(package, folder, scratch, args.seed, args.tasks))
    turns = [task for turn in zip_longest(*by_package) for task in turn if task is not None]
    return sorted(turns[: args.limit or None], key=lambda task: task.package)


def _of_package(package: Package, folder: Path, scratch: Path, seed: int, most: int) -> list[Task]:
    root = scratch / str(package)
    packages.unpack(package, packages.fetch(package, folder), root)
    return crossfile_tasks.make(str(package), root, seed, most, package.code)


def _folder(args: argparse.Namespace) -> Path:
    return args.work or cache_dir() / "eval" / "packages"


def _digest(request: FimRequest, layout: str) -> str:
    """Tells requests apart; without other files the layout makes none."""
    asked = asdict(replace(request, stop=None)) | {"arguments": request.stop is not None}
    return hashlib.sha256(json.dumps([asked, layout if request.files else ""]).encode()).hexdigest()[:32]


def _read(out: TextIO) -> Iterator[Row]:
    """The rows of a file that is open for appending; what a run that was cut off left in its last line is no row."""
    out.seek(0)
    line = ""
    for line in out:
        try:
            values = json.loads(line)
            yield Row(**{field.name: values[field.name] for field in fields(Row)})
        except (ValueError, KeyError, TypeError):
            continue
    if line and not line.endswith("\n"):
        out.write("\n")


def _answer(row: Row) -> Answer:
    return Answer(*(getattr(row, field.name) for field in fields(Answer)))


def _key(row: Row) -> tuple[str, ...]:
    """A row is written again if more was asked, or it is judged otherwise than the last time."""
    scores = row.exact, row.edit_similarity, row.identifier_match, row.identifier_exact, row.passed
    said = row.warm_latency_ms is not None, row.completion, *scores
    return row.task_id, row.arm, row.layout, row.model, row.request, str(said)


def _names(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """Reads names with commas between them. Unknown ones raise `argparse.ArgumentTypeError`."""

    def names(text: str) -> tuple[str, ...]:
        chosen = tuple(dict.fromkeys(text.split(",")))
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; expected some of {', '.join(known)}")
        return chosen

    return names


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval crossfile: {message}\n")
    return status
