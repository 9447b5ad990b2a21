"""From the parts of all repositories to shards: what is alike is left out, the rest is split and dealt out.

The second step of mining, and the only one that sees all repositories. Everything in it goes by the rows and their
repositories' names, so that it does not matter who made which part when. Of rows that are alike the oldest is kept.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from foretype.mining import duplicates, holdout, parts, shards
from foretype.mining.config import Config
from foretype.mining.holdout import SPLITS, Split
from foretype.mining.parts import Part
from foretype.mining.shards import Shard
from foretype.model.progress import Progress

DUPLICATES = "near_duplicates"  # what leaves them out is called in manifests


@dataclass(frozen=True)
class Merged:
    """What was written, and the kept rows' numbers by class, language, split and repository."""

    shards: tuple[Shard, ...]
    rows: int
    duplicates: int
    by_class: dict[str, int]
    by_language: dict[str, int]
    by_split: dict[str, int]
    by_repository: dict[str, int]


def kept(made: Sequence[Part], config: Config, folder: Path, progress: Progress) -> list[tuple[Part, np.ndarray]]:
    """The parts that have rows, by repository, and of each which of its rows are kept. Raises `OSError`."""
    made = sorted((part for part in made if part.rows), key=lambda part: part.repository)
    progress("comparing rows", 0, 0)
    return list(zip(made, _kept(made, config, folder), strict=True))


def merge(
    chosen: Sequence[tuple[Part, np.ndarray]],
    config: Config,
    folder: Path,
    out: Path,
    progress: Progress,
    contexts: Mapping[str, Part] = MappingProxyType({}),
) -> Merged:
    """Writes the shards of what `kept` chose of all parts, which are in `folder`, into `out`; `contexts` are, by
    repository, parts of some of the rows with their context, which take the rows' places. Raises `OSError`,
    `zstandard.ZstdError`."""
    made, masks = [part for part, _ in chosen], [mask for _, mask in chosen]
    times = [parts.index(part, folder)["time"][mask] for part, mask in chosen]
    boundaries = holdout.latest(made, times, config)
    counts: Counter[Split] = Counter()
    for part, own in zip(made, times, strict=True):
        counts.update(holdout.split_of(time, boundaries[part.repository]) for time in own.tolist())
    return _write(made, masks, boundaries, counts, contexts, folder, out, progress)


def _kept(made: Sequence[Part], config: Config, folder: Path) -> list[np.ndarray]:
    """For each part which of its rows are like no earlier one: by time, then by repository, then by place."""
    if not made:
        return []
    # In a file, as they may be more than the memory holds; and read from parts piece by piece, since what is mapped of
    # both at once counts as memory of ours.
    path = folder / "sketches.tmp"
    times: list[np.ndarray] = []
    with open(path, "wb") as file:
        for part in made:
            for piece in parts.index_pieces(part, folder):
                file.write(piece["sketch"].tobytes())
                times.append(piece["time"].copy())
    sketches = np.memmap(path, np.uint32, "r", shape=(sum(map(len, times)), duplicates.SIZE))
    try:
        order = np.argsort(np.concatenate(times), kind="stable")
        kept = duplicates.near_duplicates(sketches, order, config.duplicate_similarity) < 0
    finally:
        del sketches  # Windows removes no file that is mapped
        path.unlink(missing_ok=True)
    return np.split(kept, np.cumsum([part.rows for part in made])[:-1])


def _write(
    made: Sequence[Part],
    kept: Sequence[np.ndarray],
    boundaries: Mapping[str, float],
    counts: Counter[Split],
    contexts: Mapping[str, Part],
    folder: Path,
    out: Path,
    progress: Progress,
) -> Merged:
    classes, languages, repositories, done = Counter[str](), Counter[str](), Counter[str](), 0
    with shards.Writer(out, counts) as writer:
        for part, mask in zip(made, kept, strict=True):
            other = contexts.get(part.repository)
            richer = (
                {json.loads(line)["id"]: line for line in parts.lines(other, folder)} if other and other.stem else {}
            )
            for line, keep in zip(parts.lines(part, folder), mask.tolist(), strict=True):
                if keep:
                    row = json.loads(line)
                    split = holdout.split_of(row["origin"]["time"], boundaries[part.repository])
                    writer.write(split, int(row["id"], 16), richer.get(row["id"], line))
                    classes[row.get("class", row["kind"])] += 1
                    languages[row["origin"]["language"]] += 1
            repositories[part.repository] = int(mask.sum())
            done += len(mask)
            progress("writing shards", done, sum(map(len, kept)))
        written = tuple(writer.finish())
    return Merged(
        shards=written,
        rows=classes.total(),
        duplicates=done - classes.total(),
        by_class=dict(sorted(classes.items())),
        by_language=dict(sorted(languages.items())),
        by_split={split: counts[split] for split in SPLITS},
        by_repository=dict(repositories),
    )
