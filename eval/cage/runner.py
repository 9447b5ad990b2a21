"""Runs a Python program that a model wrote, against its tests, in a child process with limits.

Each run is a sandbox of its own (`sandbox.py`), with an interpreter without site packages, an empty environment, no
input, its output discarded unread, and limits on time, memory, file size, open files and new processes. Whatever it
started ends with it. "Passed" is believed only from a random token that the child's harness sends after the last test,
so leaving early, printing, or replacing `os._exit` and `check` passes nothing; a program that searches its own process
for the token with intent could lie about itself, and about nothing else.

Run bare (`--unsafe-exec`), it may read what the user may read and reach the network. Where the platform has no
`resource` module (Windows) only time is limited then, and macOS does not enforce the limit on memory: see `LIMITED`.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import os
import secrets
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import psutil

from foretype.eval import sandbox
from foretype.eval.sandbox import BARE, Sandbox

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


def run(program: str, test: str, entry_point: str, timeout_s: float = 10.0, box: Sandbox = BARE) -> Verdict:
    """Runs `program`, then `test`, then `check(<entry_point>)`, which `test` defines.

    `timeout_s` is wall-clock time and includes the interpreter's start of about 30 ms. May be called from several
    threads at once.
    """
    token, mark = secrets.token_hex(16), secrets.token_hex(8)
    # Files rather than pipes: a process that outlives the child cannot hold them open against us.
    with (
        tempfile.TemporaryFile() as orders,
        tempfile.TemporaryFile() as answer,
        _folder(box) as folder,
    ):
        orders.write(_order(token, program, test, entry_point, timeout_s, box))
        orders.seek(0)
        try:
            child = _start(box, folder, mark, orders, answer)
        except OSError:
            return Verdict("error")
        try:
            late = not _ended(child, timeout_s)
        finally:
            _end(child, "" if box.bwrap else mark)
        answer.seek(0)
        said = answer.read(256).decode("ascii", "replace")
    for reason in _REASONS:
        if said == f"{token} {reason}":
            return Verdict(reason)
    return Verdict("timeout" if late or _out_of_cpu(child.returncode) else "exited")


@contextmanager
def _folder(box: Sandbox) -> Iterator[str]:
    """Where a program runs: in memory, or in a folder that is removed afterwards."""
    if box.bwrap:
        yield str(sandbox.PRIVATE)
        return
    with tempfile.TemporaryDirectory(prefix="foretype-run-", ignore_cleanup_errors=True) as folder:
        yield folder


def _start(box: Sandbox, folder: str, mark: str, orders: IO[bytes], answer: IO[bytes]) -> subprocess.Popen[bytes]:
    # The fixed hash seed makes the order of sets, and with it the verdict, the same each time.
    environment = {_MARK: mark, "PYTHONHASHSEED": "0", "HOME": folder, "TMPDIR": folder, "TEMP": folder, "TMP": folder}
    if "SYSTEMROOT" in os.environ:  # Windows starts no Python without it
        environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    return subprocess.Popen(
        _command(box),
        cwd=None if box.bwrap else folder,
        env=environment,
        stdin=orders,
        stdout=answer,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _ended(child: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Whether it ends in time. Where the system can tell (Linux), without asking again and again, which costs CPU."""
    try:
        handle = os.pidfd_open(child.pid)
    except (AttributeError, OSError):
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(1000 * timeout_s))
    finally:
        os.close(handle)


def _order(token: str, program: str, test: str, entry_point: str, timeout_s: float, box: Sandbox) -> bytes:
    """What `harness.py` reads. A lone surrogate stays what it is, for the compiler there to refuse."""
    texts = [text.encode("utf-8", "surrogatepass") for text in (program, test, entry_point)]
    limits = [f"{name}={value}" for name, value in _limits(box, timeout_s).items()]
    numbers = (math.ceil(timeout_s) + 2, box.user(), len(texts[0]), len(texts[1]))
    return " ".join([token, *map(str, numbers), *limits]).encode() + b"\n" + b"".join(texts)


@functools.cache
def _command(box: Sandbox) -> list[str]:
    return box.command([*sandbox.interpreter(), _HARNESS], readable=[_HARNESS])


def _limits(box: Sandbox, timeout_s: float) -> dict[str, int]:
    limits = box.limits(math.ceil(timeout_s), MEMORY_MIB, FILE_MIB, OPEN_FILES)
    return limits | {"RLIMIT_NPROC": 0 if box.bwrap is None else 1}  # no further process and no thread


def _end(child: subprocess.Popen[bytes], mark: str) -> None:
    """Kills the child, its process group, and what left the group but still carries the run's mark, if it has one."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # nobody left in the group; macOS says so by the latter
            pass
    else:
        child.kill()
    child.wait()
    if not mark:
        return
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
    # a sandbox passes its child's signal on as a shell does
    return hasattr(signal, "SIGXCPU") and returncode in (-signal.SIGXCPU, 128 + signal.SIGXCPU)
