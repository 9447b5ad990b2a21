"""What the confidence gate is worth: its weights from labelled answers, how well they are calibrated, what it costs.

Logistic regression in plain NumPy. The rows of `eval/gate_rows.py` are split by commit; what is printed of the fit is
of the commits that it has not seen, and the weights that are written are then fitted on all. Rows of the event log are
fitted by `eval/refit_gate.py`, from the weights that ship on. Knows no servers.

The trade: characters per opportunity counts only what is accepted, so that showing everything is best for it, but each
new suggestion takes `READING_MS` of somebody's time. A threshold's worth is therefore in time: that of the keys which
acceptances save, less that of reading. What is gated at one key may be shown at the next, which the rows cannot tell:
a threshold loses less than the table says.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import numpy as np

from foretype.eval.gate_rows import Decision
from foretype.eval.typing.developer import READING_MS
from foretype.eval.typing.keystrokes import KEY_MS, SIGMA

# Of the standardised weights: L2 as much as so many rows say. Set by cross-validation on the rows of the shipped fit.
PENALTY = 10.0
HELD_OUT = 0.3
BINS = 10
THRESHOLDS = (0.0, 0.02, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
FEWEST_ROWS = 50

# The mean of the log-normal pause before a key.
_KEY_MS = KEY_MS * math.exp(SIGMA**2 / 2)
_STEPS = 50
_TINY = 1e-9


class FitError(Exception):
    """There is nothing to fit. The message tells a user what to do."""


class Judged(Protocol):
    """What was known of an answer, by name, and how many of its characters were accepted, 0 for none."""

    @property
    def evidence(self) -> Mapping[str, float]: ...
    @property
    def accepted(self) -> int: ...


@dataclass(frozen=True)
class Fit:
    """Log-odds are `bias` plus the weighted sum of features as they are, not standardised."""

    bias: float
    weights: Mapping[str, float]

    def __call__(self, row: Mapping[str, float]) -> float:
        """The probability of an acceptance."""
        score = self.bias + sum(weight * row[name] for name, weight in self.weights.items())
        return float(_logistic(np.array(score)))


@dataclass(frozen=True)
class Bin:
    """Of the rows in one part of the scale: how many, and the means of what was said and of what came."""

    rows: int
    said: float
    came: float


@dataclass(frozen=True)
class Worth:
    """A threshold: the part of the answers that it shows, how many of those are accepted, the part of the accepted
    characters that is left of showing all, accepted characters an answer, milliseconds that an answer saves."""

    threshold: float
    shown: float
    acceptance: float
    kept: float
    characters: float
    saved_ms: float


def fit(rows: Sequence[Judged], penalty: float = PENALTY, start: Fit | None = None) -> Fit:
    """The most likely weights under an L2 penalty on the standardised ones, none on the bias; by Newton's method. With
    a `start`, the penalty is on what is added to that, so that few rows change little of it.

    A feature that is the same in all rows weighs nothing, or what it did at the start. Raises `FitError` where all
    rows came out the same.
    """
    taken = np.array([row.accepted > 0 for row in rows], dtype=float)
    if len(rows) < FEWEST_ROWS or taken.min() == taken.max():
        raise FitError(
            f"{len(rows)} answers, {int(taken.sum())} of them accepted, say too little: "
            f"it takes {FEWEST_ROWS} or more, some accepted and some not"
        )
    names = list(rows[0].evidence)
    start = start or Fit(0.0, {})
    begun = np.array([start.weights.get(name, 0.0) for name in names])
    values = np.array([[row.evidence[name] for name in names] for row in rows])
    mean, spread = values.mean(axis=0), values.std(axis=0)
    used = spread > 1e-9
    scaled = np.ones((len(rows), 1 + int(used.sum())))
    scaled[:, 1:] = (values[:, used] - mean[used]) / spread[used]
    ridge = np.full(scaled.shape[1], penalty)
    ridge[0] = 0.0
    base = start.bias + values @ begun

    def against(weights: np.ndarray) -> float:
        score = base + scaled @ weights
        return float((np.logaddexp(0, score) - taken * score).sum() + (ridge * weights**2).sum() / 2)

    # begun where all answers are as likely as not: from a start that is sure of itself there is no way back
    weights = -np.concatenate(([start.bias + mean @ begun], (begun * spread)[used]))
    for _ in range(_STEPS):
        said = _logistic(base + scaled @ weights)
        slope = scaled.T @ (taken - said) - ridge * weights
        curve = (scaled * (said * (1 - said))[:, None]).T @ scaled + np.diag(ridge + _TINY)
        step = np.linalg.solve(curve, slope)
        while against(weights + step) > against(weights) and np.abs(step).max() > _TINY:
            step /= 2
        weights += step
        if np.abs(step).max() < _TINY:
            break
    plain = np.zeros(len(names))
    plain[used] = weights[1:] / spread[used]
    added = float(weights[0] - plain @ mean)
    return Fit(start.bias + added, dict(zip(names, (begun + plain).tolist(), strict=True)))


def split(rows: Sequence[Decision], seed: int) -> tuple[list[Decision], list[Decision]]:
    """Training and held-out rows; those of one commit stay together."""
    held = {commit for commit in {row.commit for row in rows} if Random(f"{seed}:{commit}").random() < HELD_OUT}
    return [row for row in rows if row.commit not in held], [row for row in rows if row.commit in held]


def calibration(said: Sequence[float], taken: Sequence[bool], bins: int = BINS) -> list[Bin]:
    """The calibration curve, in bins of as nearly as possible equally many rows."""
    order = np.argsort(np.asarray(said), kind="stable")
    parts = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    chances, came = np.asarray(said, dtype=float), np.asarray(taken, dtype=float)
    return [Bin(len(part), float(chances[part].mean()), float(came[part].mean())) for part in parts]


def log_loss(said: Sequence[float], taken: Sequence[bool]) -> float:
    """Mean negative natural logarithm of the probability of what came."""
    sure = np.clip(np.asarray(said), 1e-12, 1 - 1e-12)
    return float(-np.log(np.where(np.asarray(taken), sure, 1 - sure)).mean())


def brier(said: Sequence[float], taken: Sequence[bool]) -> float:
    """Mean squared error (G. W. Brier, Monthly Weather Review 78 (1950), 1-3; one of its two terms)."""
    return float(((np.asarray(said) - np.asarray(taken, dtype=float)) ** 2).mean())


def ranking(said: Sequence[float], taken: Sequence[bool]) -> float:
    """How often an accepted row has more than one that is not, ties half: the area under the ROC curve, by the ranks of
    the accepted (H. B. Mann and D. R. Whitney, Annals of Mathematical Statistics 18 (1947), 50-60)."""
    came = np.asarray(taken, dtype=bool)
    pairs = int(came.sum()) * int((~came).sum())
    if not pairs:
        return 0.5
    _, place, counts = np.unique(np.asarray(said), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]  # those of equal rows are their mean
    most = came.sum() * (came.sum() + 1) / 2
    return float((ranks[came].sum() - most) / pairs)


def worth(rows: Sequence[Decision], said: Sequence[float], threshold: float) -> Worth:
    shown = [row for row, chance in zip(rows, said, strict=True) if chance >= threshold]
    all_, left = sum(row.accepted for row in rows), sum(row.accepted for row in shown)
    saved = sum(row.keys for row in shown) * _KEY_MS - len(shown) * READING_MS
    return Worth(
        threshold=threshold,
        shown=len(shown) / len(rows),
        acceptance=sum(row.accepted > 0 for row in shown) / len(shown) if shown else 0.0,
        kept=left / all_ if all_ else 0.0,
        characters=left / len(rows),
        saved_ms=saved / len(rows),
    )


def best_threshold(rows: Sequence[Decision], said: Sequence[float]) -> float:
    """That of `THRESHOLDS` which saves most time."""
    return max(THRESHOLDS, key=lambda threshold: worth(rows, said, threshold).saved_ms)


def figures(rows: Sequence[Decision], seed: int) -> dict[str, Any]:
    """What `--json` prints: of a fit on the training part, measured on the rest. Raises `FitError`."""
    training, held = split(rows, seed)
    fitted = fit(training)
    if not held:
        raise FitError("no commits are left to measure on: give more commits")
    said, taken = [fitted(row.evidence) for row in held], [row.accepted > 0 for row in held]
    base = sum(row.accepted > 0 for row in training) / len(training)
    return {
        "rows": len(rows),
        "commits": len({row.commit for row in rows}),
        "rows_held_out": len(held),
        "accepted": sum(row.accepted > 0 for row in rows),
        "log_loss": log_loss(said, taken),
        "log_loss_base": log_loss([base] * len(held), taken),
        "brier": brier(said, taken),
        "brier_base": brier([base] * len(held), taken),
        "roc_area": ranking(said, taken),
        "threshold": best_threshold(training, [fitted(row.evidence) for row in training]),
        "calibration": [vars(part) for part in calibration(said, taken)],
        "thresholds": [vars(worth(held, said, threshold)) for threshold in THRESHOLDS],
    }


def table(found: Mapping[str, Any]) -> str:
    """For people."""
    lines = [
        f"{found['rows']} answers of {found['commits']} commits, {found['accepted']} accepted; "
        f"{found['rows_held_out']} held out:",
        f"  log-loss {found['log_loss']:.3f} (the mean alone {found['log_loss_base']:.3f}), "
        f"Brier score {found['brier']:.3f} ({found['brier_base']:.3f}), area under ROC {found['roc_area']:.2f}",
        "",
        "  calibration: rows   said   came",
    ]
    lines += [f"{part['rows']:18d}  {part['said']:5.2f}  {part['came']:5.2f}" for part in found["calibration"]]
    lines += ["", "  threshold  shown  acceptance  characters kept  ms saved an answer"]
    lines += [
        f"{one['threshold']:11.2f}  {one['shown']:5.2f}  {one['acceptance']:10.2f}  {one['kept']:15.2f}  "
        f"{one['saved_ms']:18.0f}"
        for one in found["thresholds"]
    ]
    lines += ["", f"  most time was saved on the training part at {found['threshold']:g}"]
    return "\n".join(lines) + "\n"


def toml(fitted: Fit, about: Sequence[str], model: str = "") -> str:
    """The weights as the server reads them, `about` as comments on top; of a `model`, if one is named."""
    head = [f"# {line}" for line in about]
    of = [f"model = {json.dumps(model)}"] if model else []
    weights = [f"{name} = {weight:.5g}" for name, weight in fitted.weights.items()]
    return "\n".join([*head, "", *of, f"bias = {fitted.bias:.5g}", "", "[weights]", *weights]) + "\n"


def _logistic(score: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(score, -40, 40)))
