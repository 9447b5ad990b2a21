"""The made-up history whose mining is measured."""

from __future__ import annotations

import argparse
import json

import pytest

from foretype.eval import mining, mining_memory
from foretype.eval.mining import add_arguments


def test_the_same_seed_makes_the_same_history_and_another_one_does_not() -> None:
    one, same, other = (b"".join(mining_memory.history(3, seed)) for seed in (1, 1, 2))
    assert one == same != other and one.count(b"commit refs/heads/main") == 3


def test_memory_is_measured_apart_from_gits(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert mining.run(parser.parse_args(["--memory", "30", "--json"])) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["commits"] == 30 and figures["rows"] > 0
    assert 10 < figures["peak_rss_mib"] < 1000 and 0 < figures["git_peak_rss_mib"] < 1000
