"""A second opinion on a program: what the benchmark's own scorer is documented to do, and nothing more.

Run as a script by a bare interpreter, in a cage. Reads a line with a number of seconds from stdin, then the
program with its tests and the call of `check` in one text. Writes "passed" where stdout led if the
text runs to its end without an exception, in that time. As there, output leads nowhere, there is no input, a signal
interrupts what takes too long, and a few ways to do harm are taken out of `os` and `builtins` -- with the same process
as judge and judged, and the time limit an exception that a program may catch. `runner` is stricter; this module is
there to find out where. Written from that description; knows nothing of `runner`.
"""

from __future__ import annotations

import builtins
import io
import os
import signal
import sys

_DISABLED = (
    *("chdir", "chmod", "chown", "chroot", "fchdir", "fchmod", "fchown", "fork", "forkpty", "getcwd", "kill", "killpg"),
    *("lchown", "putenv", "remove", "removedirs", "rename", "renames", "replace", "rmdir", "setuid", "system"),
    *("truncate", "unlink"),
)


def main() -> None:
    timeout_s, _, source = sys.stdin.buffer.read().partition(b"\n")
    verdict = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    signal.signal(signal.SIGALRM, _late)
    sys.stdin = _NoInput()
    for name in _DISABLED:
        setattr(os, name, None)
    for name in ("exit", "quit", "help"):
        setattr(builtins, name, None)
    signal.setitimer(signal.ITIMER_REAL, float(timeout_s))
    try:
        exec(source, {})
    except BaseException:
        said = b"failed"
    else:
        said = b"passed"
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.write(verdict, said)


class _NoInput(io.StringIO):
    def read(self, size: int | None = -1, /) -> str:
        raise OSError("there is no input")

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        raise OSError("there is no input")


def _late(*_: object) -> None:
    raise TimeoutError


if __name__ == "__main__":
    main()
