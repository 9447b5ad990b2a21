"""All of mining: repositories to parts by a crew, parts to shards, and the manifest of what came of it.

A run that was ended goes on with the parts that it left in `parts/`; they are kept afterwards, so that the next run
with one repository more mines that one alone. Does not know the command line.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import zstandard

from foretype.context.rows import SCHEMA
from foretype.mining import captured, context_pass, lint, merge, row_filters, shards
from foretype.mining.candidate import name, source
from foretype.mining.captured import Captured
from foretype.mining.config import Config
from foretype.mining.context_pass import ContextJob
from foretype.mining.filters import FILTERS
from foretype.mining.merge import Merged
from foretype.mining.parts import Job, Part, edition
from foretype.mining.sources import Source
from foretype.model.progress import Progress

_PARTS = "parts"

Crew = Callable[[Sequence[Job] | Sequence[ContextJob]], Iterator[Part]]


class PipelineError(Exception):
    """The rows cannot be written. The message tells a user what to do."""


def run(
    sources: Sequence[Source],
    config: Config,
    out: Path,
    crew: Crew,
    progress: Progress,
    captures: Sequence[Captured] = (),
) -> dict[str, Any]:
    """Mines all repositories into `out`, and makes rows of `captures`, as of one repository more; gives the manifest,
    which is also written there. Raises `PipelineError`."""
    began = time.monotonic()
    folder = out / _PARTS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(out):
            jobs = [Job(source, config, str(folder.resolve())) for source in sources]
            made = []
            progress("mining", 0, len(jobs))
            for part in crew(jobs):
                made.append(part)
                progress("mining", len(made), len(jobs))
            if captures:
                made.append(captured.make_part(captures, config, folder))
            chosen = merge.kept(made, config, folder, progress)
            contexts = _contexts(chosen, sources, config, folder, crew, progress) if config.context_rows else {}
            merged = merge.merge(chosen, config, folder, out, progress, contexts)
            said = _manifest(sorted(made, key=lambda part: part.repository), merged, contexts, config)
            said["seconds"] = round(time.monotonic() - began, 3)
            shards.commit(out, said)
            _sweep([*made, *contexts.values()], folder)
            return said
    except zstandard.ZstdError as error:
        raise PipelineError(f"a file in {folder} is damaged ({error}); remove that folder and run again") from error
    except OSError as error:
        place = error.filename or out
        raise PipelineError(
            f"{place}: {error.strerror or error}; what is finished is kept, so run again when that is mended"
        ) from error


def _contexts(
    chosen: Sequence[tuple[Part, np.ndarray]],
    sources: Sequence[Source],
    config: Config,
    folder: Path,
    crew: Crew,
    progress: Progress,
) -> dict[str, Part]:
    """By repository the part of those rows that get context."""
    places = {source.name: source for source in sources}
    jobs = [
        context_pass.job(places[part.repository], part, mask, config, folder.resolve())
        for part, mask in chosen
        if part.repository in places  # there is no history behind captures
    ]
    made: dict[str, Part] = {}
    progress("context of rows", 0, len(jobs))
    for part in crew(jobs):
        made[part.repository] = part
        progress("context of rows", len(made), len(jobs))
    return made


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keeps other runs from writing into the same folder."""
    lock = filelock.FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise PipelineError(f"another run is writing to {out}: let it end, or give another --out") from error
    try:
        yield
    finally:
        lock.release()


def _manifest(made: Sequence[Part], merged: Merged, contexts: Mapping[str, Part], config: Config) -> dict[str, Any]:
    rejected: Counter[str] = Counter()
    for part in made:
        rejected.update(part.rejected or {})
    rejected[merge.DUPLICATES] += merged.duplicates
    commits, cpu_s = sum(part.commits for part in made), sum(part.cpu_s for part in made)
    return {
        "schema": SCHEMA,
        "edition": edition(),
        "config": asdict(config),
        "config_sha256": config.digest,
        "commits": commits,
        "rows": merged.rows,
        "rows_by_class": merged.by_class,
        "rows_by_language": merged.by_language,
        "rows_by_split": merged.by_split,
        "rejected_by_filter": dict(sorted(rejected.items())),
        "filters": {name(one): source(one) for one in (*FILTERS, *row_filters.FILTERS, lint.FIXED)},
        "rows_with_context": sum(part.rows for part in contexts.values()),
        "context_cpu_s": round(sum(part.cpu_s for part in contexts.values()), 3),
        "repositories": [_of_repository(part, merged, contexts.get(part.repository)) for part in made],
        "shards": [asdict(shard) for shard in merged.shards],
        "cpu_s": round(cpu_s, 3),
        "commits_per_cpu_s": round(commits / cpu_s, 1) if cpu_s else 0.0,
    }


def _of_repository(part: Part, merged: Merged, context: Part | None) -> dict[str, Any]:
    said = asdict(part)
    del said["stem"], said["again"]
    said["problem"] = part.problem or (context.problem if context else "")
    rows_with_context = context.rows if context else 0
    kept_rows = merged.by_repository.get(part.repository, 0)
    return {**said, "kept_rows": kept_rows, "rows_with_context": rows_with_context}


def _sweep(made: Sequence[Part], folder: Path) -> None:
    """Takes away what runs that were ended, and other options, have left of these repositories."""
    stems = {part.stem for part in made if part.stem}
    mine = tuple(stem.rpartition("-")[0] + "-" for stem in stems)
    for path in folder.iterdir():
        stem = path.name.partition(".jsonl.zst")[0].partition(".index")[0].partition(".json")[0]
        own = any(stem.startswith(prefix) and len(stem) == len(prefix) + 16 for prefix in mine)
        if own and (stem not in stems or path.suffix == ".tmp"):
            os.unlink(path)
