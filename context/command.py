"""`foretype index`: builds or refreshes the symbol graph of a folder, and says what it holds and what it took."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from foretype.context.graph import Graph
from foretype.context.guard import Guard
from foretype.context.machine import cache_dir, cores, peak_mib


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", default=".", metavar="PATH", help="the folder (default: the current one)")
    parser.add_argument(
        "--include", action="append", default=[], metavar="FOLDER", help="read only this folder of it; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on standard output")


def run(args: argparse.Namespace) -> int:
    root = Path(args.path)
    if not root.is_dir():
        sys.stderr.write(f"foretype: {root} is no folder; name the folder of a workspace\n")
        return 2
    guard = Guard(root, args.include)
    graph = Graph.open(root, cache_dir())
    try:
        stats = graph.refresh(guard, _bar if sys.stderr.isatty() else lambda *_: None)
    finally:
        graph.close()
    figures = {
        "files": stats.files,
        "symbols": stats.symbols,
        "references": stats.references,
        "changed": stats.changed,
        "seconds": round(stats.seconds, 3),
        "peak_rss_mib": round(peak_mib(children=cores())),
        "refused": dict(guard.refused.most_common()),
        "problem": graph.problem,
    }
    sys.stdout.write((json.dumps(figures) if args.json else _text(figures)) + "\n")
    return 0


def _text(figures: dict) -> str:
    refused = ", ".join(f"{count} {reason}" for reason, count in figures["refused"].items())
    lines = [
        "{files:,} files, {symbols:,} symbols, {references:,} references".format(**figures),
        "{changed:,} files changed; {seconds:.2f} s, at most {peak_rss_mib} MiB".format(**figures),
        *([f"left out: {refused}"] if refused else []),
        *([figures["problem"]] if figures["problem"] else []),
    ]
    return "\n".join(lines)


def _bar(stage: str, done: int, total: int) -> None:
    end = "\n" if done >= total else ""
    sys.stderr.write(f"\r{stage} {done:,} of {total:,}{end}")
    sys.stderr.flush()
