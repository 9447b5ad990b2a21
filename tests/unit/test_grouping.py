from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import pytest

from foretype.eval import grouping
from foretype.eval.grouping_sheets import Label, LabelError, Place, answered, load

PLACES = tuple(Place("a.py", line, 1, line, 1) for line in range(4))


def label(*groups: tuple[int, ...]) -> Label:
    return Label("o/r", "c1", PLACES, groups)


def test_pairs_are_together_or_apart() -> None:
    found = grouping.verdicts([label((0, 2), (1,), (3,))])
    assert found == {("c1", a, b): (a, b) == (0, 2) for a in range(4) for b in range(a + 1, 4)}


def test_precision_recall_and_f1_by_hand() -> None:
    found = grouping.verdicts([label((0, 1, 2), (3,))])  # three pairs
    truth = grouping.verdicts([label((0, 1), (2, 3))])  # two, one of them found
    figures = grouping.scores(found, truth, seed=1)
    assert figures["precision"] == pytest.approx(1 / 3)
    assert figures["recall"] == pytest.approx(1 / 2)
    assert figures["f1"] == grouping.f1(found, truth) == pytest.approx(2 / 5)
    assert figures["f1_ci"] == [pytest.approx(2 / 5)] * 2  # one commit has nothing to resample


def test_kappa_by_hand() -> None:
    one = {("c", 0, n): n < 25 for n in range(50)}
    other = {("c", 0, n): n < 20 or 25 <= n < 35 for n in range(50)}
    # Cohen's example as in textbooks: 20 both yes, 5 and 10 mixed, 15 both no
    assert grouping.kappa(one, other) == pytest.approx(0.4)
    assert grouping.kappa(one, one) == 1
    assert grouping.kappa(dict.fromkeys(one, True), dict.fromkeys(one, True)) == 1


def test_the_consensus_is_where_all_agree() -> None:
    one, other = grouping.verdicts([label((0, 1, 2), (3,))]), grouping.verdicts([label((0, 1), (2,), (3,))])
    figures = grouping.compare(one, {"a": one, "b": other}, seed=1)
    assert (figures["pairs"], figures["pairs_agreed"]) == (6, 4)
    assert figures["f1"] == 1 and figures["labellers"]["b"]["precision"] == pytest.approx(1 / 3)
    assert figures["labellers_f1"] == pytest.approx(1 / 2)
    assert figures["all_together_f1"] == pytest.approx(2 / 5)


def test_answers_name_every_hunk_once() -> None:
    blank = {"repository": "o/r", "commit": "c", "hunks": [["a.py", n, 1, n, 1] for n in range(3)], "groups": []}
    assert answered([blank], "notes\n 001: 3,1 2 \n")[0]["groups"] == [[0, 2], [1]]
    for wrong, message in [
        ("", "no answer for commit 001"),
        ("001: 1,2", "hunks 1 to 3"),
        ("001: 1,2 2,3", "exactly once"),
    ]:
        with pytest.raises(LabelError, match=message):
            answered([blank], wrong)


def test_labels_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    row = {"repository": "o/r", "commit": "c", "hunks": [["a.py", 0, 1, 0, 1]], "groups": [[0]]}
    file.write_text(json.dumps({"schema": 1, "commits": [row]}))
    assert load(file) == [Label("o/r", "c", (Place("a.py", 0, 1, 0, 1),), ((0,),))]
    for data, message in [
        ({"schema": 2, "commits": []}, "schema 2, this version reads 1"),
        ({"schema": 1, "commits": [{**row, "groups": []}]}, "exactly once"),
        ({"schema": 1, "commits": [{**row, "hunks": [[1]]}]}, "cannot be read as labels"),
    ]:
        file.write_text(json.dumps(data))
        with pytest.raises(LabelError, match=message):
            load(file)


def test_from_sheets_to_a_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository, out, labels = tmp_path / "repo", tmp_path / "sheets", tmp_path / "labels"

    def git(*words: str) -> None:
        identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, "-C", str(repository), *words], check=True, capture_output=True)

    def run(*words: str) -> int:
        parser = argparse.ArgumentParser()
        grouping.add_arguments(parser)
        return grouping.run(parser.parse_args(words))

    repository.mkdir()
    git("init", "--quiet")
    far = "".join(f"filler_{n} = {n}\n" for n in range(20))
    for texts in (
        ["def total(x):\n", "print(total(1))\n", "# teh end\n"],
        ["def add(x):\n", "print(add(1))\n", "# the end\n"],
    ):
        (repository / "größe.py").write_text(f"{texts[0]}    return x\n{far}{texts[1]}{far}{texts[2]}", "utf-8")
        git("add", ".")
        git("commit", "--quiet", "--message", f"Write {texts[0]}")
    source = f"o/r={repository / '.git'}"
    assert run("sheets", source, "--commits", "1", "--out", str(out)) == 0
    sheet = (out / "sheet_1.md").read_text("utf-8")
    assert "### hunk 1: größe.py:1 (in add)" in sheet and "- def total(x):\n+ def add(x):\n" in sheet
    answers = tmp_path / "mine.txt"
    answers.write_text("001: 1,2 3\n")
    for name in ("a", "b"):
        file = labels / f"{name}.json"
        assert run("labels", str(answers), "--sheets", str(out), "--labeller", name, "--out", str(file)) == 0
        assert "teh" not in file.read_text("utf-8") and "def" not in file.read_text("utf-8")
    capsys.readouterr()
    assert run("score", source, "--labels", str(labels), "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["commits"], figures["pairs"], figures["kappa"], figures["f1"]) == (1, 3, 1.0, 1.0)
    assert run("score", "--labels", str(labels), "other/one=x") == 2
    assert "o/r is labelled; name its git directory as o/r=PATH" in capsys.readouterr().err
    assert run("sheets", source, "--commits", "2", "--out", str(out)) == 2
    assert "only 1 commits with 3 to 12 hunks" in capsys.readouterr().err
