"""What a suite found: each model's figures in each benchmark, and each model against the first, task by task.

Passes and failures are compared by McNemar's exact test, shares by a randomization test. A verdict is about a
benchmark's first measure, at a level of 5 % that holds for all of a model's verdicts together (Holm); the p-values told
are the plain ones. Only tasks that both models have an outcome of are compared. Knows no page and no process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from foretype.eval import stats
from foretype.eval.comparison.benchmarks import Outcome, RowsError, Settings
from foretype.eval.comparison.models import Model
from foretype.eval.comparison.running import Cell
from foretype.eval.projects.report import mean_interval
from foretype.eval.provenance import revision

LEVEL = 0.05
VERDICTS = ("better", "worse", "no difference shown")

Marks = Mapping[str, Outcome]  # by task


def summary(
    models: Sequence[Model], cells: Sequence[Cell], failed: Sequence[str], settings: Settings
) -> dict[str, Any]:
    """All that is to be told. `failed` are lines about what could not be done beside the cells' own errors."""
    benchmarks: dict[str, dict[str, Any]] = {}
    outcomes: dict[str, dict[str, Marks]] = {}
    told = list(failed)
    for cell in cells:
        if cell.error:
            told.append(f"{cell.benchmark.name}, {cell.model.label}: {cell.error}")
            continue
        try:
            parts = cell.benchmark.outcomes(cell.rows)
        except RowsError as error:
            told.append(f"{cell.benchmark.name}, {cell.model.label}: {error}")
            continue
        for part, marks in parts.items():
            if not marks:
                told.append(f"{part}, {cell.model.label}: {cell.rows} has no rows of it; remove it and run again")
                continue
            found = benchmarks.setdefault(
                part, {"measures": list(cell.benchmark.measures), "models": {}, "against": {}}
            )
            found["models"][cell.model.label] = _of_model(cell, marks)
            outcomes.setdefault(part, {})[cell.model.label] = marks
    for model in models[1:]:
        _compare(models[0].label, model.label, benchmarks, outcomes)
    return {
        "first": models[0].label if models else None,
        "models": [model.about for model in models],
        "half": settings.half,
        "seed": settings.seed,
        "revision": revision(),
        "revisions": sorted({str(cell.figures["revision"]) for cell in cells if cell.figures.get("revision")}),
        "benchmarks": benchmarks,
        "failed": told,
    }


def compared(first: Marks, second: Marks, measure: str) -> dict[str, Any] | None:
    """One measure of two models, on the tasks of both; None where there are none."""
    tasks = sorted(task for task in first.keys() & second.keys() if _both(first[task], second[task], measure))
    if not tasks:
        return None
    before, after = ([marks[task].marks[measure] for task in tasks] for marks in (first, second))
    if not isinstance(before[0], bool):
        found = stats.paired(before, after)
        told = {"change": found.change, "change_ci": [found.low, found.high], "p": found.p}
        return {"tasks": len(tasks), **told}
    pairs = Counter(zip(map(bool, before), map(bool, after), strict=True))
    counts = [pairs[pair] for pair in ((True, True), (True, False), (False, True), (False, False))]
    _, lost, won, _ = counts
    return {
        "tasks": len(tasks),
        "change": (won - lost) / len(tasks),
        "change_ci": list(stats.gain_interval(*counts)),
        "p": stats.mcnemar(lost, won),
        "only_first": lost,
        "only_second": won,
    }


def verdict(change: float, p: float) -> str:
    """One of `VERDICTS`; `p` has been corrected for how many are given."""
    return VERDICTS[2] if p >= LEVEL or not change else VERDICTS[change < 0]


def _compare(
    first: str, second: str, benchmarks: Mapping[str, dict[str, Any]], outcomes: Mapping[str, Mapping[str, Marks]]
) -> None:
    """Puts how the second model does against the first into the benchmarks that both have been through."""
    principal: dict[str, dict[str, Any]] = {}
    for part, marks in outcomes.items():
        if first not in marks or second not in marks:
            continue
        measures = benchmarks[part]["measures"]
        each = ((measure, compared(marks[first], marks[second], measure)) for measure in measures)
        told = {measure: one for measure, one in each if one is not None}
        benchmarks[part]["against"][second] = {"measures": told}
        if measures[0] in told:
            principal[part] = told[measures[0]]
    adjusted = stats.holm({part: one["p"] for part, one in principal.items()})
    for part, one in principal.items():
        benchmarks[part]["against"][second]["p_holm"] = adjusted[part]
        benchmarks[part]["against"][second]["verdict"] = verdict(one["change"], adjusted[part])


def _of_model(cell: Cell, marks: Marks) -> dict[str, Any]:
    latencies = [one.latency_ms for one in marks.values()]
    told: dict[str, Any] = {"tasks": len(marks)}
    for measure in cell.benchmark.measures:
        values = [one.marks[measure] for one in marks.values() if measure in one.marks]
        if not values:
            continue
        passes = isinstance(values[0], bool)
        interval = list(stats.wilson(int(sum(values)), len(values))) if passes else mean_interval(values, 0, 1)
        told |= {measure: fmean(values), f"{measure}_ci": interval, f"{measure}_tasks": len(values)}
    return told | {
        "latency_ms_p50": stats.percentile(latencies, 50),
        "latency_ms_p95": stats.percentile(latencies, 95),
        "peak_rss_mib": cell.figures.get("peak_rss_mib"),
        "revision": cell.figures.get("revision"),
        "rows": cell.rows.relative_to(cell.rows.parents[2]).as_posix(),
    }


def _both(one: Outcome, other: Outcome, measure: str) -> bool:
    return measure in one.marks and measure in other.marks
