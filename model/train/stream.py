"""Which row comes when: kinds by their shares, each kind's rows in an order drawn anew each time they have all been.

The order is a function of the rows and a seed, so that a run that was stopped goes on where it was. Rows are kept as
they were read and made into sequences only when their turn comes. Knows no torch.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foretype.context.row_files import Split, lines, manifest
from foretype.model.train.rows import EDIT_KINDS, FIM_KINDS, Kind

# What is drawn of each kind, before kinds without rows are left out: of holes, those of the rows that are mined; of
# edits, as many that say that nothing is to be done as a server asks about and does nothing.
FIM_SHARES: Mapping[Kind, float] = {"single": 0.5, "multi": 0.25, "span": 0.25}
EDIT_SHARES: Mapping[Kind, float] = {"edit": 0.5, "no_edit": 0.38, "lint": 0.1, "rename": 0.02}
_MOST_OFTEN = 4  # times its share of the rows that a kind is drawn at most: few rows are not learnt by heart
# Quotes within a text are escaped in JSON, so that these can only be the row's own fields.
_KIND = re.compile(rb'"(?:class|mode)":"(\w+)"')
_ID = re.compile(rb'"id":"(\w+)"')

Lines = dict[Kind, list[bytes]]


@dataclass(frozen=True)
class Draw:
    """One row to learn from, as it was written: the `number`th of the order."""

    number: int
    kind: Kind
    line: bytes


def shares(task: str) -> dict[Kind, float]:
    """The default mixture for "fim", "edits" or "both"."""
    chosen = {"fim": FIM_SHARES, "edits": EDIT_SHARES}
    return dict(chosen[task]) if task in chosen else {**_half(FIM_SHARES), **_half(EDIT_SHARES)}


def load(folders: Sequence[Path], split: Split, kinds: Collection[Kind], most: int, seed: int) -> Lines:
    """The rows of these kinds, at most about `most`, which the seed chooses. Raises `ShardError`.

    A row that several folders have is taken from the first of them.
    """
    total = sum(shard["rows"] for folder in folders for shard in manifest(folder)["shards"] if shard["split"] == split)
    seen: set[bytes] = set()
    found: Lines = {}
    for folder in folders:
        for line in lines(folder, split):
            kind, row_id = _KIND.search(line), _ID.search(line)
            if kind is None or row_id is None or kind[1].decode() not in kinds or row_id[1] in seen:
                continue
            if total > most and zlib.crc32(row_id[1], seed) % total >= most:
                continue
            seen.add(row_id[1])
            found.setdefault(_kind(kind[1]), []).append(line)
    return found


def draws(rows: Lines, wanted: Mapping[Kind, float], seed: int, start: int = 0) -> Iterator[Draw]:
    """The rows in their order, without end, from the `start`th on."""
    kinds = [kind for kind in wanted if rows.get(kind)]
    weights = _weights(rows, wanted, kinds)
    choose = random.Random(seed)
    orders = {kind: _order(len(rows[kind]), f"{seed} {kind}") for kind in kinds}
    number = 0
    while kinds:
        kind = choose.choices(kinds, weights)[0]
        index = next(orders[kind])
        if number >= start:
            yield Draw(number, kind, rows[kind][index])
        number += 1


def _weights(rows: Lines, wanted: Mapping[Kind, float], kinds: Sequence[Kind]) -> list[float]:
    total, sum_wanted = sum(len(rows[kind]) for kind in kinds), sum(wanted[kind] for kind in kinds)
    return [min(wanted[kind] / sum_wanted, _MOST_OFTEN * len(rows[kind]) / total) for kind in kinds]


def _order(count: int, seed: str) -> Iterator[int]:
    for epoch in range(1 << 30):
        order = list(range(count))
        random.Random(f"{seed} {epoch}").shuffle(order)
        yield from order


def _half(values: Mapping[Kind, float]) -> dict[Kind, float]:
    return {kind: share / 2 for kind, share in values.items()}


def _kind(name: bytes) -> Kind:
    return next(kind for kind in (*FIM_KINDS, *EDIT_KINDS) if kind == name.decode())
