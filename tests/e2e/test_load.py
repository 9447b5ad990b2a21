"""Twenty editors at one server and one engine with a known cost: nobody starves, and nothing grows."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import until
from stand_in_engine import TEXT, settings

from foretype.eval import load
from foretype.model.backend import Cancel, FimRequest
from foretype.model.shared import SharedBackend, connect, receive

NAME, COST_MS = "stand-in", 40


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of its model."""
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path))
    script = Path(__file__).with_name("stand_in_engine.py")
    process = subprocess.Popen([sys.executable, script, NAME, str(COST_MS)], stdout=subprocess.DEVNULL)
    until(lambda: list(tmp_path.glob("engines/*/address.json")) or process.poll() is not None, 60)
    assert process.poll() is None
    yield NAME
    process.kill()
    process.wait()


def test_twenty_editors(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    load.add_arguments(parser)
    words = ["--clients", "20", "--seconds", "6", "--key-ms", "60", "--model", engine, "--json"]
    status = load.run(parser.parse_args(words))
    figures = json.loads(capsys.readouterr().out)
    assert figures["model"] == engine
    assert figures["broken"] == [], figures
    assert status == 0
    assert figures["starved"] == figures["failed"] == 0
    assert figures["answers_min"] >= 1
    assert figures["shares_p95_max"] <= load.MOST_SHARES
    assert figures["alone_ms_p50"] >= COST_MS
    assert figures["fair_share_ms"] > 2 * figures["alone_ms_p50"]  # they did have to share
    assert figures["superseded"] > figures["answers"]  # three keys of four
    assert figures["resident_mib_max"] - figures["resident_mib_before"] < 250  # parsers of the workspaces come and go


def test_a_window_that_is_suspended_holds_up_nobody(engine: str) -> None:
    suspended = connect(settings(engine))
    asked = {"do": "complete", "number": 1, "request": {"prefix": "a", "suffix": "", "files": []}}
    suspended.send_bytes(json.dumps(asked).encode())
    assert receive(suspended)["what"] == "said"  # and does not say whether it wants more
    other = SharedBackend(settings(engine))
    assert other.complete(FimRequest("b", ""), Cancel()).text == TEXT
    other.close()
    assert receive(suspended) == {"what": "late", "number": 1}  # so that it asks again once it wakes up
    suspended.close()
