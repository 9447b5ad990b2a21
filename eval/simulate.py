"""The command `foretype eval simulate`: whether the statistics of experiments hold what they promise.

Experiments without a difference are made up, and with one, of units (sessions) whose opportunities hang together
strongly: how much one gets of an opportunity differs from session to session far more than chance explains, and long
sessions are not like short ones. Each is analysed as the report does it, once at the end and at every one of twenty
looks. What should come out: the fixed test rejects 5 % of what is no difference, and its interval covers 95 %; the
sequential one rejects no more although it is looked at twenty times; looking at the fixed test twenty times rejects
far more; and a lift is found as often as was planned. A test that takes rows for units is shown beside them.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from foretype.eval import trial
from foretype.eval.provenance import revision
from foretype.eval.stats import wilson

LOOKS = 20
_LIFT = 0.1
_POWER = 0.8
_PILOT_UNITS = 20_000  # that the plan of the experiments with a lift is made from


@dataclass(frozen=True)
class Run:
    """One experiment: what was decided at the end and on the way, and whether intervals held the truth."""

    fixed: bool
    naive: bool
    sequential: bool
    by_rows: bool
    fixed_covers: bool
    sequential_covers: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--experiments", type=int, default=1000, metavar="N", help="of each sort (default: %(default)s)"
    )
    parser.add_argument("--units", type=int, default=800, metavar="N", help="without a lift (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    if args.experiments < 1 or args.units < 2 * LOOKS:
        sys.stderr.write(f"foretype: --experiments must be at least 1, --units at least {2 * LOOKS}\n")
        return 2
    found = figures(args.experiments, args.units, args.seed)
    if args.json:
        sys.stdout.write(json.dumps({**found, "seed": args.seed, "revision": revision()}) + "\n")
        return 0
    rows = [
        ("rejected without a difference, fixed test", "fixed_rejects", "0.035 to 0.065"),
        ("  its interval covers the truth", "fixed_covers", "0.93 to 0.97"),
        (f"rejected at one of {LOOKS} looks, sequential", "sequential_rejects", "at most 0.065"),
        ("  its intervals cover the truth at every look", "sequential_covers", "at least 0.93"),
        (f"rejected at one of {LOOKS} looks, fixed test", "naive_rejects", "above 0.10"),
        ("rejected with rows as units", "rows_reject", ""),
        (f"a lift of {_LIFT:.0%} found, planned {_POWER}", "power", "0.75 to 0.85"),
    ]
    for text, name, due in rows:
        low, high = found[f"{name}_ci"]
        sys.stdout.write(f"{text:<48} {found[name]:.3f} [{low:.3f}, {high:.3f}]  {due}\n")
    sys.stdout.write(f"{args.experiments} experiments, {args.units} units; with a lift {found['power_units']} units\n")
    return 0


def figures(experiments: int, units: int, seed: int) -> dict[str, Any]:
    """Shares of experiments, with Wilson intervals."""
    rng = np.random.default_rng(seed)
    same = [experiment(rng, units, 0.0) for _ in range(experiments)]
    pilot = trial.Sample(*draw(rng, _PILOT_UNITS, 0.0))
    needed = math.ceil(trial.units_needed(pilot, _LIFT, power=_POWER))
    different = [experiment(rng, needed, _LIFT, looks=1) for _ in range(experiments)]
    shares = {
        "fixed_rejects": [one.fixed for one in same],
        "fixed_covers": [one.fixed_covers for one in same],
        "sequential_rejects": [one.sequential for one in same],
        "sequential_covers": [one.sequential_covers for one in same],
        "naive_rejects": [one.naive for one in same],
        "rows_reject": [one.by_rows for one in same],
        "power": [one.fixed for one in different],
    }
    found: dict[str, Any] = {}
    for name, values in shares.items():
        found[name] = sum(values) / experiments
        found[f"{name}_ci"] = [round(bound, 4) for bound in wilson(sum(values), experiments)]
    return found | {"experiments": experiments, "units": units, "looks": LOOKS, "power_units": needed}


def experiment(rng: np.random.Generator, units: int, lift: float, looks: int = LOOKS) -> Run:
    """One experiment with a true lift, looked at when each `1 / looks` of its units has come."""
    treated = rng.integers(0, 2, units).astype(bool)
    over, under = draw(rng, units, np.where(treated, lift, 0.0))
    naive = sequential = False
    covered = True
    for look in range(1, looks + 1):
        seen = slice(0, units * look // looks)
        control, treatment = (
            trial.Sample(over[seen][treated[seen] == arm], under[seen][treated[seen] == arm]) for arm in (False, True)
        )
        found = trial.compare(control, treatment)
        naive |= 0.0 not in found.fixed
        enough = min(found.units) >= trial.LEAST_UNITS
        sequential |= enough and 0.0 not in found.sequential
        covered &= not enough or lift in found.sequential
    rows = _by_rows(control, treatment)
    return Run(0.0 not in found.fixed, naive, sequential, rows, lift in found.fixed, covered)


def draw(rng: np.random.Generator, units: int, lift: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Characters and opportunities of sessions. Sessions are of very different lengths; what is accepted in one comes
    in bursts of about 12 characters, as often as its user, language and task make it: a gamma variable of shape 2,
    which is lower in long sessions."""
    under = np.maximum(1, rng.lognormal(5.0, 1.0, units)).astype(np.int64)
    usual = 0.03 * (under / 150.0) ** -0.15
    rate = rng.gamma(2.0, 0.5, units) * usual * (1 + lift)
    accepted = rng.poisson(under * rate)
    over = np.where(accepted > 0, rng.gamma(np.maximum(accepted, 1) * 1.5, 8.0), 0.0)
    return over, under.astype(np.float64)


def _by_rows(control: trial.Sample, treatment: trial.Sample) -> bool:
    """Whether a test that takes every opportunity for independent would see a difference: a proportion of opportunities
    with an acceptance, of about 12 characters each."""
    hits = [sample.over.sum() / 12.0 for sample in (control, treatment)]
    sizes = [sample.under.sum() for sample in (control, treatment)]
    shared = sum(hits) / sum(sizes)
    scale = math.sqrt(shared * (1 - shared) * sum(1 / size for size in sizes))
    return bool(abs(hits[0] / sizes[0] - hits[1] / sizes[1]) > 1.96 * scale)
