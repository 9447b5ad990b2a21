"""What was edited in a work tree since a commit, as `git` tells it: each file's text then and now.

Files that are gone, that may not be read (`context/guard.py`), or are no text in UTF-8, are left out. Needs the program
`git`, which runs nothing that the repository names.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from foretype.context import languages
from foretype.context.git import Git
from foretype.context.guard import Guard
from foretype.context.next_edit import EditedFile

_DIFF = (
    *("--name-only", "--no-renames", "--relative", "--diff-filter=AMT", "-z"),
    *("--no-ext-diff", "--no-textconv", "--ignore-submodules=all"),
)


class SinceError(Exception):
    """Git cannot tell. The message is one line that tells a user what to do."""


def edited_since(root: Path, revision: str) -> tuple[EditedFile, ...]:
    """The files below `root` that differ from a commit, untracked ones included. Raises `SinceError`."""
    try:
        return _Since(root).edited(revision)
    except OSError as error:
        raise SinceError(f"git cannot be run ({error.strerror}); install it") from None
    except subprocess.TimeoutExpired:
        raise SinceError("git did not answer in time; try again") from None


class _Since:
    def __init__(self, root: Path) -> None:
        self._root, self._git, self._guard = root, Git(root), Guard(root)

    def edited(self, revision: str) -> tuple[EditedFile, ...]:
        self._ask("rev-parse", "--is-inside-work-tree", problem=f"{self._root} is in no git work tree")
        commit = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        sha = self._ask(*commit, problem=f"there is no commit {revision}").decode().strip()
        changed = _names(self._ask("diff", *_DIFF, sha, "--"))
        fresh = _names(self._ask("ls-files", "--others", "--exclude-standard", "-z", "--"))
        return tuple(self._files(sha, sorted({*changed, *fresh})))

    def _files(self, sha: str, paths: Sequence[str]) -> Iterator[EditedFile]:
        for path in paths:
            full = self._root / path
            if full.is_symlink() or self._guard.refusal(path):
                continue
            try:
                after = full.read_bytes().decode("utf-8-sig")
                before = self._ask("cat-file", "blob", f"{sha}:./{path}", missing=True).decode("utf-8-sig")
            except (OSError, UnicodeDecodeError):
                continue
            if before != after:
                language = languages.find("", path)
                yield EditedFile(path, language.name if language else "", before, after)

    def _ask(self, *words: str, problem: str = "", missing: bool = False) -> bytes:
        """What a command prints; with `missing`, nothing where it fails."""
        done = self._git.run(*words)
        if done.returncode and not missing:
            last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise SinceError(problem or f"git {words[0]} failed: {''.join(last) or 'without a reason'}")
        return b"" if done.returncode else done.stdout


def _names(listing: bytes) -> list[str]:
    return [name.decode("utf-8", "surrogateescape") for name in listing.split(b"\0") if name]
