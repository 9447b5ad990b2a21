"""What a report says of an event log: figures in one object, from cells. Knows neither how they are read nor printed.

Ghost text alone counts into the factors and CPO; next edits are reported beside it, per settled edit. Sessions are the
units of all intervals.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from foretype.eval.cpo import FACTORS, TOTALS, figures, movers, retention
from foretype.eval.log.cells import Cells
from foretype.lsp.log.schema import COUNTED, HORIZONS_S

BY = ("language", "kind", "model", "hour", "arm")
PERCENTILES = (50, 90, 95, 99)

_KEPT = [f"{name}_{seconds}" for name in ("looked_at", "retained") for seconds in HORIZONS_S]
_DAY_S = 86_400
_NOT_OTHERS = (*COUNTED, "settled", "invoked", "unprompted")


def report(cells: Cells, by: str = "") -> dict[str, Any]:
    """All figures of the window; `by` adds a list `groups`. Flat snake_case keys, units as suffixes, null for what has
    nothing to divide by."""
    completion = np.isin(cells.keys["origin"], COUNTED)
    now, then = cells.keys["now"] == 1, cells.keys["now"] == 0
    found = figures(by_session(cells, completion & now))
    before = figures(by_session(cells, completion & then))
    found |= {
        "inferred_rate": _rate(_total(cells, "inferred", completion & now), found["shown"]),
        "typed_characters": int(_total(cells, "typed", completion & now)),
        "retention": retention(by_session(cells, completion & now)),
        "funnel": funnel(cells, completion & now, found),
        "latency_ms": latency(cells),
        "before": before if before["opportunities"] else None,
        "movers": movers(found, before) if before["opportunities"] else [],
        "best_arms": best_arms(cells, completion & now, found),
        "days": by_day(cells, completion & now),
        "not_opportunities": _counts(cells, "origin", now & ~np.isin(cells.keys["origin"], _NOT_OTHERS)),
        "asked_otherwise": _asked_otherwise(cells, now & np.isin(cells.keys["origin"], ("invoked", "unprompted"))),
        "next_edits": _next_edits(cells, now & (cells.keys["origin"] == "settled")),
        "installations": len({run["installation"] for run in cells.runs.values()}),
        "dropped": cells.dropped,
        "skipped": cells.skipped,
    }
    if by:
        found |= {"by": by, "groups": groups(cells, now, completion & now, by)}
    return found


def by_session(cells: Cells, which: np.ndarray) -> dict[str, np.ndarray]:
    """The sums of these cells with an element for each session that has any."""
    sessions = {run: place for place, run in enumerate(dict.fromkeys(one["session"] for one in cells.runs.values()))}
    place_of = {run: sessions[one["session"]] for run, one in cells.runs.items()}
    places = np.array([place_of.get(run, -1) for run in cells.keys["run"][which]], int)
    # rows whose run was deleted meanwhile are a session of their own
    _, units = np.unique(places, return_inverse=True)
    count = int(units.max()) + 1 if len(units) else 0
    names = {"opportunities": "rows", **{name: name for name in (*TOTALS[1:], *_KEPT)}}
    return {name: np.bincount(units, cells.sums[column][which], count) for name, column in names.items()}


def funnel(cells: Cells, which: np.ndarray, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The stages on the way to an acceptance: how many came so far, and `lost` by reason on the way to the next one,
    each with `cpo_if_none`, what CPO would be had none been lost so and the rest gone on as they did."""
    keys = cells.keys
    attempted = which & (keys["attempted"] == 1)
    ready = attempted & (keys["reason"] == "")
    shown = which & (cells.sums["shown"] > 0)
    unseen = np.where(keys["recalled"] == 1, "on_screen_already", "not_shown").astype(object)
    stages = [
        ("opportunities", which, which & ~attempted, keys["reason"]),
        ("attempts", attempted, attempted & ~ready, keys["reason"]),
        ("answers", ready, ready & ~shown, unseen),
        ("shown", shown, shown & (keys["ending"] != "accepted"), keys["ending"]),
        ("accepted", shown & (keys["ending"] == "accepted"), np.zeros(len(which), bool), keys["ending"]),
    ]
    told = []
    for name, reached, lost, reasons in stages:
        count = int(_total(cells, "rows", reached))
        left = count - int(_total(cells, "rows", lost))
        rows = _tally(reasons[lost], cells.sums["rows"][lost])
        losses = [
            {
                "reason": reason or "open",
                "count": lost_count,
                "rate": _rate(lost_count, count),
                # what is on the screen already is no loss: it has its chance
                "cpo_if_none": None
                if reason == "on_screen_already" or not left
                else (found["cpo"] or 0.0) * (left + lost_count) / left,
            }
            for reason, lost_count in rows
        ]
        told.append({"stage": name, "count": count, "rate": _rate(count, found["opportunities"]), "lost": losses})
    return told


def latency(cells: Cells) -> dict[str, dict[str, float]]:
    """Milliseconds of the attempts by stage: percentiles, and of how many."""
    return {
        stage: {f"p{q}": round(float(value), 2) for q, value in zip(PERCENTILES, _percentiles(times), strict=True)}
        | {"attempts": len(times)}
        for stage, times in cells.times_ms.items()
        if len(times)
    }


def groups(cells: Cells, now: np.ndarray, completion: np.ndarray, by: str) -> list[dict[str, Any]]:
    """The figures of each language, kind, model, hour or arm, those with most opportunities first; hours in order."""
    which = now & np.isin(cells.keys["origin"], (*COUNTED, "settled")) if by == "kind" else completion
    told = [{"group": label, **figures(by_session(cells, mask))} for label, mask in _labelled(cells, which, by)]
    return told if by == "hour" else sorted(told, key=lambda row: -row["opportunities"])


def best_arms(cells: Cells, which: np.ndarray, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each experiment that had arms at work, the arm with the highest CPO, and what the factors would be there."""
    arms = [(label, figures(by_session(cells, mask))) for label, mask in _labelled(cells, which, "arm")]
    told = []
    for experiment in dict.fromkeys(label.partition("=")[0] for label, _ in arms):
        own = [(label, of) for label, of in arms if label.startswith(f"{experiment}=") and of["cpo"] is not None]
        if experiment and len(own) > 1:
            label, best = max(own, key=lambda arm: arm[1]["cpo"])
            told.append({"arm": label, "cpo": best["cpo"], "cpo_ci": best["cpo_ci"], "movers": movers(found, best)})
    return told


def by_day(cells: Cells, which: np.ndarray) -> list[dict[str, Any]]:
    """CPO and what it is made of, a row for each day of this machine's calendar that has any."""
    told = []
    for day in np.unique(cells.keys["day"][which]):
        of = figures(by_session(cells, which & (cells.keys["day"] == day)))
        names = ("opportunities", "shown", "accepted", "characters", "cpo", "cpo_ci", *FACTORS)
        date = time.strftime("%Y-%m-%d", time.gmtime(int(day) * _DAY_S))
        typed = int(_total(cells, "typed", which & (cells.keys["day"] == day)))
        told.append({"day": date, "typed_characters": typed, **{name: of[name] for name in names}})
    return told


def _asked_otherwise(cells: Cells, which: np.ndarray) -> dict[str, int]:
    """Requests without typing before them: the user's own, and those after an acceptance or a move of the cursor."""
    columns = {"requests": "rows", "shown": "shown", "accepted": "accepted", "characters": "characters"}
    return {name: int(_total(cells, column, which)) for name, column in columns.items()}


def _next_edits(cells: Cells, which: np.ndarray) -> dict[str, Any]:
    sums = by_session(cells, which)
    of = figures(sums)
    names = ("attempts", "shown", "accepted", "characters", "acceptance_rate", "acceptance_rate_ci")
    told = {"settled_edits": of["opportunities"], **{name: of[name] for name in names}}
    return told | {"characters_per_settled_edit": of["cpo"], "characters_per_settled_edit_ci": of["cpo_ci"]}


def _labelled(cells: Cells, which: np.ndarray, by: str) -> list[tuple[str, np.ndarray]]:
    """Each label with its cells among these; a run that is in arms of several experiments has several."""
    if by == "kind":
        edits = cells.keys["origin"] == "settled"
        named = [("completion", which & ~edits), ("next_edit", which & edits)]
        return [(label, mask) for label, mask in named if mask.any()]
    if by in ("language", "hour"):
        values = cells.keys[by]
        found = sorted(set(values[which].tolist()))
        return [
            (f"{value:02}:00" if by == "hour" else value or "unknown", which & (values == value)) for value in found
        ]
    labels: dict[str, set[int]] = {}
    for run, of in cells.runs.items():
        for label in _arms(of["arms"]) if by == "arm" else [of["model"] or "unknown"]:
            labels.setdefault(label, set()).add(run)
    masks = ((label, which & np.isin(cells.keys["run"], list(runs))) for label, runs in sorted(labels.items()))
    return [(label, mask) for label, mask in masks if mask.any()]


def _arms(text: str) -> list[str]:
    try:
        table = json.loads(text or "{}")
    except ValueError:
        table = {}
    arms = table.items() if isinstance(table, Mapping) else ()
    return [f"{experiment}={arm}" for experiment, arm in arms]


def _counts(cells: Cells, key: str, which: np.ndarray) -> dict[str, int]:
    return dict(_tally(cells.keys[key][which], cells.sums["rows"][which]))


def _tally(labels: np.ndarray, counts: np.ndarray) -> list[tuple[str, int]]:
    """How many of each, the most first."""
    sums: dict[str, float] = {}
    for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
        sums[label] = sums.get(label, 0.0) + count
    return sorted(((label, int(count)) for label, count in sums.items()), key=lambda row: (-row[1], row[0]))


def _total(cells: Cells, name: str, which: np.ndarray) -> float:
    return float(cells.sums[name][which].sum())


def _rate(count: float, of: float) -> float | None:
    return count / of if of else None


def _percentiles(times: np.ndarray) -> np.ndarray:
    return np.percentile(times, PERCENTILES)
