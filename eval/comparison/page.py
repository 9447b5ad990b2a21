"""What a suite found, as a page for a browser in the look of `foretype report`: all in it, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from foretype.eval.comparison.table import NAMES
from foretype.eval.page import NBSP, document

_HOW = (
    "Intervals are of 95 %: Wilson&#39;s for shares of tasks passed, Newcombe&#39;s for their changes, by resampling "
    "tasks for other changes. p is of McNemar&#39;s exact test where tasks pass or fail, else of a randomization "
    "test. A verdict is about a benchmark&#39;s first measure and holds at 5 % for all verdicts on a model together "
    "(Holm). Times compare within one run only."
)
_COLOURS = {"better": "up", "worse": "down"}


def page(found: Mapping[str, Any]) -> str:
    return document("Foretype suite", "".join(_body(found)))


def _body(found: Mapping[str, Any]) -> Iterator[str]:
    yield "<header><h1>Models compared</h1>"
    yield f'<p class="muted">Each against {escape(str(found["first"]))}, on the same tasks. '
    revisions = escape(", ".join(found["revisions"]) or "unknown")
    yield f"Half {found['half']}, seed {found['seed']}, revision {revisions}.</p></header>"
    yield '<div class="cards">'
    if found["failed"]:
        lines = "<br>".join(map(escape, found["failed"]))
        yield f'<div class="card wide"><h2 class="down">What failed</h2><p>{lines}</p></div>'
    yield _verdicts(found)
    for name, benchmark in found["benchmarks"].items():
        yield _chart(name, benchmark)
    for name, benchmark in found["benchmarks"].items():
        yield _figures(name, benchmark, found["first"])
    yield _times(found)
    yield f'<div class="card wide muted"><h2>How to read it</h2><p>{_HOW}</p></div></div>'


def _verdicts(found: Mapping[str, Any]) -> str:
    """Benchmarks by models."""
    labels = [model["label"] for model in found["models"]]
    head = "<tr><th>benchmark" + "".join(f"<th>{escape(label)}" for label in labels)
    rows = []
    for name, benchmark in found["benchmarks"].items():
        cells = "".join(f"<td>{_verdict(benchmark, label)}" for label in labels)
        rows.append(f"<tr><td>{escape(name)}{cells}")
    return _table("Verdicts", f"against {escape(str(found['first']))}", head, rows)


def _verdict(benchmark: Mapping[str, Any], label: str) -> str:
    measure = benchmark["measures"][0]
    if label not in benchmark["models"]:
        return "–"
    value = _value(benchmark["models"][label].get(measure))
    against = benchmark["against"].get(label, {})
    if "verdict" not in against:
        return value
    said = against["verdict"]
    # two lines, for there may be many models, or a phone
    shown = said.replace("no difference ", "no difference<br>")
    return f'{value}<br><small class="{_COLOURS.get(said, "muted")}">{shown}</small>'


def _chart(name: str, benchmark: Mapping[str, Any]) -> str:
    try:
        from foretype.eval.comparison.charts import quality
    except ImportError:  # of Matplotlib: the tables say all of it
        return ""
    measure = benchmark["measures"][0]
    drawn = quality(benchmark["models"], measure).replace('role="img"', f'role="img" aria-label="{escape(name)}"', 1)
    caption = f"{NAMES.get(measure, measure)}, with 95{NBSP}% intervals"
    return f"<figure><h2>{escape(name)}</h2><figcaption>{caption}</figcaption>{drawn}</figure>"


def _figures(name: str, benchmark: Mapping[str, Any], first: str) -> str:
    """All measures of a benchmark."""
    head = "<tr><th>model<th>measure<th>tasks<th>value<th>95 %<th>change<th>95 %<th>p"
    rows = []
    for label, one in benchmark["models"].items():
        measures = [measure for measure in benchmark["measures"] if measure in one]
        for measure in measures:
            title = escape(label) if measure == measures[0] else ""
            change = benchmark["against"].get(label, {}).get("measures", {}).get(measure)
            told = ["", "", ""]
            if change:
                told = [f"{change['change']:+.3f}", _interval(change["change_ci"], "+.3f"), f"{change['p']:.3f}"]
            cells = [NAMES.get(measure, measure), f"{one[f'{measure}_tasks']:,}", _value(one[measure])]
            cells += [_interval(one[f"{measure}_ci"], ".3f"), *told]
            rows.append(f"<tr><td>{title}" + "".join(f"<td>{cell}" for cell in cells))
    return _table(name, f"all measures; changes are against {escape(first)}", head, rows)


def _times(found: Mapping[str, Any]) -> str:
    head = "<tr><th>benchmark<th>model<th>median, ms<th>95th percentile, ms<th>most memory, MiB"
    rows = []
    for name, benchmark in found["benchmarks"].items():
        for place, (label, one) in enumerate(benchmark["models"].items()):
            memory = f"{one['peak_rss_mib']:,.0f}" if one["peak_rss_mib"] else "–"
            cells = [escape(label), f"{one['latency_ms_p50']:,.0f}", f"{one['latency_ms_p95']:,.0f}", memory]
            rows.append(f"<tr><td>{'' if place else escape(name)}" + "".join(f"<td>{cell}" for cell in cells))
    return _table("Time and memory", "of a task, from the question to the whole answer", head, rows)


def _table(title: str, caption: str, head: str, rows: list[str]) -> str:
    return (
        f'<div class="card wide"><h2>{escape(title)}</h2><p class="muted"><small>{caption}</small></p>'
        f'<div class="scroll"><table>{head}{"".join(rows)}</table></div></div>'
    )


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(ends: list[float], form: str) -> str:
    return f"{ends[0]:{form}} to {ends[1]:{form}}"
