import sys
import time
from pathlib import Path

import pytest

from foretype.eval.projects import own_tests
from foretype.eval.projects.own_tests import Judge
from foretype.eval.projects.packages import Package
from foretype.eval.projects.tasks import Task

pytest.importorskip("coverage")

PACKAGE = Package("demo", "1.0", "0" * 64, "dev", "src/demo", ("tests",))
CODE = """\
from .rules import limit

TOP = limit(3)


def clip(value):
    return limit(value)


def unused(value):
    return limit(value)


def loosely(value):
    limit(value)
    return 1
"""
TESTS = """\
import pytest
from demo.code import clip, loosely, unused

@pytest.mark.parametrize("value", [1, 20])
def test_clip(value):
    assert clip(value) == min(value, 10)

def test_loosely():
    assert loosely(1) == 1

def test_wrong():
    assert unused(1) == 2
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {
        "src/demo/__init__.py": "",
        "src/demo/rules.py": "def limit(value):\n    return min(value, 10)\n",
        "src/demo/code.py": CODE,
        "tests/test_code.py": TESTS,
    }.items():
        file = tmp_path / "demo" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "demo"


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """With this interpreter's own packages as the environment."""
    installed = Path(pytest.__file__).parents[1]
    monkeypatch.setattr(own_tests, "environment", lambda folder: installed)
    (tmp_path / "kept").mkdir()
    return Judge(2, tmp_path / "copies", tmp_path / "kept")


def line(number: int) -> Task:
    """Line `number`, from 0, of CODE."""
    lines = CODE.splitlines(keepends=True)
    body = lines[number].strip()
    prefix, suffix = "".join(lines[:number]), "".join(lines[number + 1 :])
    prefix += lines[number][: lines[number].index(body)]
    return Task(f"t{number}", "demo-1.0", "src/demo/code.py", number, "line", "limit", "r", prefix, f"\n{suffix}", body)


def test_tests_tell_right_from_wrong(root: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    task = line(6)
    assert judge.tests(task, PACKAGE, root) == (
        "tests/test_code.py::test_clip[1]",
        "tests/test_code.py::test_clip[20]",
    )
    assert judge.passes(task, PACKAGE, root, "return min(10, value)") is True
    assert judge.passes(task, PACKAGE, root, "return value") is False
    assert judge.passes(task, PACKAGE, root, "import os; os._exit(0)") is False
    assert (root / task.path).read_text() == CODE

    monkeypatch.setattr(own_tests, "run", None)  # these need no run
    assert judge.passes(task, PACKAGE, root, task.reference) is True
    assert judge.passes(task, PACKAGE, root, "return value") is False
    assert judge.passes(task, PACKAGE, root, "return (") is False
    judge.remember("t6", "return 7", True)
    assert judge.passes(task, PACKAGE, root, "return 7") is True


def test_places_that_no_test_can_judge(
    root: Path, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert judge.tests(line(2), PACKAGE, root) == ()  # runs at import
    assert judge.tests(line(10), PACKAGE, root) == ()  # its test fails as it is
    assert judge.passes(line(14), PACKAGE, root, "pass") is None  # its test passes without it as well

    monkeypatch.setattr(own_tests, "run", None)  # what was found out is kept
    again = Judge(2, tmp_path / "others", tmp_path / "kept")
    assert [again.tests(line(number), PACKAGE, root) for number in (2, 10, 14)] == [(), (), ()]
    assert Judge(0, tmp_path / "others", tmp_path / "none").tests(line(6), PACKAGE, root) == ()


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
def test_what_runs_on_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "tests/test_code.py").write_text("import time\n\ndef test_slow():\n    time.sleep(60)\n")
    monkeypatch.setattr(own_tests, "_SOME_S", 1.0)
    started = time.monotonic()
    installed = Path(pytest.__file__).parents[1]
    assert not own_tests.run(root, PACKAGE, installed, ["tests/test_code.py::test_slow"]).passed
    assert time.monotonic() - started < 30
