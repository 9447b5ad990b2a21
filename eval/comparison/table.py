"""What a suite found, as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NAMES = {
    "pass_at_1": "pass@1",
    "exact_match": "exact match",
    "identifier_match": "identifiers",
    "right": "right",
    "delta_chrf": "deltaChrF",
    "quiet_rate": "quiet",
}


def table(found: Mapping[str, Any]) -> str:
    """A block for each benchmark; below each model's first measure the others."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    labels = [model["label"] for model in found["models"]]
    wide = max(map(len, labels), default=0)
    against = f"Against {found['first']}, task by task; " if len(labels) > 1 else ""
    yield f"{against}half {found['half']}, seed {found['seed']}"
    for name, benchmark in found["benchmarks"].items():
        yield f"\n{name}"
        for label in labels:
            if label not in benchmark["models"]:
                yield f"  {label:<{wide}}  nothing; see below"
                continue
            one, against = benchmark["models"][label], benchmark["against"].get(label, {})
            shown = [measure for measure in benchmark["measures"] if measure in one]
            for measure in shown:
                first = measure == shown[0]
                head = f"  {label if first else '':<{wide}}  {NAMES.get(measure, measure):<12}"
                value = "{:.3f} [{:.3f}, {:.3f}]".format(one[measure], *one[f"{measure}_ci"])
                said = f"{head}{value}  {one[f'{measure}_tasks']:>5} tasks{_time(one) if first else ''}"
                yield said.rstrip()
                if change := against.get("measures", {}).get(measure):
                    line = "{:+.3f} [{:+.3f}, {:+.3f}]  p {:.3f}".format(
                        change["change"], *change["change_ci"], change["p"]
                    )
                    told = f"  {against['verdict']}" if first and "verdict" in against else ""
                    yield f"  {'':<{wide}}  {'  change':<11}{line}{told}"
    if found["failed"]:
        yield ""
        yield from (f"failed: {line}" for line in found["failed"])
    if len(found["revisions"]) > 1:
        yield f"\nmeasured at several revisions: {', '.join(found['revisions'])}"


def _time(one: Mapping[str, Any]) -> str:
    memory = f"{one['peak_rss_mib']:7,.0f} MiB" if one["peak_rss_mib"] else ""
    return f"{one['latency_ms_p50']:8,.0f} ms median {one['latency_ms_p95']:8,.0f} ms p95{memory}"
