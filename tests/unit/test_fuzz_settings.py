"""Option files and experiment files of any shape: a line that says what is wrong, and options that hold."""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from fuzzing import cases
from hypothesis import example, given
from hypothesis import strategies as st

from foretype.lsp import experiments, options
from foretype.lsp.arms import take_part
from foretype.lsp.experiments import ExperimentError, overridden
from foretype.lsp.options import MOST_PROBLEMS, Options, merge

HUGE = 1 << 15_000  # more digits than Python writes, so no strategy may hold it itself
huge = st.builds(lambda: HUGE)
SECTIONS = [section.name for section in fields(Options)]
NAMES = sorted({option.name for section in SECTIONS for option in fields(getattr(Options(), section))})
SCALAR = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 1e308, float("nan"), float("inf"), 0.5, 3.0, "", "auto", "a\nb"]),
    st.integers(-10, 10_000),
    huge,
    st.text(max_size=6),
    st.dates(),
    st.times(),
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
)
KEY = st.one_of(st.sampled_from(NAMES), st.text(max_size=5))
TABLE = st.dictionaries(
    st.one_of(st.sampled_from(SECTIONS), st.text(max_size=5)), st.one_of(VALUE, st.dictionaries(KEY, VALUE, max_size=4))
)
# Pieces that are TOML more often than chance would have it.
TOML = st.lists(
    st.sampled_from(
        [
            *("[model]", "[completion]", "[[arms]]", "[stop]", "gate", "name", "key", "phase", "arms", "guardrails"),
            *("weight", "=", ".", ",", "\n", " ", "{", "}", "[", "]", '"a"', '"""', "'", "0.5", "1979-05-27", "nan"),
            *("0x" + "f" * 4000, "true", "#", "\\u0000", "\ufeff", "\x00", "é", '"context.tokens"', '"a\\nb"'),
        ]
    ),
    max_size=25,
).map("".join)


def hold(found: Options) -> None:
    """Every option has a value that it may have."""
    for section in SECTIONS:
        table = {
            option.name: getattr(getattr(found, section), option.name) for option in fields(getattr(found, section))
        }
        assert merge(Options(), {section: table}, "again").problems == ()


@cases(120)
@given(TABLE, TABLE, st.booleans())
def test_options_hold_whatever_a_table_says(first: dict, second: dict, trusted: bool) -> None:
    loaded = merge(merge(Options(), first, "a file").options, second, "another", trusted)
    hold(loaded.options)
    assert len(loaded.problems) <= MOST_PROBLEMS + 1
    assert all("\n" not in line and len(line) < 500 for line in loaded.problems)


@cases(60)
@given(st.one_of(TOML.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=60)))
def test_any_option_file_is_read_or_said_to_be_wrong(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "foretype.toml"
    path.write_bytes(data)
    values, problems = options.read(path)
    assert all("\n" not in line for line in problems)
    hold(merge(Options(), values, str(path)).options)


OVERRIDES = st.dictionaries(
    st.one_of(st.sampled_from(["context.tokens", "context", "completion.gate", "model.name", ".", "a.", ".b"]), KEY),
    VALUE,
)
ARM = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "c", "a\nb"])},
    optional={"weight": st.one_of(st.sampled_from([0.5, 1, 0, True]), huge), "options": st.one_of(OVERRIDES, VALUE)},
)
EXPERIMENT = st.fixed_dictionaries(
    {},
    optional={
        "key": st.one_of(st.just("budget"), VALUE),
        "phase": VALUE,
        "unit": st.one_of(st.sampled_from(experiments.UNITS), VALUE),
        "start": st.one_of(st.dates(), st.datetimes(), VALUE),
        "coverage": st.one_of(st.floats(0, 1), VALUE),
        "layer": st.one_of(st.builds(lambda a, b: {"name": "l", "from": a, "to": b}, VALUE, VALUE), VALUE),
        "arms": st.one_of(st.lists(ARM, max_size=3), VALUE),
        "stop": st.one_of(st.dictionaries(st.sampled_from(["opportunities", "days"]), VALUE), VALUE),
        "guardrails": st.one_of(st.lists(st.sampled_from(experiments.GUARDRAILS)), VALUE),
        "odd\nname": VALUE,
    },
)
SOUND = {"key": "budget", "arms": [{"name": "a", "weight": 0.5}, {"name": "b", "weight": 0.5}]}


@cases(200)
@given(EXPERIMENT.map(lambda table: {name: value for name, value in table.items() if value is not None}), st.booleans())
@example({"guardrails": 5}, True)
@example({"unit": HUGE}, True)
@example({"phase": HUGE}, True)
@example({"coverage": HUGE}, True)
@example({"odd\nname": 1}, True)
@example({"arms": [{"name": "a", "weight": 0.5, "options": {"context": 5, "context.tokens": 3}}, {"name": "b"}]}, False)
@example({"arms": [{"name": "a\nb", "weight": 1, "options": {"x": 1}}, {"name": "b", "weight": 0}]}, False)
def test_any_experiment_runs_or_is_refused_in_one_line(table: dict, rest_is_sound: bool) -> None:
    try:
        found = experiments.parse({**SOUND, **table} if rest_is_sound else table)
    except ExperimentError as error:
        assert "\n" not in str(error) and len(str(error)) < 600
        return
    assert "\n" not in found.name
    hold(overridden(Options(), found.arms))


@cases(60)
@given(st.one_of(TOML.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=60)))
@example(b"key = 'a'\ncoverage = 0x" + b"f" * 4000)
def test_any_experiment_file_is_read_or_said_to_be_wrong(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "experiment.toml"
    path.write_bytes(data)
    with pytest.raises(ExperimentError) as caught:  # none of these has arms
        experiments.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("start", ["9999-12-31", "0001-01-01", "2026-11-23"])
def test_an_experiment_that_ends_after_the_calendar_does(tmp_path: Path, start: str) -> None:
    text = f"key = 'a'\nstart = {start}\nstop = {{ days = 99999999999 }}\n"
    arms = "".join(f"[[arms]]\nname = '{name}'\nweight = 0.5\n" for name in "ab")
    (tmp_path / "long.toml").write_text(text + arms)
    assert tomllib.loads(text)
    part = take_part(Options(), {"session": "x"}, lambda *_: None, tmp_path, datetime.date(2026, 11, 23))
    assert part.problems == () and bool(part.exposed) == (start != "9999-12-31")
