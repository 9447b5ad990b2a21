"""The benchmark of drafts: its windows out of git histories, and the engine that writes what it is told."""

from __future__ import annotations

import argparse
import difflib
import json
import random

import git
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_engine import ScriptedEngine
from tiny_model import TOKENS

from foretype.eval import drafts
from foretype.model.backend import Cancel
from foretype.model.drafts import Acceptance

OLD = [f"    line_{number} = {number}\n" for number in range(60)]


def changed(*places: int) -> list[str]:
    return [line.replace("line", "row") if number in places else line for number, line in enumerate(OLD)]


@pytest.fixture
def repository(tmp_path):
    """Two commits, the second of which renames two lines."""
    made = git.Repo.init(tmp_path / "made")
    with made.config_writer() as config:
        config.set_value("user", "name", "Somebody")
        config.set_value("user", "email", "somebody@example.org")
    for lines in (OLD, changed(30, 33)):
        (tmp_path / "made" / "lines.py").write_text("".join(lines), encoding="utf-8", newline="\n")
        made.index.add(["lines.py"])
        made.index.commit("lines")
    made.close()
    return tmp_path / "made"


def test_a_window_holds_a_change_and_is_as_long_as_it_should_be():
    for seed in range(50):
        above, old, new = drafts.window(OLD, changed(30), random.Random(seed))
        assert "".join(OLD).startswith(above + old)
        assert len(old.splitlines()) == drafts.WINDOW
        assert new == old.replace("line_30 ", "row_30 ") != old


@settings(deadline=None, max_examples=300)
@given(
    old=st.lists(st.sampled_from(["a\n", "b\n", "c\n"]), max_size=60),
    new=st.lists(st.sampled_from(["a\n", "b\n", "c\n"]), max_size=60),
    seed=st.integers(0, 1000),
)
def test_putting_the_new_window_in_place_of_the_old_leads_towards_the_new_text(old, new, seed):
    found = drafts.window(old, new, random.Random(seed))
    if found is None:
        return
    above, before, after = found
    text = "".join(old)
    assert text.startswith(above + before)

    def changes(lines):
        codes = difflib.SequenceMatcher(None, lines, new, autojunk=False).get_opcodes()
        return sum(max(code[2] - code[1], code[4] - code[3]) for code in codes if code[0] != "equal")

    replaced = (above + after + text[len(above + before) :]).splitlines(keepends=True)
    assert changes(replaced) <= changes(old)


def test_no_window_without_a_change_or_with_a_very_large_one():
    assert drafts.window(OLD, OLD, random.Random(1)) is None
    assert drafts.window(OLD, ["other\n"] * 60, random.Random(1)) is None


def test_edits_come_out_of_a_history(repository):
    (edit,) = drafts.edits([repository], 5, 7)
    assert (edit.repository, edit.path) == ("made", "lines.py")
    assert edit.old != edit.new
    assert drafts.edits([repository], 5, 7) == [edit]


def test_no_repository_is_bad_input(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    drafts.add_arguments(parser)
    for arguments in ([str(tmp_path)], []):
        assert drafts.run(parser.parse_args(arguments)) == 2
        assert "foretype eval drafts: " in capsys.readouterr().err


def test_a_dictated_engine_writes_what_it_is_told(vocab):
    engine = drafts.Dictated(ScriptedEngine(len(TOKENS)))
    text = list(b"abc")
    engine.dictate(2, text)
    rows = engine.forward([1, 2, *text], Cancel(), keep=4)
    assert rows.argmax(axis=1)[:3].tolist() == text


def test_both_ways_write_the_window_and_drafts_need_fewer_runs(vocab, repository):
    (edit,) = drafts.edits([repository], 1, 7)
    engine = ScriptedEngine(len(TOKENS), capacity=2048)
    plain, drafted = drafts.rewritten(engine, vocab, edit, Acceptance())
    assert plain.tokens == drafted.tokens == len(vocab.encode(edit.new))
    assert plain.runs == plain.tokens - 1
    assert drafted.runs * 3 < plain.runs


def test_figures():
    pairs = [(drafts.Timing(10, 9, 2.0), drafts.Timing(10, 3, 0.5)), (drafts.Timing(30, 29, 4.0),) * 2]
    figures = drafts.summary(pairs, seed=7)
    assert (figures["tokens_per_s"], figures["tokens_per_s_without"], figures["ratio"]) == (8.9, 6.7, 1.33)
    low, high = figures["ratio_ci"]
    assert 1 <= low <= figures["ratio"] <= high <= 4
    assert json.dumps(figures)
