"""`foretype eval replay`: what ghost text is worth to someone who types what a git history says was typed.

Plays typing traces to the real server, and with `--against` to llama.cpp's server behind llama.vim's policy, or with
`--experiment` to a server for each arm, in one run and alternating commit by commit, so that whatever else the machine
does happens to all. Each repository gets servers and a workspace of its own. Rows go to a file as they come; a run that
was broken off goes on from there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from foretype.eval.provenance import revision
from foretype.eval.typing import arms as replay_arms
from foretype.eval.typing import report as replay_report
from foretype.eval.typing import rows as replay_rows
from foretype.eval.typing import traces
from foretype.eval.typing.assistant import Assistant
from foretype.eval.typing.checkout import Checkout
from foretype.eval.typing.play import Clock, RealClock, SkippingClock, play
from foretype.eval.typing.rows import Played, RowsError
from foretype.eval.typing.traces import Trace
from foretype.lsp.experiments import Experiment, ExperimentError
from foretype.lsp.experiments import read as read_experiment
from foretype.model.backend import BackendError

OURS, PEER = "foretype", "peer"
CLOCKS: dict[str, Callable[[], Clock]] = {"real": RealClock, "virtual": SkippingClock}

# Opens an assistant in a workspace.
Opener = Callable[[Path], Assistant]


class UsageError(Exception):
    """Arguments that cannot be. The message tells a user what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repositories", nargs="+", type=Path, metavar="REPO", help="a clone, bare or not")
    parser.add_argument("--commits", type=int, default=12, metavar="N", help="a repository (default: %(default)s)")
    parser.add_argument("--since", default="", metavar="DATE", help="only commits after it")
    parser.add_argument("--until", default="", metavar="DATE", help="only commits before it")
    parser.add_argument("--languages", default="", metavar="A,B", help="default: all that have a grammar")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of commits and pauses (default: %(default)s)")
    parser.add_argument(
        "--limit-keys",
        type=int,
        default=traces.MAX_KEYS,
        metavar="N",
        help="a commit, 0: all (default: %(default)s)",
    )
    parser.add_argument("--clock", choices=CLOCKS, default="real", help="virtual: pauses without work are left out")
    parser.add_argument("--partial", action="store_true", help="the developer also accepts words and lines")
    parser.add_argument(
        "--against", metavar="URL", help="a llama-server to compare with, such as http://127.0.0.1:8012"
    )
    parser.add_argument(
        "--experiment", type=Path, metavar="FILE", help="play every arm of an experiment, and compare them"
    )
    parser.add_argument("--fit-gate", type=Path, metavar="FILE", help="fit the confidence gate and write its weights")
    add_server_options(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="rows, one JSON object a key; goes on if it exists")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, openers: Mapping[str, Opener] | None = None) -> int:
    """Plays the traces and prints what came of them; the exit status. `openers` stand in for the sides that `args`
    name."""
    from foretype.eval.typing.foretype_server import ServerError
    from foretype.lsp.wire import ServerEnded

    try:
        if args.commits < 1 or args.limit_keys < 0:
            raise UsageError("--commits must be positive, and --limit-keys must not be negative")
        if args.experiment and (args.against or args.fit_gate):
            raise UsageError("--experiment compares its own arms: leave out --against and --fit-gate")
        if args.fit_gate:
            from foretype.eval import fit_gate

            return fit_gate.run(args, server_options(args))
        experiment = read_experiment(args.experiment) if args.experiment else None
        openers = openers or (arms(args, experiment) if experiment else sides(args))
        settings = _settings(args, openers, experiment)
        done = replay_rows.begin(args.out, settings) if args.out else []
    except (UsageError, RowsError, ExperimentError) as error:
        return _complain(str(error), 2)
    failure, status = "", 1
    total = args.commits * len(args.repositories) * len(openers)
    bar = tqdm(total=total, initial=len(done), desc="replaying", unit="commit", file=sys.stderr, disable=None)
    try:
        with bar:
            for played in replay(args, openers, {(one.side, one.repository, one.commit) for one in done}):
                done.append(played)
                bar.update()
                if args.out:
                    replay_rows.append(args.out, played)
    except traces.HistoryError as error:
        failure, status = str(error), 2
    except (ServerError, ServerEnded, BackendError, TimeoutError, OSError, KeyboardInterrupt) as error:
        failure = str(error) or "interrupted"
    if failure:
        kept = f"; {len(done)} commits are in {args.out}" if args.out and done else ""
        return _complain(failure + kept, status)
    if not any(one.side == next(iter(openers)) and one.rows for one in done):
        return _complain("no commit of these repositories has enough typing in these languages", 2)
    compared = replay_arms.figures(done, list(openers), args.seed) if experiment else None
    names = ("seed", "clock", "partial", "options", "against", "limit_keys")
    figures = (compared or replay_report.figures(done, args.seed)) | {
        **{name: settings[name] for name in names},
        "repositories": sorted({one.repository for one in done}),
        "languages": sorted({one.language for one in done}),
        "revision": revision(),
    }
    if experiment:
        figures |= {"experiment": experiment.name, "arm_options": settings["arms"]}
    table = replay_arms.table if experiment else replay_report.table
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else table(figures))
    return 0


def sides(args: argparse.Namespace) -> dict[str, Opener]:
    """What opens each side. Raises `UsageError`."""
    options = server_options(args)

    def ours(root: Path) -> Assistant:
        from foretype.eval.typing.foretype_server import ForetypeServer

        return ForetypeServer(root, options)

    def peer(root: Path) -> Assistant:
        from foretype.eval.llama.vim import LlamaVim

        return LlamaVim(args.against)

    return {OURS: ours, PEER: peer} if args.against else {OURS: ours}


def arms(args: argparse.Namespace, experiment: Experiment) -> dict[str, Opener]:
    """What opens each arm: a server with the arm's options above those of `args`, and an engine of its own, so that no
    arm warms another's cache. Raises `UsageError`."""
    options = server_options(args)

    def opener(own: Mapping[str, Any]) -> Opener:
        merged: dict[str, dict[str, Any]] = {name: dict(section) for name, section in options.items()}
        for name, value in {"model.share": False, **own}.items():
            section, _, key = name.partition(".")
            merged.setdefault(section, {})[key] = value

        def open_(root: Path) -> Assistant:
            from foretype.eval.typing.foretype_server import ForetypeServer

            return ForetypeServer(root, merged)

        return open_

    return {arm.name: opener(arm.options) for arm in experiment.arms}


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """What `server_options` reads."""
    parser.add_argument("--model", help="a name or a path, as the option model.name")
    parser.add_argument("--adapter", help="as the option model.adapter")
    parser.add_argument(
        "--set", dest="options", action="append", default=[], metavar="SECTION.KEY=VALUE", help="an option"
    )


def server_options(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Initialization options from the arguments; a value is TOML, or else a string. Raises `UsageError`."""
    options: dict[str, dict[str, Any]] = {}
    for name, value in (("name", args.model), ("adapter", args.adapter)):
        if value:
            options.setdefault("model", {})[name] = value
    for item in args.options:
        name, equals, text = item.partition("=")
        section, dot, key = name.partition(".")
        if not (section and dot and key and equals):
            raise UsageError(f"--set {item}: write it as section.key=value, such as completion.debounce_ms=0")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        options.setdefault(section, {})[key] = value
    return options


def replay(
    args: argparse.Namespace, openers: Mapping[str, Opener], done: set[tuple[str, str, str]]
) -> Iterator[Played]:
    """Each commit with each side, but for those that are done. Raises what the sides raise, and `HistoryError`."""
    wanted = tuple(filter(None, args.languages.split(",")))
    for repository in args.repositories:
        todo = traces.traces(
            repository,
            args.commits,
            args.seed,
            since=args.since,
            until=args.until,
            wanted=wanted,
            max_keys=args.limit_keys,
        )
        with (
            tempfile.TemporaryDirectory(prefix="foretype-replay-", ignore_cleanup_errors=True) as folder,
            ExitStack() as open_,
        ):
            root = Path(folder).resolve() / "workspace"
            checkout = open_.enter_context(closing(Checkout(repository, root, Path(folder) / "index")))
            assistants: dict[str, Assistant] = {}
            for number, trace in enumerate(todo):
                left = [side for side in openers if (side, trace.repository, trace.commit) not in done]
                if not left:
                    continue
                changed = checkout.to(trace.parent)
                for side in left:
                    if side not in assistants:
                        assistants[side] = openers[side](root)
                        open_.callback(assistants[side].stop)
                    assistants[side].workspace(root, changed)
                for side in left if number % 2 == 0 else reversed(left):
                    yield played(side, trace, assistants[side], CLOCKS[args.clock](), args.partial)


def played(side: str, trace: Trace, assistant: Assistant, clock: Clock, partial: bool) -> Played:
    """One commit, with what it cost."""
    counts, cpu, started = assistant.counts(), assistant.cpu_s(), time.monotonic()
    rows = play(trace, assistant, clock, partial)
    cpu, seconds = assistant.cpu_s() - cpu, time.monotonic() - started
    spent = {name: count - counts.get(name, 0) for name, count in assistant.counts().items()}
    return Played(
        side=side,
        repository=trace.repository,
        commit=trace.commit,
        language=trace.language,
        model=assistant.model,
        rows=tuple(rows),
        counts=spent,
        cpu_s=round(cpu, 3),
        seconds=round(seconds, 2),
    )


def _settings(args: argparse.Namespace, openers: Mapping[str, Opener], experiment: Experiment | None) -> dict[str, Any]:
    """What makes two runs comparable, and rows of one fit to go on with in the other."""
    names = ("seed", "since", "until", "languages", "limit_keys", "clock", "partial", "against", "model", "adapter")
    return {
        "sides": list(openers),
        "options": sorted(args.options),
        **({"arms": {arm.name: dict(arm.options) for arm in experiment.arms}} if experiment else {}),
        **{name: getattr(args, name) for name in names},
    }


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval replay: {message}\n")
    return status
