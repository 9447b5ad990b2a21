"""Suites with benchmarks that are made up, and one with a real benchmark and a model of a few kilobytes."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from test_suite_models import adapter

from foretype.eval import check, compare, infill, suite
from foretype.eval.comparison import baseline as suite_baseline
from foretype.eval.comparison.benchmarks import BENCHMARKS

# Stands in for Foretype. A model's folder is named by how it does: the first number of ten tasks that it passes.
STAND_IN = r"""
import json, os, sys
from pathlib import Path

words = sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(words) + "\n")

def option(name, default=""):
    return words[words.index(name) + 1] if name in words else default

if words[:2] == ["model", "build"]:
    if "broken" in words[2]:
        sys.exit("foretype model build: its weights are damaged; get them again")
    facts = {"name": Path(words[2]).name, "adapter": "", "adapter_sha256": "", "sha256": "abc"}
    facts["folder"] = words[2] if option("--adapter") == "default" else option("--adapter")
    print(json.dumps(facts))
    sys.exit()
name, model = words[1], Path(option("--model")).name
if os.environ.get("FAILS") == f"{name} {model}":
    print("Traceback", file=sys.stderr)
    sys.exit(f"foretype eval {name}: the engine is gone: start it again")
if os.environ.get("DIES") == f"{name} {model}":
    os.kill(os.getpid(), 9)
tasks = int(option("--limit"))
good = int(model.split("-")[1])
with open(option("--out"), "w") as out:
    for task in range(tasks):
        passed = task % 10 < good
        row = {"task_id": f"{name}/{task}", "passed": passed, "exact": passed, "latency_ms": 100.0 + task}
        if name == "edits":
            verdict = {"due": True, "shown": True, "exact": passed, "delta_chrf": 100.0 * passed}
            row = {"name": f"{task}", "verdict": verdict, "latency_ms": 1.0, "all_latency_ms": 2.0}
        for arm in ["none", "all"] if name == "crossfile" else [""]:
            added = {"arm": arm, "identifier_match": passed / 2, "passed": None} if arm else {}
            out.write(json.dumps({**row, **added}) + "\n")
print(json.dumps({"tasks": tasks, "peak_rss_mib": 700, "revision": "r1"}))
"""


class Scene:
    """Three models, a stand-in that runs them, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.calls_file = folder / "calls"
        (folder / "foretype.py").write_text(STAND_IN, encoding="utf-8")
        self.models = {name: str(self.model(name)) for name in ("model-5", "model-9", "model-1")}

    def model(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        (folder / "model.onnx").touch()
        return folder

    def run(self, *words: str | Path, models: str = "") -> int:
        parser = argparse.ArgumentParser()
        suite.add_arguments(parser)
        texts = models or ",".join(self.models.values())
        args = parser.parse_args(["--models", texts, "--out", str(self.out), *map(str, words)])
        return suite.conduct(args, texts.split(","), [sys.executable, str(self.folder / "foretype.py")])

    def calls(self) -> list[list[str]]:
        """What was run since the last look."""
        lines = self.calls_file.read_text("utf-8").splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return [words for words in map(json.loads, lines) if words[0] == "eval"]

    def found(self) -> dict[str, Any]:
        return json.loads((self.out / suite.NAME).read_text("utf-8"))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return Scene(tmp_path)


INFILL = ("--benchmarks", "infill-single-line", "--data", "data", "--limit", "40")


def test_models_are_compared_with_the_first(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert scene.run("--data", "d", "--benchmarks", "infill-single-line,crossfile,edits-cases", "--limit", "40") == 0
    found = scene.found()
    assert list(found["benchmarks"]) == ["infill-single-line", "crossfile-none", "crossfile-all", "edits-cases"]
    assert found["first"] == "model-5"
    one = found["benchmarks"]["infill-single-line"]
    assert one["models"]["model-9"]["pass_at_1"] == 0.9
    assert one["models"]["model-9"]["latency_ms_p50"] == 119.5
    assert one["models"]["model-9"]["peak_rss_mib"] == 700
    against = one["against"]["model-9"]
    assert against["verdict"] == "better"
    told = against["measures"]["pass_at_1"]
    assert (told["tasks"], told["only_first"], told["only_second"]) == (40, 0, 16)
    assert told["change"] == pytest.approx(0.4)
    assert told["change_ci"][0] > 0.2
    assert told["p"] == pytest.approx(2 / 2**16)
    assert against["p_holm"] == pytest.approx(4 * 2 / 2**16)
    assert one["against"]["model-1"]["verdict"] == "worse"
    cross = found["benchmarks"]["crossfile-all"]
    assert cross["models"]["model-5"]["identifier_match"] == 0.25
    assert "pass_at_1" not in cross["models"]["model-5"]  # no task was judged
    assert cross["against"]["model-9"]["measures"]["identifier_match"]["p"] < 0.01
    assert "model-5" not in cross["against"]
    printed = capsys.readouterr().out
    for text in ("0.900 [0.769, 0.960]", "+0.400", "better", "worse", "120 ms median", "700 MiB", "suite.html"):
        assert text in printed


def test_what_makes_no_difference_is_not_called_better(scene: Scene) -> None:
    other = scene.model("model-6")
    assert scene.run(*INFILL[:-1], "20", models=f"{scene.models['model-5']},{other}") == 0
    against = scene.found()["benchmarks"]["infill-single-line"]["against"]["model-6"]
    assert against["measures"]["pass_at_1"]["change"] == pytest.approx(0.1)
    assert against["verdict"] == "no difference shown"


def test_what_is_done_is_not_run_again(scene: Scene) -> None:
    assert scene.run(*INFILL) == 0
    assert len(scene.calls()) == 3
    before = scene.found()
    assert scene.run(*INFILL) == 0
    assert scene.calls() == []
    assert scene.found() == before
    assert scene.run(*INFILL, "--limit", "infill=30") == 0  # other tasks, the same answers
    answers = {words[words.index("--answers") + 1] for words in scene.calls()}
    assert len(answers) == 3
    assert scene.run(*INFILL, "--rejudge") == 0
    again = scene.calls()
    assert len(again) == 3
    assert {words[words.index("--answers") + 1] for words in again} == answers


def test_a_cell_that_was_cut_off_is_run_again(scene: Scene) -> None:
    assert scene.run(*INFILL) == 0
    scene.calls()
    done = next(scene.out.glob("models/model-9-*/infill-single-line-*.json"))
    done.write_text(done.read_text("utf-8")[:20], encoding="utf-8")
    assert scene.run(*INFILL) == 0
    (words,) = scene.calls()
    assert Path(words[words.index("--model") + 1]).name == "model-9"


@pytest.mark.parametrize(
    ("how", "reason"),
    [("FAILS", "the engine is gone: start it again"), ("DIES", "it was ended by signal 9")],
)
@pytest.mark.skipif(os.name == "nt", reason="no signals")
def test_a_benchmark_that_fails_costs_its_cell_alone(
    scene: Scene, how: str, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(how, "crossfile model-9")
    words = "--data", "d", "--benchmarks", "infill-single-line,crossfile,edits-cases", "--limit", "10"
    assert scene.run(*words) == 1
    assert f"crossfile, model-9: {reason}" in capsys.readouterr().err
    found = scene.found()
    (line,) = found["failed"]
    assert line.startswith(f"crossfile, model-9: {reason}")
    assert set(found["benchmarks"]["crossfile-all"]["models"]) == {"model-5", "model-1"}
    assert set(found["benchmarks"]["edits-cases"]["models"]) == {"model-5", "model-9", "model-1"}
    assert "What failed" in (scene.out / "suite.html").read_text("utf-8")
    monkeypatch.delenv(how)
    scene.calls()
    assert scene.run(*words) == 0
    assert [words[1] for words in scene.calls()] == ["crossfile"]


def test_rows_of_another_form_are_named(scene: Scene) -> None:
    assert scene.run(*INFILL) == 0
    rows = next(scene.out.glob("models/model-1-*/infill-single-line-*.jsonl"))
    rows.write_text('{"task_id": "x"}\n', encoding="utf-8")
    assert scene.run(*INFILL) == 1
    assert "model-1" in scene.found()["failed"][0]
    assert "rows of another form" in scene.found()["failed"][0]


def test_a_model_that_cannot_be_built_costs_itself_alone(scene: Scene) -> None:
    broken = scene.model("broken-3")
    assert scene.run(*INFILL, models=f"{broken},{scene.models['model-5']},{scene.models['model-9']}") == 1
    found = scene.found()
    assert found["failed"] == ["broken-3: foretype model build: its weights are damaged; get them again"]
    assert found["first"] == "model-5"
    assert found["benchmarks"]["infill-single-line"]["against"]["model-9"]["verdict"] == "better"


def test_missing_data_is_said_and_the_rest_goes_on(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert scene.run("--limit", "5", models=scene.models["model-5"]) == 0
    said = capsys.readouterr().err
    assert "infill-multi-line is left out: it needs --data DIR" in said
    assert "edits-pairs is left out: it needs --pairs DIR" in said
    assert [words[1] for words in scene.calls()] == ["crossfile", "edits"]
    assert scene.run("--benchmarks", "infill-single-line,crossfile", "--limit", "5") == 1  # it was asked for
    assert scene.found()["failed"] == ["infill-single-line: it needs --data DIR"]


def test_checkpoints_are_added_as_they_come(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    watched = scene.folder / "training"
    for name, step in (("model-9", 100), ("model-1", 300)):
        folder = adapter(watched / name, step=step)
        header = b'{"a":{"dtype":"U8","shape":[7],"data_offsets":[0,7]}}'
        content = len(header).to_bytes(8, "little") + header + name.encode()
        (folder / "adapter_model.safetensors").write_bytes(content)
        os.utime(folder / "adapter_model.safetensors", (step, step))
    watching = *INFILL, "--watch", watched, "--watch-minutes", "0.001"
    assert scene.run(*watching, models=scene.models["model-5"]) == 0
    found = scene.found()["benchmarks"]["infill-single-line"]
    assert list(found["models"]) == ["model-5", "model-9-100", "model-1-300"]
    assert found["against"]["model-9-100"]["verdict"] == "better"
    assert found["against"]["model-1-300"]["verdict"] == "worse"
    # what is measured is a copy that training does not touch
    builds = {Path(words[words.index("--model") + 1]) for words in scene.calls()}
    assert scene.out / "checkpoints" / "model-9-100" in builds
    assert scene.run(*watching, "--json", models=scene.models["model-5"]) == 0
    assert scene.calls() == []
    assert (
        "model-1-300"
        in json.loads(capsys.readouterr().out.splitlines()[-1])["benchmarks"]["infill-single-line"]["models"]
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--benchmarks", "humaneval"], "no benchmark is called humaneval; there are infill-single-line"),
        (["--engines", "local,hf"], "2 engines for 3 models"),
        (["--engines", "tea"], "no engine is called tea"),
        (["--judged", "-1"], "--judged must not be negative"),
        (["--limit", "chess=3"], "no benchmark is called chess"),
    ],
)
def test_bad_usage_is_refused(
    scene: Scene, words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scene.run(*words) == 2
    assert expected in capsys.readouterr().err
    assert scene.calls() == []


def test_the_page_has_all_in_it_and_asks_nobody(scene: Scene) -> None:
    other = scene.model("<b>-7")
    assert scene.run(*INFILL, models=f"{scene.models['model-5']},{other}") == 0
    page = (scene.out / "suite.html").read_text("utf-8")
    assert "<script" not in page
    assert "http:" not in page.replace("http://www.w3.org", "")
    assert "https:" not in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    assert "<b>-7" not in page
    assert "&lt;b&gt;-7" in page
    assert "<svg" in page


def test_limits_of_one_benchmark_stand_above_those_of_its_group(scene: Scene) -> None:
    parser = argparse.ArgumentParser()
    suite.add_arguments(parser)
    words = ["--models", "a", "--out", "o", "--limit", "infill=9", "--limit", "infill-multi-line=3", "--limit", "20"]
    limits = suite.settings_of(parser.parse_args(words)).limits
    assert limits["infill-multi-line"] == 3
    assert limits["infill-random-span"] == 9
    assert limits["crossfile"] == limits["edits-cases"] == 20


def test_every_benchmark_is_a_command_as_users_have_it(tmp_path: Path) -> None:
    from foretype.cli import COMMANDS
    from foretype.eval.comparison.benchmarks import Settings

    settings = Settings(data=tmp_path, pairs=tmp_path, work=tmp_path, unsafe_exec=True)
    evaluations = COMMANDS["eval"][1]
    assert isinstance(evaluations, dict)
    for benchmark in BENCHMARKS:
        words = benchmark.words(settings)
        assert words is not None
        parser = argparse.ArgumentParser(exit_on_error=False)
        __import__("importlib").import_module(str(evaluations[words[0]][1])).add_arguments(parser)
        more = ["--model", "m", "--out", "rows", "--json", *(["--answers", "a"] if benchmark.keeps else [])]
        args = parser.parse_args([*words[1:], *more])
        assert args.limit == 150
        assert args.seed == 7


def test_the_second_is_compared_with_the_first_alone() -> None:
    parser = argparse.ArgumentParser()
    compare.add_arguments(parser)
    args = parser.parse_args(["a", "b", "--limit", "3"])
    assert (args.first, args.second, args.limit) == ("a", "b", [("", 3)])
    assert not hasattr(args, "watch")


# The baseline


def checked(scene: Scene, *words: str) -> int:
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    path = str(scene.folder / "baseline.json")
    return check.run(parser.parse_args(["--suite", str(scene.out), "--baseline", path, *words]))


def test_worse_than_the_baseline_fails_and_says_where(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert scene.run("--data", "d", "--benchmarks", "infill-single-line,crossfile", "--limit", "40") == 0
    assert checked(scene, "--write") == 0
    assert checked(scene) == 0
    assert checked(scene, "--model", "model-9") == 0
    capsys.readouterr()
    assert checked(scene, "--model", "model-1") == 1
    captured = capsys.readouterr()
    assert "infill-single-line" in captured.err
    assert "crossfile-all" in captured.err
    assert "0.500 -> 0.100     40 tasks, 16 lost, 0 won" in captured.out
    assert checked(scene, "--model", "model-1", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["worse"] == ["infill-single-line", "crossfile-none", "crossfile-all"]
    assert told["benchmarks"]["crossfile-all"]["lost"] == 16


def test_other_tasks_are_not_compared(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    first = scene.models["model-5"]
    assert scene.run(*INFILL, models=first) == 0
    assert checked(scene, "--write") == 0
    assert scene.run(*INFILL[:-1], "41", models=first) == 0
    assert checked(scene) == 2
    captured = capsys.readouterr()
    assert "not compared: the suite has other tasks (41, the baseline 40)" in captured.out
    assert "nothing could be compared" in captured.err


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "make one with"), ("{", "is not JSON"), ("{}", "no baseline of format"), ("[]", "holds no object")],
)
def test_a_baseline_that_is_none_is_named(
    scene: Scene, content: str | None, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scene.run(*INFILL, models=scene.models["model-5"]) == 0
    if content is not None:
        (scene.folder / "baseline.json").write_text(content, "utf-8")
    assert checked(scene) == 2
    assert expected in capsys.readouterr().err


def test_verdicts_survive_packing() -> None:
    passed = {f"task {at}": at % 3 == 0 for at in range(21)}
    packed = suite_baseline.packed(passed)
    assert len(packed) == 6
    assert suite_baseline.unpacked(packed, sorted(passed)) == passed
    with pytest.raises(suite_baseline.BaselineError, match="24 tasks where there are 9"):
        suite_baseline.unpacked(packed, [f"{at}" for at in range(9)])


def test_the_real_command_with_a_tiny_model(
    tiny_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "qwen2.5-coder-tiny"
    shutil.copytree(tiny_build, model)
    rows = [
        {
            "task_id": f"{number}",
            "entry_point": "f",
            "prompt": f"def f(x):  # {number}\n",
            "suffix": "\n    return 2\n",
            "canonical_solution": "    pass\n",
            "test": "def check(candidate):\n    assert candidate(1) == 2\n",
        }
        for number in range(2)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / infill.SPLITS["single-line"]).write_text(text, encoding="utf-8")
    parser = argparse.ArgumentParser()
    suite.add_arguments(parser)
    words = ["--models", str(model), "--out", str(tmp_path / "out"), "--data", str(tmp_path), "--unsafe-exec", "--json"]
    assert suite.run(parser.parse_args([*words, "--benchmarks", "infill-single-line"])) == 0
    found = json.loads(capsys.readouterr().out)
    one = found["benchmarks"]["infill-single-line"]["models"]["qwen2.5-coder-tiny"]
    assert one["tasks"] == 2
    assert 0 <= one["pass_at_1"] <= 1
    assert one["peak_rss_mib"] > 10
