"""The figures of a replay: characters per opportunity and its factors, times, costs, and one side over the other.

All intervals are of 95 % from resampling commits, since the keys of a commit are not independent; both sides are
resampled together, so that what a commit is like cancels in their ratios. Knows nothing of how a replay is played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from foretype.eval.typing.play import Row
from foretype.eval.typing.rows import Played

RESAMPLES = 2000
_TOTALS = (
    *("opportunities", "attempts", "shown", "accepted", "tokens", "characters"),
    *("on_screen", "keys_saved", "requests", "wasted", "prompt_tokens", "cached_tokens", "cpu_s"),
)
_AT = {name: place for place, name in enumerate(_TOTALS)}

# name -> numerator and denominator, summed over commits
RATES = {
    "attempt_rate": ("attempts", "opportunities"),
    "feedback_rate": ("shown", "attempts"),
    "acceptance_rate": ("accepted", "shown"),
    "tokens_per_acceptance": ("tokens", "accepted"),
    "characters_per_token": ("characters", "tokens"),
    "cpo": ("characters", "opportunities"),
    "on_screen_rate": ("on_screen", "opportunities"),
    "keys_saved_rate": ("keys_saved", "opportunities"),
    "wasted_rate": ("wasted", "requests"),
    "cached_rate": ("cached_tokens", "prompt_tokens"),
    "cpu_s_per_1000_keys": ("cpu_s", "opportunities"),
}
FACTORS = ("attempt_rate", "feedback_rate", "acceptance_rate", "tokens_per_acceptance", "characters_per_token")
_PER = {"cpu_s_per_1000_keys": 1000.0}
_COUNTS = [name for name in _TOTALS if name not in ("tokens", "cpu_s")]
PERCENTILES = (50, 90, 95, 99)

_Statistic = Callable[[np.ndarray], np.ndarray]


def figures(done: Sequence[Played], seed: int) -> dict[str, Any]:
    """An object by side, of `ratio` (the first over the second) and `paired` where there are two, and how much it was.

    `ghost_ms_*` are of answers of the model, `ghost_ms_cached_*` of those from memory, in milliseconds from key to
    ghost text. `paired` has the same of the keys at which both sides' models answered. With two sides, only commits
    that both have played count. Rates without a denominator are null.
    """
    names = list(dict.fromkeys(one.side for one in done))
    by_commit = {name: {(one.repository, one.commit): one for one in done if one.side == name} for name in names}
    commits = [place for place in by_commit[names[0]] if all(place in by_commit[name] for name in names)]
    sides = {name: [by_commit[name][place] for place in commits] for name in names}
    resamples = np.random.default_rng(seed).integers(0, max(1, len(commits)), (RESAMPLES, len(commits)))
    result: dict[str, Any] = {name: side_of(played, resamples) for name, played in sides.items()}
    if len(names) == 2:
        first, second = (sides[name] for name in names)
        result["ratio"] = _ratios(sums_of(first), sums_of(second), resamples)
        result["paired"] = _paired(names, first, second, resamples)
    return result | {"tasks": len(commits)}


def totals(played: Played) -> tuple[float, ...]:
    """Of one commit, in the order of `_TOTALS`."""
    rows, counts = played.rows, played.counts
    return (
        len(rows),
        counts["attempts"],
        sum(row.new for row in rows),
        sum(row.begun for row in rows),
        sum(row.tokens for row in rows),
        sum(row.characters for row in rows),
        sum(row.on_screen for row in rows),
        sum(row.keys for row in rows),
        counts["requests"],
        counts["wasted"],
        counts.get("prompt_tokens", 0),
        counts.get("cached_tokens", 0),
        played.cpu_s,
    )


def side_of(played: Sequence[Played], resamples: np.ndarray) -> dict[str, Any]:
    """The figures of one side; `resamples` has a row of places in `played` for each."""
    sums = sums_of(played)
    total = {name: float(sums[:, at].sum()) for name, at in _AT.items()}
    side: dict[str, Any] = {
        "model": ", ".join(sorted({one.model for one in played})),
        "cpu_s": round(total["cpu_s"], 3),
    }
    side |= {name: int(total[name]) for name in _COUNTS}
    side |= with_intervals(RATES, lambda indices: rates_of(sums[indices]), resamples)
    _check_identity(side)
    for prefix, cached in (("ghost_ms", False), ("ghost_ms_cached", True)):
        times = [
            np.array([row.ms for row in one.rows if row.ms is not None and row.cached == cached]) for one in played
        ]
        side |= {f"{prefix}_answers": sum(map(len, times))}
        side |= with_intervals(percentile_names(prefix), partial(percentiles_of, times), resamples)
    side["failed"] = sum(one.counts.get("failed", 0) for one in played)
    side["suppressed"] = _summed(played, "suppressed_")
    return side


def _check_identity(side: Mapping[str, Any]) -> None:
    """CPO is the product of its factors; where nothing was accepted, factors are missing and CPO is 0."""
    factors = [side[name] for name in FACTORS]
    product = float(np.prod(factors)) if None not in factors else 0.0
    assert abs(product - side["cpo"]) < 1e-9, f"{product} is not {side['cpo']}"


def sums_of(played: Sequence[Played]) -> np.ndarray:
    """A row for each commit, a column for each of `_TOTALS`."""
    return np.array([totals(one) for one in played], dtype=float).reshape(len(played), len(_TOTALS))


def rates_of(sums: np.ndarray) -> np.ndarray:
    """In the order of `RATES`; NaN where there is nothing to divide by."""
    total = sums.sum(axis=0)
    over = np.array([total[_AT[name]] * _PER.get(rate, 1.0) for rate, (name, _) in RATES.items()])
    return _divided(over, np.array([total[_AT[name]] for _, name in RATES.values()]))


def _ratios(first: np.ndarray, second: np.ndarray, resamples: np.ndarray) -> dict[str, Any]:
    """Each rate of one side over the same of the other."""
    return with_intervals(
        RATES, lambda indices: _divided(rates_of(first[indices]), rates_of(second[indices])), resamples
    )


def _paired(
    names: Sequence[str], first: Sequence[Played], second: Sequence[Played], resamples: np.ndarray
) -> dict[str, Any]:
    """Times at the keys where both models answered, and their percentiles' ratios, `ghost_ms_<percentile>_ratio`."""
    ours, theirs = paired_times(first, second)
    paired: dict[str, Any] = {"answers": sum(map(len, ours))}
    for name, times in zip(names, (ours, theirs), strict=True):
        paired |= with_intervals(percentile_names(f"{name}_ghost_ms"), partial(percentiles_of, times), resamples)
    return paired | with_intervals(
        [f"{name}_ratio" for name in percentile_names("ghost_ms")],
        lambda indices: _divided(percentiles_of(ours, indices), percentiles_of(theirs, indices)),
        resamples,
    )


def paired_times(first: Sequence[Played], second: Sequence[Played]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """By commit, milliseconds to ghost text of each side at the keys where both sides' models answered."""
    ours, theirs = list[np.ndarray](), list[np.ndarray]()
    for one, other in zip(first, second, strict=True):
        both = [(a.ms, b.ms) for a, b in zip(one.rows, other.rows, strict=True) if _answered(a) and _answered(b)]
        ours.append(np.array([pair[0] for pair in both], float))
        theirs.append(np.array([pair[1] for pair in both], float))
    return ours, theirs


def _answered(row: Row) -> bool:
    """Whether the model did at a key, not memory."""
    return row.ms is not None and not row.cached


def percentile_names(prefix: str) -> list[str]:
    """Of what `percentiles_of` gives, in its order."""
    return [f"{prefix}_p{q}" for q in PERCENTILES]


def percentiles_of(times: list[np.ndarray], indices: np.ndarray) -> np.ndarray:
    """Of the times of these commits, pooled; NaN where there are none."""
    pooled = np.concatenate([times[index] for index in indices]) if len(indices) else np.array([])
    return np.percentile(pooled, PERCENTILES) if len(pooled) else np.full(len(PERCENTILES), np.nan)


def _divided(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return np.divide(over, under, out=np.full(len(over), np.nan), where=under != 0)


def with_intervals(names: Iterable[str], statistic: _Statistic, resamples: np.ndarray) -> dict[str, Any]:
    """Figures and their percentile intervals; null where undefined. `statistic` gives them all for some commits."""
    whole = statistic(np.arange(resamples.shape[1]))
    drawn = np.array([statistic(indices) for indices in resamples])
    found: dict[str, Any] = {}
    for name, value, column in zip(names, whole, drawn.T, strict=True):
        known = column[np.isfinite(column)]
        found[name] = float(value) if np.isfinite(value) else None
        found[f"{name}_ci"] = [float(edge) for edge in np.percentile(known, (2.5, 97.5))] if len(known) else None
    return found


def _summed(played: Sequence[Played], prefix: str) -> dict[str, int]:
    """Counts whose names begin so, without that."""
    names = sorted({name for one in played for name in one.counts if name.startswith(prefix)})
    sums = {name.removeprefix(prefix): sum(one.counts.get(name, 0) for one in played) for name in names}
    return {name: count for name, count in sums.items() if count}


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    sides = [name for name in ("foretype", "peer") if name in figures]
    lines = [
        f"{figures['tasks']} commits of {', '.join(figures['repositories'])} ({', '.join(figures['languages'])}), "
        f"{figures[sides[0]]['opportunities']:.0f} keys, seed {figures['seed']}, {figures['clock']} clock",
        *(f"{side}: {figures[side]['model']}" for side in sides),
        "",
        line_of("", [*sides, "ratio"] if len(sides) == 2 else sides),
    ]
    for title, name, digits in _ROWS:
        cells = [cell_of(figures[side], name, digits) for side in sides]
        if len(sides) == 2:
            cells.append(cell_of(figures["ratio"], name, 2))
        lines.append(line_of(title, cells))
    if len(sides) == 2:
        paired = figures["paired"]
        lines += ["", f"at the {paired['answers']} keys where both models answered"]
        for q in PERCENTILES:
            cells = [cell_of(paired, f"{side}_ghost_ms_p{q}", 0) for side in sides]
            lines.append(line_of(f"ms to ghost text, p{q}", [*cells, cell_of(paired, f"ghost_ms_p{q}_ratio", 2)]))
    for side in sides:
        if failed := figures[side]["failed"]:
            lines += ["", f"{side} failed {failed} times: these figures say little; see its log"]
        if suppressed := figures[side]["suppressed"]:
            lines += ["", f"{side} did not try: " + ", ".join(f"{n} {why}" for why, n in suppressed.items())]
    return "\n".join(line.rstrip() for line in lines) + "\n"


_ROWS = (
    ("opportunities (keys)", "opportunities", 0),
    ("attempts", "attempts", 0),
    ("suggestions shown", "shown", 0),
    ("accepted", "accepted", 0),
    ("characters accepted", "characters", 0),
    ("keys saved", "keys_saved", 0),
    ("attempt rate", "attempt_rate", 3),
    ("x feedback rate", "feedback_rate", 3),
    ("x acceptance rate", "acceptance_rate", 3),
    ("x tokens per acceptance", "tokens_per_acceptance", 2),
    ("x characters per token", "characters_per_token", 2),
    ("= CPO", "cpo", 3),
    ("keys with ghost text", "on_screen_rate", 3),
    ("answers of the model", "ghost_ms_answers", 0),
    *((f"  ms to ghost text, p{q}", f"ghost_ms_p{q}", 0) for q in PERCENTILES),
    ("answers from memory", "ghost_ms_cached_answers", 0),
    *((f"  ms to ghost text, p{q}", f"ghost_ms_cached_p{q}", 1) for q in (50, 95)),
    ("CPU s per 1,000 keys", "cpu_s_per_1000_keys", 1),
    ("requests to the model", "requests", 0),
    ("  answered in vain", "wasted", 0),
    ("  prompt tokens cached", "cached_rate", 3),
)


def line_of(title: str, cells: Sequence[str]) -> str:
    return f"{title:<26}" + "".join(f"{cell:<27}" for cell in cells)


def cell_of(of: Mapping[str, Any], name: str, digits: int) -> str:
    value, interval = of.get(name), of.get(f"{name}_ci")
    if value is None:
        return "-" if name in of else ""
    text = f"{value:>8.{digits}f}"
    return text + (f"  [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]" if interval else "")
