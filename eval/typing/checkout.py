"""A repository's files as they were at one commit after another, in a folder of our own.

`git read-tree` writes what differs from the commit before, with an index of its own, so that the repository may be bare
and read-only, and nothing in it changes. Symbolic links become small files: they may point anywhere. Nothing that the
repository names is run (`context/git.py`).
"""

from __future__ import annotations

from pathlib import Path

import git

from foretype.context.git import Git
from foretype.eval.typing.traces import HistoryError, opened

# A workspace beyond this is left empty: writing it would take longer than playing in it.
MOST_FILES = 20_000


class Checkout:
    """The folder `root`, empty at first; `index` is a file for git's own use, outside of it. Raises `HistoryError`."""

    def __init__(self, repository: Path, root: Path, index: Path) -> None:
        self._repo = opened(repository)
        self._tree = ""
        root.mkdir(parents=True, exist_ok=True)
        git_dir = str(Path(self._repo.git_dir).resolve())
        self._repo.git.set_persistent_git_options(git_dir=git_dir, work_tree=str(root), c="core.symlinks=false")
        environment = Git(Path(git_dir)).environment | {"GIT_INDEX_FILE": str(index), "GIT_LFS_SKIP_SMUDGE": "1"}
        self._repo.git.update_environment(**environment)

    def to(self, commit: str) -> tuple[str, ...]:
        """Goes to a commit; the paths that are not what they were. Raises `HistoryError`."""
        try:
            return self._to(commit)
        except git.GitCommandError as error:
            reason = str(error.stderr).strip()
            raise HistoryError(f"the files of {commit} cannot be had: {reason}; a full clone is needed") from error

    def close(self) -> None:
        self._repo.close()

    def _to(self, commit: str) -> tuple[str, ...]:
        run = self._repo.git
        tree = str(run.rev_parse("--verify", f"{commit}^{{tree}}"))
        if str(run.ls_tree("-r", "--name-only", tree)).count("\n") >= MOST_FILES:
            return ()
        changed = str(run.diff_tree("-r", "-z", "--name-only", self._tree, tree)) if self._tree else ""
        run.read_tree("-u", "--reset", tree)
        self._tree = tree
        return tuple(path for path in changed.split("\0") if path)
