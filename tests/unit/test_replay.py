"""Replay with an assistant whose answers are scripted and a clock that nobody waits for: every figure is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from replaying import Scripted, Time, arguments, commit, made_repository

from foretype.eval import replay
from foretype.eval.typing import report as replay_report
from foretype.eval.typing import rows as replay_rows
from foretype.eval.typing.keystrokes import Key
from foretype.eval.typing.play import Row, play
from foretype.eval.typing.rows import RowsError
from foretype.eval.typing.traces import Change, File, Insert, Move, Open, Step, Trace


def trace(*typed: str, removed: str = "", pause_ms: float = 100.0) -> Trace:
    keys = tuple(Key(text, pause_ms) for text in typed)
    steps: list[Step] = [Open("a.py", 10.0), Move("a.py", 0, 2, 2000.0)]
    if removed:
        steps.append(Change("a.py", 0, 2, removed, "", True, pause_ms))
    return Trace(
        "r", "c", "c^", "python", (File("a.py", "python", f"x {removed};\n"),), (*steps, Insert("a.py", 0, 2, keys))
    )


def test_without_answers_every_key_is_typed() -> None:
    assistant = Scripted({})
    rows = play(trace(*"abc"), assistant, assistant.time)
    assert rows == [Row(0), Row(1), Row(2)]
    assert assistant.log[-1] == ("close", "x abc;\n")
    assert assistant.time.now == 10 + 2000 + 3 * 100 + 2000


def test_an_acceptance_saves_keys_which_still_count() -> None:
    assistant = Scripted({1: ("cdef", 80.0)})
    rows = play(trace(*"abcdefg"), assistant, assistant.time)
    assert rows[1] == Row(1, on_screen=True, new=True, ms=80.0, characters=4, tokens=1.0, keys=4, begun=True)
    assert rows[2:6] == [Row(key, saved=True) for key in (2, 3, 4, 5)]
    assert rows[6] == Row(6)
    assert assistant.log == [
        *(("edit", "", "a"), ("edit", "", "b"), ("accepted", 4), ("edit", "", "cdef"), ("edit", "", "g")),
        ("close", "x abcdefg;\n"),
    ]
    assert assistant.time.now == 10 + 2000 + 4 * 100 + 300 + 2000, "three keys, an acceptance, and 300 ms to read"


def test_what_comes_too_late_is_not_seen() -> None:
    assistant = Scripted({1: ("cdef", 101.0)})
    rows = play(trace(*"abcdefg"), assistant, assistant.time)
    assert not any(row.on_screen or row.ms for row in rows)


def test_noise_costs_reading_once() -> None:
    assistant = Scripted({0: ("wrong", 1.0), 1: ("wrong", 1.0), 2: ("false", 1.0)})
    rows = play(trace(*"abcd"), assistant, assistant.time)
    assert [(row.on_screen, row.new) for row in rows] == [(True, True), (True, True), (True, True), (False, False)]
    assert assistant.time.now == 10 + 2000 + 4 * 100 + 3 * 300 + 2000


def test_the_rest_of_what_is_typed_is_the_same_suggestion() -> None:
    assistant = Scripted({0: ("bcdX", 1.0), 1: ("cdX", 1.0), 2: ("dX", 1.0)})
    rows = play(trace(*"abcd"), assistant, assistant.time)
    assert [row.new for row in rows] == [True, False, False, False]
    assert [row.on_screen for row in rows] == [True, True, True, False]


def test_partial_acceptances_are_one_acceptance() -> None:
    assistant = Scripted({0: ("return value)", 1.0), 6: (" value)", 1.0)})
    rows = play(trace(*"(return value;"), assistant, assistant.time, partial=True)
    assert [(row.characters, row.begun) for row in rows if row.characters] == [(6, True), (6, False)]
    assert assistant.log[-1] == ("close", "x (return value;;\n")


def test_a_return_that_is_saved_in_part_is_finished_by_hand() -> None:
    assistant = Scripted({0: ("bcd\n  ", 1.0)})
    rows = play(trace("a", "b", "c", "d", "\n    ", "e"), assistant, assistant.time)
    assert [row.saved for row in rows] == [False, True, True, True, False, False]
    assert assistant.log[-1] == ("close", "x abcd\n    e;\n")


def test_a_deletion_is_an_opportunity_too() -> None:
    assistant = Scripted({0: ("abc", 1.0)})
    rows = play(trace(*"abc", removed="old"), assistant, assistant.time)
    assert [row.saved for row in rows] == [False, True, True, True]
    assert assistant.log[-1] == ("close", "x abc;\n")


def test_the_factors_make_up_the_characters_per_opportunity() -> None:
    hit = Row(0, on_screen=True, new=True, ms=50.0, characters=6, tokens=2.0, keys=6, begun=True)
    seen = Row(1, on_screen=True, new=True, ms=150.0)
    ours = [commit("foretype", name, [hit, seen, Row(2), Row(3, saved=True)], attempts=3) for name in "ab"]
    theirs = [commit("peer", name, [Row(0, ms=200.0), Row(1, ms=300.0), Row(2), Row(3)]) for name in "ab"]
    figures = replay_report.figures([*ours, *theirs], seed=1)
    side = figures["foretype"]
    assert side["opportunities"] == 8
    assert side["attempt_rate"] == pytest.approx(6 / 8)
    assert side["feedback_rate"] == pytest.approx(4 / 6)
    assert side["acceptance_rate"] == pytest.approx(2 / 4)
    assert side["tokens_per_acceptance"] == pytest.approx(2.0)
    assert side["characters_per_token"] == pytest.approx(3.0)
    assert side["cpo"] == pytest.approx(12 / 8)
    assert side["cpo_ci"] == pytest.approx([1.5, 1.5]), "all commits are alike"
    assert side["ghost_ms_p50"] == pytest.approx(100.0)
    assert side["cpu_s_per_1000_keys"] == pytest.approx(250.0)
    assert figures["peer"]["cpo"] == 0.0
    assert figures["ratio"]["cpo"] is None
    assert figures["ratio"]["cpu_s_per_1000_keys"] == pytest.approx(1.0)
    assert figures["paired"]["answers"] == 4
    assert figures["paired"]["ghost_ms_p50_ratio"] == pytest.approx(100 / 250)


def test_only_commits_that_both_sides_played_are_compared() -> None:
    done = [commit("foretype", "a", [Row(0)]), commit("peer", "a", [Row(0)]), commit("foretype", "b", [Row(0)])]
    assert replay_report.figures(done, 1)["tasks"] == 1


def test_answers_from_memory_are_kept_apart() -> None:
    rows = [Row(0, on_screen=True, new=True, ms=80.0), Row(1, on_screen=True, ms=2.0, cached=True)]
    side = replay_report.figures([commit("foretype", "a", rows)], 1)["foretype"]
    assert (side["ghost_ms_p50"], side["ghost_ms_cached_p50"]) == (80.0, 2.0)
    assert (side["ghost_ms_answers"], side["ghost_ms_cached_answers"]) == (1, 1)


def test_rows_are_gone_on_with_from_the_last_complete_commit(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    settings = {"seed": 7, "sides": ["foretype"]}
    assert replay_rows.begin(path, settings) == []
    first, second = commit("foretype", "a", [Row(0), Row(1, ms=2.0)]), commit("foretype", "b", [Row(0)])
    replay_rows.append(path, first)
    replay_rows.append(path, second)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert replay_rows.begin(path, settings) == [first]
    replay_rows.append(path, second)
    assert path.read_bytes() == whole
    with pytest.raises(RowsError, match="other arguments"):
        replay_rows.begin(path, settings | {"seed": 8})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return made_repository(tmp_path)


def test_the_command_plays_both_sides_in_turn_and_resumes(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Time()
    monkeypatch.setitem(replay.CLOCKS, "virtual", lambda: time)
    order: list[str] = []
    started: list[Scripted] = []

    def opener(side: str) -> replay.Opener:
        def open_(root: Path) -> Scripted:
            class Noting(Scripted):
                def open(self, path: str, language: str, text: str) -> None:
                    order.append(side)
                    assert (root / path).read_bytes() != b"", "the workspace has the parent's files"
                    super().open(path, language, text)

            started.append(Noting({}, time))
            return started[-1]

        return open_

    openers = {"foretype": opener("foretype"), "peer": opener("peer")}
    words = [str(repository), "--clock", "virtual", "--out", str(tmp_path / "rows.jsonl"), "--json"]
    args = arguments(*words, "--commits", "3")
    assert replay.run(args, openers) == 0
    figures = json.loads(capsys.readouterr().out)
    assert order == ["foretype", "peer", "peer", "foretype", "foretype", "peer"]
    assert figures["tasks"] == 3
    assert figures["foretype"]["opportunities"] == figures["peer"]["opportunities"] > 60
    assert figures["foretype"]["cpo"] == 0.0
    assert [assistant.log[-1] for assistant in started] == [("stop",), ("stop",)]
    order.clear()
    assert replay.run(args, openers) == 0
    assert order == [], "all of it was in the file"
    assert json.loads(capsys.readouterr().out) == figures


def test_the_table_says_what_was_found(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    time = Time()
    monkeypatch.setitem(replay.CLOCKS, "real", lambda: time)
    assert replay.run(arguments(str(repository)), {"foretype": lambda root: Scripted({0: ("nothing", 5.0)}, time)}) == 0
    out = capsys.readouterr().out
    assert "3 commits of repository (python)" in out
    assert "= CPO" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--commits", "0"], "--commits must be positive"),
        (["--set", "debounce=1"], "write it as section.key=value"),
        (["--languages", "cobol"], "has enough typing"),
    ],
)
def test_bad_arguments(repository: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    args = arguments(str(repository), *words)
    openers = None if "--set" in words else {"foretype": lambda root: Scripted({})}
    assert replay.run(args, openers) == 2
    assert message in capsys.readouterr().err


def test_no_repository(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay.run(arguments(str(tmp_path / "none")), {"foretype": lambda root: Scripted({})}) == 2
    assert "is no git repository" in capsys.readouterr().err


def test_options_are_toml_or_words() -> None:
    args = arguments("r", "--model", "m", "--set", "completion.debounce_ms=0", "--set", "model.backend=openai")
    assert replay.server_options(args) == {
        "model": {"name": "m", "backend": "openai"},
        "completion": {"debounce_ms": 0},
    }
