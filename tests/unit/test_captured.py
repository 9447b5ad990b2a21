"""Rows of one's own acceptances: what was kept becomes a row, and all else is counted under why it did not."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from logged_editor import Editor

from foretype.context.row_files import SPLITS, read
from foretype.context.rows import FimRow
from foretype.context.secrets import redact
from foretype.lsp.log import installation
from foretype.lsp.log.schema import CAPTURE_COLUMNS, HORIZONS_S, RUN_COLUMNS, Capture, Opportunity, Run, values
from foretype.lsp.log.store import Store
from foretype.mining import captured, command
from foretype.mining.captured import Captured, CaptureError
from foretype.mining.config import Config
from foretype.mining.filters import Tally

BEFORE = "def total(values):\n    found = 0\n    for value in values:\n        "
KEPT = Captured(
    run=10,
    seq=3,
    at_ms=1_700_000_000_000,
    language="python",
    ending="accepted",
    retained=(1.0, 1.0, None, None),
    path="shop/cart.py",
    prefix=BEFORE,
    suffix="\n    return found\n",
    text="found += value",
    accepted="found += value",
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def made(*captures: Captured, config: Config = Config()) -> tuple[list[FimRow], dict[str, int]]:  # noqa: B008
    tally = Tally()
    return list(captured.rows(captures, config, tally)), dict(tally.rejected)


def test_what_was_kept_is_a_hole_to_fill_in() -> None:
    (row,), rejected = made(KEPT)
    row.check()
    assert (row.mode, row.prefix, row.middle, row.suffix) == ("single", BEFORE, "found += value", KEPT.suffix)
    origin = row.origin
    assert (origin.repository, origin.commit, origin.time) == ("events", "a-3", 1_700_000_000)
    assert (origin.path, origin.language, origin.licence) == ("shop/cart.py", "python", "LicenseRef-unknown")
    assert rejected == {}


@pytest.mark.parametrize(
    ("accepted", "prefix"), [("found += value", BEFORE), ("found +=", BEFORE), ("nd += value", f"{BEFORE}fou")]
)
def test_what_was_typed_of_it_is_no_part_of_the_hole(accepted: str, prefix: str) -> None:
    (row,), _ = made(replace(KEPT, accepted=accepted))
    assert (row.prefix, row.middle) == (prefix, accepted)


def test_several_lines() -> None:
    text = "found += value\n        seen.add(value)"
    (row,), _ = made(replace(KEPT, text=text, accepted=text))
    row.check()
    assert row.mode == "multi"


def test_what_is_far_away_is_cut() -> None:
    (row,), _ = made(replace(KEPT, prefix="x = 1\n" * 1300 + BEFORE, suffix="y = 2\n" * 330))
    assert len(row.prefix) <= 3000 and row.prefix.endswith(BEFORE) and row.prefix.startswith("x = 1\n")
    assert len(row.suffix) <= 1500


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ending": "rejected", "accepted": ""}, "not_accepted"),
        ({"ending": "typed_through", "accepted": ""}, "not_accepted"),
        ({"retained": (1.0, None, None, None)}, "not_kept"),
        ({"retained": (1.0, 1.0, 0.9, None)}, "not_kept"),
        ({"language": "markdown", "path": "a.md"}, "languages"),
        ({"accepted": "found", "text": "one found two"}, "pieces"),
        ({"accepted": ")", "text": ")"}, "pieces"),
        ({"path": "node_modules/a/index.js", "language": "javascript"}, "generated_names"),
        ({"path": "tests/fixtures/a.py"}, "test_data"),
        ({"accepted": "x" * 500, "text": "x" * 500}, "long_lines"),
        ({"prefix": "x = 1\n", "accepted": "# of the total", "text": "# of the total"}, "comment_lines"),
        ({"prefix": redact("key = 'ghp_" + "a1B2" * 9 + "'\n") + BEFORE}, "known_secrets"),
        ({"accepted": "key = 'AKIA" + "Q7" * 8 + "'", "text": "key = 'AKIA" + "Q7" * 8 + "'"}, "known_secrets"),
    ],
)
def test_what_is_left_out_is_counted(changes: dict[str, Any], reason: str) -> None:
    assert made(replace(KEPT, **changes)) == ([], {reason: 1})


def test_times_are_the_miners() -> None:
    at = KEPT.at_ms // 1000
    assert len(made(KEPT, config=Config(since=at, until=at + 1))[0]) == 1
    assert made(KEPT, config=Config(until=at)) == ([], {"dates": 1})


def stored(opportunities: Iterable[Opportunity], captures: Iterable[Capture]) -> None:
    store = Store(installation.database())
    opportunities = list(opportunities)
    runs = [Run(number, "s", "i", 0, 0) for number in {row.run for row in opportunities}]
    store.write(
        {
            "runs": [tuple(getattr(run, name) for name in RUN_COLUMNS) for run in runs],
            "opportunities": map(values, opportunities),
            "captures": [tuple(getattr(one, name) for name in CAPTURE_COLUMNS) for one in captures],
        }
    )
    store.close()


def log_of(*captures: Captured) -> None:
    opportunities = []
    for one in captures:
        row = Opportunity(one.run, one.seq, one.at_ms, language=one.language, shown=1, ending=one.ending)
        for seconds, share in zip(HORIZONS_S, one.retained, strict=True):
            setattr(row, f"retained_{seconds}", share)
        opportunities.append(row)
    stored(
        opportunities,
        [Capture(one.run, one.seq, one.path, one.prefix, one.suffix, one.text, one.accepted) for one in captures],
    )


@pytest.mark.parametrize("kept", [True, False])
def test_from_a_session_that_was_captured(kept: bool) -> None:
    editor = Editor()
    editor.log.capture = True
    editor.type("y")
    name = editor.suggest(" = x + 1")
    editor.type(" = ")
    editor.accept(name, "x + 1")
    editor.type(";")
    if not kept:
        editor.change(1, 4, 3, "")
    editor.wait(120)
    stored((Opportunity(**row) for row in editor.rows.values()), editor.captures)  # type: ignore[arg-type]
    found, rejected = made(*captured.read(installation.database()))
    if kept:
        assert [(row.prefix, row.middle, row.suffix) for row in found] == [("x = 1\ny = ", "x + 1", "\n")]
    else:
        assert (found, rejected) == ([], {"not_kept": 1})


def mine(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([*words, "--json"]))


def test_the_command_writes_what_training_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = "class Stock:\n    def __init__(self, name):\n        "
    log_of(
        KEPT,
        replace(KEPT, seq=4, at_ms=KEPT.at_ms + 1000),  # the same once more
        replace(KEPT, seq=5, prefix=others, suffix="\n", text="self.name = name", accepted="self.name = name"),
        replace(KEPT, seq=6, ending="rejected", accepted=""),
    )
    out = tmp_path / "pairs"
    assert mine("--from-events", "--out", str(out)) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rows"], said["rows_by_class"]) == (2, {"fim": 2})
    assert said["rejected_by_filter"] == {"near_duplicates": 1, "not_accepted": 1}
    rows = [row for split in SPLITS for row in read(out, split)]
    assert {row.middle for row in rows if isinstance(row, FimRow)} == {"found += value", "self.name = name"}
    assert b"found +=" in b"".join(path.read_bytes() for path in installation.folder().iterdir())  # it stays there
    assert mine("--from-events", "--out", str(out)) == 0  # once more, over what is there
    assert json.loads(capsys.readouterr().out)["rows"] == 2


def test_a_log_without_code_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mine("--from-events", "--out", str(tmp_path / "pairs")) == 1
    assert "no event log yet" in capsys.readouterr().err
    log_of()
    with pytest.raises(CaptureError, match="capture_code = true"):
        captured.read(installation.database())
    assert mine("--from-events", "--out", str(tmp_path / "pairs")) == 1
    assert "capture_code = true" in capsys.readouterr().err and not (tmp_path / "pairs").exists()


def test_something_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert mine("--out", "pairs") == 2
    assert "--from-events" in capsys.readouterr().err
