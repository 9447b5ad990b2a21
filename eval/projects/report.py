"""What the rows of the cross-file benchmark say: figures by layout and arm, each arm compared with no context.

Arms are compared on the same tasks only. Tasks of one package are taken as independent, which makes intervals a little
too narrow.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev
from typing import Any

from foretype.eval import stats

BASELINE = "none"


@dataclass(frozen=True)
class Row:
    """One answer, as `--out` has it: how one arm did on one task in one layout.

    `request` is a digest of all that the backend was asked, `sources` counts the snippets in it by their source. Times
    are in milliseconds: of the first answer, of the same one with its prompt in the cache (None if not asked), of
    finding the context. `identifier_match` is an F1 in 0..1. `passed` says whether the package's own tests pass with
    the completion, None where they do not judge the task.
    """

    task_id: str
    package: str
    arm: str
    layout: str
    model: str
    request: str
    symbol: str
    origin: str
    reference: str
    completion: str
    exact: bool
    edit_similarity: float
    identifier_match: float
    identifier_exact: bool
    prefill_tokens: int
    context_tokens: int
    sources: dict[str, int]
    latency_ms: float
    warm_latency_ms: float | None
    gather_ms: float
    passed: bool | None


def figures(rows: Sequence[Row]) -> dict[str, Any]:
    """By layout: `arms` with an object for each, and `mcnemar_p` of each against none, as far as that was run."""
    cells: defaultdict[str, defaultdict[str, dict[str, Row]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        cells[row.layout][row.arm][row.task_id] = row
    return {layout: _layout(arms) for layout, arms in cells.items()}


def table(by_layout: dict[str, Any]) -> str:
    """The figures for people."""
    head = f"{'layout':8} {'arm':8} {'exact':>6} {'edit':>6} {'ident':>6}  {'ident against none':>23} {'p exact':>7}"
    head += f" {'pass@1':>6} {'tokens':>7} {'ms':>6} {'warm':>6}"
    lines = [head]
    for layout, found in by_layout.items():
        for arm, one in found["arms"].items():
            gain, ends = one.get("identifier_match_gain"), one.get("identifier_match_gain_ci")
            against = f"{gain:+.3f} [{ends[0]:+.3f}, {ends[1]:+.3f}]" if ends else ""
            p = found["mcnemar_p"].get(arm, {}).get("exact_match")
            warm, passes = one["warm_latency_ms_p50"], one["pass_at_1"]
            lines.append(
                f"{layout:8} {arm:8} {one['exact_match']:6.3f} {one['edit_similarity']:6.3f} "
                f"{one['identifier_match']:6.3f}  {against:>23} {'' if p is None else f'{p:.3f}':>7} "
                f"{'' if passes is None else f'{passes:.3f}':>6} {one['prefill_tokens']:7.0f} "
                f"{one['latency_ms_p50']:6.0f} {'' if warm is None else f'{warm:.0f}':>6}"
            )
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _layout(arms: dict[str, dict[str, Row]]) -> dict[str, Any]:
    baseline = arms.get(BASELINE, {})
    found: dict[str, Any] = {"arms": {}, "mcnemar_p": {}}
    for arm, rows in arms.items():
        found["arms"][arm] = _arm(list(rows.values()))
        pairs = [(row, baseline[task]) for task, row in rows.items() if task in baseline]
        if arm == BASELINE or not pairs:
            continue
        gains = [row.identifier_match - other.identifier_match for row, other in pairs]
        found["arms"][arm] |= {
            "identifier_match_gain": fmean(gains),
            "identifier_match_gain_ci": mean_interval(gains, -1, 1),
        }
        found["mcnemar_p"][arm] = {
            "exact_match": _mcnemar([(row.exact, other.exact) for row, other in pairs]),
            "identifier_exact": _mcnemar([(row.identifier_exact, other.identifier_exact) for row, other in pairs]),
            "pass_at_1": _mcnemar([(row.passed, bool(other.passed)) for row, other in pairs if row.passed is not None]),
        }
    return found


def _arm(rows: Sequence[Row]) -> dict[str, Any]:
    exact, same = sum(row.exact for row in rows), sum(row.identifier_exact for row in rows)
    warm = [row.warm_latency_ms for row in rows if row.warm_latency_ms is not None]
    judged = [row.passed for row in rows if row.passed is not None]
    return {
        "tasks": len(rows),
        "exact_match": exact / len(rows),
        "exact_match_ci": list(stats.wilson(exact, len(rows))),
        "edit_similarity": fmean(row.edit_similarity for row in rows),
        "identifier_match": fmean(row.identifier_match for row in rows),
        "identifier_match_ci": mean_interval([row.identifier_match for row in rows], 0, 1),
        "identifier_exact": same / len(rows),
        "identifier_exact_ci": list(stats.wilson(same, len(rows))),
        "judged": len(judged),
        "pass_at_1": sum(judged) / len(judged) if judged else None,
        "pass_at_1_ci": list(stats.wilson(sum(judged), len(judged))),
        "prefill_tokens": fmean(row.prefill_tokens for row in rows),
        "context_tokens": fmean(row.context_tokens for row in rows),
        "with_context": sum(bool(row.sources) for row in rows) / len(rows),
        "latency_ms_p50": stats.percentile([row.latency_ms for row in rows], 50),
        "latency_ms_p95": stats.percentile([row.latency_ms for row in rows], 95),
        "warm_latency_ms_p50": stats.percentile(warm, 50) if warm else None,
        "gather_ms_p50": stats.percentile([row.gather_ms for row in rows], 50),
    }


def mean_interval(values: Sequence[float], least: float, most: float, confidence: float = 0.95) -> list[float]:
    """The interval of a mean of values in `least`..`most` by the normal approximation, which wants some thirty of them.

    One value tells nothing: `[least, most]`.
    """
    if len(values) < 2:
        return [least, most]
    mean = fmean(values)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * stdev(values) / math.sqrt(len(values))
    return [max(least, mean - half), min(most, mean + half)]


def _mcnemar(pairs: Sequence[tuple[bool, bool]]) -> float:
    return stats.mcnemar(sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs))
