"""What the gate looks at, what it makes of it, and what it is fitted to."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from foretype.context import languages
from foretype.eval import fit_gate, gate_rows
from foretype.eval import gate as worth
from foretype.eval.gate_rows import Decision, decisions
from foretype.eval.typing.keystrokes import Key
from foretype.eval.typing.traces import Change, File, Insert, Move, Open, Trace
from foretype.lsp import gate
from foretype.lsp.trim import Place
from foretype.model.backend import FimResult

PYTHON = languages.find("python", "a.py")
SURE, UNSURE = FimResult("", "stop", 2, (-0.1, -0.3)), FimResult("", "stop", 2, (-2.0, -3.0))


def evidence(source: str, text: str, result: FimResult = SURE, *others: str) -> dict[str, float]:
    before, _, after = source.partition("<|>")
    values = gate.features(Place(before, after, PYTHON), text, result, others)
    assert values is not None
    return dict(zip(gate.FEATURES, values, strict=True))


def test_probabilities_have_a_floor() -> None:
    found = evidence("x = <|>", "one", FimResult("", "stop", 3, (-0.5, -40.0, -1.0)))
    assert [found[f"logprob_{name}"] for name in ("sum", "mean", "min", "first")] == [-7.5, -2.5, -6.0, -0.5]
    assert evidence("x = <|>", "one", FimResult("", "stop", 9, (-5.0,) * 9))["logprob_sum"] == -12


def test_only_the_tokens_of_the_text_count() -> None:
    result = FimResult("one two\n", "stop", 3, (-0.5, -1.0, -3.0), ends=(3, 7, 8))
    assert evidence("x = <|>", "one", result)["logprob_sum"] == -0.5
    assert evidence("x = <|>", "one tw", result)["logprob_sum"] == -1.5
    assert evidence("x = <|>", "one two", result)["logprob_sum"] == -1.5
    assert evidence("x = <|>", "other", result)["logprob_sum"] == -4.5  # trimmed at its beginning: nobody knows


def test_the_text_is_looked_at() -> None:
    found = evidence("x = <|>", "f(a)")
    assert (found["length"], found["short"], found["letters"]) == (math.log1p(4), 0, 0.5)
    assert evidence("x = (<|>", "1)")["short"] == 1


@pytest.mark.parametrize(
    ("source", "text", "others", "share"),
    [
        ("alpha = 1\nx = <|>", "alpha + beta", (), 0.5),
        ("alpha = 1\nx = <|>\nbeta = 2", "alpha + beta", (), 0.0),
        ("alpha = 1\nx = <|>", "alpha + beta", ("def beta(): ...",), 0.0),
        ("alpha = 1\nx = alp<|>", "ha", (), 0.0),  # the half-typed word belongs to the name
        ("alpha = 1\nx = alp<|>", "ine", (), 1.0),
        ("alphabet = 1\nx = <|>", "alpha", (), 1.0),
        ("x = <|>", "1)", (), 0.0),
    ],
)
def test_names_that_are_nowhere_are_unresolved(source: str, text: str, others: tuple[str, ...], share: float) -> None:
    assert evidence(source, text, SURE, *others)["unresolved"] == share


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("x = <|>", {}),
        ("if x:\n    <|>\n", {"blank_line": 1}),
        ("    <|>)\n", {}),
        ("x = some_na<|>", {"in_word": 7}),
        ("x = somebodys_name<|>", {"in_word": 8}),
    ],
)
def test_the_place_is_looked_at(source: str, place: Mapping[str, float]) -> None:
    found = evidence(source, "name")
    names = ("blank_line", "in_word")
    assert {name: found[name] for name in names if found[name]} == place


def test_without_probabilities_there_is_nothing_to_go_by() -> None:
    assert gate.features(Place("x = ", "", PYTHON), "one", FimResult("one", "stop", 1)) is None


def test_a_probability_is_a_logistic_function() -> None:
    weights = gate.Weights(1.0, {"short": -3.0})
    values = [0.0] * len(gate.FEATURES)
    assert gate.probability(values, weights) == pytest.approx(1 / (1 + math.exp(-1)))
    values[gate.FEATURES.index("short")] = 1.0
    assert gate.probability(values, weights) == pytest.approx(1 / (1 + math.exp(2)))
    values[gate.FEATURES.index("short")] = 1e6
    assert gate.probability(values, weights) == 0.0


def test_the_shipped_weights_prefer_what_is_sure_and_what_is_known() -> None:
    def probability(source: str, text: str, result: FimResult) -> float:
        values = gate.features(Place(source, "", PYTHON), text, result)
        assert values is not None
        return gate.probability(values, gate.shipped())

    assert set(gate.shipped().by_feature) == set(gate.FEATURES)
    sure = probability("alpha = 1\nx = ", "alpha", SURE)
    assert sure > probability("alpha = 1\nx = ", "alpha", UNSURE) > 0
    assert sure > probability("x = ", "alpha", SURE)
    assert sure > probability("alpha = 1\nx = ", ")", SURE)


def test_weights_go_to_a_file_and_back() -> None:
    fitted = worth.Fit(-0.5, {name: number / 7 for number, name in enumerate(gate.FEATURES)})
    read = gate.read(worth.toml(fitted, ["of a test"]))
    assert read.bias == -0.5 and read.by_feature == pytest.approx(fitted.weights, rel=1e-4)
    with pytest.raises(ValueError, match="no such features: colour"):
        gate.read("bias = 1\n[weights]\ncolour = 2\n")


def made(count: int, seed: int = 1) -> list[Decision]:
    """Rows whose log-odds are 1.5 a - 2 b - 0.5; `still` says nothing, being the same everywhere."""
    random, rows = Random(seed), []
    for number in range(count):
        a, b = random.gauss(0, 1), random.gauss(3, 2)
        taken = random.random() < 1 / (1 + math.exp(-(1.5 * a - 2 * (b - 3) - 0.5)))
        values = {"a": a, "b": b, "still": 4.0}
        rows.append(Decision("r", f"c{number // 5}", "python", values, 12 * taken, 10 * taken))
    return rows


def test_a_fit_recovers_the_weights() -> None:
    fitted = worth.fit(made(6000), penalty=0.1)
    assert fitted.weights["a"] == pytest.approx(1.5, abs=0.15)
    assert fitted.weights["b"] == pytest.approx(-2.0, abs=0.15)
    assert fitted.weights["still"] == 0.0
    assert fitted.bias == pytest.approx(-0.5 + 2 * 3, abs=0.45)


def test_a_penalty_shrinks_the_weights() -> None:
    loose, tight = worth.fit(made(500), penalty=0.1), worth.fit(made(500), penalty=200.0)
    assert 0 < tight.weights["a"] < loose.weights["a"]


@pytest.mark.parametrize("rows", [[], made(20), [row for row in made(900) if row.accepted]])
def test_too_little_gives_no_fit(rows: list[Decision]) -> None:
    with pytest.raises(worth.FitError, match="say too little"):
        worth.fit(rows)


def test_a_fit_is_calibrated_where_it_was_not_fitted() -> None:
    fitted, unseen = worth.fit(made(6000), penalty=0.1), made(4000, seed=2)
    said, taken = [fitted(row.evidence) for row in unseen], [row.accepted > 0 for row in unseen]
    curve = worth.calibration(said, taken)
    assert [part.rows for part in curve] == [400] * 10
    assert all(abs(part.said - part.came) < 0.08 for part in curve)
    assert sorted(part.said for part in curve) == [part.said for part in curve]


def test_scores_of_a_prediction() -> None:
    assert worth.log_loss([0.5, 0.5], [True, False]) == pytest.approx(math.log(2))
    assert worth.brier([1.0, 0.5, 0.0], [True, False, True]) == pytest.approx((0 + 0.25 + 1) / 3)
    assert worth.ranking([0.9, 0.2, 0.2, 0.1], [True, True, False, False]) == pytest.approx((1 + 0.75) / 2)
    assert worth.ranking([0.5, 0.4], [True, True]) == 0.5
    many = 200_000  # a table of all pairs would take 80 GB
    assert worth.ranking([at / many for at in range(many)], [at >= many / 2 for at in range(many)]) == 1.0


def test_the_commits_of_a_split_stay_together() -> None:
    training, held = worth.split(made(500), 7)
    assert {row.commit for row in training}.isdisjoint({row.commit for row in held})
    assert len(training) + len(held) == 500 and 0.15 < len(held) / 500 < 0.45


def test_what_a_threshold_is_worth() -> None:
    values: dict[str, float] = {}
    rows = [Decision("r", "c", "go", values, 20, 10), Decision("r", "c", "go", values, 0, 0)]
    everything, some = (worth.worth(rows, [0.6, 0.1], threshold) for threshold in (0.0, 0.5))
    assert (everything.shown, everything.acceptance, everything.kept, everything.characters) == (1, 0.5, 1, 10)
    assert (some.shown, some.acceptance, some.kept) == (0.5, 1, 1)
    assert some.saved_ms - everything.saved_ms == pytest.approx(300 / 2)
    assert worth.worth(rows, [0.6, 0.1], 0.9).kept == 0
    assert worth.best_threshold(rows, [0.6, 0.1]) == 0.12


def test_figures_and_table() -> None:
    found = worth.figures(made(3000), 7)
    assert found["rows"] == 3000 and found["log_loss"] < found["log_loss_base"]
    assert found["roc_area"] > 0.8 and json.dumps(found)
    printed = worth.table(found)
    assert "3000 answers of 600 commits" in printed and printed.count("\n") == 12 + 6 + len(worth.THRESHOLDS)


class Scripted:
    """A server that suggests the same at every place."""

    def __init__(self, text: str, values: Mapping[str, float]) -> None:
        self.text, self.values = text, values
        self.said: list[tuple[object, ...]] = []

    def workspace(self, root: Path, changed: tuple[str, ...]) -> None: ...

    def open(self, path: str, language: str, text: str) -> None:
        self.said.append(("open", path))

    def edit(self, path: str, line: int, column: int, removed: str, inserted: str) -> None:
        self.said.append(("edit", line, column, removed, inserted))

    def move(self, path: str, line: int, column: int) -> None:
        self.said.append(("move", line, column))

    def close(self, path: str) -> None:
        self.said.append(("close", path))

    def answer(self, path: str, line: int, column: int) -> tuple[str, Mapping[str, float]]:
        self.said.append(("answer", line, column))
        return self.text, self.values


def trace(typed: str) -> Trace:
    keys = tuple(Key(char, 100.0) for char in typed)
    steps = (Open("a.py", 0.0), Move("a.py", 0, 0, 0.0), Change("a.py", 0, 0, "x", "", True, 0.0))
    return Trace("r", "c", "c^", "python", (File("a.py", "python", "x\n"),), (*steps, Insert("a.py", 0, 0, keys)))


def test_answers_are_labelled_by_what_is_typed_next() -> None:
    server = Scripted("bcd", {"a": 1.0})
    found = decisions(trace("abcdef"), server, 7, every=1)
    assert [row.accepted for row in found] == [0, 3, 0, 0, 0, 0, 0]  # after the deletion, then after each key
    assert found[1] == Decision("r", "c", "python", {"a": 1.0}, 3, 3)
    assert [said[0] for said in server.said[:4]] == ["open", "move", "edit", "answer"]
    assert server.said[4:6] == [("edit", 0, 0, "", "a"), ("answer", 0, 1)]
    assert server.said[-1] == ("close", "a.py")


def test_the_last_answer_is_judged_by_keys_that_are_not_typed() -> None:
    server = Scripted("a" * 80, {"a": 1.0})
    found = decisions(trace("a" * 150), server, 7, every=1)
    assert len(found) == gate_rows.KEYS and all(row.accepted == 80 for row in found)


@pytest.mark.parametrize("server", [Scripted("", {"a": 1.0}), Scripted("bcd", {})])
def test_what_is_no_new_suggestion_gives_no_row(server: Scripted) -> None:
    assert decisions(trace("abcdef"), server, 7, every=1) == []


def test_the_seed_chooses_the_keys() -> None:
    asked = [len(decisions(trace("a" * 63), Scripted("bcd", {"a": 1.0}), seed)) for seed in range(40)]
    assert 6 < sum(asked) / 40 < 10 and len(set(asked)) > 1
    again = [len(decisions(trace("a" * 63), Scripted("bcd", {"a": 1.0}), seed)) for seed in range(40)]
    assert asked == again


def test_rows_are_kept_and_gone_on_with(tmp_path: Path) -> None:
    path, rows = tmp_path / "rows.jsonl", made(3)
    assert gate_rows.read(path, {"seed": 7}) == {}
    gate_rows.append(path, "c0", rows)
    with path.open("ab") as file:
        file.write(b'{"commit": "c1", "ro')
    assert gate_rows.read(path, {"seed": 7}) == {"c0": rows}
    gate_rows.append(path, "c1", [])
    assert gate_rows.read(path, {"seed": 7}) == {"c0": rows, "c1": []}
    with pytest.raises(ValueError, match="other arguments"):
        gate_rows.read(path, {"seed": 8})
    path.write_text("not rows\n")
    with pytest.raises(ValueError, match="give another file"):
        gate_rows.read(path, {"seed": 7})


def arguments(rows: Path, weights: Path) -> argparse.Namespace:
    return argparse.Namespace(
        repositories=[],
        commits=1,
        seed=7,
        since="",
        until="",
        languages="",
        model=None,
        adapter=None,
        out=rows,
        fit_gate=weights,
        json=True,
    )


def test_the_command_fits_what_was_collected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = arguments(tmp_path / "rows.jsonl", tmp_path / "gate.toml")
    assert fit_gate.run(args, {}) == 2 and "0 answers" in capsys.readouterr().err
    names = dict.fromkeys(gate.FEATURES, 0.0)
    for row in made(400):
        gate_rows.append(
            args.out, row.commit + str(id(row)), [replace(row, evidence={**names, "length": row.evidence["a"]})]
        )
    assert fit_gate.run(args, {}) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 400 and len(found["calibration"]) == 10
    written = args.fit_gate.read_text("utf-8")
    assert written.startswith("# Fitted by") and gate.read(written).by_feature["length"] > 0


def test_weights_need_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit_gate.run(arguments(tmp_path / "rows.jsonl", tmp_path / "none" / "gate.toml"), {}) == 2
    assert "there is no folder" in capsys.readouterr().err and not (tmp_path / "rows.jsonl").exists()


def test_a_line_that_is_one_long_word_costs_little() -> None:
    place = Place(f'KEY = "{"a1b2c3d4" * 1900}"', "\n", None)
    began = time.process_time()
    assert gate.features(place, "x", FimResult("x", "stop", 1, (-0.5,)))
    assert time.process_time() - began < 0.5
