"""What training rows have in common with benchmarks is found wherever a row shows it, and taken out."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from foretype.context import row_files
from foretype.context.rows import SCHEMA, Diff, EditRow, Excerpt, FimRow, Origin, Row, Target, Window, to_json
from foretype.eval import overlap
from foretype.eval.overlap import LENGTH, Runs
from foretype.mining import shards

SOURCE = """def below_zero(operations):
    balance = 0
    for operation in operations:
        balance += operation
        if balance < 0:
            return True
    return False
"""
ORIGIN = Origin("shop", "0" * 40, 1, "MIT", "shop.py", "python")
CLEAN = FimRow(
    ORIGIN, "single", "def price(item):\n    ", "return item.price * 3\n", "\n\ndef other(item):\n    pass\n"
)


@pytest.fixture
def runs() -> Runs:
    return Runs([("HumanEval", SOURCE), ("other", "( ) { } [ ] ( ) { } [ ] ( ) { } one two")])


def _told(runs: Runs, row: Row) -> overlap.Overlap | None:
    return overlap._overlap(row, runs, {"werkzeug"})


def _edit(lines: tuple[str, ...] = ("x = 1",), target: tuple[str, ...] = ("x = 2",), diff: str = "") -> EditRow:
    history = (Diff("a.py", diff),) if diff else ()
    return EditRow(ORIGIN, "edit", history, False, Window("shop.py", 4, lines), Target(4, 5, target))


def test_a_run_is_found_wherever_a_row_shows_it(runs: Runs) -> None:
    half = len(SOURCE) // 2
    lines = tuple(SOURCE.splitlines())
    added = "@@ -1,1 +1,7 @@\n" + "".join(f"+{line}\n-gone\n" for line in lines)
    rows: list[Row] = [
        replace(CLEAN, prefix=SOURCE),
        replace(CLEAN, prefix=SOURCE[:half], middle=SOURCE[half : half + 9], suffix=SOURCE[half + 9 :]),
        replace(CLEAN, files=(Excerpt("b.py", SOURCE),)),
        replace(CLEAN, files=(Excerpt("b.py", added.partition("\n")[2]),)),
        _edit(lines=lines),
        _edit(lines=("x = 1", *lines[3:]), target=lines[:3]),
        _edit(diff=added),
        replace(_edit(), related=(Excerpt("b.py", SOURCE),)),
    ]
    for row in rows:
        found = _told(runs, row)
        assert found and found.benchmark == "HumanEval" and len(found.run.split()) == LENGTH and found.telling
    assert _told(runs, CLEAN) is None and _told(runs, _edit()) is None


def test_one_token_less_is_no_run(runs: Runs) -> None:
    tokens = overlap._TOKEN.findall(SOURCE)
    assert runs.first(" ".join(tokens[: LENGTH - 1])) is None
    assert runs.first(" ".join(tokens[:LENGTH])) is not None
    broken = [token for at in range(0, len(tokens), LENGTH - 1) for token in ("zzz", *tokens[at : at + LENGTH - 1])]
    assert runs.first(" ".join(broken)) is None
    assert Runs([]).first(SOURCE) is None


def test_a_run_that_is_in_all_code_is_told_apart(runs: Runs) -> None:
    found = runs.first("( ) { } [ ] ( ) { } [ ] ( )")
    assert found and not found.telling
    both = runs.first("( ) { } [ ] ( ) { } [ ] ( )\n" + SOURCE)
    assert both and both.telling
    assert not overlap.telling([")", ":", "return", "None", "if", "x", "is", "not", "None", "else", "x"])
    assert overlap.telling(["one", "(", "two", ",", "three", ")"])


def test_a_repository_of_the_benchmark_is_left_out_by_its_name(runs: Runs) -> None:
    assert _told(runs, replace(CLEAN, origin=replace(ORIGIN, repository="Werkzeug")))


def _written(folder: Path, rows: dict[row_files.Split, list[Row]]) -> Path:
    folder.mkdir()
    with shards.Writer(folder, Counter({split: len(some) for split, some in rows.items()})) as writer:
        for split, some in rows.items():
            for row in some:
                writer.write(split, int(row.id, 16), to_json(row).encode() + b"\n")
        found = writer.finish()
    shards.commit(folder, {"schema": SCHEMA, "rows": 0, "shards": [asdict(shard) for shard in found]})
    return folder


def test_what_overlaps_is_taken_out_of_every_split(runs: Runs, tmp_path: Path) -> None:
    clean = [replace(CLEAN, middle=f"return item.price * {at}\n") for at in range(30)]
    known: list[Row] = [replace(row, suffix=SOURCE) for row in clean[:7]]
    weak = replace(CLEAN, suffix="( ) { } [ ] ( ) { } [ ] ( )")
    pairs = _written(
        tmp_path / "pairs", {"train": [*clean, *known[:4], weak], "validation": known[4:6], "test": known[6:]}
    )
    said = overlap.compare(pairs, runs, tmp_path / "out")
    assert said["rows"] == 38 and said["rows_overlapping"] == 7 and said["rows_left"] == 31
    assert said["rows_with_weak_runs_alone"] == 1 and said["rows_overlapping_by_benchmark"] == {"HumanEval": 7}
    left = {split: [row.id for row in row_files.read(tmp_path / "out", split)] for split in row_files.SPLITS}
    assert set(left["train"]) == {row.id for row in (*clean, weak)} and not left["validation"] and not left["test"]
    assert row_files.manifest(tmp_path / "out")["rows_left_out_for_overlap"] == 7
    assert overlap.compare(tmp_path / "out", runs, None)["rows_overlapping"] == 0
    assert overlap.compare(pairs, runs, None, strict=True)["rows_overlapping"] == 8


def test_the_command_says_what_is_there_and_ends_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(overlap, "humaneval", lambda folder: [("HumanEval", SOURCE)])
    monkeypatch.setattr(overlap, "crossfile", lambda folder: [])
    pairs = _written(tmp_path / "pairs", {"train": [CLEAN, replace(CLEAN, prefix=SOURCE)]})
    parser = argparse.ArgumentParser()
    overlap.add_arguments(parser)
    words = ["--pairs", str(pairs), "--data", str(tmp_path)]
    assert overlap.run(parser.parse_args([*words, "--json"])) == 1
    assert json.loads(capsys.readouterr().out)["rows_overlapping"] == 1
    assert overlap.run(parser.parse_args([*words, "--write", str(tmp_path / "out")])) == 0
    assert "1 of 2 rows" in capsys.readouterr().out
    assert overlap.run(parser.parse_args([*words[:2], "--data", "x", "--write", str(pairs)])) == 2
    assert overlap.run(parser.parse_args(["--pairs", str(tmp_path / "none"), "--data", "x"])) == 2
    assert "no manifest.json" in capsys.readouterr().err
