"""A run's log, one JSON object a line, and the picture of its losses.

Steps have `step`, `tokens` (so far), `seconds`, `rate` (of learning), `loss` (for each token to learn, in natural
logarithms), `norm` (of the gradient) and `tokens_per_s`; validations have `validation_loss` and that of each kind of
rows; what else happened is a `message`. A loss that was not finite is null, and its step changed nothing. A run that
goes on from a checkpoint writes its steps after that again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foretype.model.train.files import replaced

LOG, PICTURE = "log.jsonl", "losses.png"
_SMOOTHED = 0.95  # of the mean so far, for each step of the line


def append(folder: Path, facts: Mapping[str, Any]) -> None:
    """Raises OSError."""
    with open(folder / LOG, "a", encoding="utf-8") as file:
        file.write(json.dumps(dict(facts)) + "\n")


def entries(folder: Path) -> list[dict[str, Any]]:
    """What the log says, of each step what was written last, by steps; a line that was cut is left out."""
    steps: dict[tuple[str, int], dict[str, Any]] = {}
    if not (folder / LOG).exists():
        return []
    for line in (folder / LOG).read_text("utf-8").splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if "step" in said:
            steps["validation" if "validation_loss" in said else "step", said["step"]] = said
    return [said for _, said in sorted(steps.items(), key=lambda item: (item[0][1], item[0][0]))]


def draw(folder: Path) -> None:
    """Draws the losses by tokens into `losses.png`; nothing where matplotlib is missing. Raises OSError."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    said = entries(folder)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    steps = [one for one in said if one.get("loss") is not None]
    mean: float | None = None
    line = []
    for one in steps:
        mean = one["loss"] if mean is None else _SMOOTHED * mean + (1 - _SMOOTHED) * one["loss"]
        line.append(mean)
    axes.plot([one["tokens"] for one in steps], line, color="0.6", label="training (moving mean)")
    names = sorted({name for one in said for name in one if name.startswith("validation_loss")})
    for name in names:
        points = [(one["tokens"], one[name]) for one in said if name in one]
        label = "validation" + name.removeprefix("validation_loss").replace("_", " ", 1)
        axes.plot(*zip(*points, strict=True), marker=".", linewidth=2 if name == "validation_loss" else 1, label=label)
    axes.set_xlabel("tokens")
    axes.set_ylabel("loss for each token to learn (nats)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize="small")
    with replaced(folder / PICTURE) as path:
        figure.savefig(path, format="png", dpi=120)
