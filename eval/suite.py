"""`foretype eval suite`: models through all benchmarks, unattended, and each compared with the first.

    foretype eval suite --models mined-v3,train/C --data DIR --pairs DIR --out DIR
    foretype eval suite --models mined-v3 --watch train --data DIR --out DIR

Each benchmark runs in a process of its own with the commands that anyone would use (`eval/comparison/running.py`), one
after the other, since they measure time; what a model is called `eval/comparison/models.py` says. A benchmark that
fails costs its line of the table; a suite that was cut off goes on where it was. `--out` gets `suite.json` and
`suite.html`. With `--watch` the checkpoints of a folder are added as they come.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foretype.eval.comparison import benchmarks as suite_benchmarks
from foretype.eval.comparison import models as suite_models
from foretype.eval.comparison import running
from foretype.eval.comparison.benchmarks import BENCHMARKS, CASES, LIMIT, Benchmark, Settings
from foretype.eval.comparison.figures import summary
from foretype.eval.comparison.models import FORETYPE, Model, Named
from foretype.eval.comparison.page import page
from foretype.eval.comparison.running import Cell
from foretype.eval.comparison.table import table
from foretype.model.digests import write_whole

NAME = "suite.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models", required=True, metavar="A,B", help="names of the catalogue, adapters' folders, built models"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="rows, answers, suite.json, suite.html")
    add_options(parser)
    parser.add_argument("--watch", type=Path, metavar="DIR", help="add the checkpoints that training writes there")
    parser.add_argument(
        "--watch-minutes", type=float, default=0.0, metavar="N", help="stop when none came for so long (0: never)"
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `foretype eval compare` has too."""
    names = ", ".join(one.name for one in BENCHMARKS)
    parser.add_argument(
        "--benchmarks", default="", metavar="A,B", help=f"some of {names}; infill and edits are all of theirs"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="HumanEval-Infilling, for infill")
    parser.add_argument("--pairs", type=Path, metavar="DIR", help="what foretype mine wrote, for edits-pairs")
    parser.add_argument("--cases", type=Path, default=CASES, metavar="DIR", help="for edits-cases (default: our own)")
    parser.add_argument(
        "--half", choices=("dev", "test"), default="dev", help="to choose by, or to report (default: %(default)s)"
    )
    parser.add_argument(
        "--limit",
        type=_limit,
        action="append",
        default=[],
        metavar="[NAME=]N",
        help=f"tasks of each benchmark, or of one; 0 for all (default: {LIMIT})",
    )
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the choice of tasks (%(default)s)")
    parser.add_argument("--judged", type=int, default=10, metavar="N", help="tasks of a package that its tests judge")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep crossfile's packages there")
    parser.add_argument("--engines", default="", metavar="E,E", help="one for all models, or one for each")
    parser.add_argument("--url", default="", help="where the server is (openai, llama-server); or NAME@URL as a model")
    parser.add_argument("--family", default="", help="prompt layout (openai, hf)")
    parser.add_argument("--rejudge", action="store_true", help="judge the answers that are kept anew")
    parser.add_argument("--unsafe-exec", action="store_true", help="run what the model wrote without a sandbox")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Runs the suite; the exit status."""
    try:
        return conduct(args, args.models.split(","))
    except KeyboardInterrupt:
        sys.stderr.write("foretype eval suite: interrupted; the same command goes on from here\n")
        return 130


def conduct(args: argparse.Namespace, texts: Sequence[str], command: Sequence[str] = FORETYPE) -> int:
    """`run` with the models as they were named. `command` is what runs Foretype."""
    try:
        settings = settings_of(args)
        wanted = [name for name in args.benchmarks.split(",") if name]
        asked = suite_benchmarks.chosen(wanted)
        engines = [engine for engine in args.engines.split(",") if engine]
        named = suite_models.named([text for text in texts if text], engines, args.url, args.family)
        args.out.mkdir(parents=True, exist_ok=True)
    except (suite_models.UsageError, ValueError) as error:
        return _complain(str(error), 2)
    except OSError as error:
        return _complain(f"--out {args.out} cannot be written: {error.strerror}", 2)
    suite = Suite(args.out.absolute(), settings, command, args.rejudge)
    for one in asked:
        if one.words(settings) is not None:
            suite.benchmarks.append(one)
        elif wanted:
            suite.fail(f"{one.name}: it needs {one.needs} DIR")
        else:
            _complain(f"{one.name} is left out: it needs {one.needs} DIR", 0)
    with _terminated_as_interrupted():
        try:
            suite.add(named)
            watched = getattr(args, "watch", None)
            if not (watched and args.json):
                _tell(args, suite)
            if watched:
                _watch(args, suite)
                if args.json:
                    _tell(args, suite)
        except OSError as error:
            return _complain(f"{error.filename or args.out}: {error.strerror}; make room and run again", 1)
    return 1 if suite.found["failed"] else 0


@dataclass
class Suite:
    """The table as it grows. `found` is what `suite.json` says."""

    out: Path
    settings: Settings
    command: Sequence[str] = FORETYPE
    rejudge: bool = False
    benchmarks: list[Benchmark] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)

    def add(self, named: Sequence[Named]) -> None:
        """Takes models through all benchmarks, each benchmark for all of them in a row. Raises OSError."""
        new = []
        for one in named:
            _say(f"{one.label}: getting ready")
            try:
                new.append(suite_models.ready(one, self.command))
            except suite_models.NotReady as error:
                self.fail(f"{one.label}: {error}")
        self.models += new
        for place, benchmark in enumerate(self.benchmarks):
            for other, model in enumerate(new):
                step = place * len(new) + other + 1
                _say(f"[{step}/{len(self.benchmarks) * len(new)}] {benchmark.name}, {model.label}")
                cell = running.run(benchmark, model, self.settings, self.out, self.command, self.rejudge)
                if cell.error:
                    _complain(f"{benchmark.name}, {model.label}: {cell.error}", 0)
                self.cells.append(cell)
            self.write()
        self.write()
        write_whole(self.out / "suite.html", page(self.found))

    def fail(self, line: str) -> None:
        self.failed.append(line)
        _complain(line, 0)

    def write(self) -> None:
        """Raises OSError, with what was there left as it was."""
        self.found = summary(self.models, self.cells, self.failed, self.settings)
        write_whole(self.out / NAME, json.dumps(self.found, indent=1) + "\n")


def settings_of(args: argparse.Namespace) -> Settings:
    """What tasks are asked. Raises ValueError."""
    limits: dict[str, int] = {}
    for name, number in sorted(args.limit, key=lambda one: len(one[0])):  # the nearer name counts
        for one in suite_benchmarks.chosen([name] if name else []):
            limits[one.name] = number
    if args.judged < 0:
        raise ValueError("--judged must not be negative")
    return Settings(
        data=args.data.absolute() if args.data else None,
        pairs=args.pairs.absolute() if args.pairs else None,
        cases=args.cases.absolute(),
        half=args.half,
        seed=args.seed,
        limits=limits,
        judged=args.judged,
        work=args.work.absolute() if args.work else None,
        unsafe_exec=args.unsafe_exec,
    )


def _watch(args: argparse.Namespace, suite: Suite) -> None:
    """Adds checkpoints until none comes any more or the user ends it, which is no failure. Raises OSError."""
    from foretype.eval.comparison.checkpoints import arrivals

    try:
        _say(f"waiting for checkpoints in {args.watch}; Ctrl-C ends")
        for checkpoint in arrivals(args.watch, suite.out / "checkpoints", 60 * args.watch_minutes):
            model = suite_models.trained_on(checkpoint)
            suite.add([Named(checkpoint.name, "local", model, str(checkpoint))])
            if not args.json:
                _tell(args, suite)
            _say(f"waiting for checkpoints in {args.watch}; Ctrl-C ends")
    except KeyboardInterrupt:
        _say("ended; the same command goes on from here")


def _tell(args: argparse.Namespace, suite: Suite) -> None:
    if args.json:
        sys.stdout.write(json.dumps(suite.found) + "\n")
        return
    sys.stdout.write(f"{table(suite.found)}\nThe page is {suite.out / 'suite.html'}\n")
    sys.stdout.flush()


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Who is told to end ends the benchmark that runs, too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _limit(text: str) -> tuple[str, int]:
    name, _, number = text.rpartition("=")
    if not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tasks like 150 or crossfile=64")
    return name, int(number)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _complain(message: str, status: int) -> int:
    _say(f"foretype eval suite: {message}")
    return status
