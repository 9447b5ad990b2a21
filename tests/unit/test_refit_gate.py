"""The gate fitted to a log: which rows count, what is held out, when it is kept, and that serving has it then."""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path
from random import Random

import pytest

from foretype.context import languages
from foretype.context.text import Snapshot
from foretype.eval import refit_gate
from foretype.eval.gate import FitError
from foretype.eval.refit_gate import Judgement, read, split
from foretype.lsp import gate
from foretype.lsp.completion import complete
from foretype.lsp.log import installation
from foretype.lsp.log.schema import COLUMNS, RUN_COLUMNS, Opportunity, Run, values
from foretype.lsp.log.store import Store
from foretype.lsp.options import Options
from foretype.lsp.outcome import Ask, Suggestion
from foretype.lsp.trim import Place
from foretype.model.backend import Cancel, FimRequest, FimResult

MODEL = Options().model.name
HOUR_MS = 3_600_000


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def evidence(random: Random) -> list[float]:
    logprob = random.uniform(-3, 0)
    return [2 * logprob, logprob, logprob - 0.5, logprob, math.log1p(random.randint(3, 40)), 0.0, 0.8, 0.0, 0.0, 2.0]


def log_of(*sessions: tuple[Run, list[Opportunity]]) -> None:
    store = Store(installation.database())
    for run, rows in sessions:
        store.write({"runs": [tuple(getattr(run, name) for name in RUN_COLUMNS)], "opportunities": map(values, rows)})
    store.close()


def judged(run: int, seq: int, ending: str, given: list[float] | None, **columns: object) -> Opportunity:
    row = Opportunity(run, seq, run * HOUR_MS + seq, shown=1, ending=ending, response="ready", attempted=1)
    row.evidence = None if given is None else json.dumps(given)
    row.accepted_characters = 7 if ending == "accepted" else 0
    for name, value in columns.items():
        assert name in COLUMNS
        setattr(row, name, value)
    return row


def sessions(count: int, slope: float, model: str = MODEL, first: int = 1) -> list[tuple[Run, list[Opportunity]]]:
    """Of which `slope` times the first token's probability decides what is taken, and nothing else."""
    random, made = Random(first), []
    for number in range(first, first + count):
        rows = []
        for seq in range(20):
            given = evidence(random)
            taken = random.random() < 1 / (1 + math.exp(-slope * (given[3] + 1.5)))
            rows.append(judged(number, seq, "accepted" if taken else "rejected", given))
        made.append((Run(number, f"s{number}", "i", number * HOUR_MS, number * HOUR_MS, model=model), rows))
    return made


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    refit_gate.add_arguments(parser)
    return refit_gate.run(parser.parse_args(["--from-events", *words]))


def test_what_the_log_has_makes_a_better_gate_and_serving_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    log_of(*sessions(20, 6.0))
    before = gate.in_force(MODEL)
    assert before is gate.shipped()
    assert run("--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kept"] and found["log_loss"] < 0.8 * found["log_loss_in_force"]
    assert found["log_loss_change"] == pytest.approx(found["log_loss"] - found["log_loss_in_force"])
    low, high = found["log_loss_change_ci"]
    assert low < found["log_loss_change"] < high < 0
    assert (found["rows"], found["sessions"], found["sessions_held_out"], found["in_force"]) == (400, 20, 6, "shipped")
    after = gate.in_force(MODEL)
    assert after.model == MODEL and after.by_feature["logprob_first"] > before.by_feature["logprob_first"]
    assert after.by_feature["unresolved"] == before.by_feature["unresolved"]  # nothing was to be learnt of it
    assert gate.in_force("another") is before

    assert run("--json") == 0  # the same rows once more
    again = json.loads(capsys.readouterr().out)
    assert not again["kept"] and again["in_force"] == "own" and again["log_loss"] == found["log_loss"]
    assert gate.in_force(MODEL) == after
    if os.name == "posix":
        assert [path.name for path in installation.folder().iterdir() if path.name.startswith("gate")] == ["gate.toml"]


def test_what_is_no_better_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    log_of(*sessions(14, -6.0), *sessions(6, 6.0, first=15))  # lately it is the other way round
    assert run("--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert not found["kept"] and found["log_loss"] > found["log_loss_in_force"]
    assert not gate.own_file().exists() and gate.in_force(MODEL) is gate.shipped()
    assert run() == 0
    assert f"log-loss {found['log_loss']:.4f} (in force {found['log_loss_in_force']:.4f})" in (
        printed := capsys.readouterr().out
    )
    assert "not kept" in printed


def test_only_what_was_judged_counts() -> None:
    given = [0.0] * len(gate.FEATURES)
    rows = [
        judged(1, 0, "accepted", given),
        judged(1, 1, "rejected", given),
        judged(1, 2, "ignored", given),
        judged(1, 3, "superseded", given),
        judged(1, 4, "typed_through", given),
        judged(1, 5, "expired", given),
        judged(1, 6, "none", given, shown=0, response="gated"),
        judged(1, 7, "accepted", given, inferred="accepted"),
        judged(1, 8, "rejected", given, origin="invoked"),
        judged(1, 9, "accepted", given, kind="next_edit", origin="settled"),
        judged(1, 10, "accepted", None),
        judged(1, 11, "accepted", given[1:]),
        judged(1, 12, "accepted", given, evidence="[nonsense"),
        judged(1, 13, "accepted", [math.nan, *given[1:]]),
    ]
    log_of((Run(1, "s", "i", 0, 0, model="m"), rows))
    found = read(installation.database())
    assert (found.model, found.skipped) == ("m", 3)
    assert [row.accepted for row in found.rows] == [7, 0, 0, 0]
    assert list(found.rows[0].evidence) == list(gate.FEATURES)
    assert len(read(installation.database(), since_ms=HOUR_MS + 2).rows) == 2


def test_the_model_used_last_is_fitted_to_unless_another_is_named() -> None:
    log_of(*sessions(2, 1.0, "old"), *sessions(3, 1.0, "new", first=9))
    log = installation.database()
    assert {
        (read(log).model, len(read(log).rows)),
        (read(log, model="old").model, len(read(log, model="old").rows)),
    } == {
        ("new", 60),
        ("old", 40),
    }


def test_the_latest_sessions_are_held_out_whole() -> None:
    rows = [Judgement(f"s{number // 30}", number, {}, number % 2) for number in range(300)]
    training, held = split(rows)
    assert {row.session for row in held} == {"s7", "s8", "s9"}
    assert len(training) == 210 and {row.session for row in training}.isdisjoint({"s7", "s8", "s9"})


@pytest.mark.parametrize("sessions_", [0, 1, 2])
def test_too_few_sessions_or_rows_say_too_little(sessions_: int) -> None:
    rows = [Judgement(f"s{number % max(1, sessions_)}", number, {}, 0) for number in range(10 * sessions_)]
    with pytest.raises(FitError, match="say too little"):
        split(rows)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [(("--since", "soon"), 2, "write it as 7d"), ((), 1, "no event log yet"), (("--model", "none"), 1, "too little")],
)
def test_what_cannot_be(words: tuple[str, ...], status: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "--model" in words:
        log_of(*sessions(3, 1.0))
    assert run(*words) == status
    assert message in capsys.readouterr().err and not gate.own_file().exists()


class Backend:
    name = "scripted"

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        return FimResult("total + 1", "stop", 3, (-0.2, -0.2, -0.2))


def confidence(path: str = "a.py") -> float:
    snapshot = Snapshot(f"file:///{path}", path, "python", 1, ("total = 1\n", "x = "))
    options = Options()
    outcome = complete(Ask(snapshot, 1, 4, explicit=True), options, Backend(), Cancel())  # type: ignore[arg-type]
    assert isinstance(outcome, Suggestion) and outcome.confidence is not None
    return outcome.confidence


def test_serving_reads_the_users_weights_and_what_comes_after_them(caplog: pytest.LogCaptureFixture) -> None:
    shipped = confidence()
    refit_gate.keep(f'model = "{MODEL}"\nbias = -3.0\n[weights]\n')
    assert confidence() == pytest.approx(1 / (1 + math.exp(3)), abs=1e-4)
    refit_gate.keep('model = "another"\nbias = -30.0\n[weights]\n')
    assert confidence() == shipped
    for broken in (
        "bias = 1\n[weights]\ncolour = 2\n",
        "bias = nan\n[weights]\n",
        "bias = [1]\n",
        "weights = 3",
        "= 1",
    ):
        caplog.clear()
        refit_gate.keep(broken)
        assert confidence() == confidence() == shipped
        assert sum("foretype gate fit" in record.message for record in caplog.records) == 1


def test_a_workspace_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = confidence()
    monkeypatch.chdir(tmp_path)
    for name in ("gate.toml", ".foretype/gate.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f'model = "{MODEL}"\nbias = 30.0\n[weights]\n')
    assert confidence() == before


def test_features_have_the_names_of_the_logs_numbers() -> None:
    place = Place("x = ", "", languages.find("python", "a.py"))
    found = gate.features(place, "one", FimResult("one", "stop", 1, (-0.1,)))
    assert found is not None and len(found) == len(gate.FEATURES)
