"""The figures of next edits, from verdicts: over all cases, by what they are about, and as a table for people.

Rates come with Wilson's intervals of 95 %. Places are counted over all cases together, so that a case with ten of them
weighs ten. Knows nothing of where verdicts come from.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foretype.eval import stats
from foretype.eval.next_edits.metrics import Verdict


@dataclass(frozen=True)
class Row:
    """One case's outcome. `latency_ms` is the time until the first edit, or until it was known that there is none;
    `all_latency_ms` that until all were there. `notes` say what was proposed, or why nothing was."""

    name: str
    kind: str
    language: str
    lane: str
    verdict: Verdict
    latency_ms: float
    all_latency_ms: float
    notes: tuple[str, ...] = ()

    @property
    def fine(self) -> bool:
        """Nothing to complain of: all edits right where some are due, none where none is."""
        return self.verdict.exact if self.verdict.due else not self.verdict.shown


def figures(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures of at least one row; those that no row tells of are None."""
    due = [row.verdict for row in rows if row.verdict.due]
    quiet = [row.verdict for row in rows if not row.verdict.due]
    every = [row.verdict for row in rows]
    ruled = [row.verdict for row in rows if row.verdict.due and row.lane == "rule"]
    found: dict[str, Any] = {"tasks": len(rows), "due": len(due), "quiet": len(quiet), "rule_tasks": len(ruled)}
    for name, successes, trials in (
        ("exact_match", sum(one.exact for one in due), len(due)),
        ("rule_exact_match", sum(one.exact for one in ruled), len(ruled)),
        ("first_exact_match", sum(one.first_exact for one in due), len(due)),
        ("first_place_precision", sum(one.first_right for one in due), sum(one.shown for one in due)),
        ("place_precision", sum(one.right for one in every), sum(one.proposed for one in every)),
        ("place_recall", sum(one.found for one in due), sum(one.expected for one in due)),
        ("file_recall", sum(one.files_found for one in due), sum(one.files_expected for one in due)),
        ("show_rate", sum(one.shown for one in due), len(due)),
        ("quiet_rate", sum(not one.shown for one in quiet), len(quiet)),
        ("reversal_rate", sum(one.reversals for one in every), sum(one.proposed for one in every)),
        ("over_editing_rate", sum(one.over_edits for one in due), sum(one.right for one in due)),
        ("alone_kept_rate", sum(one.alone_kept for one in every), len(every)),
    ):
        found[name] = successes / trials if trials else None
        found[f"{name}_ci"] = list(stats.wilson(successes, trials))
    found["delta_chrf"] = statistics.fmean(one.delta_chrf for one in due) if due else None
    shown = [row for row in rows if row.verdict.shown] or list(rows)
    for name, values in (
        ("latency_ms", [row.latency_ms for row in shown]),
        ("all_latency_ms", [row.all_latency_ms for row in rows]),
    ):
        found[f"{name}_p50"], found[f"{name}_p95"] = (stats.percentile(values, q) for q in (50, 95))
    found["clashes"] = sum(one.clashes for one in every)
    return found


def by(rows: Sequence[Row], key: Callable[[Row], str]) -> dict[str, dict[str, Any]]:
    """The principal figures of each group of rows."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    names = ("tasks", "due", "quiet", "exact_match", "delta_chrf", "place_recall", "place_precision", "quiet_rate")
    return {name: {each: figures(group)[each] for each in names} for name, group in sorted(groups.items())}


def table(found: Mapping[str, Any], kinds: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures for people."""
    lines = []
    for label, name in (
        ("exact, all places", "exact_match"),
        ("exact, first place", "first_exact_match"),
        ("exact, for the rules", "rule_exact_match"),
        ("places found", "place_recall"),
        ("places right", "place_precision"),
        ("files found", "file_recall"),
        ("shown where due", "show_rate"),
        ("quiet where not due", "quiet_rate"),
        ("undoes the user", "reversal_rate"),
        ("changes too much", "over_editing_rate"),
        ("leaves alone", "alone_kept_rate"),
    ):
        if found[name] is not None:
            lines.append("{:<22}{:6.3f}  [{:.3f}, {:.3f}]".format(label, found[name], *found[f"{name}_ci"]))
    if found["delta_chrf"] is not None:
        lines.insert(2, f"{'deltaChrF':<22}{found['delta_chrf']:6.1f}")
    lines.append(
        "{:<22}{latency_ms_p50:6.0f} ms median, {latency_ms_p95:.0f} ms 95th percentile".format("first edit", **found)
    )
    lines.append(
        "{:<22}{all_latency_ms_p50:6.0f} ms median, {all_latency_ms_p95:.0f} ms 95th percentile".format(
            "all edits", **found
        )
    )
    lines += ["", f"{'':<14}{'tasks':>6}{'exact':>8}{'deltaChrF':>11}{'recall':>8}{'precision':>11}{'quiet':>7}"]
    for name, row in kinds.items():
        cells = [_cell(row[each], width) for each, width in _COLUMNS]
        lines.append(f"{name:<14}{row['tasks']:>6}{''.join(cells)}")
    return "\n".join(lines) + "\n"


def complaints(rows: Iterable[Row]) -> str:
    """What went wrong, the worst first."""
    bad = sorted((row for row in rows if not row.fine), key=lambda row: (row.verdict.delta_chrf, row.name))
    lines = []
    for row in bad:
        one = row.verdict
        said = (
            f"{one.found}/{one.expected} places found, {one.right}/{one.proposed} right, deltaChrF {one.delta_chrf:.0f}"
        )
        lines.append(f"{row.name} ({row.kind}, {row.lane}): {said if one.due else 'should be quiet'}")
        if not one.alone_kept:
            lines.append("    touches what must stay alone")
        lines += [f"    {note}" for note in row.notes]
    return "\n".join(lines) + "\n" if lines else ""


_COLUMNS = (("exact_match", 8), ("delta_chrf", 11), ("place_recall", 8), ("place_precision", 11), ("quiet_rate", 7))


def _cell(value: float | None, width: int) -> str:
    if value is None:
        return " " * (width - 1) + "-"
    return f"{value:{width}.1f}" if width == 11 and value > 1 else f"{value:{width}.2f}"
