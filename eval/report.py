"""`foretype report`: characters per opportunity of one's own log, what it is made of, and what would move it most."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from foretype.eval.log.cells import Window, of_files, of_log
from foretype.eval.log.figures import BY, PERCENTILES, report
from foretype.lsp.experiments import ExperimentError, read
from foretype.lsp.log import installation
from foretype.lsp.log.store import StoreError

_UNITS_S = {"h": 3600, "d": 86_400, "w": 604_800}

# Title, name, digits, and whether it is a percentage.
_ROWS = (
    ("attempt rate", "attempt_rate", 1, True),
    ("x feedback rate", "feedback_rate", 1, True),
    ("x acceptance rate", "acceptance_rate", 1, True),
    ("x tokens per acceptance", "tokens_per_acceptance", 2, False),
    ("x characters per token", "characters_per_token", 2, False),
    ("= CPO", "cpo", 3, False),
    ("  still there after 300 s", "cpo_retained_300s", 3, False),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", default="7d", metavar="TIME", help="7d, 24h, 2w, or all (default: %(default)s)")
    parser.add_argument("--by", choices=BY, default="", help="the factors for each of these as well")
    parser.add_argument("--experiment", type=Path, metavar="FILE", help="what became of this experiment, by its file")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one file for a browser")
    parser.add_argument("--from", dest="source", metavar="GLOB", help="exported files instead of this machine's log")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    now = int(time.time() * 1000)
    window = window_of(args.since, now)
    if window is None:
        return _complain(f"--since {args.since}: write it as 7d, 24h, 2w, or all", 2)
    experiment = None
    if args.experiment:
        try:
            experiment = read(args.experiment)
        except ExperimentError as error:
            return _complain(str(error), 2)
        window = Window(0, 0)  # all of it, and what was before
    by_hour = args.by == "hour"
    try:
        cells = (
            of_files(args.source, window, by_hour) if args.source else of_log(installation.database(), window, by_hour)
        )
    except StoreError as error:
        return _complain(str(error), 1)
    if experiment:
        from foretype.eval import experiments

        said = experiments.analysis(experiment, cells)
        sys.stdout.write((json.dumps(said) if args.json else "\n".join(experiments.told(said))) + "\n")
        return 0
    found = {"since": args.since, "source": args.source or "log", **report(cells, args.by)}
    if args.html:
        from foretype.eval import report_html

        try:
            args.html.write_text(report_html.page(found, now), "utf-8")
        except OSError as error:
            return _complain(f"{args.html} cannot be written: {error.strerror}", 1)
        except ImportError:
            return _complain("--html needs Matplotlib: pip install 'foretype[report]'", 1)
    sys.stdout.write(json.dumps(found) + "\n" if args.json else table(found))
    if args.html and not args.json:
        sys.stdout.write(f"\nwritten to {args.html}\n")
    return 0


def window_of(since: str, now: int) -> Window | None:
    """The time that `since` names, and as much before it; None for what is no time."""
    if since == "all":
        return Window(0, 0)
    found = re.fullmatch(r"([1-9]\d{0,4})([hdw])", since)
    if found is None:
        return None
    length = int(found[1]) * _UNITS_S[found[2]] * 1000
    return Window(now - length, now - 2 * length)


def table(found: Mapping[str, Any]) -> str:
    """The figures for people."""
    return "\n".join(line.rstrip() for line in _lines(found)) + "\n"


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    span = "since the beginning" if found["since"] == "all" else f"of the last {found['since']}"
    if not found["opportunities"]:
        yield f"No opportunities {span}: nothing was typed where Foretype was on, or its log is switched off."
        yield "See `foretype telemetry status`."
        return
    yield f"{found['opportunities']:,} opportunities {span} in {found['sessions']} sessions"
    yield ""
    before = found["before"]
    yield _row("", "", "95 % interval", "before" if before else "")
    for title, name, digits, percent in _ROWS:
        then = _number(before[name], digits, percent) if before else ""
        yield _row(title, _number(found[name], digits, percent), _interval(found[f"{name}_ci"], digits, percent), then)
    yield ""
    yield f"{found['typed_characters']:,} characters typed, {found['characters']:,} accepted"
    yield from _funnel(found)
    yield from _latency(found)
    yield from _retention(found)
    yield from _movers(found)
    yield from _groups(found)
    yield from _beside(found)


def _funnel(found: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield _row("the way to an acceptance", "", "of all", "CPO without this loss")
    for stage in found["funnel"]:
        yield _row(stage["stage"], f"{stage['count']:,}", _number(stage["rate"], 1, True))
        for loss in stage["lost"]:
            text = _number(loss["cpo_if_none"], 3) if loss["cpo_if_none"] is not None else ""
            yield _row(f"  - {loss['reason'].replace('_', ' ')}", f"{loss['count']:,}", "", text)


def _latency(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["latency_ms"]:
        return
    yield ""
    yield _row("milliseconds by stage", *(f"p{q}" for q in PERCENTILES), width=12)
    for stage, of in found["latency_ms"].items():
        yield _row(stage, *(f"{of[f'p{q}']:,.1f}" for q in PERCENTILES), width=12)


def _retention(found: Mapping[str, Any]) -> Iterator[str]:
    if any(row["share"] is not None for row in found["retention"]):
        yield ""
        yield "of the accepted text is still there after"
    for row in found["retention"]:
        if row["share"] is not None:
            yield _row(f"  {row['after_s']} s", _number(row["share"], 1, True), _interval(row["share_ci"], 1, True))


def _movers(found: Mapping[str, Any]) -> Iterator[str]:
    for title, movers in (
        ("against the time before", found["movers"]),
        *((f"against the best arm, {best['arm']}", best["movers"]) for best in found["best_arms"]),
    ):
        if movers:
            yield ""
            yield _row(title, "change", "CPO if it were as there")
        for row in movers:
            yield _row(f"  {row['factor'].replace('_', ' ')}", f"{row['change']:+.1%}", _number(row["cpo_if_then"], 3))


def _groups(found: Mapping[str, Any]) -> Iterator[str]:
    if not found.get("groups"):
        return
    yield ""
    yield _row(f"by {found['by']}", "opportunities", "CPO", "95 % interval", "acceptance rate", width=18)
    for row in found["groups"]:
        yield _row(
            row["group"],
            f"{row['opportunities']:,}",
            _number(row["cpo"], 3),
            _interval(row["cpo_ci"], 3),
            _number(row["acceptance_rate"], 1, True),
            width=18,
        )


def _beside(found: Mapping[str, Any]) -> Iterator[str]:
    edits = found["next_edits"]
    yield ""
    if edits["settled_edits"]:
        yield (
            f"next edits: {edits['settled_edits']:,} settled edits, {edits['shown']:,} proposals shown, "
            f"{edits['accepted']:,} accepted, {edits['characters_per_settled_edit']:.3f} characters a settled edit"
        )
    if (others := found["asked_otherwise"])["requests"]:
        yield (
            f"asked without typing: {others['requests']:,} requests, {others['shown']:,} suggestions shown, "
            f"{others['accepted']:,} accepted with {others['characters']:,} characters, not in CPO"
        )
    if found["not_opportunities"]:
        changes = (f"{count:,} {name.replace('_', ' ')}" for name, count in found["not_opportunities"].items())
        yield "changes that are no opportunities: " + ", ".join(changes)
    if found["inferred_rate"]:
        yield f"of {found['inferred_rate']:.1%} of what was shown, something is inferred: the client does not report it"
    if found["dropped"]:
        yield f"{found['dropped']:,} rows are missing: the disk was too slow for them"
    if found["skipped"]:
        yield f"{found['skipped']:,} rows of the files could not be read and were skipped"


def _row(title: str, *cells: str, width: int = 22) -> str:
    return f"{title:<33} " + "".join(f"{cell:<{width}}" for cell in cells)


def _number(value: float | None, digits: int, percent: bool = False) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.{digits}f} %" if percent else f"{value:.{digits}f}"


def _interval(interval: Sequence[float] | None, digits: int, percent: bool = False) -> str:
    if interval is None:
        return "-"
    scale = 100 if percent else 1
    return f"[{scale * interval[0]:.{digits}f}, {scale * interval[1]:.{digits}f}]"


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype report: {message}\n")
    return status
