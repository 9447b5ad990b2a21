"""Git on a repository that is not trusted: it answers, and runs nothing that the repository names.

A folder may bring a `.git` of its own (in an archive, on a shared disk, as a repository within a repository), and with
it settings that name programs: git runs them for a mere `diff` or `log`. Hooks, fsmonitor, pagers, signatures and
transports are switched off for every command here, and the filters that the repository's own settings define are set
to nothing; `--no-ext-diff --no-textconv` are the caller's to say where a command knows them, as is `--` before paths.
Filters of the user's and the system's own settings stay: who can write those can run programs anyway.

Git is looked for in the absolute folders of `PATH` alone: never in the folder that it is to read, as Windows would, and
as a `PATH` with `.` in it would anywhere. Knows nothing of what is asked.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "cat",
    "core.quotePath": "false",
    "credential.helper": "",
    "diff.ignoreSubmodules": "all",  # else git runs itself in them, with their settings
    "log.showSignature": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
}
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",  # the missing objects of a partial clone stay missing: to get them runs a program
    "GIT_NO_LAZY_FETCH": "1",  # says the same, known from git 2.45 on
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}
# What would make it answer for another repository, or by other settings (git-rev-parse(1), `--local-env-vars`).
_LEFT_OUT = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS"),
    *("GIT_EXTERNAL_DIFF", "GIT_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND"),
)
# Keys of a filter that name a program (gitattributes(5), "filter").
_PROGRAMS = (".clean", ".smudge", ".process")


class Git:
    """Git in one folder. Raises OSError where there is no git, and as `run` does."""

    def __init__(self, folder: Path, timeout_s: float = 60.0) -> None:
        self.folder, self.timeout_s = folder, timeout_s
        self._program = program()
        self.environment = _environment(_SETTINGS)
        self.environment = _environment(_SETTINGS | self._filters())

    def run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """A command to its end, whatever its status. Raises OSError, and `subprocess.TimeoutExpired`."""
        return subprocess.run(
            [self._program, "--no-pager", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=self.timeout_s,
        )

    def _filters(self) -> dict[str, str]:
        """The settings that undo the filters which the repository defines."""
        listed = self.run("config", "--list", "--show-scope", "--name-only", "--null").stdout.split(b"\0")
        undone: dict[str, str] = {}
        for scope, key in zip(listed[::2], listed[1::2], strict=False):
            name = os.fsdecode(key)
            driver, dot, last = name.rpartition(".")
            if scope in (b"local", b"worktree") and name.startswith("filter.") and dot + last in _PROGRAMS:
                undone |= {name: "", f"{driver}.required": "false"}
        return undone


def program() -> str:
    """The path of git. Raises FileNotFoundError."""
    names = ("git.exe",) if os.name == "nt" else ("git",)
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if os.path.isabs(folder):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and os.access(path, os.X_OK):
                    return path
    raise FileNotFoundError(2, "git is not installed, or not on the PATH")


def _environment(settings: dict[str, str]) -> dict[str, str]:
    """The user's own environment with settings that go before those of any file (git-config(1), "ENVIRONMENT")."""
    environment = {key: value for key, value in os.environ.items() if key not in _LEFT_OUT} | _ENVIRONMENT
    known = environment.get("GIT_CONFIG_COUNT", "")
    first = int(known) if known.isdecimal() else 0
    for at, (key, value) in enumerate(settings.items(), first):
        environment |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    return environment | {"GIT_CONFIG_COUNT": str(first + len(settings))}
