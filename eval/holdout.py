"""`foretype eval holdout REPO...`: lines of the newest commits, which no model can have seen, to be written again.

A line that a commit added is taken out, with the file around it as that commit left it; the model writes it. The lines
are those that `foretype mine` would train on (`mining/completions.py`), after all of its filters, of commits since
`--since`; with `--since` after the weights were made they are in no training data. Several languages are told apart.
Scored as one-line completions are in `eval/projects/matching.py`. Runs no code of the repositories.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from foretype.context.row_files import SPLITS, ShardError, read
from foretype.context.rows import FimRow
from foretype.eval import engines, stats
from foretype.eval.answers import clock_ms, kept
from foretype.eval.projects.matching import match
from foretype.eval.provenance import revision
from foretype.mining import crew, pipeline
from foretype.mining.command import date
from foretype.mining.config import Config, ConfigError
from foretype.mining.pipeline import PipelineError
from foretype.mining.sources import SourceError, sources
from foretype.model.backend import Backend, BackendError, Cancel, ContextFile, FimRequest
from foretype.model.progress import silent, terminal_progress

_MAX_TOKENS = 64
_SHORTEST = 4  # characters of a line that is worth writing


class HoldoutError(Exception):
    """There is nothing to ask about. The message tells a user what to do."""


@dataclass(frozen=True)
class Scored:
    """What became of one line; `row` is the identifier that mining gave it."""

    row: str
    repository: str
    commit: str
    path: str
    language: str
    completion: str
    exact: bool
    edit_similarity: float
    identifier_match: float
    latency_ms: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repositories", nargs="+", metavar="REPO", help="as for foretype mine; bare ones too")
    parser.add_argument("--since", type=date, metavar="DATE", help="only commits from then on (2024-01-31, UTC)")
    parser.add_argument("--max-commits", type=int, default=300, metavar="N", help="newest of each (default: 300)")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="lines of each language (default: 100)")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the choice of lines (default: 7)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep what is mined there (default: nowhere)")
    engines.add_arguments(parser)
    parser.add_argument("--answers", type=Path, metavar="FILE", help="keep answers there, and ask for none again")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write one JSON object a line to this file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, open_backend: Callable[[argparse.Namespace], Backend] = engines.open_backend) -> int:
    """Mines, asks and scores; the exit status. `open_backend` stands in for the engine that `args` names."""
    try:
        chosen = tasks(args)
        backend = kept(open_backend(args), args.answers)
        try:
            scored = list(_scored(backend, chosen))
        finally:
            backend.close()
        if args.out:
            args.out.write_text("".join(json.dumps(asdict(row)) + "\n" for row in scored), encoding="utf-8")
    except (HoldoutError, ConfigError, SourceError, engines.UsageError, OSError) as error:
        return _complain(str(error), 2)
    except (BackendError, PipelineError, ShardError) as error:
        return _complain(str(error), 1)
    figures = summary(scored) | {
        "model": args.model or backend.name,
        "adapter": args.adapter if args.engine == "local" else None,
        "engine": args.engine,
        "seed": args.seed,
        "revision": revision(),
    }
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else table(figures))
    return 0


def tasks(args: argparse.Namespace) -> list[FimRow]:
    """The lines, of each language at most `--limit`. Raises `HoldoutError`, and what mining raises."""
    if args.limit < 1:
        raise HoldoutError("--limit has to be 1 or more")
    options = {"since": args.since, "max_commits": args.max_commits, "lint": False, "seed": args.seed}
    config, found = Config.load(None, options), sources(args.repositories)
    with tempfile.TemporaryDirectory(prefix="foretype-holdout-") as scratch:
        folder = args.work or Path(scratch)
        with nullcontext(silent) if args.json else terminal_progress() as progress:
            said = pipeline.run(found, config, folder, lambda jobs: crew.locally(jobs, 1), progress)
        rows = [row for split in SPLITS for row in read(folder, split) if isinstance(row, FimRow) and _is_line(row)]
    problems = [f"{one['repository']}: {one['problem'] or one['refused']}" for one in said["repositories"]]
    if bad := [text for text in problems if not text.endswith(": ")]:
        raise HoldoutError("; ".join(bad))
    if not rows:
        raise HoldoutError("no line of these commits is left after mining's filters; go back further with --since")
    return choose(rows, args.limit, args.seed)


def choose(rows: Sequence[FimRow], limit: int, seed: int) -> list[FimRow]:
    """At most `limit` rows of each language, languages by name; whatever the order of the rows."""
    shuffled = sorted(rows, key=lambda row: row.id)
    random.Random(seed).shuffle(shuffled)
    by_language: dict[str, list[FimRow]] = {}
    for row in shuffled:
        by_language.setdefault(row.origin.language, []).append(row)
    return [row for _, rows in sorted(by_language.items()) for row in rows[:limit]]


def summary(scored: Sequence[Scored]) -> dict[str, Any]:
    """The figures of at least one line, of all and by language. Intervals are Wilson's, of 95 %."""
    languages = sorted({row.language for row in scored})
    return {
        **_figures(scored),
        "by_language": {name: _figures([row for row in scored if row.language == name]) for name in languages},
    }


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [
        f"lines of new commits: {figures['tasks']}, seed {figures['seed']}; {figures['model']} on {figures['engine']}",
        "",
        f"{'':12}{'lines':>7}{'exact':>8}{'':18}{'similar':>9}{'names':>8}{'median ms':>11}",
    ]
    for name, row in (*figures["by_language"].items(), ("all", figures)):
        interval = "[{:.3f}, {:.3f}]".format(*row["exact_match_ci"])
        lines.append(
            f"{name:12}{row['tasks']:7}{row['exact_match']:8.3f}  {interval:16}{row['edit_similarity']:9.3f}"
            f"{row['identifier_match']:8.3f}{row['latency_ms_p50']:11.0f}"
        )
    return "\n".join(lines) + "\n"


def _is_line(row: FimRow) -> bool:
    return row.mode == "single" and len(row.middle.strip()) >= _SHORTEST


def _scored(backend: Backend, rows: Sequence[FimRow]) -> Iterator[Scored]:
    """One greedy answer a line, each from a cold KV cache where the backend has a `reset()`."""
    reset = getattr(backend, "reset", None)
    for row in tqdm(rows, desc="lines", unit="line", file=sys.stderr, disable=None):
        if reset:
            reset()
        files = tuple(ContextFile(file.path, file.text) for file in row.files)
        suffix = row.suffix if row.suffix.startswith("\n") or not row.middle.endswith("\n") else "\n" + row.suffix
        request = FimRequest(row.prefix, suffix, row.origin.path, files, max_tokens=_MAX_TOKENS, single_line=True)
        started_ms = clock_ms(backend)
        completion = backend.complete(request, Cancel()).text.partition("\n")[0]
        latency_ms = clock_ms(backend) - started_ms
        found, origin = match(completion, row.middle), row.origin
        yield Scored(
            *(row.id, origin.repository, origin.commit, origin.path, origin.language, completion),
            *(found.exact, found.edit_similarity, found.identifier_match, latency_ms),
        )


def _figures(scored: Sequence[Scored]) -> dict[str, Any]:
    exact = sum(row.exact for row in scored)
    return {
        "tasks": len(scored),
        "exact_match": exact / len(scored),
        "exact_match_ci": list(stats.wilson(exact, len(scored))),
        "edit_similarity": sum(row.edit_similarity for row in scored) / len(scored),
        "identifier_match": sum(row.identifier_match for row in scored) / len(scored),
        "latency_ms_p50": stats.percentile([row.latency_ms for row in scored], 50),
    }


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval holdout: {message}\n")
    return status
