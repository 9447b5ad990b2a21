"""Examples as packs: one behind the other in one sequence, as the decoder takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch

from foretype.model.train.decoder import Pack
from foretype.model.train.rows import Example


def packs(examples: Iterable[Example], most: int) -> Iterator[list[Example]]:
    """Examples together as long as they have at most so many tokens."""
    pack: list[Example] = []
    size = 0
    for one in examples:
        if pack and size + len(one.tokens) > most:
            yield pack
            pack, size = [], 0
        pack.append(one)
        size += len(one.tokens)
    if pack:
        yield pack


def packed(examples: Sequence[Example], device: torch.device, weighted: bool = True) -> Pack:
    """What is to be learnt of each example is wanted, in their order; `weighted`: the first token as often as it
    counts."""
    tokens, places, wanted, begin = list[int](), list[int](), list[int](), 0
    for one in examples:
        again = one.first - 1 if weighted else 0
        tokens += one.tokens
        places += [begin + one.start - 1] * again
        wanted += [one.tokens[one.start]] * again
        places += range(begin + one.start - 1, begin + len(one.tokens) - 1)
        wanted += one.tokens[one.start :]
        begin += len(one.tokens)
    first, second, third = (torch.tensor(values, device=device) for values in (tokens, places, wanted))
    return Pack(first, tuple(len(one.tokens) for one in examples), second, third)
