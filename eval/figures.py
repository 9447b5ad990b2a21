"""The README's tables from the JSON that the benchmarks printed: `python -m foretype.eval.figures FOLDER README`.

FOLDER has `replay.json` and `crossfile.json`, as their commands print them with `--json`; `make bench` makes them. A
table stands between `<!-- NAME -->` and `<!-- end -->`, and names the revision that was measured. Knows no benchmark.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


def replay(found: Figures) -> str:
    """Both sides of one replay, and the first over the second."""
    ours, peer, ratio = found["foretype"], found["peer"], found["ratio"]
    counts = [f"{side['opportunities']}, {side['shown']}, {side['accepted']}" for side in (ours, peer)]
    rows = [
        ("keys, suggestions shown, accepted", *counts, ""),
        *(_row(title, name, ours, peer, ratio, digits) for title, name, digits in _REPLAY),
    ]
    about = (
        f"{found['tasks']} commits of {', '.join(found['repositories'])} ({', '.join(found['languages'])}), seed "
        f"{found['seed']}, {found['clock']} clock, at revision {_revision(found)}:"
    )
    return _table(about, ("", "Foretype", "llama.cpp, llama.vim's policy", "ratio"), rows)


def crossfile(found: Figures) -> str:
    """Its arms."""
    rows = [
        (
            arm,
            _value(figures, "identifier_match", 3),
            _value(figures, "exact_match", 3),
            _value(figures, "edit_similarity", 3),
            _value(figures, "pass_at_1", 3),
            f"{figures['prefill_tokens']:.0f}",
            f"{figures['latency_ms_p50']:.0f}",
        )
        for arm, figures in found["arms"].items()
    ]
    about = f"{found['tasks']} tasks, split {found['split']}, seed {found['seed']}, at revision {_revision(found)}:"
    titles = (
        "arm",
        "identifier match",
        "exact",
        "edit similarity",
        "pass@1 (own tests)",
        "prompt, tokens",
        "ms, median",
    )
    return _table(about, titles, rows)


TABLES: dict[str, Callable[[Figures], str]] = {"replay": replay, "crossfile": crossfile}

_REPLAY = (
    ("characters per opportunity", "cpo", 3),
    ("displays per opportunity", "on_screen_rate", 3),
    ("acceptance rate", "acceptance_rate", 2),
    ("ms to ghost text by the model, median", "ghost_ms_p50", 0),
    ("the same, 95th percentile", "ghost_ms_p95", 0),
    ("CPU s per 1,000 keys", "cpu_s_per_1000_keys", 0),
)


def render(readme: str, folder: Path) -> str:
    """The README with the tables whose JSON is there. Raises ValueError, KeyError where that is of something else."""
    for name, make in TABLES.items():
        path = folder / f"{name}.json"
        if path.exists():
            readme = placed(readme, name, make(json.loads(path.read_text("utf-8"))))
    return readme


def placed(page: str, name: str, text: str) -> str:
    """The page with the text between the marks of that name; as it is where it has none."""
    before, begin, rest = page.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition("<!-- end -->")
    return before + begin + (text + end + after if end else rest)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (titles, ["---"] * len(titles), *rows))


def _row(title: str, name: str, ours: Figures, peer: Figures, ratio: Figures, digits: int) -> tuple[str, ...]:
    over = _value(ratio, name, 2) if name in ratio else _quotient(ours[name], peer[name])
    return title, _value(ours, name, digits), _value(peer, name, digits), over


def _value(figures: Figures, name: str, digits: int) -> str:
    """A figure and its interval; "" where there is none."""
    value, interval = figures.get(name), figures.get(f"{name}_ci")
    if value is None:
        return ""
    low, high = interval or (None, None)
    return f"{value:.{digits}f}" + (f" [{low:.{digits}f}, {high:.{digits}f}]" if interval else "")


def _quotient(over: float | None, under: float | None) -> str:
    return f"{over / under:.2f}" if over is not None and under else ""


def _table(about: str, titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return f"{about}\n\n{table(titles, rows)}"


def _revision(found: Figures) -> str:
    return f"`{found.get('revision') or 'unknown'}`"


def main(folder: Path, readme: Path) -> int:
    readme.write_text(render(readme.read_text("utf-8"), folder), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
