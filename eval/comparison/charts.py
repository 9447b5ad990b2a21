"""A benchmark's models beside each other, as SVG in the report's look (`eval/log/charts.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foretype.eval.log.charts import ROLES, drawing


def quality(models: Mapping[str, Mapping[str, Any]], measure: str) -> str:
    """Each model's value of a measure in 0..1 with its interval; the dashed line is the first one's."""
    shown = {label: one for label, one in models.items() if measure in one}
    with drawing(28 * len(shown) + 34) as (axes, svg):
        places = list(range(len(shown)))[::-1]
        for place, one in zip(places, shown.values(), strict=True):
            axes.plot(
                one[f"{measure}_ci"], [place] * 2, color=ROLES["one"], linewidth=7, alpha=0.3, solid_capstyle="round"
            )
            axes.plot([one[measure]], [place], "o", color=ROLES["one"], markersize=7)
        if shown:
            first = next(iter(shown.values()))[measure]
            axes.axvline(first, color=ROLES["muted"], linewidth=1, linestyle=(0, (4, 3)))
        axes.set_yticks(places, [label if len(label) < 25 else f"{label[:23]}…" for label in shown])
        axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.set_xlim(-0.02, 1.02)
        axes.grid(axis="y", visible=False)
    return svg()
