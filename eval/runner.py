"""Runs a Python program that a model wrote, against its tests, in a child process with limits.

Each run has an interpreter of its own without site packages, an empty environment, a private working directory that is
removed afterwards, no input, its output discarded unread, and limits on time, memory, file size, open files and new
processes. Whatever it started is killed at its end. "Passed" is believed only from a random token that the child's
harness sends after the last test, so leaving early, printing, or replacing `os._exit` and `check` passes nothing.

This holds against the accidents of generated code, not against an attacker: the program may read what the user may
read, reach the network, and with intent find the token in its own process. Where the platform has no `resource` module
(Windows) only time is limited, and macOS does not enforce the limit on memory: see `LIMITED`.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import psutil

Reason = Literal["passed", "failed", "timeout", "memory", "exited", "error"]

# Whether memory, files and processes are limited here, and not time alone.
LIMITED = importlib.util.find_spec("resource") is not None

MEMORY_MIB = 1024
FILE_MIB = 16
OPEN_FILES = 64

_HARNESS = Path(__file__).with_name("harness.py")
_REASONS: tuple[Reason, ...] = ("passed", "failed", "memory", "exited", "error")
_MARK = "FORETYPE_RUN"


@dataclass(frozen=True)
class Verdict:
    """How a run ended.

    "failed": an exception, a wrong answer among them. "timeout": out of wall-clock or processor time. "memory": an
    allocation was refused. "exited": the process ended before its tests did. "error": the child could not be set up.
    """

    reason: Reason

    @property
    def passed(self) -> bool:
        return self.reason == "passed"


def run(program: str, test: str, entry_point: str, timeout_s: float = 10.0) -> Verdict:
    """Runs `program`, then `test`, then `check(<entry_point>)`, which `test` defines.

    `timeout_s` is wall-clock time and includes the interpreter's start of about 30 ms. May be called from several
    threads at once.
    """
    token, mark = secrets.token_hex(16), secrets.token_hex(8)
    order = {
        "token": token,
        "program": program,
        "test": test,
        "entry_point": entry_point,
        "alarm_s": math.ceil(timeout_s) + 2,
        "limits": _limits(timeout_s),
    }
    # Files rather than pipes: a process that outlives the child cannot hold them open against us.
    with (
        tempfile.TemporaryFile() as orders,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryDirectory(prefix="foretype-run-", ignore_cleanup_errors=True) as folder,
    ):
        orders.write(json.dumps(order).encode())
        orders.seek(0)
        try:
            child = _start(folder, mark, orders, answer)
        except OSError:
            return Verdict("error")
        try:
            child.wait(timeout_s)
            late = False
        except subprocess.TimeoutExpired:
            late = True
        finally:
            _end(child, mark)
        answer.seek(0)
        said = answer.read(256).decode("ascii", "replace")
    for reason in _REASONS:
        if said == f"{token} {reason}":
            return Verdict(reason)
    return Verdict("timeout" if late or _out_of_cpu(child.returncode) else "exited")


def _start(folder: str, mark: str, orders: IO[bytes], answer: IO[bytes]) -> subprocess.Popen[bytes]:
    # The fixed hash seed makes the order of sets, and with it the verdict, the same each time.
    environment = {_MARK: mark, "PYTHONHASHSEED": "0", "HOME": folder, "TMPDIR": folder, "TEMP": folder, "TMP": folder}
    if "SYSTEMROOT" in os.environ:  # Windows starts no Python without it
        environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    return subprocess.Popen(
        [sys.executable, "-s", "-S", "-P", "-B", "-X", "utf8", str(_HARNESS)],
        cwd=folder,
        env=environment,
        stdin=orders,
        stdout=answer,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _limits(timeout_s: float) -> dict[str, int]:
    return {
        "RLIMIT_CPU": math.ceil(timeout_s) + 1,
        "RLIMIT_AS": MEMORY_MIB << 20,
        "RLIMIT_FSIZE": FILE_MIB << 20,
        "RLIMIT_NOFILE": OPEN_FILES,
        "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": 0,  # no process and no thread; does not bind root
    }


def _end(child: subprocess.Popen[bytes], mark: str) -> None:
    """Kills the child, its process group, and what left the group but still carries the run's mark."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # nobody left in the group; macOS says so by the latter
            pass
    else:
        child.kill()
    child.wait()
    for _ in range(100):  # until it is gone: a process may have forked while it was looked for
        left = _marked(mark)
        if not left:
            return
        for process in left:
            try:
                process.kill()
            except psutil.Error:
                pass
        time.sleep(0.01)


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARK) == mark:
                found.append(process)
        except (psutil.Error, OSError):  # gone, dead but not yet reaped, or another user's
            continue
    return found


def _out_of_cpu(returncode: int) -> bool:
    return hasattr(signal, "SIGXCPU") and returncode == -signal.SIGXCPU
