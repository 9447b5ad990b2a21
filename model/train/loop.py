"""The training loop: packs of examples through the decoder, AdamW on the adapter, checkpoints, validation.

A step takes the next so many examples of the stream; those that do not fit at once go through the decoder in packs. All
that decides a step is the plan, the rows and the number of the step, so that a run goes on from a checkpoint as if it
had not been stopped; only with a limit of minutes the learning rate follows the clock. Knows neither where rows come
from nor what the files of an adapter look like.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from foretype.model.backend import ModelError
from foretype.model.train.checkpoint import State, load, save
from foretype.model.train.crew import Crew
from foretype.model.train.decoder import Decoder
from foretype.model.train.packs import packed, packs
from foretype.model.train.rows import Example, Kind

_LEAST_RATE = 0.05  # of the highest one, at the end
_BAD_STEPS = 5  # without a finite loss, one after the other, are too many
_BETAS, _EPSILON = (0.9, 0.99), 1e-8


class TrainError(ModelError):
    """Training cannot go on. The message tells a user what to do; the last checkpoint stands."""


@dataclass(frozen=True)
class Plan:
    """`batch` examples a step, `pack` tokens at once; the learning rate rises to `rate` over `warm_up` steps and falls
    as a cosine until the first of the limits (minutes, tokens; 0 is none); gradients are clipped to norm `clip`."""

    rate: float = 2e-4
    batch: int = 16
    pack: int = 2048
    warm_up: int = 20
    clip: float = 1.0
    minutes: float = 30.0
    tokens: int = 0
    checkpoint_minutes: float = 5.0
    validation_minutes: float = 10.0

    def done(self, state: State) -> float:
        """The share of the run that is over."""
        by_time = state.seconds / (60 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_time, state.tokens / self.tokens if self.tokens else 0.0))

    def rate_at(self, step: int, done: float) -> float:
        """The learning rate of a step (the first is 0)."""
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        return self.rate * min(1.0, (step + 1) / self.warm_up) * (_LEAST_RATE + (1 - _LEAST_RATE) * cosine)


@dataclass
class Run:
    """What a run is made of. `examples` gives those of the stream from a number on, None for a row that does not fit;
    `log` gets one flat object a step; `keep` writes the adapter; `stopped` says whether to end after this step."""

    decoder: Decoder
    weights: Mapping[str, torch.nn.Parameter]
    examples: Callable[[int], Iterator[Example | None]]
    validation: Mapping[Kind, Sequence[Example]]
    plan: Plan
    crew: Crew
    checkpoint: Any
    config: str
    log: Callable[[Mapping[str, Any]], None]
    keep: Callable[[State], None]
    stopped: Callable[[], bool] = lambda: False
    pack: int = field(init=False)

    def __post_init__(self) -> None:
        self.pack = self.plan.pack


def train(run: Run) -> State:
    """Trains until the plan is done, from the checkpoint if there is one; how far it came. Raises `TrainError`,
    `CheckpointError`."""
    optimizer = torch.optim.AdamW(list(run.weights.values()), run.plan.rate, _BETAS, _EPSILON, weight_decay=0.0)
    state = load(run.checkpoint, run.config, run.weights, optimizer)
    run.decoder.merge()
    stream = run.examples(state.step * run.plan.batch)
    bad, saved, validated = 0, state.seconds, state.seconds if state.step else -math.inf
    began = time.monotonic() - state.seconds
    while (done := run.plan.done(state)) < 1 and not run.crew.any(run.stopped()):
        if state.seconds - validated >= 60 * run.plan.validation_minutes:
            run.log({"step": state.step, "tokens": state.tokens, **validate(run)})
            validated = state.seconds
        rate = run.plan.rate_at(state.step, done)
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = [next(stream) for _ in range(run.plan.batch)]
        loss, wanted, tokens = _gradients(run, [one for one in run.crew.share(batch) if one])
        norm = _norm(run.weights.values(), wanted)
        if bad_now := not (math.isfinite(loss) and math.isfinite(norm)):
            bad += 1
            if bad == _BAD_STEPS:
                raise TrainError(
                    f"the loss was not a number {bad} steps in a row, up to step {state.step}; the last checkpoint "
                    "stands: try again with a lower --rate, or look at the rows"
                )
        else:
            bad = 0
            _clip(run.weights.values(), norm, run.plan.clip)
            optimizer.step()
            run.decoder.merge()
        optimizer.zero_grad(set_to_none=True)
        seconds = run.crew.clock(time.monotonic() - began)
        skipped = state.skipped + bad_now
        spent = seconds - state.seconds
        state = State(state.step + 1, state.tokens + tokens, seconds, skipped)
        run.log(
            {
                "step": state.step,
                "tokens": state.tokens,
                "seconds": round(seconds, 1),
                "rate": rate,
                "loss": _finite(loss / max(1, wanted)),
                "norm": _finite(norm),
                "tokens_per_s": round(tokens / max(spent, 1e-9), 1),
            }
        )
        if seconds - saved >= 60 * run.plan.checkpoint_minutes:
            _save(run, state, optimizer)
            saved = seconds
    if run.plan.done(state) == 1:
        run.log({"step": state.step, "tokens": state.tokens, **validate(run)})
    _save(run, state, optimizer)
    return state


def validate(run: Run) -> dict[str, Any]:
    """The mean loss for each token to learn, over all kinds of validation rows and of each."""
    sums, counts = dict[str, float](), dict[str, float]()
    with torch.no_grad():
        for kind, examples in run.validation.items():
            mine = run.crew.share(examples)

            def losses_of(mine: Sequence[Example] = mine) -> float:
                return sum(float(run.decoder.loss(packed(pack, run.crew.device))) for pack in packs(mine, run.pack))

            total = _within_memory(run, mine, losses_of)
            sums[kind], counts[kind] = run.crew.sums(total, sum(one.learnt for one in mine))
    losses = {f"validation_loss_{kind}": round(sums[kind] / counts[kind], 4) for kind in sums if counts[kind]}
    every = sum(counts.values())
    return {**({"validation_loss": round(sum(sums.values()) / every, 4)} if every else {}), **losses}


def _gradients(run: Run, examples: Sequence[Example]) -> tuple[float, int, int]:
    """Leaves the summed gradients in the weights; the summed loss, the tokens to learn, all tokens."""

    def gradients() -> float:
        total = 0.0
        for weight in run.weights.values():
            weight.grad = None
        for pack in packs(examples, run.pack):
            loss = run.decoder.loss(packed(pack, run.crew.device))
            loss.backward()
            total += float(loss.detach())
        return total

    total = _within_memory(run, examples, gradients)
    run.crew.add_up(run.weights.values())
    loss_sum, wanted = run.crew.sums(total, sum(one.learnt for one in examples))
    return loss_sum, int(wanted), int(run.crew.sums(sum(len(one.tokens) for one in examples))[0])


def _within_memory(run: Run, examples: Sequence[Example], work: Callable[[], float]) -> float:
    """What `work` makes of the examples. Where packs of them do not fit into memory they are halved, and it begins
    again."""
    while True:
        try:
            return work()
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            longest = max(len(one.tokens) for one in examples)
            if run.pack <= longest:
                raise TrainError(
                    f"out of memory with one example of {longest} tokens; the last checkpoint stands: close other "
                    "programs, or train fewer layers (--from-layer)"
                ) from error
            run.pack = max(longest, run.pack // 2)
        run.log({"message": f"out of memory: going on with {run.pack} tokens at once"})
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _out_of_memory(error: BaseException) -> bool:
    # torch has a type of its own for GPUs, and for processors a RuntimeError of DefaultCPUAllocator
    text = str(error).lower()
    return (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "can't allocate memory" in text
        or "out of memory" in text
    )


def _norm(weights: Iterable[torch.nn.Parameter], wanted: int) -> float:
    """Turns sums over tokens into means; the norm of all gradients together."""
    grads = [weight.grad for weight in weights if weight.grad is not None]
    if not grads:
        return 0.0
    torch._foreach_mul_(grads, 1 / max(1, wanted))
    return float(torch.stack(torch._foreach_norm(grads)).norm())


def _clip(weights: Iterable[torch.nn.Parameter], norm: float, most: float) -> None:
    if norm > most:
        torch._foreach_mul_([weight.grad for weight in weights if weight.grad is not None], most / norm)


def _finite(value: float) -> float | None:
    """As JSON can say it."""
    return round(value, 4) if math.isfinite(value) else None


def _save(run: Run, state: State, optimizer: torch.optim.Optimizer) -> None:
    """The state first, then the adapter made from it. On a full disk training goes on with the last ones in place."""
    if not run.crew.first:
        return
    try:
        save(run.checkpoint, state, run.config, run.weights, optimizer)
        run.keep(state)
    except OSError as error:
        run.log({"message": f"no checkpoint could be written ({error.strerror or error}); the last one stands"})
