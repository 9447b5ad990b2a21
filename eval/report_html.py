"""A report as one page for a browser: all in it, nothing from elsewhere, light or dark as the reader's system is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from foretype.eval.log import charts
from foretype.eval.page import NBSP, document

_LOSSES = "the last column: what CPO would be had none been lost so, and the rest gone on as they did"

_FACTORS = (
    ("attempt rate", "attempt_rate", "of the opportunities Foretype tried", True),
    ("feedback rate", "feedback_rate", "of the attempts reached the screen", True),
    ("acceptance rate", "acceptance_rate", "of what was shown was accepted", True),
    ("tokens", "tokens_per_acceptance", "per acceptance", False),
    ("characters", "characters_per_token", "per token", False),
)


def page(found: Mapping[str, Any], now_ms: int) -> str:
    """The whole page. Raises ImportError without Matplotlib."""
    return document("Foretype report", "".join(_body(found, now_ms)))


def _body(found: Mapping[str, Any], now_ms: int) -> Iterator[str]:
    span = "since the beginning" if found["since"] == "all" else f"of the last {escape(found['since'])}"
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(now_ms / 1000))
    yield "<header><h1>Characters per opportunity</h1>"
    yield f'<p class="muted">{found["opportunities"]:,} opportunities {span}, in {found["sessions"]:,} sessions'
    yield f"{_installations(found)}. Made {made}.</p></header>"
    if not found["opportunities"]:
        yield '<div class="card">Nothing was typed where Foretype was on, or its log is switched off.</div>'
        return
    yield from _product(found)
    yield '<div class="cards">'
    yield _figure("CPO by day", "with 95 % intervals; the dashed line is the whole time", charts.cpo_by_day(found))
    yield _figure(
        "Typed and accepted",
        '<span class="key typed">typed</span> and <span class="key">accepted</span> characters by day',
        charts.typed_by_day(found),
    )
    yield _figure("The way to an acceptance", "how many opportunities came how far", charts.funnel(found))
    if found["latency_ms"]:
        yield _figure("Latency", "the time in each stage; prefill and decode are the model's", charts.latency(found))
    if any(row["share"] is not None for row in found["retention"]):
        caption = "the share of the accepted characters still there"
        yield _figure("What stays", caption, charts.retention(found))
    for title, movers in _movers(found):
        caption = "CPO moves in proportion to each factor"
        yield _figure(title, caption, charts.changes(movers))
    if any(row["cpo"] is not None for row in found.get("groups", ())):
        yield _figure(f"By {found['by']}", "the dashed line is the whole", charts.groups(found))
    yield _losses(found)
    if found.get("groups"):
        yield _groups(found)
    yield _beside(found)
    yield "</div>"


def _product(found: Mapping[str, Any]) -> Iterator[str]:
    before = found["before"] or {}
    yield '<div class="product">'
    rows = [*_FACTORS, ("CPO", "cpo", f"{_text(found['cpo_retained_300s'], False, 3)} still there after 5 min", False)]
    for number, (title, name, caption, percent) in enumerate(rows):
        sign = "" if number == 0 else "= " if name == "cpo" else "× "
        digits = 3 if name == "cpo" else 2
        interval = found[f"{name}_ci"]
        edges = " – ".join(_text(edge, percent, digits, unit=False) for edge in interval) if interval else "one session"
        yield f'<div class="card{" cpo" * (name == "cpo")}"><small class="muted">{sign}{title}</small>'
        yield f'<div class="value">{_text(found[name], percent, digits)}</div>'
        change = _change(found[name], before.get(name), percent, digits)
        yield f'<small class="muted">{edges}<br>{caption}{change}</small></div>'
    yield "</div>"


def _movers(found: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    if found["movers"]:
        yield "Against the time before", found["movers"]
    for best in found["best_arms"]:
        yield f"Against the best arm, {best['arm']}", best["movers"]


def _losses(found: Mapping[str, Any]) -> str:
    rows = []
    for stage in found["funnel"]:
        rows.append(f'<tr class="stage"><td>{stage["stage"]}<td>{stage["count"]:,}<td>{_text(stage["rate"], True)}<td>')
        for loss in stage["lost"]:
            reason = escape(loss["reason"].replace("_", " "))
            without = _text(loss["cpo_if_none"], False, 3) if loss["cpo_if_none"] is not None else ""
            rows.append(f"<tr><td>− {reason}<td>{loss['count']:,}<td>{_text(loss['rate'], True)}<td>{without}")
    head = "<tr><th>stage and losses<th>count<th>share<th>CPO without this loss"
    return _table("What would move CPO most", _LOSSES, head, rows)


def _groups(found: Mapping[str, Any]) -> str:
    rows = []
    for row in found["groups"]:
        cells = [f"{row['opportunities']:,}", _text(row["cpo"], False, 3)]
        cells += [_text(row[name], percent) for _, name, _, percent in _FACTORS]
        rows.append(f"<tr><td>{escape(row['group'])}" + "".join(f"<td>{cell}" for cell in cells))
    names = "".join(f"<th>{title}" for title, _, _, _ in _FACTORS)
    return _table(
        f"By {found['by']}", "CPO and its factors", f"<tr><th>{found['by']}<th>opportunities<th>CPO{names}", rows
    )


def _beside(found: Mapping[str, Any]) -> str:
    edits = found["next_edits"]
    lines = []
    if edits["settled_edits"]:
        lines.append(
            f"Next edits: {edits['settled_edits']:,} settled edits, {edits['shown']:,} proposals shown, "
            f"{edits['accepted']:,} accepted."
        )
    if (others := found["asked_otherwise"])["requests"]:
        lines.append(
            f"Asked without typing: {others['requests']:,} requests, {others['shown']:,} suggestions shown, "
            f"{others['accepted']:,} accepted with {others['characters']:,} characters; not in CPO."
        )
    if found["not_opportunities"]:
        changes = (f"{count:,} {name.replace('_', ' ')}" for name, count in found["not_opportunities"].items())
        lines.append(f"Changes that are no opportunities: {', '.join(changes)}.")
    if found["inferred_rate"]:
        lines.append(f"Of {found['inferred_rate']:.1%} of what was shown, something is inferred.")
    lines += [f"{found['dropped']:,} rows were lost to a slow disk."] if found["dropped"] else []
    lines += [f"{found['skipped']:,} rows of the files were skipped."] if found["skipped"] else []
    lines.append("Intervals are of 95 %, by the delta method, with sessions as units.")
    return f'<div class="card wide muted"><h2>Beside it</h2><p>{"<br>".join(map(escape, lines))}</p></div>'


def _figure(title: str, caption: str, svg: str) -> str:
    named = svg.replace('role="img"', f'role="img" aria-label="{escape(title)}"', 1)
    return f"<figure><h2>{escape(title)}</h2><figcaption>{caption}</figcaption>{named}</figure>"


def _table(title: str, caption: str, head: str, rows: Sequence[str]) -> str:
    return (
        f'<div class="card wide"><h2>{escape(title)}</h2><p class="muted"><small>{caption}</small></p>'
        f'<div class="scroll"><table>{head}{"".join(rows)}</table></div></div>'
    )


def _change(now: float | None, then: float | None, percent: bool, digits: int) -> str:
    """What it was before, and whether that was less."""
    if not now or not then:
        return ""
    change = now / then - 1
    colour = "" if abs(change) < 0.0005 else "down" if change < 0 else "up"
    return f'<br><span class="{colour}">{change:+.1%}</span>, was {_text(then, percent, digits)}'


def _text(value: float | None, percent: bool, digits: int = 2, unit: bool = True) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f}{NBSP + '%' if unit else ''}" if percent else f"{value:.{digits}f}"


def _installations(found: Mapping[str, Any]) -> str:
    return f" on {found['installations']:,} installations" if found["installations"] > 1 else ""
