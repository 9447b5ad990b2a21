"""The command over the event log: what there is, off and on, deleted, exported without code."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pytest

from foretype.lsp.log import command as telemetry
from foretype.lsp.log import installation
from foretype.lsp.log.schema import Capture, Opportunity, Run, exported
from foretype.lsp.log.writer import Writer

NOW = int(time.time() * 1000)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def log(data: Path) -> Path:
    told: list[str] = []
    writer = Writer(installation.database(), told.append)
    writer.put(Run(7, "session", "installation", NOW, NOW))
    writer.put(Opportunity(7, 0, NOW, language="python"))
    writer.put(Opportunity(7, 1, NOW, origin="paste"))
    writer.put(Capture(7, 0, "a.py", "hidden_prefix", "", "hidden_text", ""))
    assert writer.stop(30) and not told
    return installation.database()


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    telemetry.add_arguments(parser)
    return telemetry.run(parser.parse_args(list(arguments)))


def test_status(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("status", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    counts = {name: found[name] for name in ("opportunities", "sessions", "captures", "dropped", "problem")}
    assert counts == {"opportunities": 1, "sessions": 1, "captures": 1, "dropped": 0, "problem": ""}
    assert found["path"] == str(log) and not found["switched_off"]
    assert run() == 0
    assert "stays on this machine" in capsys.readouterr().out


def test_status_without_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert "0 opportunities" in capsys.readouterr().out


def test_off_and_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("off") == 0 and installation.switched_off()
    assert "switched off" in capsys.readouterr().out
    assert run("on") == 0 and not installation.switched_off()


def test_purge(log: Path) -> None:
    assert run("purge") == 0
    assert not log.exists()


def test_a_damaged_log_is_said(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_bytes(b"no database" * 1000)
    assert run() == 0
    assert "cannot be read" in capsys.readouterr().out


def test_an_export_has_all_columns_and_no_code(log: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("export") == 0
    text = capsys.readouterr().out
    rows = [json.loads(line) for line in text.splitlines()]
    assert [list(row) for row in rows] == [list(exported())] * 2
    assert rows[0]["session"] == "session" and "hidden" not in text
    assert run("export", "--out", str(tmp_path / "events.jsonl")) == 0
    assert (tmp_path / "events.jsonl").read_text("utf-8") == text


def test_an_export_as_parquet(log: Path, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "it's.parquet"
    assert run("export", "--format", "parquet", "--out", str(path)) == 0
    quoted = str(path).replace("'", "''")
    assert duckdb.sql(f"SELECT run, seq, language FROM read_parquet('{quoted}') ORDER BY seq").fetchall() == [
        (7, 0, "python"),
        (7, 1, ""),
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["export"], 1, "there is no event log yet"),
        (["export", "--format", "parquet"], 2, "needs --out"),
        (["export", "--out", "no/such/folder/x.jsonl"], 1, "No such file"),
    ],
)
def test_what_cannot_be(arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == status
    assert message in capsys.readouterr().err
