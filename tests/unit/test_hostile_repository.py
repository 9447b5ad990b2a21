"""A cloned folder is not trusted: whatever its git settings, hooks, attributes and file names say, what reads it runs
none of its programs. Git itself, asked in the plain way, runs them: that shows that the traps are set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from histories import ENVIRONMENT, git
from traps import NAMES, Traps, set_traps

from foretype.context.git import Git, program
from foretype.context.together import Together
from foretype.context.workspace import Workspace
from foretype.eval.typing.checkout import Checkout
from foretype.lsp.edits.since import edited_since
from foretype.mining.git import History

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the traps are shell scripts")

CODE = "def count(words):\n    return len(words)\n"


@pytest.fixture
def traps(tmp_path: Path) -> Traps:
    return Traps(tmp_path / "traps")


@pytest.fixture
def work(tmp_path: Path, traps: Traps) -> Path:
    """A work tree with three commits, a signed one last, a repository within, edited files, and traps."""
    work = tmp_path / "work"
    (work / "inner").mkdir(parents=True)
    git(work, "init", "-q", "-b", "main")
    git(work / "inner", "init", "-q", "-b", "main")
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    (work / "inner" / "c.py").write_text(CODE)
    git(work / "inner", "add", "c.py")
    git(work / "inner", *author, "commit", "-qm", "inner")
    for turn in range(3):
        for name in ("a.py", "b.py", *NAMES):
            (work / name).write_text(CODE * (turn + 1))
        git(work, *author, "-c", "advice.addEmbeddedRepo=false", "add", "--all", "--", ".")
        git(work, *author, "commit", "-qm", f"turn {turn}")
    signed = git(work, "cat-file", "commit", "HEAD").replace(
        "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n", 1
    )
    sha = git(work, "hash-object", "-t", "commit", "-w", "--stdin", stdin=(signed + "\n").encode())
    git(work, "update-ref", "HEAD", sha)
    for folder in (work, work / "inner"):
        set_traps(folder, traps)
    for name in ("a.py", "b.py", *NAMES):
        (work / name).write_text(CODE * 3 + "x = 1\n")
    (work / "inner" / "c.py").write_text("x = 1\n")
    assert not traps.sprung
    return work


def test_the_traps_are_set(work: Path, traps: Traps) -> None:
    for words in (("status",), ("diff", "HEAD"), ("log", "-p"), ("add", "a.py")):
        subprocess.run(["git", *words], cwd=work, capture_output=True, env=ENVIRONMENT, timeout=60)
    expected = {"core.fsmonitor", "gpg.program", "diff.evil.textconv", "filter.evil.clean", "hook post-index-change"}
    assert expected <= traps.sprung


def test_what_changed_together(work: Path, traps: Traps) -> None:
    together = Together(work)
    together.refresh(wait_s=60)
    assert {path for path, _ in together.of("a.py", 9)} == {"b.py", *NAMES}
    assert not traps.sprung


def test_what_was_edited_since_a_commit(work: Path, traps: Traps) -> None:
    found = {file.path: file for file in edited_since(work, "HEAD")}
    assert found.keys() == {"a.py", "b.py", *NAMES}
    assert all((file.before, file.after) == (CODE * 3, CODE * 3 + "x = 1\n") for file in found.values())
    assert not traps.sprung
    assert not list(work.glob("**/shell")) and not list(work.glob("**/stolen*[!y]"))


def test_indexing(work: Path, traps: Traps, tmp_path: Path) -> None:
    workspace = Workspace.open(work, tmp_path / "cache")
    try:
        workspace.refresh(children=0)
        assert workspace.read("-o.py") is not None
        workspace.together.refresh(wait_s=60)
    finally:
        workspace.close()
    assert not traps.sprung


def test_mining(work: Path, traps: Traps) -> None:
    with History(work) as history:
        shas = [commit.sha for commit in history.commits()]
        assert len(shas) == 3
        assert all(patch is not None for _, patch in history.patches(shas, [".py"]))
        assert all(change is not None for _, change in history.changes(shas))
        assert set(NAMES) < history.tree(shas[0]).keys()
        assert list(history.blobs([f"HEAD:{NAMES[0]}"])) == [(CODE * 3).encode()]
    assert not traps.sprung


def test_checking_out(work: Path, traps: Traps, tmp_path: Path) -> None:
    checkout = Checkout(work, tmp_path / "there", tmp_path / "index")
    checkout.to("HEAD")
    checkout.close()
    assert (tmp_path / "there" / "b.py").is_file() and not traps.sprung


def test_a_missing_object_is_not_fetched(work: Path, traps: Traps) -> None:
    """Of a partial clone git gets what is missing by itself, through any program that the remote's settings name."""
    for key, value in (
        ("remote.evil.url", str(work)),
        ("remote.evil.promisor", "true"),
        ("remote.evil.partialclonefilter", "tree:0"),
        ("extensions.partialClone", "evil"),
        ("core.repositoryFormatVersion", "1"),
    ):
        git(work, "config", key, value)
    tree = git(work, "rev-parse", "HEAD~1^{tree}")
    (work / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    together = Together(work)
    together.refresh(wait_s=60)
    Git(work).run("log", "--name-only")
    with History(work) as history:
        list(history.changes([commit.sha for commit in history.commits()]))
    assert not traps.sprung
    subprocess.run(["git", "log", "--name-only"], cwd=work, capture_output=True, env=ENVIRONMENT, timeout=60)
    assert "remote.evil.uploadpack" in traps.sprung


def test_a_program_called_git_in_the_workspace_is_not_run(
    work: Path, traps: Traps, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "git").symlink_to(traps.program("git"))
    real = program()
    monkeypatch.chdir(work)
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", "./", os.environ["PATH"]]))
    assert program() == real
    assert edited_since(work, "HEAD")
    with History(work) as history:
        next(history.commits())
    assert "git" not in traps.sprung
    monkeypatch.setenv("PATH", ".")
    with pytest.raises(FileNotFoundError, match="not installed"):
        program()


def test_settings_of_the_users_own_still_count(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in (("COUNT", "1"), ("KEY_0", "alias.mine"), ("VALUE_0", "rev-parse --is-inside-work-tree")):
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    git_there = Git(work)
    assert git_there.run("mine").stdout == b"true\n"
    assert git_there.run("config", "core.fsmonitor").stdout == b"false\n"


def test_links_and_secrets_are_not_told_as_edits(work: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("password = 1\n")
    (work / "link.py").symlink_to(tmp_path / "outside.py")
    (work / "folder").symlink_to(tmp_path)
    (work / ".env").write_text("KEY=1\n")
    (work / "a.py").unlink()
    (work / "a.py").symlink_to(tmp_path / "outside.py")
    assert {file.path for file in edited_since(work, "HEAD")} == {"b.py", *NAMES}


def _in(folder: Path, words: list[str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The command `foretype` with a current folder, started as its console script does it."""
    script = tmp_path / "start.py"
    script.write_text("import sys\nfrom foretype.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n")
    environment = ENVIRONMENT | {"FORETYPE_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, str(script), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=300)


MODULES = ("threading", "signal", "random", "socket", "struct", "pickle", "selectors", "tempfile", "runpy", "foretype")


@pytest.mark.parametrize("words", [["index", "."], ["doctor", "--json"]], ids=" ".join)
def test_modules_of_the_workspace_are_not_imported(work: Path, tmp_path: Path, words: list[str]) -> None:
    """Python looks for modules in the current folder where it is started with -c or -m, as children are."""
    for name in MODULES:
        (work / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\nraise ImportError\n")
    for at in range(200):  # enough for children to be worth it
        (work / f"module{at}.py").write_text(CODE)
    done = _in(work, words, tmp_path)
    assert not (tmp_path / "imported").exists(), done.stderr
    if words[0] == "index":
        assert done.returncode == 0, done.stderr
