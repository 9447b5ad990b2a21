"""`foretype doctor --last`: the last opportunities of a log whose rows are known, and what is said of each."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from foretype import cli
from foretype.lsp import recent
from foretype.lsp.log import installation
from foretype.lsp.log.schema import Opportunity, Run, values
from foretype.lsp.log.store import Store
from foretype.lsp.outcome import REASONS

NOW = int(time.time() * 1000)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def fill(rows: list[Opportunity], seen_ms: int = NOW, **of_run: str) -> None:
    """One run with these rows."""
    store = Store(installation.database())
    run = Run(rows[0].run, "session", "installation", NOW, seen_ms, **of_run)  # type: ignore[arg-type]
    store.write({"runs": [tuple(vars(run).values())], "opportunities": map(values, rows)})
    store.close()


def row(seq: int, run: int = 1, at_ms: int = NOW, **columns: object) -> Opportunity:
    made = Opportunity(run, seq, at_ms, language="python", ending="none")
    for name, value in columns.items():
        setattr(made, name, value)
    return made


SHOWN = {"attempted": 1, "response": "ready", "shown": 1, "characters": 20, "visible_us": 1_240_000}


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"reason": "comment"}, "suppressed: comment"),
        ({"reason": "unasked"}, "unasked"),
        ({"reason": "unasked", "ending": ""}, "under way"),
        ({"attempted": 1, "response": "late", "reason": "superseded"}, "superseded"),
        ({"attempted": 1, "response": "gated", "reason": "gated", "confidence": 0.051}, "gated at 0.05"),
        ({"attempted": 1, "response": "ready", "recalled": 1}, "cache hit"),
        ({"attempted": 1, "response": "ready"}, "not shown"),
        ({**SHOWN, "ending": "", "visible_us": None}, "on the screen"),
        ({**SHOWN, "ending": "accepted", "accepted_characters": 12}, "accepted 12 of 20"),
        ({**SHOWN, "ending": "typed_through"}, "shown 1 s, typed through"),
        ({**SHOWN, "ending": "superseded", "visible_us": None}, "shown, superseded"),
        ({**SHOWN, "ending": "rejected"}, "shown 1 s, rejected"),
    ],
)
def test_what_became_of_it(columns: dict[str, object], said: str) -> None:
    assert recent.outcome(row(0, **columns)) == said


def test_the_last_ones_of_all_sessions_and_nothing_that_is_no_opportunity() -> None:
    fill([row(seq, run=1, at_ms=NOW + 10 * seq) for seq in range(5)], client="one", seen_ms=NOW + 40)
    fill([row(seq, run=2, at_ms=NOW + 10 * seq + 5) for seq in range(5)], client="two", seen_ms=NOW + 45)
    fill([row(0, run=3, at_ms=NOW + 90, origin="paste")], seen_ms=NOW + 90)
    fill([row(0, run=4, at_ms=NOW - 5000)], seen_ms=NOW - 5000)
    found = [(entry.client, entry.row.seq) for entry in recent.read(installation.database(), 4)]
    assert found == [("one", 3), ("two", 3), ("one", 4), ("two", 4)]
    assert len(recent.read(installation.database(), 50)) == 11


def test_no_line_is_longer_than_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each reason there is, with the largest figures that come about."""
    times = {f"{stage}_us": 99_999_000 for stage in ("total", "prefill", "decode", "trim")} | {"context_us": 9_999_000}
    longest = {"language": "typescriptreact", "prompt_tokens": 2048, "cached_tokens": 1999, "snippets": 12, **times}
    rows = [row(at, reason=reason, **longest) for at, reason in enumerate(REASONS)]
    accepted = {**SHOWN, **longest, "ending": "accepted", "accepted_characters": 1234, "characters": 1234}
    fill([*rows, row(len(rows), **accepted)])
    assert cli.main(["doctor", "--last", "100"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    for reason, why in REASONS.items():
        assert any(line.endswith(f"1999/2048  suppressed: {reason}") for line in lines)
        assert f"{reason}: {why}" in " ".join(" ".join(lines).split())


def test_milliseconds_by_stage(capsys: pytest.CaptureFixture[str]) -> None:
    times = {"total_us": 412_300, "context_us": 3_100, "prefill_us": 300_900, "decode_us": 98_000, "gate_us": 1_600}
    fill([row(0, **SHOWN, **times, prompt_tokens=316, cached_tokens=241, snippets=3)])
    assert cli.main(["doctor", "--last", "1"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "241/316" in line)
    assert line.split()[1:10] == ["typed", "python", "412", "3", "301", "98", "2", "3", "241/316"]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    fill(
        [row(0, reason="comment", total_us=1500, snippets=2, evidence="[1]")],
        client="Neovim",
        model="small",
        engine="onnx",
    )
    assert cli.main(["doctor", "--last", "20", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["opportunities"]
    assert (one["outcome"], one["why"]) == ("suppressed: comment", REASONS["comment"])
    assert (one["total_ms"], one["model_ms"], one["shown"], one["client"]) == (1.5, None, False, "Neovim")
    assert one["snippets"] == 2
    assert not {"evidence", "run", "seq", "total_us"} & set(one)


def test_without_a_log_it_is_said_where_it_would_be(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    installation.switch(False)
    assert cli.main(["doctor", "--last", "20"]) == 1
    said = capsys.readouterr().err
    assert str(data) in said and "foretype telemetry on" in said


def test_an_empty_log(capsys: pytest.CaptureFixture[str]) -> None:
    fill([row(0, origin="paste")])
    assert cli.main(["doctor", "--last", "20"]) == 0
    assert "no opportunities yet" in capsys.readouterr().out


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_count_that_is_none(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", "--last", count])
    assert ended.value.code == 2
