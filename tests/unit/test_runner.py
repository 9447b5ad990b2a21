import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from foretype.eval.cage import runner
from foretype.eval.sandbox import BARE, Sandbox, SandboxError, open_sandbox

GOOD = "def double(x):\n    return 2 * x\n"
TEST = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == -2\n"
WRITE_EVERYWHERE = "for fd in range(1, 16):\n  try:\n    os.write(fd, b'passed')\n  except OSError:\n    pass\n"
WITH_LIMITS = pytest.mark.skipif(not runner.LIMITED, reason="this platform limits time alone")


BOX = BARE


@pytest.fixture(autouse=True, params=["bare", "sandbox"])
def box(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Each test runs without a sandbox and in one."""
    try:
        box = BARE if request.param == "bare" else open_sandbox()
    except SandboxError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(sys.modules[__name__], "BOX", box)
    return box


def reason(program: str, test: str = TEST, timeout_s: float = 10.0) -> str:
    return runner.run(program, test, "double", timeout_s, BOX).reason


def test_a_right_program_passes() -> None:
    verdict = runner.run(GOOD, TEST, "double", box=BOX)
    assert verdict == runner.Verdict("passed")
    assert verdict.passed


@pytest.mark.parametrize(
    "program",
    [
        "def double(x):\n    return x\n",
        "def double(x:\n",
        "def other(x):\n    return 2 * x\n",
        "",
        'def double(x):\n    return 2 * x\n"""',  # swallows the tests wherever they are pasted behind it
        "def check(candidate):\n    pass\ndef double(x):\n    return 0\n",
        "import numpy\n" + GOOD,  # the standard library alone
    ],
    ids=["wrong", "syntax", "missing", "empty", "open-string", "own-check", "site-package"],
)
def test_a_wrong_program_fails(program: str) -> None:
    verdict = runner.run(program, TEST, "double", box=BOX)
    assert verdict == runner.Verdict("failed")
    assert not verdict.passed


@pytest.mark.parametrize(
    "early",
    [
        "import sys\nsys.exit(0)\n",
        "import os\nos._exit(0)\n",
        "raise SystemExit\n",
        "import os\nprint('passed')\nos._exit(0)\n",
        f"import os\n{WRITE_EVERYWHERE}os._exit(0)\n",
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n",
        "import ctypes\nctypes.string_at(0)\n",
    ],
    ids=["sys.exit", "os._exit", "SystemExit", "print", "write-everywhere", "signal", "segfault"],
)
@pytest.mark.parametrize("when", ["on import", "in the call"])
def test_leaving_early_passes_nothing(early: str, when: str) -> None:
    body = "".join(f"    {line}\n" for line in early.splitlines())
    program = early + GOOD if when == "on import" else f"def double(x):\n{body}"
    assert reason(program) == "exited"


def test_replacing_the_ways_out_passes_nothing() -> None:
    program = "import os, sys\nos._exit = sys.exit = os.write = lambda *a: None\ndef double(x):\n    return 0\n"
    assert reason(program) == "failed"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_that_reaches_the_end_has_no_say() -> None:
    program = "import os, time\ntry:\n    child = os.fork()\nexcept OSError:\n    raise SystemExit\n"
    program += "if child:\n    os.waitpid(child, 0)\n    os._exit(0)\n" + GOOD
    assert reason(program) == "exited"


def test_an_endless_loop_is_ended() -> None:
    started = time.monotonic()
    assert reason("while True:\n    pass\n", timeout_s=0.5) == "timeout"
    assert time.monotonic() - started < 5


@WITH_LIMITS
def test_processor_time_is_limited_beside_wall_clock_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_limits", lambda box, timeout_s: {"RLIMIT_CPU": 1})
    assert reason("while True:\n    pass\n", timeout_s=20) == "timeout"


@WITH_LIMITS
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not enforce the limit on memory")
def test_memory_is_limited() -> None:
    assert reason("hog = bytearray(4 << 30)\n" + GOOD) == "memory"


@WITH_LIMITS
def test_the_size_of_a_file_is_limited() -> None:
    written = "with open('big', 'wb') as big:\n    for _ in range(%d):\n        big.write(bytes(1 << 20))\n"
    assert reason(written % (runner.FILE_MIB + 1) + GOOD) == "failed"
    assert reason(written % (runner.FILE_MIB - 1) + GOOD) == "passed"


@WITH_LIMITS
def test_open_files_are_limited() -> None:
    assert reason(f"held = [open('f', 'w') for _ in range({runner.OPEN_FILES})]\n" + GOOD) == "failed"


def test_endless_output_is_discarded_until_the_time_is_up() -> None:
    assert reason("while True:\n    print('x' * 65536)\n", timeout_s=0.5) == "timeout"
    assert reason("import sys\nfor _ in range(64):\n    sys.stderr.write('x' * 65536)\n" + GOOD) == "passed"


def test_there_is_no_input_and_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETYPE_API_KEY", "secret")
    program = "import os, sys\nassert sys.stdin.read() == ''\nassert 'FORETYPE_API_KEY' not in os.environ\n"
    assert reason(program + GOOD) == "passed"


def test_the_working_directory_is_private_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = "import os, tempfile\nassert os.listdir() == []\nopen('left', 'w').write('x')\n"
    program += "assert os.path.samefile(tempfile.gettempdir(), os.getcwd())\nos.mkdir('sub')\n"
    assert reason(program + GOOD) == "passed"
    assert list(tmp_path.iterdir()) == []


def alive(pid: int) -> bool:
    """Whether the process runs; a killed one that its new parent has not reaped yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("leave_group", [False, True], ids=["same group", "own session"])
@pytest.mark.parametrize("ending", ["", "os._exit(0)\n", "time.sleep(60)\n"], ids=["passes", "exits", "hangs"])
def test_a_grandchild_cannot_start_or_does_not_outlive_the_run(tmp_path: Path, ending: str, leave_group: bool) -> None:
    pid_file = tmp_path / "pid"
    program = (
        "import os, time\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        f"    {'os.setsid()' if leave_group else 'pass'}\n"
        f"    open({str(pid_file) + '.new'!r}, 'w').write(str(os.getpid()))\n"
        f"    os.rename({str(pid_file) + '.new'!r}, {str(pid_file)!r})\n"
        "    time.sleep(60)\n"
        f"while not os.path.exists({str(pid_file)!r}):\n"
        "    time.sleep(0.01)\n"
    )
    ended = reason(program + ending + GOOD, timeout_s=2 if "sleep" in ending else 20)
    if not pid_file.exists():
        assert ended == "failed"  # the limit on processes binds everyone but root
        return
    assert ended == {"": "passed", "os._exit(0)\n": "exited"}.get(ending, "timeout")
    assert not alive(int(pid_file.read_text()))


def test_runs_side_by_side_keep_their_verdicts() -> None:
    programs = [GOOD, "def double(x):\n    return 0\n", "import os\nos._exit(0)\n", GOOD] * 4
    with ThreadPoolExecutor(2) as pool:
        reasons = list(pool.map(reason, programs))
    assert reasons == ["passed", "failed", "exited", "passed"] * 4


def test_the_hash_seed_is_the_same_each_time() -> None:
    assert reason("import sys\nassert sys.flags.hash_randomization == 0\n" + GOOD) == "passed"
