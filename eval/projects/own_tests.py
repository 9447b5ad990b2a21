"""Whether a package's own tests still pass when a completion stands in its code.

The tests of a package run once as they are, traced by `coverage`, which tells what tests run a line and pass. A place
is judged by at most `MOST_TESTS` of those, the fastest: all must pass with the code as it is, and some must fail when
the place is emptied, or they could not tell a right completion from a wrong one. Code that runs when it is imported
belongs to no test, and cannot be judged.

The tests run in a sandbox (`sandbox.py`) that shows them a copy of the package, read-only. The package is not
installed: pytest and what the tests import, pinned below, lie in a folder of their own, as wheels alone. What those
require is not pinned, nor does it need to be: a test counts only if it passes here.
"""

from __future__ import annotations

import ast
import hashlib
import json
import logging
import math
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foretype.eval import sandbox
from foretype.eval.projects.packages import Package, PackageError
from foretype.eval.projects.tasks import Task
from foretype.eval.sandbox import BARE, Sandbox

_log = logging.getLogger(__name__)

MOST_TESTS = 25  # of one line

_REQUIREMENTS = (
    *("pytest==9.2.0", "coverage==7.17.3", "hypothesis==6.170.15", "anyio==4.16.0", "attrs==26.1.0"),
    *("blinker==1.9.0", "boltons==26.2.0", "click==8.5.1", "cryptography==50.0.2", "email-validator==2.4.0"),
    *("ephemeral-port-reserve==1.1.4", "face==26.0.1", "freezegun==1.5.5", "httpx==0.28.1", "httpx2==2.16.2"),
    *("itsdangerous==2.2.0", "jinja2==3.1.6", "jsonpath-ng==1.16.0", "jsonschema-specifications==2025.9.1"),
    *("linkify-it-py==2.2.0", "markupsafe==3.0.4", "mdit-py-plugins==0.7.0", "mdurl==0.1.2", "pretend==1.0.9"),
    *("pyjwt==2.15.1", "pytest-regressions==2.11.0", "python-multipart==0.0.34", "pyyaml==6.0.3"),
    *("referencing==0.37.0", "rpds-py==2026.9.1", "simplejson==4.3.0", "time-machine==3.6.0", "trio==0.35.0"),
    *(
        "prompt-toolkit==3.0.53",
        "pyperclip==1.11.0",
        "pyte==0.8.2",
        "pytest-mock==3.17.0",
        "rich==15.0.0",
        "rich-argparse==1.8.0",
    ),
)
_ARGUMENTS = (
    *("-q", "--rootdir=.", "--tb=no", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "filterwarnings="),
    *("--hypothesis-seed=0",),
)
_ALL_S, _SOME_S, _INSTALL_S = 600.0, 60.0, 900.0
_MEMORY_MIB, _FILE_MIB, _OPEN_FILES = 4096, 64, 256
_CHILD = Path(__file__).with_name("own_tests_child.py")
_HARNESS = Path(__file__).parent.parent / "cage" / "harness.py"


@dataclass(frozen=True)
class Outcome:
    """`passed`: every test that was asked for ran and passed. `lines`: by file and line (from 1) the tests that run it,
    if that was asked for."""

    passed: bool
    lines: dict[str, dict[str, list[str]]]


def environment(folder: Path) -> Path:
    """A folder below `folder` with pytest and what the tests import, made by pip unless it is there.

    Raises `PackageError`.
    """
    facts = [sys.implementation.cache_tag, sys.platform, *_REQUIREMENTS]
    kept = folder / f"environment-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}"
    if kept.is_dir():
        return kept
    command = [sys.executable, "-P", "-m", "pip", "install", "--only-binary=:all:", "--no-input"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="install-", dir=folder) as scratch:
            made = Path(scratch) / "environment"
            done = subprocess.run(
                [*command, "--disable-pip-version-check", "--target", str(made), *_REQUIREMENTS],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_INSTALL_S,
                encoding="utf-8",
                errors="replace",
            )
            if done.returncode:
                said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
                raise PackageError(f"what the tests need cannot be had: pip: {said[-1] if said else done.returncode}")
            os.replace(made, kept)
    except subprocess.TimeoutExpired:
        raise PackageError(f"pip did not get what the tests need in {_INSTALL_S:.0f} s; check the network") from None
    except OSError as error:
        raise PackageError(f"what the tests need cannot be kept in {folder}: {error.strerror}") from error
    return kept


class Judge:
    """Judges completions at up to `most` places of each package, those asked for first that can be judged, in `box`.

    `scratch` holds copies of the packages, `kept` what is worth keeping for the next run: `environment`'s folder, and
    what was found out of the code as it is. Raises `PackageError` where those cannot be had.
    """

    def __init__(self, most: int, scratch: Path, kept: Path, box: Sandbox = BARE) -> None:
        self._box = box
        self._most, self._scratch, self._kept = most, scratch, kept
        self._judged: Counter[str] = Counter()
        self._facts: dict[str, dict[str, Any]] = {}
        self._verdicts: dict[tuple[str, str], bool] = {}
        self._tests: dict[str, tuple[str, ...]] = {}

    def tests(self, task: Task, package: Package, root: Path) -> tuple[str, ...]:
        """The tests that judge this place of the package unpacked in `root`; none where it cannot or need not be."""
        if task.task_id not in self._tests:
            found = self._find(task, package, root) if self._judged[task.package] < self._most else ()
            self._judged[task.package] += bool(found)
            self._tests[task.task_id] = found
        return self._tests[task.task_id]

    def passes(self, task: Task, package: Package, root: Path, completion: str) -> bool | None:
        """Whether the tests of this place pass with the completion in it; None where they cannot tell."""
        tests = self.tests(task, package, root)
        if not tests:
            return None
        if completion == task.reference:
            return True
        key = task.task_id, completion
        if key not in self._verdicts:
            text = task.prefix + completion + task.suffix
            self._verdicts[key] = _parses(text) and self._run(task, package, root, text, tests)
        return self._verdicts[key]

    def remember(self, task_id: str, completion: str, passed: bool) -> None:
        """A verdict of an earlier run."""
        self._verdicts[task_id, completion] = passed

    def _find(self, task: Task, package: Package, root: Path) -> tuple[str, ...]:
        facts = self._of_package(package, root)
        tests = facts["lines"].get(task.path, {}).get(str(task.line + 1), ())
        if not tests:
            return ()
        digest = hashlib.sha256(json.dumps([task.task_id, task.reference, tests]).encode()).hexdigest()[:16]
        if digest not in facts["telling"]:
            without = next((text for text in _emptied(task) if _parses(text)), None)
            whole = task.prefix + task.reference + task.suffix
            facts["telling"][digest] = bool(
                without is not None
                and self._run(task, package, root, whole, tests)
                and not self._run(task, package, root, without, tests)
            )
            self._keep(package, facts)
        return tuple(tests) if facts["telling"][digest] else ()

    def _of_package(self, package: Package, root: Path) -> dict[str, Any]:
        name = str(package)
        if name not in self._facts:
            try:
                self._facts[name] = json.loads(self._file(package).read_text(encoding="utf-8"))
            except (OSError, ValueError):
                outcome = run(self._copy(package, root), package, environment(self._kept), trace=True, box=self._box)
                self._facts[name] = {"lines": outcome.lines, "telling": {}}
                if any(outcome.lines.values()):
                    self._keep(package, self._facts[name])
                else:
                    _log.warning("%s: none of its tests passed here, so that they judge nothing", package)
        return self._facts[name]

    def _run(self, task: Task, package: Package, root: Path, text: str, tests: Sequence[str]) -> bool:
        copy = self._copy(package, root)
        file = copy / task.path
        whole = file.read_bytes()
        file.write_bytes(text.encode())
        try:
            return run(copy, package, environment(self._kept), tests, box=self._box).passed
        finally:
            file.write_bytes(whole)

    def _copy(self, package: Package, root: Path) -> Path:
        copy = self._scratch / str(package)
        if not copy.is_dir():
            shutil.copytree(root, copy)
        return copy

    def _file(self, package: Package) -> Path:
        bare = "" if self._box.bwrap else "-bare"  # some tests pass only without a sandbox
        made = environment(self._kept).name.rpartition("-")[2]
        return self._kept / f"{package}-{package.sha256[:16]}-{made}{bare}.json"

    def _keep(self, package: Package, facts: dict[str, Any]) -> None:
        file = self._file(package)
        try:
            new = file.with_suffix(".new")
            new.write_text(json.dumps(facts), encoding="utf-8")
            os.replace(new, file)
        except OSError as error:
            raise PackageError(f"what the tests showed cannot be kept in {self._kept}: {error.strerror}") from error


def run(
    root: Path,
    package: Package,
    installed: Path,
    tests: Sequence[str] = (),
    trace: bool = False,
    box: Sandbox = BARE,
) -> Outcome:
    """Runs some of the tests of the package unpacked in `root`, by their pytest ids, or all; `trace` asks for lines."""
    token = secrets.token_hex(16)
    timeout_s = _SOME_S if tests else _ALL_S
    order = {
        "token": token,
        "arguments": [*_ARGUMENTS, *(("-x", *tests) if tests else ("--continue-on-collection-errors", *package.tests))],
        "trace": str(root / package.code) if trace else "",
        "most": MOST_TESTS,
        "alarm_s": math.ceil(timeout_s) + 2,
        "limits": box.limits(math.ceil(timeout_s), _MEMORY_MIB, _FILE_MIB, _OPEN_FILES),
        "user": box.user(),
    }
    with (
        tempfile.TemporaryFile() as orders,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryDirectory(prefix="foretype-tests-", ignore_cleanup_errors=True) as home,
    ):
        orders.write(json.dumps(order).encode())
        orders.seek(0)
        environ = dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), str(sandbox.PRIVATE) if box.bwrap else home)
        environ |= {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        path = os.pathsep.join(map(str, (root / package.source_root, installed)))
        child = subprocess.Popen(
            box.command([*sandbox.interpreter(), _CHILD], root, [root, installed, _CHILD, _HARNESS]),
            cwd=root,
            env=environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "TZ": "UTC"},
            stdin=orders,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _end(child)
        answer.seek(0)
        try:
            said = json.loads(answer.read())
        except ValueError:
            return Outcome(False, {})
    believed = isinstance(said, dict) and said.get("token") == token
    return Outcome(believed and said["status"] == 0, said["lines"] if believed else {})


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kills the child and all that is still in its process group."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # nobody left; macOS says so by the latter
            pass
    else:
        child.kill()
    child.wait()


def _emptied(task: Task) -> tuple[str, ...]:
    """The file with nothing, or as little as can be, where the reference stood."""
    return tuple(task.prefix + filler + task.suffix for filler in ("", "pass", "None", "if False:", "elif False:"))


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
