"""Whether training rows hold text of a benchmark: runs of 13 tokens that both have.

T. Brown et al., "Language models are few-shot learners" (2020), appendix C, take 13 words in common as a sign that a
text was seen. Here a token is a word or a sign of punctuation, comments and strings included, so that a run is shorter
and found more often. Runs without three different names (`telling`) are in all code: they are counted, and rows that
have no others in common are left out with `--strict` alone. No run is excused for being frequent, so that idioms,
imports and addresses of web pages make up most of what is found.

Looked at is all that a row shows: the text around a hole and what fills it, edits (each side of a diff by itself),
windows, targets, and what a second pass put in of other files. The benchmarks: all splits of HumanEval-Infilling
(prompts, solutions, tests), and the code of the packages that `foretype eval crossfile` reports on. Rows of those
packages' own repositories are left out by their names as well. Does not see a copy whose names were changed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from foretype.context.machine import cache_dir
from foretype.context.row_files import SPLITS, ShardError, Split, lines, manifest, read
from foretype.context.rows import Diff, EditRow, Row
from foretype.eval import infill
from foretype.eval.projects import packages
from foretype.eval.projects.packages import PackageError
from foretype.mining import shards
from foretype.mining.touched import KEYWORDS

LENGTH = 13
_TOKEN = re.compile(r"\w+|[^\w\s]")
_NAME = re.compile(r"[^\W\d]\w+")
_NAMES = 3  # different names that a run has to have
_BASE = 0x9E3779B97F4A7C15  # odd, for sums of powers modulo 2**64
_SEED = 0x5DEECE66D
_SLOTS = 1 << 25
_APART = "\n\0\n"  # between texts, so that no run is of two: a token that no benchmark has
_SHOWN = 3  # overlaps that are quoted of each benchmark


class OverlapError(Exception):
    """A benchmark or the rows cannot be read. The message tells a user what to do."""


@dataclass(frozen=True)
class Overlap:
    """A run of tokens, in one benchmark's text, that a row has too; `telling` as the function says."""

    benchmark: str
    run: str
    telling: bool = True


class Runs:
    """The runs of benchmarks' texts, for asking which of them a text has."""

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        """`texts` are pairs of a benchmark's name and a text of it."""
        self._words: dict[str, int] = {}
        self._known: dict[tuple[str, ...], str] = {}
        self._seen = np.zeros(_SLOTS, bool)  # most runs of a text are known to be new by a look at one byte
        for name, text in texts:
            tokens = _TOKEN.findall(text)
            self._seen[self._slots(tokens)] = True
            for at in range(len(tokens) - LENGTH + 1):
                self._known.setdefault(tuple(tokens[at : at + LENGTH]), name)

    def __len__(self) -> int:
        return len(self._known)

    def first(self, text: str) -> Overlap | None:
        """The first run that a text has in common with a benchmark, a telling one if there is one."""
        weak: Overlap | None = None
        tokens = _TOKEN.findall(text)
        for at in np.flatnonzero(self._seen[self._slots(tokens)]).tolist():
            run = tuple(tokens[at : at + LENGTH])
            if name := self._known.get(run):
                found = Overlap(name, " ".join(run), telling(run))
                if found.telling:
                    return found
                weak = weak or found
        return weak

    def _slots(self, tokens: Sequence[str]) -> np.ndarray:
        """A number below `_SLOTS` for each run of `LENGTH` tokens, the same for the same run."""
        words = self._words
        numbers = np.array([words.setdefault(token, len(words) + 1) for token in tokens], np.uint64)
        numbers = (numbers + np.uint64(_SEED)) * np.uint64(_BASE)
        numbers ^= numbers >> np.uint64(29)
        count = max(0, len(tokens) - LENGTH + 1)
        found = np.zeros(count, np.uint64)
        for offset in range(LENGTH if count else 0):
            found = found * np.uint64(_BASE) + numbers[offset : offset + count]
        return (found >> np.uint64(20)) & np.uint64(_SLOTS - 1)


def telling(run: Sequence[str]) -> bool:
    """Whether a run has three different names that are no keywords: brackets, numbers and the frames of statements
    (`) : return None if x is not None else`) are in all code."""
    return len({token for token in run if _NAME.fullmatch(token) and token not in KEYWORDS}) >= _NAMES


def texts(row: Row) -> Iterator[str]:
    """All that a row shows, each text that is read in one go by itself."""
    if not isinstance(row, EditRow):
        yield row.prefix + row.middle + row.suffix
        yield from (_both_sides(excerpt.text) for excerpt in row.files)
        return
    shown, start = list(row.window.lines), row.window.start
    yield "\n".join(shown)
    if row.target:
        shown[row.target.start - start : row.target.stop - start] = row.target.lines
        yield "\n".join(shown)
    for diff in row.history:
        yield from _sides(diff)
    yield from (excerpt.text for excerpt in row.related)


def _sides(diff: Diff) -> Iterator[str]:
    shown = [line for line in diff.diff.split("\n") if not line.startswith("@@")]
    for sign in "-+":
        yield "\n".join(line[1:] for line in shown if line[:1] in (" ", sign))


def _both_sides(text: str) -> str:
    """A snippet, after which both sides follow of one that is a diff."""
    if not any(line[:1] in ("+", "-") for line in text.split("\n")):
        return text
    return _APART.join([text, *_sides(Diff("", text))])


def humaneval(folder: Path) -> Iterator[tuple[str, str]]:
    """The whole programs and the tests of all splits, each once. Raises `infill.DataError`."""
    found: dict[str, None] = {}
    for split in infill.SPLITS:
        for task in infill.read_tasks(folder, split):
            found[task.prompt + task.canonical_solution + task.suffix] = None
            found[task.test] = None
    yield from (("HumanEval", text) for text in found)


def crossfile(folder: Path) -> Iterator[tuple[str, str]]:
    """The code of the packages that are reported on, fetched into `folder` as the benchmark does. Raises
    `PackageError`."""
    with tempfile.TemporaryDirectory(prefix="foretype-overlap-") as scratch:
        for package in packages.of_split("test"):
            root = Path(scratch, str(package))
            packages.unpack(package, packages.fetch(package, folder), root)
            for source in packages.sources(package, root).values():
                yield package.name, source.decode("utf-8", "replace")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pairs", type=Path, required=True, metavar="DIR", help="rows, as `foretype mine` wrote them")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of HumanEval-Infilling's files")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep the packages there (default: the cache)")
    parser.add_argument("--strict", action="store_true", help="count runs as well that say next to nothing")
    parser.add_argument("--write", type=Path, metavar="OUT", help="write the rows without overlap to this folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Compares, and writes what is left; the exit status: 1 where rows overlap and were not taken out."""
    try:
        if args.write and args.write.resolve() == args.pairs.resolve():
            raise OverlapError("--write has to be another folder than --pairs")
        runs = Runs([*humaneval(args.data), *crossfile(args.work or cache_dir() / "eval" / "packages")])
        said = compare(args.pairs, runs, args.write, args.strict, quiet=args.json)
    except (OverlapError, ShardError, PackageError, infill.DataError) as error:
        sys.stderr.write(f"foretype eval overlap: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"foretype eval overlap: {error.filename or args.pairs}: {error.strerror or error}\n")
        return 1
    sys.stdout.write(json.dumps(said) + "\n" if args.json else _summary(said))
    return 1 if said["rows_overlapping"] and not args.write else 0


def compare(pairs: Path, runs: Runs, out: Path | None, strict: bool = False, quiet: bool = True) -> dict[str, Any]:
    """What the rows of a folder have in common with the benchmarks; the others are written to `out`. `strict`: all
    runs count, not the telling ones alone. Raises `ShardError`, `OSError`."""
    had = manifest(pairs)
    own = {package.name for package in packages.of_split("test")}
    found, weak, by_benchmark, by_repository = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    quotes: dict[str, list[dict[str, str]]] = {}
    dropped: dict[Split, set[str]] = {split: set() for split in SPLITS}
    total = sum(shard["rows"] for shard in had["shards"])
    with tqdm(total=total, unit="row", disable=quiet, file=sys.stderr) as bar:
        for split in SPLITS:
            for row in read(pairs, split):
                bar.update()
                overlap = _overlap(row, runs, own)
                if overlap is None:
                    continue
                if not overlap.telling:
                    weak[split] += 1
                    if not strict:
                        continue
                dropped[split].add(row.id)
                found[split] += 1
                by_benchmark[overlap.benchmark] += 1
                by_repository[row.origin.repository] += 1
                if len(quotes.setdefault(overlap.benchmark, [])) < _SHOWN:
                    quotes[overlap.benchmark].append({"row": row.id, "path": row.origin.path, "run": overlap.run})
    left = _write(pairs, dropped, had, out) if out else None
    return {
        "rows": total,
        "rows_overlapping": found.total(),
        "rows_left": total - found.total(),
        "rows_with_weak_runs_alone": weak.total(),
        "strict": strict,
        "rows_overlapping_by_split": dict(found),
        "rows_overlapping_by_benchmark": dict(by_benchmark.most_common()),
        "rows_overlapping_by_repository": dict(by_repository.most_common()),
        "run_tokens": LENGTH,
        "benchmark_runs": len(runs),
        "examples": quotes,
        **({"shards": left} if left is not None else {}),
    }


def _overlap(row: Row, runs: Runs, own: set[str]) -> Overlap | None:
    if row.origin.repository.lower() in own:
        return Overlap(row.origin.repository, "")
    return runs.first(_APART.join(texts(row)))


def _write(pairs: Path, dropped: Mapping[Split, set[str]], had: Mapping[str, Any], out: Path) -> int:
    """Writes the rows that are left, with a manifest that says so; the number of shards."""
    out.mkdir(parents=True, exist_ok=True)
    counts: Counter[Split] = Counter()
    for shard in had["shards"]:
        counts[shard["split"]] += shard["rows"]
    for split, ids in dropped.items():
        counts[split] -= len(ids)
    classes, languages = Counter[str](), Counter[str]()
    with shards.Writer(out, counts) as writer:
        for split in SPLITS:
            for line in lines(pairs, split):
                row = json.loads(line)
                if row["id"] not in dropped[split]:
                    writer.write(split, int(row["id"], 16), line)
                    classes[row.get("class", row["kind"])] += 1
                    languages[row["origin"]["language"]] += 1
        written = writer.finish()
    said = {
        **had,
        "rows": counts.total(),
        "rows_by_class": dict(sorted(classes.items())),
        "rows_by_language": dict(sorted(languages.items())),
        "rows_by_split": {split: counts[split] for split in SPLITS},
        "rows_left_out_for_overlap": sum(map(len, dropped.values())),
        "shards": [asdict(shard) for shard in written],
    }
    shards.commit(out, said)
    return len(written)


def _summary(said: Mapping[str, Any]) -> str:
    texts = [
        f"{said['rows_overlapping']} of {said['rows']} rows have a run of {LENGTH} tokens in common with a benchmark;",
        f"{said['rows_with_weak_runs_alone']} have one that is in all code" + (", counted" if said["strict"] else ""),
        "",
    ]
    texts += [f"  {count:8} {name}" for name, count in said["rows_overlapping_by_benchmark"].items()]
    for name, quotes in said["examples"].items():
        texts += ["", f"{name}:", *(f"  {one['row']} {one['path']}: {one['run']}" for one in quotes)]
    return "\n".join(texts) + "\n"
