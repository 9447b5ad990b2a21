"""The charts of a report, as SVG to stand in a page: no script, and colours that the page decides.

Drawn by Matplotlib with a colour for each role, which then gives way to a CSS variable of that name: one drawing is
right in light and in dark. Texts stay texts. Knows the figures of `figures.py`, no page.
"""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

# A role, and a colour that stands for it while it is drawn.
ROLES = {
    "ink": "#010203",
    "muted": "#040506",
    "grid": "#070809",
    "one": "#0a0b0c",
    "two": "#0d0e0f",
    "bad": "#101112",
    "on": "#131415",
}
_INK, _MUTED, _GRID, _ONE, _TWO, _BAD, _ON = ROLES.values()

# Points. A card of the page is about as wide, a phone three quarters of it.
_WIDTH = 400
_STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 12.5,
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": _GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.linewidth": 0.8,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}
_numbers = itertools.count(1)


def cpo_by_day(found: Mapping[str, Any]) -> str:
    """CPO of each day with its interval."""
    days = [day for day in found["days"] if day["cpo"] is not None]
    with drawing(190) as (axes, svg):
        places = list(range(len(days)))
        axes.plot(places, [day["cpo"] for day in days], color=_ONE, linewidth=2, marker="o", markersize=4.5)
        known = [(place, *day["cpo_ci"]) for place, day in zip(places, days, strict=True) if day["cpo_ci"]]
        for place, low, high in known:
            axes.plot([place, place], [low, high], color=_ONE, linewidth=5, alpha=0.25, solid_capstyle="round")
        axes.axhline(found["cpo"] or 0, color=_MUTED, linewidth=1, linestyle=(0, (4, 3)))
        top = max([found["cpo"] or 0, *(day["cpo"] for day in days)])
        axes.set_ylim(0, max(0.1, 1.6 * top))  # a day with one short session would hide the others
        axes.set_xlim(-0.4, max(1, len(days) - 1) + 0.4)
        _days(axes, [day["day"] for day in days])
        axes.grid(axis="x", visible=False)
    return svg()


def typed_by_day(found: Mapping[str, Any]) -> str:
    """Characters typed and accepted, each day."""
    days = found["days"]
    with drawing(190) as (axes, svg):
        for name, colour, side in (("typed_characters", _MUTED, -0.2), ("characters", _ONE, 0.2)):
            heights = [day[name] for day in days]
            axes.bar([place + side for place in range(len(days))], heights, width=0.36, color=colour)
        axes.set_xlim(-0.6, max(1, len(days) - 1) + 0.6)
        _days(axes, [day["day"] for day in days])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        axes.grid(axis="x", visible=False)
    return svg()


def funnel(found: Mapping[str, Any]) -> str:
    """How many opportunities came how far."""
    stages = found["funnel"]
    with drawing(36 * len(stages) + 14) as (axes, svg):
        places = list(range(len(stages)))[::-1]
        axes.barh(places, [stage["count"] for stage in stages], height=0.62, color=_ONE)
        most = max([1, *(stage["count"] for stage in stages)])
        for place, stage in zip(places, stages, strict=True):
            share = f"{stage['count']:,} · {100 * (stage['rate'] or 0):.1f} %"
            inside = stage["count"] > 0.62 * most
            axes.text(
                stage["count"] - 0.015 * most if inside else stage["count"] + 0.015 * most,
                place,
                share,
                va="center",
                ha="right" if inside else "left",
                color=_ON if inside else _INK,
            )
        axes.set_yticks(places, [stage["stage"] for stage in stages])
        axes.set_xlim(0, most * 1.02)
        axes.xaxis.set_visible(False)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
    return svg()


def latency(found: Mapping[str, Any]) -> str:
    """From the median to the 95th percentile of each stage's time."""
    stages = found["latency_ms"]
    with drawing(26 * len(stages) + 46) as (axes, svg):
        places = list(range(len(stages)))[::-1]
        for place, of in zip(places, stages.values(), strict=True):
            low, high = max(of["p50"], 0.01), max(of["p95"], 0.01)
            axes.plot([low, high], [place, place], color=_ONE, linewidth=7, alpha=0.3, solid_capstyle="round")
            axes.plot([low], [place], "o", color=_ONE, markersize=7)
            axes.plot([high], [place], "|", color=_ONE, markersize=11, markeredgewidth=2.5)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.minorticks_off()
        axes.set_yticks(places, list(stages))
        axes.set_ylim(-0.7, len(stages) - 0.3)
        axes.set_xlabel("milliseconds: median to 95th percentile")
        axes.grid(axis="y", visible=False)
    return svg()


def retention(found: Mapping[str, Any]) -> str:
    """How much of the accepted text is still there after how long."""
    rows = [row for row in found["retention"] if row["share"] is not None]
    with drawing(190) as (axes, svg):
        times, shares = [0, *(row["after_s"] for row in rows)], [1.0, *(row["share"] for row in rows)]
        edges = [row["share_ci"] or [row["share"]] * 2 for row in rows]
        axes.fill_between(
            times, [1.0, *(e[0] for e in edges)], [1.0, *(e[1] for e in edges)], color=_TWO, alpha=0.2, linewidth=0
        )
        axes.plot(times, shares, color=_TWO, linewidth=2, marker="o", markersize=4.5)
        for time, share in list(zip(times, shares, strict=True))[1:]:
            axes.annotate(f"{100 * share:.0f} %", (time, share), (4, -18), textcoords="offset points", ha="center")
        axes.set_ylim(0, 1.05)
        axes.set_xlim(-8, 640)
        axes.set_xticks([30, 120, 300, 600], ["30 s", "2 min", "5 min", "10 min"])
        axes.set_yticks([0, 0.5, 1])
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(axis="x", visible=False)
    return svg()


def changes(movers: Sequence[Mapping[str, Any]]) -> str:
    """Each factor's change, in per cent."""
    with drawing(30 * len(movers) + 34) as (axes, svg):
        places = list(range(len(movers)))[::-1]
        values = [100 * row["change"] for row in movers]
        axes.barh(places, values, height=0.55, color=[_BAD if value < 0 else _TWO for value in values])
        reach = max([1.0, *map(abs, values)]) * 1.7
        for place, value in zip(places, values, strict=True):
            side = "right" if value < 0 else "left"
            axes.text(value + (0.02 if value >= 0 else -0.02) * reach, place, f"{value:+.1f} %", va="center", ha=side)
        axes.axvline(0, color=_MUTED, linewidth=1)
        axes.set_xlim(-reach, reach)
        axes.set_yticks(places, [row["factor"].replace("_", " ") for row in movers])
        axes.xaxis.set_visible(False)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
    return svg()


def groups(found: Mapping[str, Any], most: int = 24) -> str:
    """CPO of each group with its interval."""
    rows = [row for row in found["groups"] if row["cpo"] is not None][:most]
    with drawing(26 * len(rows) + 40) as (axes, svg):
        places = list(range(len(rows)))[::-1]
        for place, row in zip(places, rows, strict=True):
            if row["cpo_ci"]:
                axes.plot(row["cpo_ci"], [place] * 2, color=_ONE, linewidth=7, alpha=0.3, solid_capstyle="round")
            axes.plot([row["cpo"]], [place], "o", color=_ONE, markersize=7)
        axes.axvline(found["cpo"] or 0, color=_MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_yticks(places, [row["group"] for row in rows])
        axes.set_ylim(-0.7, len(rows) - 0.3)
        axes.set_xlim(0, max([0.1, *(1.6 * row["cpo"] for row in rows)]))
        axes.set_xlabel("characters per opportunity, 95 % interval")
        axes.grid(axis="y", visible=False)
    return svg()


@contextmanager
def drawing(height: float) -> Iterator[tuple[Axes, Callable[[], str]]]:
    """Axes of so many points in height, and what makes an SVG of them once all is drawn."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH / 72, height / 72), layout="constrained")
        axes = figure.add_subplot()

        def svg() -> str:
            with matplotlib.rc_context(_STYLE):
                return _svg(figure)

        yield axes, svg


def _svg(figure: Figure) -> str:
    """The drawing as an element of a page: as wide as there is room, with names of its own and roles for colours."""
    out = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', text, count=1)
    own = f"c{next(_numbers)}-"
    text = re.sub(r'\bid="', f'id="{own}', text)
    text = text.replace('xlink:href="#', f'href="#{own}').replace("url(#", f"url(#{own}")
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    for role, colour in ROLES.items():
        text = text.replace(colour, f"var(--{role})")
    return text


def _days(axes: Axes, days: Sequence[str]) -> None:
    """Month and day, as many as have room."""
    every = max(1, -(-len(days) // 7))
    shown = range(0, len(days), every)
    axes.set_xticks(list(shown), [days[place][5:] for place in shown])


def _short(value: float) -> str:
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"
