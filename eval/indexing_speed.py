"""`foretype eval index PATH`: what the symbol graph of a folder costs, against the parser alone on the same files.

All in one run, since only ratios of one run can be compared: everything in this process, with the parser alone after
each few files; everything with child processes; nothing changed; one file changed, found by a walk of the folder and
named by the editor. The folder is only read: a file is made to look changed in the graph, which lies in a temporary
folder.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from foretype.context import languages
from foretype.context.graph import Graph
from foretype.context.guard import Guard, content_refusal
from foretype.context.index.database import Database
from foretype.context.index.indexing import indexed
from foretype.context.machine import cores, peak_mib
from foretype.eval.provenance import revision

Result = TypeVar("Result")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", default=".", metavar="PATH", help="the folder (default: the current one)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="of the short figures, of which the median is printed (default: 5)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else on standard output")


def run(args: argparse.Namespace) -> int:
    root = Path(args.path)
    if not root.is_dir():
        sys.stderr.write(f"foretype: {root} is no folder; name the folder of a workspace\n")
        return 2
    guard = Guard(root)
    sources = [source for path, _ in guard.files(indexed) if (source := _read(guard, path)) is not None]
    if not sources:
        sys.stderr.write(f"foretype: {root} holds no source that can be indexed; name another folder\n")
        return 2
    figures = _measure(guard, sources, max(1, args.rounds))
    sys.stdout.write((json.dumps(figures) if args.json else _text(figures)) + "\n")
    return 0


def _measure(guard: Guard, sources: list[tuple[str, bytes]], rounds: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="foretype-index-") as folder:
        alone, together = (Graph.open(guard.root, Path(folder) / name) for name in ("alone", "together"))
        parser = _ParserAlone(sources)
        cold_cpu, cold_s, stats = _timed(lambda: alone.refresh(guard, parser.follow, children=0))
        parse_cpu, cold_cpu, cold_s = parser.cpu_s, cold_cpu - parser.cpu_s, cold_s - parser.clock_s
        children_before = _children_cpu()
        own_cpu, together_s, _ = _timed(lambda: together.refresh(guard))
        together_cpu = own_cpu + _children_cpu() - children_before
        unchanged = [_timed(lambda: alone.refresh(guard, children=0))[:2] for _ in range(rounds)]
        walked, named = [], []
        for at in range(rounds):
            path, source = sources[at * len(sources) // rounds]
            _outdate(alone, path)
            walked.append(_timed(lambda: alone.refresh(guard, children=0))[:2])
            _outdate(alone, path)
            named.append(_timed(partial(alone.update, path, source))[:2])
        alone.close()
        together.close()
    return {
        "files": stats.files,
        "lines": sum(source.count(b"\n") for _, source in sources),
        "symbols": stats.symbols,
        "references": stats.references,
        "parse_cpu_s": round(parse_cpu, 2),
        "parse_s": round(parser.clock_s, 2),
        "cold_cpu_s": round(cold_cpu, 2),
        "cold_s": round(cold_s, 2),
        "cold_ratio": round(cold_cpu / parse_cpu, 3),
        "cold_children_cpu_s": round(together_cpu, 2),
        "cold_children_s": round(together_s, 2),
        "cold_children_ratio": round(together_s / parser.clock_s, 3),
        **_median("unchanged", unchanged),
        "unchanged_share": round(statistics.median(wall for _, wall in unchanged) / cold_s, 4),
        **_median("one_file", walked),
        **_median("one_file_named", named),
        "peak_rss_mib": round(peak_mib(children=cores())),
        "children": cores(),
        "rounds": rounds,
        "revision": revision(),
    }


def _median(name: str, rounds: list[tuple[float, float]]) -> dict[str, float]:
    """Milliseconds of the processor and of the clock."""
    return {
        f"{name}_cpu_ms": round(1000 * statistics.median(cpu for cpu, _ in rounds), 1),
        f"{name}_ms": round(1000 * statistics.median(wall for _, wall in rounds), 1),
    }


def _timed(work: Callable[[], Result]) -> tuple[float, float, Result]:
    """Seconds of this process's processor, seconds of the clock, and what came of it."""
    cpu, clock = time.process_time(), time.perf_counter()
    result = work()
    return time.process_time() - cpu, time.perf_counter() - clock, result


def _children_cpu() -> float:
    """Seconds of the processor that children took which have ended; 0 on Windows, which does not tell."""
    times = os.times()
    return times.children_user + times.children_system


def _read(guard: Guard, path: str) -> tuple[str, bytes] | None:
    source = (guard.root / path).read_bytes()
    return None if content_refusal(source) else (path, source)


class _ParserAlone:
    """Parses what has just been indexed, a few files at a time, so that both meet the same machine: how fast one is
    changes from second to second where others work as well."""

    def __init__(self, sources: list[tuple[str, bytes]]) -> None:
        self._sources = sources
        self._done = 0
        self.cpu_s = self.clock_s = 0.0

    def follow(self, stage: str, done: int, total: int) -> None:
        some, self._done = self._sources[self._done : done], done
        cpu, clock, _ = _timed(partial(_parse, some))
        self.cpu_s += cpu
        self.clock_s += clock


def _parse(sources: list[tuple[str, bytes]]) -> None:
    for path, source in sources:
        language = languages.find("", path)
        parser = languages.parser(language) if language else None
        if parser is not None:
            parser.parse(source)


def _outdate(graph: Graph, path: str) -> None:
    """Makes the graph believe that a file was another one when it was read."""
    database: Database = graph._database
    with database.write() as connection:
        connection.execute("UPDATE files SET mtime_ns = 0, digest = x'00' WHERE path = ?", (path,))


def _text(figures: dict) -> str:
    return (
        "{files:,} files, {lines:,} lines, {symbols:,} symbols, {references:,} references\n"
        "parser alone      {parse_cpu_s:8.2f} s of CPU\n"
        "cold, one process {cold_cpu_s:8.2f} s of CPU, {cold_ratio:.2f} times the parser; {cold_s:.2f} s\n"
        "cold, {children} children  {cold_children_cpu_s:8.2f} s of CPU; {cold_children_s:.2f} s\n"
        "nothing changed   {unchanged_ms:8.0f} ms, {unchanged_share:.1%} of cold\n"
        "one file changed  {one_file_ms:8.0f} ms; named by the editor {one_file_named_ms:.0f} ms\n"
        "peak memory       {peak_rss_mib:8.0f} MiB"
    ).format(**figures)
