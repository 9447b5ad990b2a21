"""Experiments on one's own log: `foretype experiment check`, and what `foretype report --experiment` says.

Units are what the experiment's file says; each is in one arm, by what the log says that it was exposed to. Nothing is
told of an experiment whose arms have other numbers of units than they should: then something lost some of them, and
what is left cannot be compared. Verdicts are those of the sequential intervals, so that one may look every day.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foretype.eval import trial
from foretype.eval.cpo import CPO, FACTORS, ratio
from foretype.eval.log.cells import Cells, Window, of_log
from foretype.eval.trial import Sample
from foretype.lsp import experiments
from foretype.lsp.experiments import Experiment, ExperimentError, Unit
from foretype.lsp.log import installation
from foretype.lsp.log.schema import COUNTED
from foretype.lsp.log.store import StoreError

LIFTS = (0.05, 0.1, 0.2)
# What a guard-rail is a ratio of, and whether more of it is better.
_RAILS = {
    "late_rate": (("late", "attempts"), False),
    "retained_300s": (("retained_300", "looked_at_300"), True),
    "model_ms_per_opportunity": (("model_ms", "opportunities"), False),
}
_NAMES = {"opportunities": "rows"}  # of sums that cells call otherwise
_LANGUAGES = 5  # that are told apart, the ones with most opportunities
_MADE_UP = 5000  # sessions, where there is no log of one's own


@dataclass(frozen=True)
class Units:
    """Sums of one arm by unit: an element of each array for each; `before` are those of the same units earlier."""

    sums: Mapping[str, np.ndarray]
    before: Mapping[str, np.ndarray] | None

    def sample(self, over: str, under: str) -> Sample:
        before = (self.before[over], self.before[under]) if self.before is not None else ()
        return Sample(self.sums[over], self.sums[under], *before)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the experiment's TOML file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Checks an experiment's file."""
    try:
        experiment = experiments.read(args.file)
    except ExperimentError as error:
        sys.stderr.write(f"foretype experiment: {error}\n")
        return 2
    found = plan(experiment, _past())
    sys.stdout.write(json.dumps(found) + "\n" if args.json else "\n".join(_planned(found)) + "\n")
    return 0


def plan(experiment: Experiment, past: Sample | None) -> dict[str, Any]:
    """The arms, and the opportunities that each needs for lifts of CPO, with a power of 80 % at one look at the end.
    `past` are sessions of one's own, where there are enough."""
    from foretype.eval import simulate

    own = past is not None and past.units >= trial.LEAST_UNITS
    if past is None or not own:
        past = Sample(*simulate.draw(np.random.default_rng(0), _MADE_UP, 0.0))
    each = float(past.under.sum()) / past.units
    control, arms = experiment.control, experiment.arms
    told = []
    for arm in arms:
        share = 2 * min(arm.weight, control.weight) / (arm.weight + control.weight) / 2 if arm.weight else 0.0
        needed = {}
        for lift in LIFTS if arm is not control and share else ():
            units = trial.units_needed(past, lift, len(arms), share)
            needed[f"{lift:g}"] = math.ceil(units * arm.weight / (arm.weight + control.weight) * each)
        told.append({"arm": arm.name, "weight": arm.weight, "options": dict(arm.options), "opportunities_for": needed})
    return {
        "experiment": experiment.name,
        "unit": experiment.unit,
        "coverage": experiment.coverage,
        "arms": told,
        "from_own_log": own,
        "opportunities_per_unit": round(each, 1),
    }


def analysis(experiment: Experiment, cells: Cells) -> dict[str, Any]:
    """What the log says of an experiment so far. Flat snake_case keys; null for what has nothing to divide by."""
    which = np.isin(cells.keys["origin"], COUNTED)
    arms, crossed = _arms(experiment, cells, which)
    units = [len(arms[arm.name].sums["opportunities"]) for arm in experiment.arms]
    p = trial.mismatch(units, [arm.weight for arm in experiment.arms])
    found: dict[str, Any] = {
        "experiment": experiment.name,
        "unit": experiment.unit,
        "arms": [_arm(arm.name, arms[arm.name]) for arm in experiment.arms],
        "crossed_units": crossed,
        "stop_reached": _stop_reached(experiment, arms),
        "mismatch_p": p,
        "comparisons": [],
    }
    if p < trial.MISMATCH_P:
        return found | {"verdict": "cannot be told"}
    days = len(np.unique(cells.keys["day"][which & np.isin(cells.keys["run"], list(_exposed(experiment, cells)))]))
    control = arms[experiment.control.name]
    alpha = trial.ALPHA / max(1, len(experiment.arms) - 1)
    for arm in experiment.arms[1:]:
        found["comparisons"].append(_comparison(experiment, arm.name, control, arms[arm.name], alpha, days))
        found["comparisons"][-1]["languages"] = list(_languages(experiment, arm.name, cells, which, alpha))
    return found | {"verdict": _verdict(found["comparisons"])}


def _comparison(
    experiment: Experiment, name: str, control: Units, treated: Units, alpha: float, days: int
) -> dict[str, Any]:
    cpo = trial.compare(control.sample(*CPO), treated.sample(*CPO), alpha)
    factors = [
        _compared(factor, trial.compare(control.sample(*names), treated.sample(*names), alpha))
        for factor, names in FACTORS.items()
    ]
    rails = []
    for rail in experiment.guardrails:
        names, more_is_better = _RAILS[rail]
        if not all(part in control.sums for part in names):
            continue
        of = trial.compare(control.sample(*names), treated.sample(*names), alpha)
        bad = of.sequential.high < 0 if more_is_better else of.sequential.low > 0
        rails.append(_compared(rail, of) | {"broken": bool(bad and min(of.units) >= trial.LEAST_UNITS)})
    return {
        "arm": name,
        **_compared("cpo", cpo),
        "verdict": cpo.verdict,
        "days_until_known": _days_left(cpo, days, alpha),
        "factors": factors,
        "guardrails": rails,
    }


def _stop_reached(experiment: Experiment, arms: Mapping[str, Units]) -> bool:
    """Whether it has all the opportunities that it was to run for."""
    seen = sum(float(units.sums["opportunities"].sum()) for units in arms.values())
    return bool(experiment.stop_opportunities) and seen >= experiment.stop_opportunities


def _languages(
    experiment: Experiment, name: str, cells: Cells, which: np.ndarray, alpha: float
) -> Iterator[dict[str, Any]]:
    """The lift in each of the commonest languages, corrected for there being several."""
    counts: Counter[str] = Counter()
    for language, rows in zip(cells.keys["language"][which], cells.sums["rows"][which], strict=True):
        counts[language] += int(rows)
    common = [language for language, _ in counts.most_common(_LANGUAGES)]
    for language in common if len(common) > 1 else ():
        arms, _ = _arms(experiment, cells, which & (cells.keys["language"] == language))
        control, treated = arms[experiment.control.name], arms[name]
        found = trial.compare(control.sample(*CPO), treated.sample(*CPO), alpha / len(common))
        yield _compared(language or "unknown", found) | {"verdict": found.verdict}


def _arms(experiment: Experiment, cells: Cells, which: np.ndarray) -> tuple[dict[str, Units], int]:
    """The units of each arm with their sums, and how many units were in two arms and are left out."""
    arm_of_run = _exposed(experiment, cells)
    runs, days = cells.keys["run"], cells.keys["day"]
    unit_of: dict[tuple[int, int], str] = {}
    arm_of: dict[str, str] = {}
    crossed = set()
    for run, day in set(zip(runs[which].tolist(), days[which].tolist(), strict=True)):
        unit = unit_of[run, day] = _unit(experiment.unit, cells.runs.get(run, {}), day)
        if run in arm_of_run and arm_of.setdefault(unit, arm_of_run[run]) != arm_of_run[run]:
            crossed.add(unit)
    names = [unit_of.get((run, day), "") for run, day in zip(runs.tolist(), days.tolist(), strict=True)]
    exposed = which & np.isin(runs, list(arm_of_run))
    past = which & ~np.isin(runs, list(arm_of_run))
    found = {}
    for arm in experiment.arms:
        own = [unit for unit, name in arm_of.items() if name == arm.name and unit not in crossed]
        before = _sums(cells, names, own, past) if experiment.unit in ("installation", "workspace") else None
        known = before is not None and before["opportunities"].any()
        found[arm.name] = Units(_sums(cells, names, own, exposed), before if known else None)
    if any(units.before is None for units in found.values()):
        found = {name: Units(units.sums, None) for name, units in found.items()}
    return found, len(crossed)


def _sums(cells: Cells, names: Sequence[str], units: Sequence[str], which: np.ndarray) -> dict[str, np.ndarray]:
    place_of = {unit: place for place, unit in enumerate(units)}
    places = np.array([place_of.get(name, -1) for name in names], int)
    own = which & (places >= 0)
    wanted = {name for names in (*FACTORS.values(), *(pair for pair, _ in _RAILS.values())) for name in names}
    return {
        name: np.bincount(places[own], cells.sums[_NAMES.get(name, name)][own], len(units))
        for name in sorted(wanted)
        if _NAMES.get(name, name) in cells.sums
    }


def _exposed(experiment: Experiment, cells: Cells) -> dict[int, str]:
    """The arm of each run that was exposed."""
    found = {}
    known = {arm.name for arm in experiment.arms}
    for run, of in cells.runs.items():
        try:
            arm = json.loads(of["arms"] or "{}").get(experiment.name)
        except (ValueError, AttributeError):
            continue
        if arm in known:
            found[run] = arm
    return found


def _unit(unit: Unit, run: Mapping[str, str], day: int) -> str:
    own = run.get("installation", "")
    return {
        "installation": own,
        "session": run.get("session", ""),
        "workspace": f"{own} {run.get('workspace', '')}",
        "day": f"{own} {day}",
    }[unit]


def _arm(name: str, units: Units) -> dict[str, Any]:
    value = ratio(*(units.sums[part] for part in CPO))
    interval = value.interval()
    return {
        "arm": name,
        "units": len(units.sums["opportunities"]),
        "opportunities": int(units.sums["opportunities"].sum()),
        "cpo": _number(value.value),
        "cpo_ci": [max(0.0, interval[0]), interval[1]] if interval else None,
    }


def _compared(name: str, found: trial.Comparison) -> dict[str, Any]:
    ends = [[_number(bound) for bound in (one.low, one.high)] for one in (found.fixed, found.sequential)]
    return {
        "figure": name,
        "control": _number(found.control),
        "treatment": _number(found.treatment),
        "lift": _number(found.lift),
        "lift_fixed_ci": ends[0],
        "lift_ci": ends[1],
        "p_fixed": _number(found.p),
    }


def _days_left(found: trial.Comparison, days: int, alpha: float) -> int | None:
    """Days until the sequential interval would leave 0 out, were the lift what it seems and units to come as they did;
    None where it is known already, or cannot be guessed."""
    units = sum(found.units)
    if found.verdict != "not yet known" or math.isnan(found.lift) or not days or min(found.units) < 2:
        return None
    distance = abs(math.log1p(found.lift))
    half = math.log1p(found.sequential.high) - math.log1p(found.lift)
    if not distance or not math.isfinite(half):
        return None
    deviation = half / trial.reach(units, alpha) * math.sqrt(units)
    needed = max(units, 2 * trial.LEAST_UNITS)
    while trial.reach(needed, alpha) * deviation / math.sqrt(needed) > distance and needed < 1e7:
        needed = math.ceil(needed * 1.05)
    return max(1, math.ceil((needed - units) / (units / days))) if needed < 1e7 else None


def _verdict(comparisons: Sequence[Mapping[str, Any]]) -> str:
    """In one line."""
    broken = [(one["arm"], rail["figure"]) for one in comparisons for rail in one["guardrails"] if rail["broken"]]
    if broken:
        return f"{broken[0][0]} is worse: it breaks the guard-rail {broken[0][1]}"
    better = sorted((one for one in comparisons if one["verdict"] == "better"), key=lambda one: -one["lift"])
    if better:
        return f"{better[0]['arm']} is better: CPO {better[0]['lift']:+.1%}"
    if comparisons and all(one["verdict"] == "worse" for one in comparisons):
        return "the control is better than every other arm"
    left = [one["days_until_known"] for one in comparisons if one["days_until_known"]]
    return f"not yet known; at this rate in about {min(left)} days" if left else "not yet known"


def told(found: Mapping[str, Any]) -> Iterator[str]:
    """An analysis for people, line by line."""
    yield f"experiment {found['experiment']}, by {found['unit']}: {found['verdict']}"
    yield ""
    yield f"{'arm':<20}{'units':>8}{'opportunities':>16}{'CPO':>9}  95 % interval"
    for arm in found["arms"]:
        interval = "[{:.3f}, {:.3f}]".format(*arm["cpo_ci"]) if arm["cpo_ci"] else "-"
        cpo = "-" if arm["cpo"] is None else f"{arm['cpo']:.3f}"
        yield f"{arm['arm']:<20}{arm['units']:>8,}{arm['opportunities']:>16,}{cpo:>9}  {interval}"
    if found["mismatch_p"] < trial.MISMATCH_P:
        yield ""
        yield f"The arms do not have the units that they should (p = {found['mismatch_p']:.1g}): something lost some of"
        yield "them, so nothing can be said. Is the log of all of them here? Was the file changed without a new phase?"
    if found["stop_reached"]:
        yield "It has the opportunities that it was to run for: take its file away, and keep what is better"
    if found["crossed_units"]:
        yield f"{found['crossed_units']:,} units were in two arms and are left out"
    for one in found["comparisons"]:
        yield ""
        yield f"{one['arm']}: {one['verdict']}"
        yield f"  {'':<28}{'change':>9}  interval that holds at every look"
        for row in (one, *one["factors"], *one["guardrails"], *one["languages"]):
            mark = "  guard-rail broken" if row.get("broken") else ""
            yield f"  {row['figure'].replace('_', ' '):<28}{_percent(row['lift']):>9}  {_span(row['lift_ci'])}{mark}"


def _planned(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['experiment']}: {len(found['arms'])} arms by {found['unit']}, coverage {found['coverage']:.0%}"
    yield ""
    lifts = "".join(f"{f'for +{lift:.0%}':>12}" for lift in LIFTS)
    yield f"{'arm':<20}{'weight':>8}{lifts}  options"
    for arm in found["arms"]:
        needed = "".join(f"{arm['opportunities_for'].get(f'{lift:g}', '-'):>12}" for lift in LIFTS)
        options = ", ".join(f"{name} = {json.dumps(value)}" for name, value in arm["options"].items()) or "as they are"
        yield f"{arm['arm']:<20}{arm['weight']:>8.2f}{needed}  {options}"
    yield ""
    source = "your own log" if found["from_own_log"] else "made-up sessions, since your log has too few"
    yield f"Opportunities of an arm that show such a change of CPO four times in five, by {source}."


def _past() -> Sample | None:
    """Characters and opportunities of the sessions of one's own log."""
    from foretype.eval.log.figures import by_session

    try:
        cells = of_log(installation.database(), Window(0, 0))
    except StoreError:
        return None
    sums = by_session(cells, np.isin(cells.keys["origin"], COUNTED))
    return Sample(sums["characters"], sums["opportunities"]) if len(sums["opportunities"]) else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1%}"


def _span(interval: Sequence[float | None]) -> str:
    return f"[{_percent(interval[0])}, {_percent(interval[1])}]"
