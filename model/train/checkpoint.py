"""Where a run is: the adapter in full precision, the optimizer's averages, the number of the step, in one safetensors
file that is replaced whole. The order of the rows needs no more than the step (`stream.py`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from foretype.model.backend import ModelError
from foretype.model.train.files import replaced, write_tensors

NAME = "checkpoint.safetensors"
_AVERAGES = ("exp_avg", "exp_avg_sq")


class CheckpointError(ModelError):
    """A run cannot go on from a checkpoint. The message tells a user what to do."""


@dataclass(frozen=True)
class State:
    """Steps and tokens done, seconds spent, and how many of the steps changed nothing, having had no finite loss."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    skipped: int = 0


def save(
    path: Path,
    state: State,
    config: str,
    weights: Mapping[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Raises OSError, with the checkpoint that was there left as it was."""
    tensors = {name: weight.detach() for name, weight in weights.items()}
    steps = 0
    for name, weight in weights.items():
        if of_weight := optimizer.state.get(weight):
            tensors |= {f"{kind} {name}": of_weight[kind] for kind in _AVERAGES}
            steps = int(of_weight["step"])
    said = json.dumps({**asdict(state), "optimizer_steps": steps})
    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    with replaced(path) as temporary:
        write_tensors(temporary, tensors, {"config": config, "state": said})


def load(path: Path, config: str, weights: Mapping[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> State:
    """Puts a checkpoint into the weights and the optimizer; the beginning where there is none. Raises
    `CheckpointError` where it is damaged or of a run with other settings."""
    if not path.exists():
        return State()
    try:
        with safe_open(path, "pt") as file:
            said = json.loads(file.metadata()["state"])
            _same(path, json.loads(file.metadata()["config"]), json.loads(config))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (OSError, SafetensorError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(f"{path}: not a readable checkpoint ({error}); remove it to begin anew") from error
    steps = torch.tensor(float(said.pop("optimizer_steps")))
    for name, weight in weights.items():
        weight.data.copy_(tensors[name])
        if int(steps):
            averages = {kind: tensors[f"{kind} {name}"].to(weight.device) for kind in _AVERAGES}
            optimizer.state[weight] = {"step": steps.clone(), **averages}
    return State(**said)


def _same(path: Path, was: Mapping[str, object], now: Mapping[str, object]) -> None:
    if other := next((name for name in sorted({*was, *now}) if was.get(name) != now.get(name)), None):
        raise CheckpointError(
            f"{path.parent} holds a run with another {other} ({was.get(other)}, now {now.get(other)}): go on with the "
            "same, or choose another --out"
        )
