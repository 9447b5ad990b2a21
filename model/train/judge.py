"""How well an adapter tells the answers of rows that it was not trained on, without writing any.

One pass over prompt and answer says of each token of the answer how likely it was and whether it was the likeliest. If
all of them were, greedy decoding writes the answer to the letter. That is what the served model does but for the
rounding of its weights, hundreds of rows a minute; what keeps an answer from being shown is not asked.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from foretype.context.row_files import Split
from foretype.context.rows import Row, RowError, from_json
from foretype.model.progress import Progress
from foretype.model.train import stream
from foretype.model.train.base import Base, UsageError, choose_dtype, open_base
from foretype.model.train.decoder import Decoder
from foretype.model.train.packs import packed, packs
from foretype.model.train.rows import Example, Kind, Layout, Rows
from foretype.model.train.weights import new_adapter, old_adapter

_PACK = 2048  # tokens at once
_MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class Judged:
    """A row of a commit: `loss` is the mean negative log-likelihood of its answer's tokens (natural logarithms),
    `exact` whether each of them is the likeliest."""

    row: str
    kind: Kind
    commit: str
    language: str
    loss: float
    exact: bool


def rows(pairs: Path, split: Split, kinds: Collection[Kind], limit: int, seed: int) -> list[Row]:
    """At most `limit` rows of these kinds, 0 for all, as the seed draws them; whatever the model. Raises `ShardError`,
    `UsageError`."""
    by_kind = stream.load([pairs], split, kinds, _MOST_ROWS, seed)
    found = [line for _, lines in sorted(by_kind.items()) for line in lines]
    chosen = random.Random(seed).sample(found, min(limit or len(found), len(found)))
    try:
        return [from_json(line) for line in chosen]
    except RowError as error:
        raise UsageError(f"a row cannot be read: {error}; mine again") from error


def judge(chosen: Sequence[Row], model: str, adapter: Path | None, dtype: str, progress: Progress) -> list[Judged]:
    """What the model makes of the rows, in their order, without those that do not fit into its prompt. `adapter` is the
    folder of one. Raises `ModelError`."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base = open_base(model, adapter, 0, choose_dtype(dtype, device), progress)
    decoder = _decoder(base, adapter, choose_dtype(dtype, device), device)
    examples = Rows(base.vocab, base.family, Layout(files=1.0, typed=0.0, unseen=None))
    fitting = [(row, example) for row in chosen if (example := examples.example(row))]
    said: list[Judged] = []
    for loss, exact in _said(decoder, [example for _, example in fitting], device):
        row, example = fitting[len(said)]
        said.append(Judged(row.id, example.kind, row.origin.commit, row.origin.language, loss, exact))
        progress("judging", len(said), len(fitting))
    return said


def _decoder(base: Base, adapter: Path | None, dtype: torch.dtype, device: torch.device) -> Decoder:
    model = old_adapter(base.model, adapter) if adapter else new_adapter(base.model, 1, 0, 0)
    return Decoder(model.to(device), dtype)


def _said(decoder: Decoder, examples: Sequence[Example], device: torch.device) -> Iterator[tuple[float, bool]]:
    for some in packs(examples, _PACK):
        losses, likeliest = decoder.likelihoods(packed(some, device, weighted=False))
        sizes = [len(one.tokens) - one.start for one in some]
        for loss, right in zip(losses.split(sizes), likeliest.split(sizes), strict=True):
            yield float(loss.mean()), bool(right.all())
