"""A repository that names programs wherever git runs some: each leaves a file behind when it is run."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from histories import git

# Settings whose value is a program, or a line for a shell.
_PROGRAMS = (
    *("core.fsmonitor", "core.sshCommand", "core.pager", "core.askPass", "core.gitProxy", "core.editor"),
    *("core.alternateRefsCommand", "credential.helper", "diff.external", "gpg.program", "uploadpack.packObjectsHook"),
    *("diff.evil.command", "diff.evil.textconv", "merge.evil.driver", "pager.log", "pager.diff", "pager.config"),
    *("filter.evil.clean", "filter.evil.smudge", "filter.evil2.process", "remote.evil.uploadpack", "sequence.editor"),
)
_HOOKS = (
    "post-index-change",
    "post-checkout",
    "reference-transaction",
    "pre-auto-gc",
    "fsmonitor-watchman",
    "pre-commit",
)
# Names of files that a careless command line takes for options, or for a command of a shell.
NAMES = ("--upload-pack=x.py", "-o.py", "--output=stolen.py", "$(touch shell).py", "`touch shell`.py", ":(glob)x.py")


class Traps:
    """The programs, in `folder`; `sprung` are those that were run since."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._marks = folder, folder / "sprung"
        self._marks.mkdir(parents=True)

    def program(self, name: str) -> str:
        path = self._folder / name.replace(" ", "-")
        mark = shlex.quote(str(self._marks / name))
        path.write_text(f'#!/bin/sh\ntouch {mark}\n[ -f "$1" ] && cat "$1"\nexit 0\n')
        path.chmod(0o755)
        return str(path)

    @property
    def sprung(self) -> set[str]:
        return {path.name for path in self._marks.iterdir()}


def set_traps(work: Path, traps: Traps) -> None:
    """Sets them in a repository with a work tree."""
    for key in _PROGRAMS:
        git(work, "config", key, traps.program(key))
    for command in ("log", "diff", "cat-file", "config", "rev-parse", "ls-files"):
        git(work, "config", f"alias.{command}", "!" + traps.program(f"alias.{command}"))
    for key, value in (
        ("log.showSignature", "true"),
        ("filter.evil.required", "true"),
        ("diff.ignoreSubmodules", "none"),
        ("protocol.allow", "always"),
        ("pager.log", "true"),
    ):
        git(work, "config", key, value)
    hooks = work / "their hooks"
    hooks.mkdir()
    for hook in _HOOKS:
        for folder in (hooks, work / ".git" / "hooks"):
            folder.mkdir(exist_ok=True)
            os.symlink(traps.program(f"hook {hook}"), folder / hook)
    git(work, "config", "core.hooksPath", str(hooks))
    (work / ".git" / "info" / "attributes").write_text("* diff=evil filter=evil merge=evil\nb.py filter=evil2\n")
