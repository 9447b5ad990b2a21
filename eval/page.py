"""The frame and the look of the pages that Foretype writes for a browser: light or dark as the reader's system is,
nothing from elsewhere. A body may hold cards, figures and tables, as in `eval/report_html.py`."""

from __future__ import annotations

from html import escape

_STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --ink: #16191d; --muted: #5b6470; --grid: #dfe3e8;
  --one: #2563c9; --two: #15803d; --bad: #c2410c; --on: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --page: #101317; --card: #191d23; --ink: #e8ebef; --muted: #98a2af;
  --grid: #2d343d; --one: #5b94ee; --two: #3fae69; --bad: #f0813f; --on: #0b1017; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 48px; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.02rem; margin: 0 0 2px; }
p { margin: 0; } .muted, figcaption { color: var(--muted); } figcaption, small { font-size: .86rem; }
.cards { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
.card, figure { background: var(--card); border: 1px solid var(--grid); border-radius: 12px; padding: 16px 18px;
  margin: 0; min-width: 0; }
.wide { grid-column: 1 / -1; }
header { margin-bottom: 20px; }
.product { display: grid; gap: 10px; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); margin-bottom: 16px; }
.product .card { padding: 12px 14px; }
.value { font-size: 1.45rem; font-weight: 650; line-height: 1.25; font-variant-numeric: tabular-nums; }
.cpo { border-color: var(--one); border-width: 2px; } .up { color: var(--two); } .down { color: var(--bad); }
svg { display: block; width: 100%; height: auto; margin-top: 10px; } svg text { font-family: inherit; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  font-size: .93rem; margin-top: 8px; }
th, td { text-align: right; padding: 5px 0 5px 14px; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th { color: var(--muted); font-weight: 500; white-space: normal; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.stage td { font-weight: 600; } tr:last-child td { border-bottom: 0; }
.key::before { content: ""; display: inline-block; width: .7em; height: .7em; border-radius: 2px; margin-right: .35em;
  background: var(--one); } .key.typed::before { background: var(--muted); }
@media (max-width: 480px) { main { padding: 18px 12px 32px; } .card, figure { padding: 13px 12px; }
  .product { grid-template-columns: 1fr 1fr; gap: 8px; } .value { font-size: 1.2rem; } }
"""
# A browser that reads this asks nobody for anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

NBSP = "\N{NO-BREAK SPACE}"


def document(title: str, body: str) -> str:
    """The whole page; `title` is plain text, `body` is HTML."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )
