"""The README's tables are made of what the benchmarks printed."""

from __future__ import annotations

import json
from pathlib import Path

from foretype.eval import figures

SIDE = {"opportunities": 100, "shown": 20, "accepted": 9, "cpo": 0.45, "cpo_ci": [0.3, 0.6], "on_screen_rate": 0.3}
SIDE |= {"acceptance_rate": 0.45, "ghost_ms_p50": 300.4, "ghost_ms_p95": 900.0, "cpu_s_per_1000_keys": 200.0}
PEER = {**SIDE, "cpo": 0.0, "cpo_ci": [0.0, 0.0], "ghost_ms_p50": 1200.0, "acceptance_rate": None}
REPLAY = {
    "foretype": SIDE,
    "peer": PEER,
    "ratio": {"cpo": None, "cpo_ci": None, "cpu_s_per_1000_keys": 0.2, "cpu_s_per_1000_keys_ci": [0.1, 0.3]},
    "tasks": 4,
    "repositories": ["a", "b"],
    "languages": ["go", "python"],
    "seed": 7,
    "clock": "real",
    "revision": "abc",
}
README = "before\n<!-- replay -->\nold\n<!-- end -->\nbetween\n<!-- crossfile -->\nstays\n<!-- end -->\nafter\n"


def test_a_table_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "replay.json").write_text(json.dumps(REPLAY))
    made = figures.render(README, tmp_path)
    assert made.startswith(
        "before\n<!-- replay -->\n4 commits of a, b (go, python), seed 7, real clock, at revision `abc`:"
    )
    assert made.endswith("<!-- end -->\nbetween\n<!-- crossfile -->\nstays\n<!-- end -->\nafter\n")
    assert "old" not in made
    assert "| keys, suggestions shown, accepted | 100, 20, 9 | 100, 20, 9 |  |" in made
    assert "| characters per opportunity | 0.450 [0.300, 0.600] | 0.000 [0.000, 0.000] |  |" in made
    assert "| ms to ghost text by the model, median | 300 | 1200 | 0.25 |" in made
    assert "| CPU s per 1,000 keys | 200 | 200 | 0.20 [0.10, 0.30] |" in made
    assert figures.render(made, tmp_path) == made


def test_the_readme_has_a_place_for_each_table(repository: Path) -> None:
    readme = (repository / "README.md").read_text("utf-8")
    for name in figures.TABLES:
        assert f"<!-- {name} -->\n" in readme
