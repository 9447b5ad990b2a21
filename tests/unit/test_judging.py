import argparse
import gzip
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from infill_tasks import TASKS

from foretype.eval import infill, judging
from foretype.eval.cage import planted
from foretype.eval.cage.planted import Planted
from foretype.eval.sandbox import Sandbox, SandboxError, open_sandbox

DOUBLE = TASKS[0]
SOON_S = 1.5  # for what only time ends


@pytest.fixture(scope="module")
def box() -> Sandbox:
    try:
        return open_sandbox()
    except SandboxError as error:
        pytest.skip(str(error))


def filled(code: str, task: infill.Task = DOUBLE) -> Planted:
    return Planted(task, "", "".join(f"    {line}\n" for line in code.splitlines()), None)


def verdicts(of: Planted, box: Sandbox, timeout_s: float = 30) -> tuple[bool, bool]:
    """Ours and the reference's."""
    (found,) = judging.compare([of], box, timeout_s)
    return found.ours, found.reference


def test_canonical_completions_pass_and_wrong_ones_fail_in_both(box: Sandbox) -> None:
    of = [Planted(task, "canonical", task.canonical_solution, True) for task in TASKS]
    for number, (kind, line) in enumerate(planted.WRONG.items()):
        for task in TASKS[number::8]:
            of.append(Planted(task, kind, f"    {line}\n", False))
    found = judging.compare(of, box, timeout_s=30)
    assert [f"{each.of.task.task_id} {each.of.kind}" for each in found if not each.sound] == []
    figures = judging.agreement(found)
    assert (figures["completions"], figures["agreed"]) == (40, 40)
    assert (figures["canonical"], figures["canonical_passed"], figures["wrong"], figures["wrong_passed"]) == (
        20,
        20,
        20,
        0,
    )


@pytest.mark.parametrize("line", planted.ENDLESS.values(), ids=planted.ENDLESS)
def test_what_does_not_end_fails_in_both(box: Sandbox, line: str) -> None:
    assert verdicts(filled(line), box, SOON_S) == (False, False)


@pytest.mark.parametrize(
    "code",
    [
        "global check\ncheck = print",  # the call of it is under way
        "import builtins\nbuiltins.AssertionError = KeyError\nreturn 0",
        "import sys\nsys.settrace(None)\nreturn 0",
        "import os\nos._exit = print\nreturn 0",
    ],
    ids=["check", "AssertionError", "settrace", "_exit"],
)
def test_tampering_with_the_tests_fails_in_both(box: Sandbox, code: str) -> None:
    assert verdicts(filled(code), box) == (False, False)


def test_a_value_that_equals_everything_passes_in_both(box: Sandbox) -> None:
    code = "class Any:\n    def __eq__(self, other):\n        return True\nreturn Any()"
    assert verdicts(filled(code), box) == (True, True)


QUOTED = replace(
    DOUBLE, test="\ndef check(candidate):\n    '''# of double'''\n    assert candidate(2) == 4\n", suffix=""
)


@pytest.mark.parametrize(
    ("of", "timeout_s"),
    [
        (
            Planted(
                QUOTED, "", "    return 0\n\n\ndef check(candidate): pass\ndef last(candidate=print):\n    '''", None
            ),
            30,
        ),
        (Planted(DOUBLE, "", "    return 2 * x\nlast = 1 \\", None), 30),
        (filled("import time\ntry:\n    time.sleep(60)\nexcept BaseException:\n    return 120", TASKS[4]), SOON_S),
        (filled("import mmap\nheld = mmap.mmap(-1, 2 << 30)\nreturn 2 * x"), 30),
        (filled("import threading\nthreading.Thread(target=print).start()\nreturn 2 * x"), 30),
        (filled("held = [open('/dev/null') for _ in range(100)]\nreturn 2 * x"), 30),
    ],
    ids=["swallows the tests", "backslash", "catches the limit", "memory", "thread", "open files"],
)
def test_where_ours_is_stricter(box: Sandbox, of: Planted, timeout_s: float) -> None:
    assert verdicts(of, box, timeout_s) == (False, True)


@pytest.mark.parametrize("code", ["import os\nos.getcwd()\nreturn 2 * x", "import sys\nsys.stdin.read()\nreturn 2 * x"])
def test_where_the_reference_is_stricter(box: Sandbox, code: str) -> None:
    assert verdicts(filled(code), box) == (True, False)


def test_a_seed_plants_the_same(box: Sandbox) -> None:
    first = planted.plant(TASKS, 60, 7)
    assert planted.plant(TASKS, 60, 7) == first != planted.plant(TASKS, 60, 8)
    assert len(first) == 60
    assert [each.right for each in first].count(True) == [each.right for each in first].count(False) == 20
    assert {each.kind for each in first} >= {"canonical", "changed", *planted.WRONG, "endless loop"}


def save(folder: Path, tasks: list[infill.Task]) -> Path:
    rows = "".join(json.dumps(asdict(task)) + "\n" for task in tasks)
    (folder / (infill.SPLITS["single-line"] + ".gz")).write_bytes(gzip.compress(rows.encode()))
    return folder


def test_a_canonical_solution_that_fails_is_told(
    box: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    infill.add_arguments(parser)
    wrong = replace(DOUBLE, canonical_solution="    return 3 * x\n")
    argv = ["--data", str(save(tmp_path, [wrong])), "--agree", "3"]
    assert infill.run(parser.parse_args(argv)) == 1
    told = capsys.readouterr().out
    assert "HumanEval/0/L0, canonical: failed, by the reference failed: 'return 3 * x'" in told


def test_missing_data_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    infill.add_arguments(parser)
    assert infill.run(parser.parse_args(["--data", str(tmp_path), "--agree", "9"])) == 2
    assert "openai/human-eval-infilling" in capsys.readouterr().err


def test_the_cost_is_measured_and_within_reason(box: Sandbox, tmp_path: Path) -> None:
    # in a process of its own: measuring makes it the next of kin of what bubblewrap leaves
    code = (
        "import argparse, sys\nfrom foretype.eval import infill\nparser = argparse.ArgumentParser()\n"
        "infill.add_arguments(parser)\nsys.exit(infill.run(parser.parse_args()))\n"
    )
    wrong = replace(TASKS[3], canonical_solution="    return 0\n", task_id="wrong")
    argv = ["--data", save(tmp_path, [*TASKS[:8], wrong]), "--judge-cost", "9", "--json"]
    done = subprocess.run([sys.executable, "-c", code, *map(str, argv)], capture_output=True, text=True)
    figures = json.loads(done.stdout)
    assert done.returncode == 0
    assert (figures["cost_tasks"], figures["cost_failed_ids"]) == (8, ["wrong"])
    assert 1 < figures["judging_cpu_ratio"] < 3
    assert 1 < figures["sandbox_cpu_ratio"] < 2
    assert figures["judged_cpu_ms"] == pytest.approx(figures["bare_cpu_ms"] * figures["judging_cpu_ratio"])
