"""The arms of an experiment on the same traces: the figures of each, and how far each is from the first.

Each commit is typed with every arm, whatever the arms' weights. Only commits that all have played count, and they are
resampled together, so that what a commit is like cancels in the differences; times are compared at the keys at which
both arms' models answered. Intervals are of 95 % for each figure by itself: of many, some will be off by chance. A
simulated developer accepts what is right and nothing else, so that an arm which loses here need not be tried on
people, and one which wins should be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from foretype.eval.typing.report import (
    PERCENTILES,
    RATES,
    RESAMPLES,
    cell_of,
    line_of,
    paired_times,
    percentile_names,
    percentiles_of,
    rates_of,
    side_of,
    sums_of,
    with_intervals,
)
from foretype.eval.typing.rows import Played

_TIMES = percentile_names("ghost_ms")

# Title, name, digits.
_ROWS = (
    ("opportunities (keys)", "opportunities", 0),
    ("attempt rate", "attempt_rate", 3),
    ("x feedback rate", "feedback_rate", 3),
    ("x acceptance rate", "acceptance_rate", 3),
    ("x tokens per acceptance", "tokens_per_acceptance", 2),
    ("x characters per token", "characters_per_token", 2),
    ("= CPO", "cpo", 3),
    ("keys saved a key", "keys_saved_rate", 3),
    *((f"ms to ghost text, p{q}", f"ghost_ms_p{q}", 0) for q in PERCENTILES),
    ("CPU s per 1,000 keys", "cpu_s_per_1000_keys", 1),
)


def figures(done: Sequence[Played], arms: Sequence[str], seed: int) -> dict[str, Any]:
    """`arms`: an object by arm, as a replay's side; `control`, the first; `differences`: by other arm, each rate less
    the control's, `cpo_lift` (relative to it), and `ghost_ms_*` at the `answers` keys where both models answered."""
    by_commit = {arm: {(one.repository, one.commit): one for one in done if one.side == arm} for arm in arms}
    commits = [place for place in by_commit[arms[0]] if all(place in by_commit[arm] for arm in arms)]
    played = {arm: [by_commit[arm][place] for place in commits] for arm in arms}
    resamples = np.random.default_rng(seed).integers(0, max(1, len(commits)), (RESAMPLES, len(commits)))
    control, *others = arms
    return {
        "arms": {arm: side_of(played[arm], resamples) for arm in arms},
        "control": control,
        "differences": {arm: _difference(played[control], played[arm], resamples) for arm in others},
        "tasks": len(commits),
    }


def _difference(control: Sequence[Played], other: Sequence[Played], resamples: np.ndarray) -> dict[str, Any]:
    before, after = sums_of(control), sums_of(other)
    cpo = list(RATES).index("cpo")

    def rates(indices: np.ndarray) -> np.ndarray:
        old, new = rates_of(before[indices]), rates_of(after[indices])
        lift = new[cpo] / old[cpo] - 1 if old[cpo] else np.nan
        return np.append(new - old, lift)

    old_times, new_times = paired_times(control, other)
    return {
        **with_intervals([*RATES, "cpo_lift"], rates, resamples),
        "answers": sum(map(len, old_times)),
        **with_intervals(
            _TIMES, lambda indices: percentiles_of(new_times, indices) - percentiles_of(old_times, indices), resamples
        ),
    }


def verdict(difference: Mapping[str, Any]) -> str:
    """Whether CPO is "more", "less" or "not told apart" from the control's on these traces."""
    low, high = difference["cpo_ci"] or (0.0, 0.0)
    return "more" if low > 0 else "less" if high < 0 else "not told apart"


def table(found: Mapping[str, Any]) -> str:
    """The figures for people: a column for each arm, then one for each difference."""
    arms, differences = found["arms"], found["differences"]
    control = arms[found["control"]]
    lines = [
        f"experiment {found['experiment']}: {found['tasks']} commits of {', '.join(found['repositories'])} "
        f"({', '.join(found['languages'])}) with each arm, {control['opportunities']:.0f} keys, seed {found['seed']}, "
        f"{found['clock']} clock",
        *(f"{arm}: {side['model']}, {_said(found['arm_options'][arm])}" for arm, side in arms.items()),
        "",
        line_of("", list(arms)),
    ]
    lines += [line_of(title, [cell_of(side, name, digits) for side in arms.values()]) for title, name, digits in _ROWS]
    lines += ["", line_of(f"minus {found['control']}", list(differences))]
    for title, name, digits in _ROWS[1:]:
        # what is small beside the figure itself
        cells = [cell_of(one, name, digits + (name not in _TIMES)) for one in differences.values()]
        lines.append(line_of(title, cells))
    lines.append(line_of("keys both models answered", [f"{one['answers']:>8}" for one in differences.values()]))
    lines += ["", *(f"{arm}: CPO {verdict(one)} (95 %)" for arm, one in differences.items())]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _said(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in options.items()) or "the options as they are"
