"""A short soak of the real server, with a scripted completion server behind it."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import pytest
from serving import SERVE, options
from stub_openai import StubOpenAI

from foretype.eval import soak
from foretype.eval.typing import keystrokes, play


def test_a_short_soak(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystrokes, "place_pause", lambda random: 50.0)
    monkeypatch.setattr(play, "LEAVING_MS", 50.0)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for text in ("a = 1\n", "a = 1\n" + "".join(f"print(a + {number})\n" for number in range(9))):
        (tmp_path / "a.py").write_text(text, encoding="utf-8")
        subprocess.run([*git, "add", "a.py"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "a commit"], check=True)
    parser = argparse.ArgumentParser()
    soak.add_arguments(parser)
    with StubOpenAI() as stub:
        stub.script = lambda prompt, suffix: "print(a)"
        given = [f"{a}.{b}={json.dumps(value)}" for a, pairs in options(stub.url).items() for b, value in pairs.items()]
        words = [
            str(tmp_path),
            "--minutes",
            "0.1",
            "--speed",
            "2",
            "--json",
            *(word for item in given for word in ("--set", item)),
        ]
        status = soak.run(parser.parse_args(words), SERVE)
    figures = json.loads(capsys.readouterr().out)
    assert status == bool(figures["broken"])
    assert figures["stale_answers"] == 0
    assert figures["changes"] == figures["logged_changes"] > 2 and figures["unaccounted"] == 0
    assert figures["keys"] > 2
    assert figures["resident_mib_early"] > 10
    assert figures["threads_late"] >= 2
    assert figures["loop_late_ms_max"] > 0 and figures["loop_busy_ms_max"] > 0
