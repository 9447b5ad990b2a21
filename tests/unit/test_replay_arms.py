"""The arms of an experiment on the same traces: what each gets, and how far it is from the first, in known figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from replaying import Scripted, Time, arguments, commit, made_repository

from foretype.eval import replay
from foretype.eval.typing import arms, foretype_server
from foretype.eval.typing.play import Row

ARMS = """
key = "sure"
[[arms]]
name = "control"
weight = 0.2
[[arms]]
name = "bold"
weight = 0.8
options = { "completion.gate" = 0.0, "model.threads" = 3 }
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    (tmp_path / "sure.toml").write_text(ARMS)
    return tmp_path / "sure.toml"


def test_differences_are_paired() -> None:
    """Commits differ far more than arms do, and yet the difference is sure: each commit has one character more."""
    done = []
    for number in range(8):
        size = 10 * number + 2
        for side, more, ms in (("control", 0, 100.0), ("bold", 1, 80.0 + number)):
            hit = Row(0, on_screen=True, new=True, ms=ms, characters=size + more, tokens=1.0, keys=size, begun=True)
            lonely = Row(1, ms=900.0) if side == "bold" else Row(1)  # no pair
            done.append(commit(side, f"c{number}", [hit, lonely, Row(2), Row(3)]))
    done.append(commit("control", "only", [Row(0, characters=900, tokens=1.0, begun=True, new=True)]))
    found = arms.figures(done, ["control", "bold"], seed=3)
    assert found["tasks"] == 8 and found["control"] == "control"
    assert found["arms"]["control"]["cpo"] == pytest.approx(sum(10 * n + 2 for n in range(8)) / 32)
    difference = found["differences"]["bold"]
    assert difference["cpo"] == pytest.approx(1 / 4) and difference["cpo_ci"] == pytest.approx([1 / 4, 1 / 4])
    assert difference["cpo_lift"] == pytest.approx(8 / sum(10 * n + 2 for n in range(8)))
    low, high = found["arms"]["control"]["cpo_ci"]
    assert high - low > 2
    assert difference["answers"] == 8 and difference["ghost_ms_p50"] == pytest.approx(-16.5)
    assert difference["ghost_ms_p50_ci"][1] < 0
    assert arms.verdict(difference) == "more"


@pytest.mark.parametrize(
    ("interval", "said"), [([-0.2, -0.1], "less"), ([-0.1, 0.1], "not told apart"), (None, "not told apart")]
)
def test_verdicts(interval: list[float] | None, said: str) -> None:
    assert arms.verdict({"cpo_ci": interval}) == said


def test_each_arm_has_its_options_above_those_of_the_command_line(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(foretype_server, "ForetypeServer", lambda root, options: given.append(options))
    args = arguments("r", "--experiment", str(experiment), "--set", "completion.gate=0.3", "--model", "m")
    for open_ in replay.arms(args, replay.read_experiment(experiment)).values():
        open_(tmp_path)
    assert given == [
        {"model": {"name": "m", "share": False}, "completion": {"gate": 0.3}},
        {"model": {"name": "m", "share": False, "threads": 3}, "completion": {"gate": 0.0}},
    ]


def test_the_command_plays_every_arm_and_goes_on(
    experiment: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    time, opened = Time(), []
    monkeypatch.setitem(replay.CLOCKS, "virtual", lambda: time)

    def opener(arm: str) -> replay.Opener:
        def open_(root: Path) -> Scripted:
            opened.append(arm)
            return Scripted({}, time)

        return open_

    repository = made_repository(tmp_path)
    words = [str(repository), "--clock", "virtual", "--experiment", str(experiment), "--out", str(tmp_path / "rows")]
    openers = {"control": opener("control"), "bold": opener("bold")}
    assert replay.run(arguments(*words, "--json"), openers) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["experiment"], found["tasks"], opened) == ("sure@1", 3, ["control", "bold"])
    assert found["arm_options"]["bold"] == {"completion.gate": 0.0, "model.threads": 3}
    assert found["arms"]["bold"]["opportunities"] == found["arms"]["control"]["opportunities"] > 60
    assert replay.run(arguments(*words), openers) == 0
    printed = capsys.readouterr().out
    assert "experiment sure@1: 3 commits" in printed and "minus control" in printed and opened == ["control", "bold"]
    assert "bold: scripted, completion.gate = 0.0, model.threads = 3" in printed
    assert "bold: CPO not told apart (95 %)" in printed
    experiment.write_text(ARMS.replace("threads", "context_tokens").replace("= 3", "= 512"))
    assert replay.run(arguments(*words), openers) == 2
    assert "other arguments" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--against", "http://127.0.0.1:1"), "leave out --against"),
        (("--fit-gate", "gate.toml"), "leave out --against"),
        ((), "arms: expected two or more"),
    ],
)
def test_bad_arguments(
    words: tuple[str, ...], message: str, experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not words:
        experiment.write_text('key = "sure"\n')
    assert replay.run(arguments("r", "--experiment", str(experiment), *words)) == 2
    assert message in capsys.readouterr().err
