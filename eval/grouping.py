"""`foretype eval grouping`: whether the hunks of a commit are grouped as people group them.

`sheets` draws commits of public repositories and writes them down for people to label, `labels` turns the answers of
one into a file of labels, and `score` runs the grouping on the labelled commits. The unit is a pair of hunks of one
commit, together or apart: Cohen's kappa of the people, precision, recall and F1 of the grouping against each of them
and against the pairs on which all of them agree. Pairs of one commit hang together, so that intervals resample
commits.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from foretype.eval import grouping_sheets as sheets
from foretype.eval.grouping_sheets import Label, LabelError
from foretype.eval.provenance import revision
from foretype.eval.stats import percentile
from foretype.mining import relate

# A pair of hunks: commit, index, index. Whether they are together, for every pair there is.
Pair = tuple[str, int, int]
Verdicts = dict[Pair, bool]

_SHEET = 25  # commits
_RESAMPLES = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="step", required=True, metavar="sheets|labels|score")
    draw = commands.add_parser("sheets", help="draw commits and write them down for labelling")
    draw.add_argument("repositories", nargs="+", metavar="OWNER/NAME=GIT_DIR")
    draw.add_argument("--commits", type=int, default=100, metavar="N", help="default: %(default)s")
    draw.add_argument("--seed", type=int, default=7, metavar="N", help="of the choice (default: %(default)s)")
    draw.add_argument("--out", type=Path, required=True, metavar="DIR")
    read = commands.add_parser("labels", help="make labels of one person's answers")
    read.add_argument(
        "answers", nargs="+", type=Path, metavar="FILE", help="lines like `012: 1,3 2`, in all sheets' order"
    )
    read.add_argument("--sheets", type=Path, required=True, metavar="DIR", help="where the sheets were written")
    read.add_argument("--labeller", required=True, metavar="NAME")
    read.add_argument("--out", type=Path, required=True, metavar="FILE")
    score = commands.add_parser("score", help="run the grouping on the labelled commits")
    score.add_argument("repositories", nargs="+", metavar="OWNER/NAME=GIT_DIR")
    score.add_argument("--labels", type=Path, required=True, metavar="DIR", help="one JSON file a person")
    score.add_argument("--seed", type=int, default=7, metavar="N", help="of the intervals (default: %(default)s)")
    score.add_argument("--wrong", action="store_true", help="list the pairs that differ from what all people say")
    score.add_argument("--json", action="store_true", help="print one JSON object and nothing else on standard output")


def run(args: argparse.Namespace) -> int:
    steps = {"sheets": _sheets, "labels": _labels, "score": _score}
    try:
        return steps[args.step](args)
    except LabelError as error:
        sys.stderr.write(f"foretype: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"foretype: {error.filename}: {error.strerror}\n")
        return 2


def _sheets(args: argparse.Namespace) -> int:
    drawn = sheets.draw(list(_repositories(args.repositories).items()), args.commits, args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    for first in range(0, len(drawn), _SHEET):
        pages = [sheets.sheet(sample, number) for number, sample in enumerate(drawn[first : first + _SHEET], first + 1)]
        (args.out / f"sheet_{first // _SHEET + 1}.md").write_text("\n".join(pages), "utf-8")
    blank = {"schema": sheets.SCHEMA, "commits": [sheets.blank(sample) for sample in drawn]}
    (args.out / "blank.json").write_text(json.dumps(blank), "utf-8")
    return 0


def _labels(args: argparse.Namespace) -> int:
    try:
        blank = json.loads((args.sheets / "blank.json").read_text("utf-8"))["commits"]
    except (ValueError, KeyError) as error:
        raise LabelError(f"{args.sheets / 'blank.json'} is no list of drawn commits: {error}") from error
    text = "\n".join(file.read_text("utf-8") for file in args.answers)
    rows = sheets.answered(blank, text)
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    head = f'{{"schema": {sheets.SCHEMA}, "labeller": {json.dumps(args.labeller)}, "commits": [\n'
    args.out.write_text(f"{head}{lines}\n]}}\n", "utf-8")
    sheets.load(args.out)
    return 0


def _score(args: argparse.Namespace) -> int:
    people = {file.stem: sheets.load(file) for file in sorted(args.labels.glob("*.json"))}
    if not people:
        raise LabelError(f"no labels in {args.labels}")
    labels = next(iter(people.values()))
    said = {name: verdicts(found) for name, found in people.items()}
    if any(set(found) != set(next(iter(said.values()))) for found in said.values()):
        raise LabelError(f"the files in {args.labels} do not label the same hunks of the same commits")
    found, seconds = _grouped(labels, _repositories(args.repositories))
    figures = compare(found, said, args.seed)
    figures |= {
        "commits": len(labels),
        "repositories": len({label.repository for label in labels}),
        "cpu_ms_per_commit": 1000 * seconds / len(labels),
        "seed": args.seed,
        "revision": revision(),
    }
    if args.wrong:
        figures["wrong"] = [list(pair) for pair in _agreed(said) if found[pair] != said[min(said)][pair]]
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else _table(figures))
    return 0


def compare(found: Verdicts, said: dict[str, Verdicts], seed: int) -> dict[str, Any]:
    """The figures of a grouping against people's, and of two people against each other."""
    agreed = _agreed(said)
    first = next(iter(said.values()))
    names = list(said)
    figures: dict[str, Any] = {
        "pairs": len(first),
        "pairs_agreed": len(agreed),
        "together_rate": sum(first[pair] for pair in agreed) / len(agreed) if agreed else 0.0,
        "kappa": kappa(said[names[0]], said[names[1]]) if len(names) > 1 else None,
        **scores(found, {pair: first[pair] for pair in agreed}, seed),
        "labellers": {name: scores(found, theirs, seed) for name, theirs in said.items()},
        "all_together_f1": f1(dict.fromkeys(agreed, True), {pair: first[pair] for pair in agreed}),
    }
    if len(names) > 1:
        figures["labellers_f1"] = f1(said[names[0]], said[names[1]])
    return figures


def verdicts(labels: Iterable[Label]) -> Verdicts:
    """Whether each pair of hunks is in one group."""
    found: Verdicts = {}
    for label in labels:
        group = {hunk: number for number, hunks in enumerate(label.groups) for hunk in hunks}
        for a, b in combinations(range(len(label.hunks)), 2):
            found[label.commit, a, b] = group[a] == group[b]
    return found


def scores(found: Verdicts, truth: Verdicts, seed: int) -> dict[str, Any]:
    """Precision and recall of "together", their harmonic mean, and its 95 % interval over commits."""
    both = sum(found[pair] for pair, together in truth.items() if together)
    said, true = sum(found[pair] for pair in truth), sum(truth.values())
    by_commit: dict[str, list[Pair]] = {}
    for pair in truth:
        by_commit.setdefault(pair[0], []).append(pair)
    counts = [
        (
            sum(found[pair] and truth[pair] for pair in pairs),
            sum(found[pair] for pair in pairs),
            sum(truth[pair] for pair in pairs),
        )
        for pairs in by_commit.values()
    ]
    rng = random.Random(seed)
    drawn = [
        _f1(*map(sum, zip(*rng.choices(counts, k=len(counts)), strict=True)))
        for _ in range(_RESAMPLES if counts else 0)
    ]
    interval = [percentile(drawn, 2.5), percentile(drawn, 97.5)] if drawn else [0.0, 1.0]
    return {
        "precision": both / said if said else 1.0,
        "recall": both / true if true else 1.0,
        "f1": _f1(both, said, true),
        "f1_ci": interval,
    }


def f1(found: Verdicts, truth: Verdicts) -> float:
    both = sum(found[pair] for pair, together in truth.items() if together)
    return _f1(both, sum(found[pair] for pair in truth), sum(truth.values()))


def kappa(one: Verdicts, other: Verdicts) -> float:
    """How much more two people agree than by chance: J. Cohen, "A coefficient of agreement for nominal scales",
    Educational and Psychological Measurement 20 (1960), 37-46. 1 where chance alone would make them agree."""
    agreement = sum(one[pair] == other[pair] for pair in one) / len(one)
    a, b = sum(one.values()) / len(one), sum(other.values()) / len(other)
    chance = a * b + (1 - a) * (1 - b)
    return (agreement - chance) / (1 - chance) if chance < 1 else 1.0


def _grouped(labels: Sequence[Label], repositories: dict[str, Path]) -> tuple[Verdicts, float]:
    """What the grouping says, and the CPU seconds that it took."""
    found: Verdicts = {}
    seconds = 0.0
    for label in labels:
        if label.repository not in repositories:
            raise LabelError(f"{label.repository} is labelled; name its git directory as {label.repository}=PATH")
        sample = sheets.read(label.repository, repositories[label.repository], label.commit, label.hunks)
        hunks = sample.hunks
        if len(hunks) != len(label.hunks):
            raise LabelError(f"{label.repository} {label.commit}: the labelled hunks are not in the commit")
        begun = time.process_time()
        groups = relate.groups(sample.files, sample.message)
        seconds += time.process_time() - begun
        where = {(file.path, hunk.old_start, hunk.new_start): index for index, (file, hunk) in enumerate(hunks)}
        indices = [[where[t.file.path, t.hunk.old_start, t.hunk.new_start] for t in group] for group in groups]
        found |= verdicts([Label(label.repository, label.commit, label.hunks, tuple(map(tuple, indices)))])
    return found, seconds


def _agreed(said: dict[str, Verdicts]) -> list[Pair]:
    """The pairs of which all say the same."""
    first = next(iter(said.values()))
    return [pair for pair, together in first.items() if all(found[pair] == together for found in said.values())]


def _f1(both: int, said: int, true: int) -> float:
    return 2 * both / (said + true) if said + true else 1.0


def _repositories(words: Sequence[str]) -> dict[str, Path]:
    pairs = [word.partition("=") for word in words]
    if wrong := [word for word, (name, _, folder) in zip(words, pairs, strict=True) if not (name and folder)]:
        raise LabelError(f"{wrong[0]}: write it as OWNER/NAME=GIT_DIR")
    return {name: Path(folder) for name, _, folder in pairs}


def _table(figures: dict[str, Any]) -> str:
    rows = [("agreed", figures), *figures["labellers"].items()]
    lines = [f"{'against':<12} {'precision':>10} {'recall':>8} {'F1':>6}  95 % interval"]
    for name, row in rows:
        low, high = row["f1_ci"]
        lines.append(
            f"{name:<12} {row['precision']:>10.3f} {row['recall']:>8.3f} {row['f1']:>6.3f}  {low:.3f} to {high:.3f}"
        )
    agreement = "one labeller" if figures["kappa"] is None else f"kappa {figures['kappa']:.3f}"
    lines.append(f"{figures['commits']} commits, {figures['pairs']} pairs, {agreement}")
    lines.append(f"all hunks of a commit together: F1 {figures['all_together_f1']:.3f}")
    return "\n".join(lines) + "\n"
