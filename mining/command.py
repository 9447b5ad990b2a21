"""`foretype mine`: training pairs from git histories, and from what one has accepted.

Progress goes to standard error, the summary to standard output; with `--json` one object and nothing else there. Exit
status 0 done, 1 some repository could not be mined or nothing could be written, 2 bad usage or input.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from foretype.context.machine import cores
from foretype.lsp.log import installation
from foretype.lsp.log.store import StoreError
from foretype.mining import captured, crew, pipeline
from foretype.mining.captured import Captured, CaptureError
from foretype.mining.config import Config, ConfigError
from foretype.mining.crew import CrewError
from foretype.mining.explain import ExplainError, explain
from foretype.mining.git import GitError
from foretype.mining.pipeline import PipelineError
from foretype.mining.sources import SourceError, sources
from foretype.model.progress import silent, terminal_progress

_CONTEXT_ROWS = 150
_SHOWN = 12  # filters in the summary for people


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "repositories",
        nargs="*",
        metavar="REPO",
        help="a repository (bare ones too), NAME=REPO, or a file with one of them a line",
    )
    parser.add_argument(
        "--from-events", action="store_true", help="rows of what was accepted here, where telemetry.capture_code is on"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the rows go; needed unless --explain")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML; its table [mine] has all options and more")
    parser.add_argument("--languages", type=_list, metavar="A,B", help="default: all that can be parsed")
    parser.add_argument("--licences", type=_list, metavar="A,B", help="SPDX names of licences that are permitted")
    parser.add_argument("--since", type=date, metavar="DATE", help="only commits from then on (2024-01-31, UTC)")
    parser.add_argument("--until", type=date, metavar="DATE", help="only commits before: test on what came later")
    parser.add_argument("--first-parent", action="store_true", default=None, help="leave merged branches out")
    parser.add_argument("--without-author", dest="authors", action="append", metavar="PART", help="of name or address")
    parser.add_argument("--max-commits", type=int, metavar="N", help="newest commits of each repository")
    parser.add_argument("--seed", type=int, metavar="N", help=f"of all choices (default: {Config.seed})")
    parser.add_argument(
        "--no-lint", dest="lint", action="store_false", default=None, help="no rows of linters' findings"
    )
    parser.add_argument(
        "--with-context",
        dest="context_rows",
        type=int,
        nargs="?",
        const=_CONTEXT_ROWS,
        metavar="N",
        help=f"put what serving shows of other files into N rows of each repository (default: {_CONTEXT_ROWS})",
    )
    parser.add_argument("--workers", type=int, default=cores(), metavar="N", help="processes (default: %(default)s)")
    parser.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="mine on a Ray cluster whose machines all see the repositories and DIR; default: one on this machine",
    )
    parser.add_argument("--explain", metavar="COMMIT", help="say what becomes of one commit and why; writes nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Mines, or explains one commit; the exit status."""
    names = (
        "languages",
        "licences",
        "since",
        "until",
        "first_parent",
        "authors",
        "max_commits",
        "seed",
        "lint",
        "context_rows",
    )
    try:
        config = Config.load(args.config, {name: getattr(args, name) for name in names})
        if not (args.repositories or args.from_events):
            raise ConfigError("say which repositories to mine, or --from-events")
        found = sources(args.repositories) if args.repositories else []
        if args.from_events and any(source.name == captured.REPOSITORY for source in found):
            raise ConfigError(
                f"{captured.REPOSITORY} is what captured code is called: give the repository as NAME=REPO"
            )
        if args.workers < 1:
            raise ConfigError("--workers has to be 1 or more")
        if args.explain:
            said = explain(found, args.explain, config)
            sys.stdout.write(json.dumps(said.facts()) + "\n" if args.json else said.text())
            return 0
        if args.out is None:
            raise ConfigError("say with --out where the rows are to go")
    except (ConfigError, SourceError, ExplainError, GitError) as error:
        sys.stderr.write(f"foretype mine: {error}\n")
        return 2

    captures: list[Captured] = []
    if args.from_events:
        try:
            captures = captured.read(installation.database())
        except (CaptureError, StoreError, sqlite3.Error) as error:
            sys.stderr.write(f"foretype mine: {error}\n")
            return 1

    def work(jobs: Sequence[crew.Work]) -> Any:
        return crew.on_ray(jobs, args.ray) if args.ray else crew.locally(jobs, args.workers)

    try:
        with nullcontext(silent) if args.json else terminal_progress() as progress:
            manifest = pipeline.run(found, config, args.out, work, progress, captures)
    except (PipelineError, CrewError) as error:
        sys.stderr.write(f"foretype mine: {error}\n")
        return 1
    failed = [one for one in manifest["repositories"] if one["problem"]]
    for one in failed:
        sys.stderr.write(f"foretype mine: {one['repository']}: {one['problem']}\n")
    sys.stdout.write(json.dumps(_figures(manifest)) + "\n" if args.json else _summary(manifest, args.out))
    return 1 if failed else 0


def _figures(manifest: dict[str, Any]) -> dict[str, Any]:
    repositories = manifest["repositories"]
    names = (
        "commits",
        "rows",
        "rows_by_class",
        "rows_by_language",
        "rows_by_split",
        "rows_with_context",
        "rejected_by_filter",
    )
    return {
        **{name: manifest[name] for name in (*names, "commits_per_cpu_s", "seconds", "config_sha256")},
        "repositories": len(repositories),
        "refused": {one["repository"]: one["refused"] for one in repositories if one["refused"]},
        "problems": {one["repository"]: one["problem"] for one in repositories if one["problem"]},
    }


def _summary(manifest: dict[str, Any], out: Path) -> str:
    commits, rate = manifest["commits"], manifest["commits_per_cpu_s"]
    texts = [f"{commits} commits, {rate:.0f} a CPU second, {manifest['seconds']:.0f} s", ""]
    for one in manifest["repositories"]:
        mined = "what was accepted here" if one["repository"] == captured.REPOSITORY else f"{one['commits']} commits"
        said = f"{one['kept_rows']} rows of {mined}"
        reason = (one["refused"] and f"left out: {one['refused']}") or (one["problem"] and "not mined") or said
        texts.append(f"  {one['repository']}: {reason}")
    texts += ["", f"{manifest['rows']} rows in {out}"]
    for title in ("class", "language", "split"):
        counts = manifest[f"rows_by_{title}"].items()
        texts.append(f"  by {title}: " + (", ".join(f"{name} {count}" for name, count in counts) or "none"))
    left_out = sorted(manifest["rejected_by_filter"].items(), key=lambda item: -item[1])
    texts += ["", "left out most, in commits or files:"]
    texts += [f"  {count:8} {name}" for name, count in left_out[:_SHOWN]]
    return "\n".join(texts) + "\n"


def _list(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def date(text: str) -> int:
    """Seconds since 1970 of a date or time, of UTC where it does not say otherwise."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date like 2024-01-31") from error
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())
