import datetime
from pathlib import Path

import pytest

from foretype.lsp.arms import take_part
from foretype.lsp.experiments import Unit, arm_of, parse
from foretype.lsp.options import Options

TEXT = """
key = "budget"
unit = "session"
[[arms]]
name = "control"
weight = 0.5
[[arms]]
name = "wide"
weight = 0.5
options = {{ "{option}" = {value} }}
"""


def written(folder: Path, option: str = "context.tokens", value: object = 256, more: str = "") -> Path:
    (folder / "budget.toml").write_text(more + TEXT.format(option=option, value=value))
    return folder


def session_of(arm: str) -> dict[Unit, str]:
    experiment = parse({"key": "budget", "arms": [{"name": "control", "weight": 0.5}, {"name": "wide", "weight": 0.5}]})
    for number in range(100):
        found = arm_of(experiment, f"s{number}")
        if found and found.name == arm:
            return {"session": f"s{number}"}
    raise AssertionError


@pytest.mark.parametrize(("arm", "tokens"), [("control", Options().context.tokens), ("wide", 256)])
def test_a_session_gets_its_arms_options_and_is_exposed_when_it_reads_them(
    tmp_path: Path, arm: str, tokens: int
) -> None:
    told: list[tuple[str, str]] = []
    part = take_part(Options(), session_of(arm), lambda *what: told.append(what), written(tmp_path))
    assert part.options.completion.gate == Options().completion.gate
    assert (told, part.exposed) == ([], {})
    assert part.options.context.tokens == tokens
    assert part.options.context.tokens == tokens
    assert told == [("budget@1", arm)]


def test_options_of_the_model_count_from_the_start(tmp_path: Path) -> None:
    part = take_part(Options(), session_of("wide"), lambda *_: None, written(tmp_path, "model.threads", 1))
    assert part.exposed == {"budget@1": "wide"}
    assert part.options.model.threads == 1
    assert part.options.model == part.options.model


def test_a_file_that_is_wrong_is_told_and_defaults_hold(tmp_path: Path) -> None:
    part = take_part(Options(), session_of("wide"), lambda *_: None, written(tmp_path, "context.speed"))
    assert part.options == Options()
    assert len(part.problems) == 1 and "does not run" in part.problems[0]


def test_before_its_start_and_behind_its_end_it_does_not_run(tmp_path: Path) -> None:
    files = written(tmp_path, more="start = 2026-11-23\nstop = { days = 7 }\n")
    days = {day: datetime.date(2026, 11, day) for day in (22, 23, 29, 30)}
    running = {
        day: take_part(Options(), session_of("wide"), lambda *_: None, files, today).options is not None
        and take_part(Options(), session_of("wide"), lambda *_: None, files, today).options != Options()
        for day, today in days.items()
    }
    assert running == {22: False, 23: True, 29: True, 30: False}


def test_without_files_nothing_changes(tmp_path: Path) -> None:
    part = take_part(Options(), {"session": "s"}, lambda *_: None, tmp_path / "gone")
    assert part.options == Options() and not part.exposed and not part.problems
