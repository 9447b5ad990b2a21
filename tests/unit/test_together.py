"""Files that change together, by the history of a real repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from foretype.context.together import Together


def git(folder: Path, *words: str) -> None:
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *settings, *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() if path.exists() else "") + "x\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "m")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    for _ in range(3):
        commit(tmp_path, "pkg/a.py", "pkg/test_a.py")
    commit(tmp_path, "pkg/a.py", "pkg/é.py")
    commit(tmp_path, "pkg/b.py", *(f"many/{at}.py" for at in range(30)))
    commit(tmp_path, "pkg/b.py", *(f"many/{at}.py" for at in range(30)))
    return tmp_path


def known(root: Path) -> Together:
    together = Together(root)
    together.refresh(wait_s=30)
    return together


def test_what_changed_in_the_same_commits(repository: Path) -> None:
    together = known(repository)
    assert together.of("pkg/a.py") == (("pkg/test_a.py", 0.75),)
    assert together.of("pkg/test_a.py") == (("pkg/a.py", 1.0),)


def test_commits_of_everything_and_pairs_seen_once_say_nothing(repository: Path) -> None:
    together = known(repository)
    assert together.of("pkg/b.py") == ()
    assert together.of("pkg/é.py") == ()
    assert together.of("nowhere.py") == ()


def test_a_workspace_may_be_a_folder_of_the_repository(repository: Path) -> None:
    assert known(repository / "pkg").of("a.py") == (("test_a.py", 0.75),)


def test_new_commits_are_seen(repository: Path) -> None:
    together = known(repository)
    for _ in range(2):
        commit(repository, "pkg/é.py", "pkg/c.py")
    together.refresh(wait_s=30)
    assert together.of("pkg/c.py") == (("pkg/é.py", 1.0),)


def test_no_repository(tmp_path: Path) -> None:
    assert known(tmp_path / "gone").of("a.py") == ()
    git(tmp_path, "init", "-q")
    assert known(tmp_path).of("a.py") == ()
