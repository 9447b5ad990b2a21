"""The processes that train together, or the one that trains alone: who has which examples, and sums over all.

Started by `torchrun` (or `accelerate launch`) there are several, one a device; each takes its share of a step's
examples and they add up their gradients. Knows Accelerate and no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast, reduce

T = TypeVar("T")


class Crew:
    """`device` is this process's, `first` whether it is the one that writes and speaks."""

    def __init__(self) -> None:
        self._state = PartialState(cpu=not torch.cuda.is_available())
        self.device = self._state.device
        self.first = self._state.is_main_process
        self.count, self._index = self._state.num_processes, self._state.process_index

    def share(self, items: Sequence[T]) -> list[T]:
        return list(items[self._index :: self.count])

    def add_up(self, weights: Iterable[torch.nn.Parameter]) -> None:
        """The sum of all processes' gradients, in all of them."""
        if self.count == 1:
            return
        weights = list(weights)
        for weight in weights:
            if weight.grad is None:  # no example of a share fitted
                weight.grad = torch.zeros_like(weight)
        flat = reduce(torch.cat([weight.grad.flatten() for weight in weights]), "sum")
        for weight, grad in zip(weights, flat.split([weight.numel() for weight in weights]), strict=True):
            weight.grad.copy_(grad.view_as(weight))

    def sums(self, *values: float) -> list[float]:
        if self.count == 1:
            return list(values)
        # float64: counts of tokens are exact
        return reduce(torch.tensor(values, dtype=torch.float64, device=self.device), "sum").tolist()

    def any(self, value: bool) -> bool:
        return self.sums(float(value))[0] > 0

    def clock(self, seconds: float) -> float:
        """The first process's time: all stop at the same step."""
        if self.count == 1:
            return seconds
        return float(broadcast(torch.tensor([seconds], dtype=torch.float64, device=self.device))[0])
