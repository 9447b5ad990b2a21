"""A repository's history through a handful of git's plumbing processes: commits, what they changed, texts.

One `rev-list`, two `diff-tree --stdin` and one `cat-file --batch` a repository, held by GitPython and asked in turn; no
process per commit or file. Works on bare and shallow clones, linked work trees, alternates and SHA-256 repositories.

A repository is not trusted. Nothing that its configuration names is run (external diffs, text conversions, hooks,
fsmonitor, transports: a partial clone's missing objects stay missing), its work tree is not looked at, and replacement
objects are ignored. A process that dies of a corrupt object costs the one commit that was asked about, and is started
again. Knows nothing of what is worth mining.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from foretype.context.git import program
from foretype.mining.commit import Commit
from foretype.mining.git_process import Process
from foretype.mining.patches import Patch, parse

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # else importing GitPython fails where there is no git
import git

_log = logging.getLogger(__name__)

BIG_FILE_BYTES = 1 << 20  # git shows no text diff of a blob larger than that
_RENAME_LIMIT = 400  # files deleted and added that are compared for renames; git compares all pairs
# Questions that are written before answers are read: less than the smallest pipe buffer of the supported systems.
_IN_FLIGHT_BYTES = 4096
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",  # known from git 2.45 on; before that no transport is allowed to do it
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    # keep the memory of blobs that were let go: a tenth less time in glibc's malloc, unknown to others
    "MALLOC_MMAP_THRESHOLD_": str(1 << 26),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
    "MALLOC_TOP_PAD_": str(1 << 24),
}
_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.attributesFile": os.devnull,
    "core.bigFileThreshold": str(BIG_FILE_BYTES),
    "core.quotePath": "true",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "mailmap.blob": "HEAD:.mailmap",
    "mailmap.file": os.devnull,
    "safe.directory": "*",  # another user's repository may be read, as nothing of it is run
}
_DIFF = ("--root", "-r", "-M", f"-l{_RENAME_LIMIT}", "--no-ext-diff", "--no-textconv", "--no-relative", "--no-color")
_PATCH = ("-p", "-U0", "--full-index", "--inter-hunk-context=0", "--diff-algorithm=myers", "--ignore-submodules=all")
_GLOB, _ESCAPED = re.compile(r"[*?\[\\]"), r"\\\g<0>"
_FIELDS = ("%P", "%aN", "%aE", "%at", "%ct", "%B")


class GitError(Exception):
    """The repository cannot be read. The message tells a user what to do."""


class Change(NamedTuple):
    """One file of a commit. `status` is git's letter (A, M, R, D, T); modes are octal, ids of all zeros where a side
    is missing. Bytes of a path that are not UTF-8 are surrogates, see `os.fsdecode`."""

    status: str
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    old_path: str
    path: str


class History:
    """One repository's history; a context manager, whose end ends its processes.

    `name` is what commits carry as their repository. Raises `GitError` where `path` is no repository of its own, or has
    no commits. `skipped` counts commits and files that could not be read.
    """

    def __init__(self, path: str | Path, name: str = "", pathspecs: Sequence[str] = ()) -> None:
        self.path = Path(path)
        self.name = name or default_name(self.path)
        self.skipped = 0
        self._git = git.cmd.Git(str(_directory(self.path)))
        self._git.update_environment(**_ENVIRONMENT, GIT_DIR=str(_git_dir(self.path)))
        self._options = [word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}")]
        self.head = self._head()
        self._shallow = self._boundary()
        # a marker that no file of the repository can know and forge
        self._marker = f"end-{secrets.token_hex(12)}\n".encode()
        self._log = self._process("rev-list")
        self._raw = self._process("diff-tree", "--stdin", "--raw", "-z", *_DIFF)
        self._patch = self._patcher(pathspecs)
        self._endings: set[str] = set()
        self._blobs = self._process("cat-file", "--batch")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for process in (self._log, self._raw, self._patch, self._blobs):
            process.close()

    def commits(self, first_parent: bool = False) -> Iterator[Commit]:
        """The commits from HEAD, newest first. A history that breaks off (a corrupt commit) ends there, with a line
        in the log; so do the commits whose parents a shallow clone lacks, as their changes are not known."""
        form = "%x00".join(("", *_FIELDS, ""))  # a message ends at its first zero byte
        words = ["rev-list", f"--format={form}", *(["--first-parent"] if first_parent else []), "HEAD", "--"]
        self._log.close()
        process = self._log = self._process(*words)
        try:
            process.start()
            for fields in process.records(len(_FIELDS) + 1):
                sha = fields[0].rpartition(" ")[2].strip()
                if sha not in self._shallow:
                    parents, author, email, time, committed, message = fields[1:]
                    yield Commit(
                        *(self.name, sha, tuple(parents.split()), author, email),
                        *(_seconds(time), _seconds(committed), message.strip()),
                    )
            if process.wait():
                self.skip("the history", f"it goes on no further: {process.complaint()}")
        finally:
            process.close()

    def changes(self, shas: Iterable[str]) -> Iterator[tuple[str, list[Change] | None]]:
        """Of each commit the files that it changed from its first parent; None where that cannot be read."""
        for sha, answer in self._diffs(self._raw, shas):
            yield sha, None if answer is None else parse_raw(answer)

    def patches(self, shas: Iterable[str], endings: Iterable[str] = ()) -> Iterator[tuple[str, Patch | None]]:
        """Of each commit the hunks of its files that `pathspecs` name, or of those alone whose names before or after
        have one of the `endings`, which are far fewer to look for; None where they cannot be read."""
        if not self._endings.issuperset(endings):
            self._endings.update(endings)
            self._patch.close()
            self._patch = self._patcher([f"*{_GLOB.sub(_ESCAPED, ending)}" for ending in sorted(self._endings)])
        for sha, answer in self._diffs(self._patch, shas):
            yield sha, None if answer is None else parse(answer)

    def between(self, old: str, new: str) -> list[Change] | None:
        """The files in which two commits' trees differ; None where that cannot be read.

        Of several commits in a line, git takes the later ones for the parents of the first (git-diff-tree(1)).
        """
        ((_, answer),) = self._diffs(self._raw, [f"{new} {old}"])
        return None if answer is None else parse_raw(answer)

    def tree(self, commit: str) -> dict[str, str]:
        """The regular files of a commit: the ids of their blobs by their paths."""
        listed = (entry.partition("\t") for entry in self._ask("ls-tree", "-r", "-z", commit).split("\0") if entry)
        return {path: said.split(" ")[2] for said, _, path in listed if said.startswith("100")}

    def blobs(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """The contents of objects, by id or by any name that git takes; None for one that is missing or corrupt."""
        for start in range(0, len(names), 32):
            yield from self._batch(names[start : start + 32])

    def root_files(self) -> list[str]:
        """The names of what lies in the root folder at HEAD; those that are not UTF-8 are left out."""
        listed = self._ask("ls-tree", "-z", "--name-only", "HEAD")
        return [name for name in listed.split("\0") if name and "\n" not in name and "\ufffd" not in name]

    def root(self) -> str:
        """The oldest commit without parents, which all forks share; "" where that cannot be told."""
        return self._ask("rev-list", "--max-parents=0", "HEAD").rpartition("\n")[2]

    def skip(self, what: str, why: str) -> None:
        """Counts and logs something that could not be read."""
        self.skipped += 1
        _log.warning("%s: %s left out: %s", self.name, what, why)

    def _batch(self, names: Sequence[str]) -> Iterator[bytes | None]:
        left = deque(names)
        while left:
            self._blobs.start()
            self._blobs.write("".join(f"{name}\n" for name in left).encode())
            while left:
                try:
                    contents = self._blobs.read_object()
                except EOFError:
                    self.skip(left.popleft(), self._blobs.complaint())
                    self._blobs.close()
                    yield None
                    break
                left.popleft()
                yield contents

    def _diffs(self, process: Process, shas: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        remaining = iter(shas)
        while left := deque(islice(remaining, _IN_FLIGHT_BYTES // 128)):
            while left:
                process.start()
                process.write(b"".join(sha.encode() + b"\n" + self._marker for sha in left))
                while left:
                    try:
                        answer = process.read_until(self._marker)
                    except EOFError:
                        self.skip(left[0], process.complaint())
                        process.close()
                        yield left.popleft(), None
                        break
                    yield left.popleft(), answer

    def command(self, *words: str) -> list[str]:
        try:
            return [program(), *self._options, *words]
        except FileNotFoundError as error:
            raise GitError("git is not installed: install it, or put it on the PATH") from error

    def _process(self, *words: str) -> Process:
        return Process(lambda: self.popen(*words))

    def popen(self, *words: str) -> Any:
        """A git process with pipes, wrapped by GitPython so that it ends with this one. Raises `GitError`."""
        try:
            return self._git.execute(self.command(*words), istream=-1, as_process=True)  # -1: subprocess.PIPE
        except git.GitCommandNotFound as error:
            raise GitError("git is not installed: install it, or put it on the PATH") from error

    def _ask(self, *words: str) -> str:
        try:
            status, out, _ = self._git.execute(
                self.command(*words), with_extended_output=True, with_exceptions=False, stdout_as_string=True
            )
        except git.GitCommandNotFound as error:
            raise GitError("git is not installed: install it, or put it on the PATH") from error
        return "" if status else str(out).strip()

    def _patcher(self, pathspecs: Sequence[str]) -> Process:
        return self._process("diff-tree", "--stdin", *_PATCH, *_DIFF, "--", *pathspecs)

    def _head(self) -> str:
        if not self._ask("rev-parse", "--git-dir"):
            raise GitError(f"{self.path} is not a repository that git can read: is it complete?")
        head = self._ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if not head:
            raise GitError(f"{self.path} has no commits (HEAD points at none)")
        return head

    def _boundary(self) -> frozenset[str]:
        """The commits of a shallow clone whose parents were not cloned."""
        common = self._ask("rev-parse", "--git-common-dir")
        try:
            return frozenset(Path(self._git.working_dir or ".", common, "shallow").read_text("ascii").split())
        except (OSError, UnicodeDecodeError):
            return frozenset()


def default_name(path: Path) -> str:
    """What to call the repository at `path`: its folder, without `.git`."""
    full = Path(os.path.realpath(path))
    return (full.parent if full.name == ".git" else full).name.removesuffix(".git") or "repository"


def parse_raw(data: bytes) -> list[Change]:
    """The output of `diff-tree --raw -z` for one commit: its id, then for each file a description and one path, or
    two where it was renamed, all ended by zero bytes (git-diff-tree(1), "Raw output format")."""
    fields = iter(data.decode(errors="surrogateescape").split("\0"))
    changes = []
    for field in fields:
        if field.startswith(":"):
            old_mode, new_mode, old_id, new_id, status = field[1:].split(" ")
            old_path = path = next(fields)
            if status[0] in "RC":
                path = next(fields)
            changes.append(Change(status[0], old_mode, new_mode, old_id, new_id, old_path, path))
    return changes


def _seconds(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


def _directory(path: Path) -> Path:
    """A folder for git to run in: never a work tree, whose attributes it would read."""
    found = _git_dir(path)
    return found if found.is_dir() else found.parent


def _git_dir(path: Path) -> Path:
    """The repository's own folder or, of a linked work tree or submodule, the file that names it."""
    path = Path(os.path.realpath(path))
    if not path.exists():
        raise GitError(f"{path} does not exist")
    if (path / ".git").exists():
        return path / ".git"
    if (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir():
        return path
    for folder in path.parents:
        if (folder / ".git").exists():
            raise GitError(f"{path} is inside of the repository {folder}, and none itself: give {folder}")
    raise GitError(f"{path} is not a git repository")
