"""What is told of an experiment, from logs that are made up."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foretype import cli
from foretype.eval import experiments
from foretype.eval.log.cells import KEYS, SUMS, Cells
from foretype.lsp.experiments import Experiment, arm_of, parse

ARMS = [{"name": "control", "weight": 0.5}, {"name": "wide", "weight": 0.5, "options": {"context.tokens": 256}}]


def experiment(**changed: Any) -> Experiment:
    return parse({"key": "budget", "arms": ARMS, **changed})


def log(
    of: Experiment,
    lift: float,
    sessions: int = 300,
    seed: int = 0,
    language: Callable[[int], str] = lambda n: "python",
    lost: float = 0.0,
    past: bool = False,
    late: float = 0.0,
) -> Cells:
    """Sessions of one installation each, a run each, and with `past` another one from before the experiment."""
    rng = np.random.default_rng(seed)
    keys: dict[str, list[Any]] = {name: [] for name in KEYS}
    sums: dict[str, list[float]] = {name: [] for name in (*SUMS, "late", "model_ms")}
    runs: dict[int, dict[str, str]] = {}

    def add(run: int, name: str, arms: dict[str, str], rate: float, treated: bool) -> None:
        runs[run] = {"session": f"s{run}", "installation": name, "workspace": "w", "arms": json.dumps(arms)}
        rows = float(rng.integers(100, 400))
        accepted = float(rng.poisson(rows * rate))
        facts = {"run": run, "day": run % 10, "origin": "typed", "language": language(run), "reason": "", "ending": ""}
        for key in KEYS:
            keys[key].append(facts.get(key, 1))
        told = {"rows": rows, "attempts": rows, "shown": rows, "accepted": accepted, "tokens": 3 * accepted}
        told |= {"characters": 10 * accepted, "looked_at_300": 10 * accepted, "retained_300": 9 * accepted}
        told |= {"late": rng.binomial(int(rows), 0.05 + (late if treated else 0.0)), "model_ms": 100 * rows}
        for column in sums:
            sums[column].append(told.get(column, 0.0))

    for n in range(sessions):
        name = f"installation-{n}"
        arm = arm_of(of, name if of.unit == "installation" else f"s{n}")
        treated = arm is not None and arm.name == "wide"
        if treated and rng.random() < lost:
            continue
        usual = 0.03 * rng.gamma(4, 0.25)
        add(n, name, {of.name: arm.name} if arm else {}, usual * (1 + lift * treated), treated)
        if past:
            add(sessions + n, name, {}, usual, False)
    kinds = dict.fromkeys(("origin", "language", "reason", "ending"), object)
    columns = {name: np.array(values, kinds.get(name, np.int64)) for name, values in keys.items()}
    return Cells(columns, {name: np.array(values, float) for name, values in sums.items()}, runs, {})


def test_a_lift_is_found_and_said() -> None:
    of = experiment()
    found = experiments.analysis(of, log(of, 0.5))
    (one,) = found["comparisons"]
    assert one["verdict"] == "better" and one["lift_ci"][0] > 0
    assert found["verdict"].startswith("wide is better: CPO +")
    factors = {row["figure"]: row for row in one["factors"]}
    assert factors["acceptance_rate"]["lift_ci"][0] > 0
    assert factors["characters_per_token"]["lift"] == pytest.approx(0)
    assert "better" in "\n".join(experiments.told(found))


def test_what_is_not_known_says_until_when() -> None:
    of = experiment()
    found = experiments.analysis(of, log(of, 0.05, sessions=200))
    assert found["comparisons"][0]["verdict"] == "not yet known"
    assert found["verdict"].startswith("not yet known; at this rate in about")


def test_too_few_units_are_not_yet_known_whatever_they_say() -> None:
    of = experiment()
    assert experiments.analysis(of, log(of, 5.0, sessions=50))["comparisons"][0]["verdict"] == "not yet known"


def test_nothing_is_told_where_units_were_lost() -> None:
    of = experiment()
    found = experiments.analysis(of, log(of, 1.0, sessions=400, lost=0.5))
    assert found["verdict"] == "cannot be told" and found["comparisons"] == []
    assert "something lost some" in "\n".join(experiments.told(found))


def test_a_broken_guard_rail_goes_before_a_lift() -> None:
    of = experiment()
    found = experiments.analysis(of, log(of, 0.6, late=0.2))
    assert found["comparisons"][0]["verdict"] == "better"
    assert found["verdict"] == "wide is worse: it breaks the guard-rail late_rate"


def test_the_past_of_installations_narrows_the_interval() -> None:
    of = experiment(unit="installation")
    plain, known = (experiments.analysis(of, log(of, 0.1, past=past))["comparisons"][0] for past in (False, True))
    width = [one["lift_ci"][1] - one["lift_ci"][0] for one in (plain, known)]
    assert width[1] < 0.8 * width[0]
    assert known["control"] is not None


def test_languages_are_told_apart() -> None:
    of = experiment()
    cells = log(of, 0.5, sessions=400, language=lambda run: "go" if run % 4 == 0 else "python")
    rows = experiments.analysis(of, cells)["comparisons"][0]["languages"]
    assert [row["figure"] for row in rows] == ["python", "go"]
    assert rows[0]["verdict"] == "better"


def test_a_unit_in_two_arms_is_left_out() -> None:
    of = experiment(unit="installation")
    cells = log(of, 0.0, sessions=100)
    for run in (1, 2):
        cells.runs[run]["installation"] = "twice"
        cells.runs[run]["arms"] = json.dumps({of.name: "control" if run == 1 else "wide"})
    found = experiments.analysis(of, cells)
    assert found["crossed_units"] == 1
    assert sum(arm["units"] for arm in found["arms"]) == 98


def test_it_says_when_it_has_run_for_long_enough() -> None:
    for due, reached in ((1_000, True), (10_000_000, False)):
        of = experiment(stop={"opportunities": due})
        found = experiments.analysis(of, log(of, 0.0, sessions=100))
        assert found["stop_reached"] is reached
        assert ("run for" in "\n".join(experiments.told(found))) is reached


def test_another_phase_is_another_experiment() -> None:
    of = experiment(phase="1")
    found = experiments.analysis(experiment(phase="2"), log(of, 1.0))
    assert [arm["units"] for arm in found["arms"]] == [0, 0]
    assert found["verdict"] == "not yet known"


def test_check_prints_the_arms_and_what_they_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "_past", lambda: None)
    file = tmp_path / "e.toml"
    file.write_text(
        'key = "budget"\n[[arms]]\nname = "control"\nweight = 0.5\n'
        '[[arms]]\nname = "wide"\nweight = 0.5\noptions = { "context.tokens" = 256 }\n'
    )
    assert cli.main(["experiment", "check", str(file)]) == 0
    assert "context.tokens = 256" in capsys.readouterr().out
    assert cli.main(["experiment", "check", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    needed = told["arms"][1]["opportunities_for"]
    assert needed["0.05"] > needed["0.1"] > needed["0.2"] > 1000
    file.write_text(file.read_text().replace("context.tokens", "context.token"))
    assert cli.main(["experiment", "check", str(file)]) == 2
    assert "did you mean tokens" in capsys.readouterr().err
