"""`foretype eval likelihood --pairs DIR A B`: two adapters on the answers of mined rows, without writing any.

    foretype eval likelihood --pairs pairs --split test none mined-v3

A thousand rows take minutes where writing their answers takes hours, so that adapters can be told apart early and
often (`model/train/judge.py` says what is measured). Rows of one commit hang together: the loss is compared by commits.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from foretype.context.row_files import ShardError
from foretype.eval import stats
from foretype.model import catalogue, store
from foretype.model.backend import ModelError
from foretype.model.progress import silent, terminal_progress
from foretype.model.train.rows import EDIT_KINDS, FIM_KINDS, Kind

if TYPE_CHECKING:
    from foretype.model.train.judge import Judged

_LEVEL = 0.05


@dataclass(frozen=True)
class Change:
    """Two models on the same rows of one kind, or of "all": `exact` are shares of the rows, `loss` the mean over rows
    in nats a token, `p_exact` McNemar's; `difference` of the losses is over commits, its `p` the randomization
    test's."""

    kind: str
    rows: int
    commits: int
    exact: tuple[float, float]
    loss: tuple[float, float]
    p_exact: float
    difference: stats.Paired

    @property
    def better(self) -> bool:
        """Whether the second tells the answers better, and writes no fewer of them to the letter."""
        return self.difference.high < 0 and self.difference.p < _LEVEL and self.exact[1] >= self.exact[0]


def compare(before: Sequence[Judged], after: Sequence[Judged]) -> list[Change]:
    """All rows that both were asked about, then those of each kind. Raises ValueError where there is none."""
    second = {one.row: one for one in after}
    both = [(one, second[one.row]) for one in before if one.row in second]
    kinds = [kind for kind in (*FIM_KINDS, *EDIT_KINDS) if any(one.kind == kind for one, _ in both)]
    chosen: dict[str, list[tuple[Judged, Judged]]] = {
        "all": both,
        **{kind: [pair for pair in both if pair[0].kind == kind] for kind in kinds},
    }
    return [_change(name, pairs) for name, pairs in chosen.items() if name == "all" or len(kinds) > 1]


def table(changes: Sequence[Change], names: tuple[str, str]) -> str:
    """The changes as lines."""
    first, second = (name[-18:] for name in names)
    lines = [
        f"{'':8} {'rows':>5}  {'exact, ' + first:>25}  {second:>18}  {'p':>5}  {'nats a token':>14}  change, by commits"
    ]
    for one in changes:
        low, high = (f"{value:+.3f}" for value in (one.difference.low, one.difference.high))
        lines.append(
            f"{one.kind:8} {one.rows:5}  {one.exact[0]:25.3f}  {one.exact[1]:18.3f}  {one.p_exact:5.3f}"
            f"    {one.loss[0]:5.3f} {one.loss[1]:5.3f}  {one.difference.change:+.3f} [{low}, {high}]"
            f"  p {one.difference.p:.4f}"
        )
    return "\n".join(lines) + "\n"


def figures(change: Change) -> dict[str, Any]:
    """As one flat object."""
    facts = asdict(change)
    difference = facts.pop("difference")
    return {
        **{key: value for key, value in facts.items() if key not in ("exact", "loss")},
        **{
            f"{name}_{when}": facts[name][at]
            for name in ("exact", "loss")
            for at, when in enumerate(("first", "second"))
        },
        **{f"loss_{key}": value for key, value in difference.items()},
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("adapters", nargs=2, metavar="ADAPTER", help='"none", the name of a shipped one or a folder')
    parser.add_argument("--pairs", type=Path, required=True, metavar="DIR", help="what `foretype mine --out` wrote")
    parser.add_argument("--split", choices=("validation", "test"), default="test", help="default: %(default)s")
    parser.add_argument("--task", choices=("fim", "edits", "both"), default="edits", help="default: %(default)s")
    parser.add_argument("--limit", type=int, default=500, metavar="N", help="rows, 0 for all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the choice of rows (default: %(default)s)")
    default = next((name for name, entry in catalogue.catalogue().items() if entry.default), "")
    parser.add_argument("--model", default=default, help="of the catalogue, or a GGUF file (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Compares; the exit status."""
    try:
        from foretype.model.train import judge
    except ImportError as error:
        sys.stderr.write(f"foretype eval likelihood needs {error.name}: pip install 'foretype[train]'\n")
        return 2
    try:
        folders = [adapter_folder(args.model, name) for name in args.adapters]
        rows = judge.rows(args.pairs, args.split, kinds_of(args.task), args.limit, args.seed)
        with nullcontext(silent) if args.json else terminal_progress() as progress:
            first, second = (judge.judge(rows, args.model, one, "auto", progress) for one in folders)
        changes = compare(first, second)
    except ShardError as error:
        sys.stderr.write(f"foretype eval likelihood: {error}\n")
        return 2
    except ValueError:
        sys.stderr.write(f"foretype eval likelihood: {args.pairs} holds no such rows that fit into a prompt\n")
        return 2
    except ModelError as error:
        sys.stderr.write(f"foretype eval likelihood: {error}\n")
        return 1
    if args.json:
        facts = {change.kind: figures(change) for change in changes}
        sys.stdout.write(json.dumps({"adapters": args.adapters, **facts}) + "\n")
    else:
        sys.stdout.write(table(changes, (args.adapters[0], args.adapters[1])))
    return 0


def kinds_of(task: str) -> tuple[Kind, ...]:
    """The kinds of rows of a task of `foretype train`."""
    return {"fim": FIM_KINDS, "edits": EDIT_KINDS}.get(task, FIM_KINDS + EDIT_KINDS)


def adapter_folder(model: str, name: str) -> Path | None:
    """Where an adapter is: "default", "none", a shipped one's name or a folder. Raises `StoreError`."""
    found = store.resolve(model, name).adapter
    return found.folder if found else None


def _change(kind: str, pairs: Sequence[tuple[Judged, Judged]]) -> Change:
    gained = sum(after.exact and not before.exact for before, after in pairs)
    lost = sum(before.exact and not after.exact for before, after in pairs)
    before, after = ([one.loss for one in some] for some in zip(*pairs, strict=True))
    return Change(
        kind=kind,
        rows=len(pairs),
        commits=len({one.commit for one, _ in pairs}),
        exact=(fmean(one.exact for one, _ in pairs), fmean(one.exact for _, one in pairs)),
        loss=(fmean(before), fmean(after)),
        p_exact=stats.mcnemar(lost, gained),
        difference=stats.paired(*_by_commit(pairs)),
    )


def _by_commit(pairs: Sequence[tuple[Judged, Judged]]) -> tuple[list[float], list[float]]:
    losses: Mapping[str, list[tuple[float, float]]] = defaultdict(list)
    for before, after in pairs:
        losses[before.commit].append((before.loss, after.loss))
    means = [tuple(map(fmean, zip(*some, strict=True))) for some in losses.values()]
    return [first for first, _ in means], [second for _, second in means]
