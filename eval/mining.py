"""How many commits a CPU second mines, beside PyDriller on the same repository in the same run.

One process each, one after the other, and the CPU seconds of a process are its own and those of all git processes it
started, from before the first commit to after the last. `commits_per_cpu_s_read`: every commit of HEAD's history
through all filters that need no parsing. `commits_per_cpu_s`: through all filters. `pydriller_commits_per_cpu_s`:
PyDriller walking the same history and reading the text before and after of each modified file, and nothing else.

D. Spadini et al., "PyDriller: Python framework for mining software repositories" (2018). Starting Python and importing
count for neither. A commit that PyDriller cannot read (a missing object) counts as one it has read.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foretype.eval import mining_memory
from foretype.eval.provenance import revision
from foretype.mining.candidate import Stage
from foretype.mining.config import Config, ConfigError
from foretype.mining.filters import Tally
from foretype.mining.git import GitError, History
from foretype.mining.survivors import pathspecs, seldom_collected, survivors

_MODES = ("read", "all", "pydriller")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--against-pydriller", type=Path, metavar="REPO", help="the repository to read")
    what.add_argument(
        "--memory",
        type=int,
        nargs="?",
        const=100_000,
        metavar="COMMITS",
        help="make up a history of so many commits instead, mine it, and print the most memory that took"
        " (default: %(const)s; minutes)",
    )
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="newest commits, 0 for all (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Runs the comparison, or the measurement of memory; the exit status."""
    if args.memory is not None:
        return _memory(args.memory, args.json)
    try:
        config = Config.load(options={"max_commits": args.limit})
        History(args.against_pydriller).close()
    except (GitError, ConfigError) as error:
        sys.stderr.write(f"foretype eval mining: {error}\n")
        return 2
    figures: dict[str, Any] = {"repository": str(args.against_pydriller)}
    counts = {}
    for mode in _MODES:
        try:
            counts[mode] = _apart(mode, args.against_pydriller, config)
        except (OSError, EOFError, ImportError) as error:
            sys.stderr.write(f"foretype eval mining: {mode} did not end: {error}; is PyDriller installed?\n")
            return 1
    figures |= {
        "commits": counts["all"]["commits"],
        "kept": counts["all"]["kept"],
        "commits_per_cpu_s_read": counts["read"]["rate"],
        "commits_per_cpu_s": counts["all"]["rate"],
        "pydriller_commits": counts["pydriller"]["commits"],
        "pydriller_unreadable": counts["pydriller"]["kept"],
        "pydriller_commits_per_cpu_s": counts["pydriller"]["rate"],
        "times_pydriller_read": counts["read"]["rate"] / counts["pydriller"]["rate"],
        "times_pydriller": counts["all"]["rate"] / counts["pydriller"]["rate"],
        "revision": revision(),
    }
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else _table(figures))
    return 0


def _memory(commits: int, as_json: bool) -> int:
    try:
        figures = mining_memory.measure(max(1, commits)) | {"revision": revision()}
    except mining_memory.HistoryError as error:
        sys.stderr.write(f"foretype eval mining: {error}\n")
        return 1
    text = (
        "{commits} commits, {rows} rows, {cpu_s:.0f} s of CPU\n"
        "peak memory {peak_rss_mib} MiB, of a git process beside it {git_peak_rss_mib} MiB\n"
    )
    sys.stdout.write(json.dumps(figures) + "\n" if as_json else text.format(**figures))
    return 0


def _table(figures: dict[str, Any]) -> str:
    return (
        "{commits} commits of {repository}, {kept} kept\n\n"
        "                        commits per CPU s   times PyDriller\n"
        "filters without parsing {commits_per_cpu_s_read:17.0f} {times_pydriller_read:17.1f}\n"
        "all filters             {commits_per_cpu_s:17.0f} {times_pydriller:17.1f}\n"
        "PyDriller               {pydriller_commits_per_cpu_s:17.0f}\n"
    ).format(**figures)


def _apart(mode: str, path: Path, config: Config) -> dict[str, float]:
    """One way of reading, in a new process. Raises `EOFError` where that dies."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, mode, path, config))
    process.start()
    sender.close()
    try:
        result: dict[str, float] = receiver.recv()
        return result
    finally:
        process.join()


def _measure(sender: Any, mode: str, path: Path, config: Config) -> None:
    work: Callable[[Path, Config], tuple[int, int]]
    work = _pydriller if mode == "pydriller" else _read if mode == "read" else _all
    if mode == "pydriller":
        importlib.import_module("pydriller")  # is not measured
    started = os.times()
    commits, kept = work(path, config)
    ended = os.times()
    seconds = sum(ended[:4]) - sum(started[:4])  # user and system, own and of the children that ended
    sender.send({"commits": commits, "kept": kept, "rate": commits / max(seconds, 1e-3)})


def _read(path: Path, config: Config, last: Stage = Stage.TEXTS) -> tuple[int, int]:
    tally = Tally()
    with seldom_collected(), History(path, pathspecs=pathspecs(config)) as history:
        kept = sum(1 for _ in survivors(history, config, tally, last))
    return tally.seen, kept


def _all(path: Path, config: Config) -> tuple[int, int]:
    return _read(path, config, Stage.SECRETS)


def _pydriller(path: Path, config: Config) -> tuple[int, int]:
    import git

    pydriller = importlib.import_module("pydriller")
    commits = unreadable = 0
    # It writes into the configuration of what it reads: into that of a clone which shares the objects.
    with tempfile.TemporaryDirectory(prefix="foretype-pydriller-") as folder:
        git.Repo.clone_from(str(path), folder, bare=True, shared=True)
        for commit in pydriller.Repository(folder, order="reverse").traverse_commits():
            if config.max_commits and commits >= config.max_commits:
                break
            commits += 1
            try:
                for file in commit.modified_files:
                    _ = file.source_code, file.source_code_before
            except ValueError:
                unreadable += 1
    return commits, unreadable
