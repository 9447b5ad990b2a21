"""What was edited in a work tree since a commit, as `git` tells it: each file's text then and now.

Files that are gone, and those that are no text in UTF-8, are left out. Needs the program `git`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from foretype.context import languages
from foretype.context.next_edit import EditedFile


class SinceError(Exception):
    """Git cannot tell. The message is one line that tells a user what to do."""


def edited_since(root: Path, revision: str) -> tuple[EditedFile, ...]:
    """The files below `root` that differ from a commit, untracked ones included. Raises `SinceError`."""
    _git(root, "rev-parse", "--is-inside-work-tree", problem=f"{root} is in no git work tree")
    commit = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    sha = _git(root, *commit, problem=f"there is no commit {revision}").decode().strip()
    changed = _names(_git(root, "diff", "--name-only", "--no-renames", "--relative", "--diff-filter=AMT", "-z", sha))
    fresh = _names(_git(root, "ls-files", "--others", "--exclude-standard", "-z"))
    return tuple(_files(root, sha, sorted({*changed, *fresh})))


def _files(root: Path, sha: str, paths: Sequence[str]) -> Iterator[EditedFile]:
    for path in paths:
        try:
            after = (root / path).read_bytes().decode("utf-8")
            before = _git(root, "show", f"{sha}:./{path}", missing=True).decode("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if before != after:
            language = languages.find("", path)
            yield EditedFile(path, language.name if language else "", before, after)


def _names(listing: bytes) -> list[str]:
    return [name.decode("utf-8", "surrogateescape") for name in listing.split(b"\0") if name]


def _git(root: Path, *arguments: str, problem: str = "", missing: bool = False) -> bytes:
    """What a command prints; with `missing`, nothing where it fails."""
    try:
        run = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise SinceError(f"git cannot be run ({error.strerror}); install it") from None
    if run.returncode and not missing:
        last = run.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise SinceError(problem or f"git {arguments[0]} failed: {''.join(last) or 'without a reason'}")
    return b"" if run.returncode else run.stdout
