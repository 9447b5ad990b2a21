"""Which files change together, by git's history: who edits one of them often edits the others next.

Counts, over the latest commits, how often two files were in one commit, as Zed's edit prediction does for its related
files. Reads names alone, once for each head, in a thread of its own: until that is done, and where there is no git or
no repository, nothing is known. Runs nothing that a repository could bring along.
"""

from __future__ import annotations

import logging
import subprocess
import threading
from collections import Counter, defaultdict
from pathlib import Path

from foretype.context.git import Git

_log = logging.getLogger(__name__)

_COMMITS = 400
_FILES = 24  # of a commit; a larger one is about everything
_LEAST, _LEAST_SHARE = 2, 0.2  # commits together, and their share of those of the file that was edited
_TIMEOUT_S = 20.0


class Together:
    """The files of one workspace that change together. Any thread may call; never raises, and never waits."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._head: str | None = None
        self._commits: Counter[str] = Counter()
        self._pairs: dict[str, Counter[str]] = {}
        self._reading: threading.Thread | None = None

    def of(self, path: str, limit: int = 5) -> tuple[tuple[str, float], ...]:
        """Files that often changed in the commits of this one, with the share of these commits, the largest first."""
        self.refresh()
        with self._lock:
            commits, others = self._commits[path], self._pairs.get(path, Counter[str]()).most_common(limit)
        found = ((other, count / commits) for other, count in others if count >= _LEAST)
        return tuple((other, share) for other, share in found if share >= _LEAST_SHARE)

    def refresh(self, wait_s: float = 0.0) -> None:
        """Begins to read the history if it is another than the one that was read; waits at most so long for it."""
        head = _head(self._root)
        with self._lock:
            if head != self._head and (self._reading is None or not self._reading.is_alive()):
                self._head = head
                self._reading = threading.Thread(target=self._read, name="foretype-together", daemon=True)
                self._reading.start()
            reading = self._reading
        if wait_s and reading is not None:
            reading.join(wait_s)

    def _read(self) -> None:
        commits, pairs = Counter[str](), defaultdict[str, Counter[str]](Counter)
        for files in _history(self._root):
            if len(files) <= _FILES:
                commits.update(files)
                for file in files:
                    pairs[file].update(other for other in files if other != file)
        with self._lock:
            self._commits, self._pairs = commits, dict(pairs)


def _history(root: Path) -> list[list[str]]:
    """The files below `root` of each of the latest commits, as paths relative to it."""
    try:
        done = Git(root, _TIMEOUT_S).run(
            *("log", "--no-merges", "--no-renames", "--relative", "--name-only", "--format=%x00", "-n", str(_COMMITS)),
            *("--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--"),
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.info("no git history: %s", type(error).__name__)
        return []
    if done.returncode:
        return []  # no repository, or one without a commit
    said = done.stdout.decode("utf-8", "surrogateescape")
    return [[line for line in commit.split("\n") if line] for commit in said.split("\0") if commit.strip()]


def _head(root: Path) -> str:
    """What tells one state of the history from another, "" where there is no repository."""
    for folder in (root, *root.parents):
        log = folder / ".git" / "logs" / "HEAD"
        try:
            status = log.stat()
        except OSError:
            if (folder / ".git").exists():
                return str(folder)
            continue
        return f"{folder} {status.st_size} {status.st_mtime_ns}"
    return ""
