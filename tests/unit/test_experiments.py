import datetime
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretype.lsp import experiments
from foretype.lsp.experiments import ExperimentError, arm_of, bucket, overridden, parse, read, watched
from foretype.lsp.options import Options

FILE = """
key = "context-budget"
phase = "2026-11"
unit = "session"
start = 2026-11-23
coverage = 0.8

[[arms]]
name = "control"
weight = 0.25

[[arms]]
name = "wide"
weight = 0.75
options = { "context.tokens" = 256, completion = { gate = 0.2 } }

[stop]
opportunities = 40000
days = 28
"""


def table(**changed: Any) -> dict[str, Any]:
    arms = [{"name": "a", "weight": 0.5}, {"name": "b", "weight": 0.5, "options": {"context.tokens": 64}}]
    return {"key": "k", "arms": arms, **changed}


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "experiment.toml"
    file.write_text(text)
    return file


# From the table of cases that GrowthBook's SDKs share (specification 0.7), hash version 2.
@pytest.mark.parametrize(("seed", "value", "expected"), [("seed", "a", 0.0505), ("seed", "b", 0.2696)])
def test_buckets_are_those_of_growthbooks_sdks(seed: str, value: str, expected: float) -> None:
    assert bucket(seed, value) == expected


def test_fnv1a_has_the_published_values() -> None:
    assert experiments._fnv1a("") == 0x811C9DC5
    assert experiments._fnv1a("a") == 0xE40C292C
    assert experiments._fnv1a("foobar") == 0xBF9CF968


def test_a_file_is_read(tmp_path: Path) -> None:
    found = read(written(tmp_path, FILE))
    assert (found.key, found.phase, found.unit, found.coverage) == ("context-budget", "2026-11", "session", 0.8)
    assert found.start == datetime.date(2026, 11, 23)
    assert (found.stop_opportunities, found.stop_days) == (40000, 28)
    assert found.control.name == "control"
    assert found.arms[1].options == {"context.tokens": 256, "completion.gate": 0.2}


def test_arms_get_their_shares_and_the_rest_takes_no_part(tmp_path: Path) -> None:
    found = read(written(tmp_path, FILE))
    drawn = Counter(arm.name if (arm := arm_of(found, f"session-{n}")) else "" for n in range(20_000))
    for name, share in {"control": 0.2, "wide": 0.6, "": 0.2}.items():
        assert drawn[name] / 20_000 == pytest.approx(share, abs=0.015)


def test_a_unit_keeps_its_arm_and_another_phase_draws_anew() -> None:
    one, other = parse(table(phase="1")), parse(table(phase="2"))
    names = [f"unit-{n}" for n in range(2000)]
    first = [arm_of(one, name) for name in names]
    assert first == [arm_of(one, name) for name in names]
    agreeing = sum(a == b for a, b in zip(first, (arm_of(other, name) for name in names), strict=True))
    assert 900 < agreeing < 1100


def test_raising_coverage_moves_no_unit_to_another_arm() -> None:
    some, more = parse(table(coverage=0.3)), parse(table(coverage=0.9))
    for n in range(2000):
        before, after = arm_of(some, f"u{n}"), arm_of(more, f"u{n}")
        assert before is None or before == after


def test_experiments_in_disjoint_parts_of_a_layer_exclude_each_other() -> None:
    low = parse(table(key="low", layer={"name": "prompt", "from": 0, "to": 0.5}))
    high = parse(table(key="high", layer={"name": "prompt", "from": 0.5, "to": 1}))
    both = [(arm_of(low, f"u{n}"), arm_of(high, f"u{n}")) for n in range(1000)]
    assert all((a is None) != (b is None) for a, b in both)


def test_an_unknown_unit_takes_no_part() -> None:
    assert arm_of(parse(table()), "") is None


@given(st.text(), st.text())
def test_buckets_are_of_the_unit_interval(seed: str, value: str) -> None:
    assert 0 <= bucket(seed, value) < 1


def test_arms_override_options() -> None:
    found = overridden(Options(), [parse(table()).arms[1]])
    assert found.context.tokens == 64
    assert found.completion == Options().completion


def test_exposure_is_told_when_the_option_is_first_read() -> None:
    told: list[str] = []
    options = watched(Options(), ["context.tokens"], told.append)
    assert options.completion.gate == Options().completion.gate
    assert told == []
    assert options.context.tokens == options.context.tokens == Options().context.tokens
    assert told == ["context.tokens"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"arms": [{"name": "a", "weight": 1.0}]}, "two or more"),
        ({"arms": [{"name": "a", "weight": 0.5}, {"name": "b", "weight": 0.4}]}, "add up to 0.9"),
        ({"arms": [{"name": "a", "weight": 0.5}, {"name": "a", "weight": 0.5}]}, "two are called 'a'"),
        ({"arms": [{"name": "a", "weight": 0.5}, {"name": "b", "weight": "half"}]}, "b: weight"),
        ({"arms": [{"name": "a", "weight": 1}, {"name": "b", "weight": 0, "options": {"context.token": 1}}]}, "tokens"),
        ({"arms": [{"name": "a", "weight": 1}, {"name": "b", "weight": 0, "options": {"speed": 1}}]}, "speed"),
        ({"key": "Has Spaces"}, "key"),
        ({"unit": "team"}, "installation, session, day, workspace"),
        ({"start": "soon"}, "no date"),
        ({"coverage": 1.5}, "coverage"),
        ({"layer": {"name": "x", "from": 0.6, "to": 0.5}}, "below"),
        ({"stop": {"weeks": 3}}, "stop"),
        ({"guardrails": ["mood"]}, "mood"),
        ({"wieght": 1}, "no such setting"),
    ],
)
def test_what_does_not_fit_is_said(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ExperimentError, match=said):
        parse(table(**changed))


def test_a_file_that_is_none_is_one_clear_line(tmp_path: Path) -> None:
    for text, said in [("key = ", "not TOML"), ('key = "k"', "two or more"), ("x" * 20_000, "larger than")]:
        with pytest.raises(ExperimentError, match=said) as raised:
            read(written(tmp_path, text))
        assert "\n" not in str(raised.value)
    with pytest.raises(ExperimentError, match="cannot be read"):
        read(tmp_path / "gone.toml")
