"""The figures of `foretype eval index` on a small folder, which it leaves as it is."""

import argparse
import json
import os
from pathlib import Path

import pytest

from foretype.eval import indexing_speed


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    indexing_speed.add_arguments(parser)
    return indexing_speed.run(parser.parse_args(words))


def test_all_figures_come_from_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for at in range(4):
        (tmp_path / f"m{at}.py").write_text(f"def f{at}(x):\n    return x\n\n\nf{at}(1)\n", "utf-8")
    before = {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(tmp_path)}
    assert run(str(tmp_path), "--rounds", "2", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["files"], figures["lines"], figures["symbols"]) == (4, 20, 4)
    assert figures["cold_cpu_s"] >= 0 and figures["cold_ratio"] > 0 and figures["one_file_ms"] > 0
    assert {entry.name: entry.stat().st_mtime_ns for entry in os.scandir(tmp_path)} == before
    assert run(str(tmp_path), "--rounds", "1") == 0 and "one file changed" in capsys.readouterr().out


def test_what_cannot_be_measured_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path / "none")) == 2 and "is no folder" in capsys.readouterr().err
    assert run(str(tmp_path)) == 2 and "no source" in capsys.readouterr().err
