from __future__ import annotations

import logging
import zlib
from pathlib import Path

import pytest
from histories import Made, git, repository

from foretype.mining.commit import Hunk
from foretype.mining.git import GitError, History
from foretype.mining.patches import Patch


def _patch(history: History, sha: str) -> Patch:
    [(answered, patch)] = history.patches([sha])
    assert answered == sha and patch is not None
    return patch


def _hunks(history: History, sha: str) -> tuple[Hunk, ...]:
    [found] = _patch(history, sha).values()
    return found.hunks


def test_commits_changes_hunks_and_texts(tmp_path: Path) -> None:
    path = repository(
        tmp_path / "r.git",
        [
            Made({"a.py": "one\ntwo\nthree\n"}, "Start\n\nat the start"),
            Made({"a.py": "zero\none\n2\nthree\nfour\n", "b.py": "new\n"}, "Go on"),
        ],
    )
    with History(path) as history:
        last, first = history.commits()
        assert (last.subject, last.parents, last.repository) == ("Go on", (first.sha,), "r")
        assert (first.author, first.email, first.time, first.message) == (
            "Ada",
            "ada@example.org",
            1_700_000_000,
            "Start\n\nat the start",
        )
        assert last.sha == history.head
        changes = dict(history.changes([last.sha, first.sha]))
        assert [(change.status, change.path) for change in changes[last.sha] or ()] == [("M", "a.py"), ("A", "b.py")]
        patch = _patch(history, last.sha)
        change = (changes[last.sha] or [])[0]
        assert patch[change.old_id, change.new_id].hunks == (
            Hunk(0, (), 0, ("zero",)),
            Hunk(1, ("two",), 2, ("2",)),
            Hunk(3, (), 4, ("four",)),
        )
        assert list(history.blobs([change.old_id, "0" * 40, change.new_id])) == [
            b"one\ntwo\nthree\n",
            None,
            b"zero\none\n2\nthree\nfour\n",
        ]
        assert history.skipped == 0


def test_hunks_of_files_with_some_endings_alone(tmp_path: Path) -> None:
    path = repository(
        tmp_path / "r",
        [
            Made({"a.py": "1\n", "b.js": "2\n", "c.PY": "3\n", "d.p[x]": "4\n"}),
            Made({"a.py": "one\n", "b.js": "two\n", "c.PY": "three\n", "d.p[x]": "four\n"}),
        ],
    )
    with History(path) as history:

        def added(*endings: str) -> list[str]:
            [(_, patch)] = history.patches([history.head], endings)
            return sorted(hunk.new[0] for file in (patch or {}).values() for hunk in file.hunks)

        assert added() == ["four", "one", "three", "two"]
        assert added(".py") == ["one"]
        assert added(".p[x]") == ["four", "one"]  # those asked for before stay
        assert added(".py") == ["four", "one"]
        assert added(".PY", ".js") == ["four", "one", "three", "two"]


@pytest.mark.parametrize("number", [1, 49, 130])
def test_more_commits_than_are_in_flight(tmp_path: Path, number: int) -> None:
    path = repository(tmp_path / "r", [Made({"a.py": f"{at}\n"}) for at in range(number)])
    with History(path) as history:
        shas = [commit.sha for commit in history.commits()]
        assert len(set(shas)) == number
        assert [sha for sha, patch in history.patches(shas) if patch] == shas


def test_renames_are_followed_and_mailmap_names_authors(tmp_path: Path) -> None:
    text = "".join(f"line {number}\n" for number in range(20))
    path = repository(
        tmp_path / "r",
        [
            Made({"old.py": text, ".mailmap": "Ada Lovelace <new@example.org> <ada@example.org>\n"}),
            Made({"old.py": None, "new.py": text + "end\n"}),
        ],
    )
    with History(path) as history:
        last, _ = history.commits()
        assert (last.author, last.email) == ("Ada Lovelace", "new@example.org")
        [(_, changes)] = history.changes([last.sha])
        assert changes and (changes[0].status, changes[0].old_path, changes[0].path) == ("R", "old.py", "new.py")
        assert _hunks(history, last.sha) == (Hunk(20, (), 20, ("end",)),)


def test_names_that_are_hard_to_read(tmp_path: Path) -> None:
    names: list[str | bytes] = ["a\nb.py", b"\xff\xfe.py", "tab\t.py", "wörter.py", "a\ndiff --git a b.py", 'quote".py']
    path = repository(tmp_path / "r", [Made({name: f"{at}\n" for at, name in enumerate(names)})])
    with History(path) as history:
        [commit] = history.commits()
        [(_, changes)] = history.changes([commit.sha])
        assert {change.path.encode(errors="surrogateescape") for change in changes or ()} == {
            name.encode() if isinstance(name, str) else name for name in names
        }
        assert len(_patch(history, commit.sha)) == len(names)


def test_line_ends_are_no_hunks(tmp_path: Path) -> None:
    path = repository(
        tmp_path / "r",
        [
            Made({"a.py": b"one\r\ntwo\r\n"}),
            Made({"a.py": b"one\ntwo\n"}),
            Made({"a.py": b"one\r\n2\r\n"}),
            Made({"a.py": b"one\r\n2"}),
            Made({"a.py": b"one\r\n2\r\nthree"}),
        ],
    )
    with History(path) as history:
        more, unended, mixed, converted, _ = [commit.sha for commit in history.commits()]
        assert _hunks(history, converted) == ()
        assert _hunks(history, mixed) == (Hunk(0, ("one", "two"), 0, ("one", "2")),)
        assert _hunks(history, unended) == ()
        assert _hunks(history, more) == (Hunk(1, ("2",), 1, ("2", "three")),)


def test_dates_before_1970_and_after_2038(tmp_path: Path) -> None:
    path = repository(tmp_path / "r", [Made({"a.py": "1\n"}, time=1), Made({"a.py": "2\n"}, time=5_000_000_000)])
    raw = git(path, "cat-file", "commit", "HEAD").replace(" 5000000000 ", " -5 ").encode() + b"\n"
    early = git(path, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw)
    git(path, "update-ref", "refs/heads/main", early)
    with History(path) as history:
        assert [commit.time for commit in history.commits()] in ([0, 1], [-5, 1])


def test_links_modules_and_modes_are_told(tmp_path: Path) -> None:
    path = repository(
        tmp_path / "r",
        [
            Made({"run.py": "1\n"}),
            Made({"run.py": ("100755", b"1\n"), "link.py": ("120000", b"run.py"), "module.py": ("160000", b"1" * 40)}),
        ],
    )
    with History(path) as history:
        last = next(history.commits())
        [(_, changes)] = history.changes([last.sha])
        assert {change.path: (change.old_mode, change.new_mode) for change in changes or ()} == {
            "run.py": ("100644", "100755"),
            "link.py": ("000000", "120000"),
            "module.py": ("000000", "160000"),
        }


def test_sha256_shallow_alternates_and_linked_work_trees(tmp_path: Path) -> None:
    path = repository(tmp_path / "r", [Made({"a.py": f"{at}\n"}) for at in range(4)])
    git(tmp_path, "clone", "-q", "--bare", "--depth", "2", path.as_uri(), "shallow")
    git(tmp_path, "clone", "-q", "--shared", str(path), "shared")
    git(tmp_path / "shared", "worktree", "add", "-q", "--detach", "../linked")
    for name, count in (("shallow", 1), ("shared", 4), ("linked", 4)):
        with History(tmp_path / name) as history:
            shas = [commit.sha for commit in history.commits()]
            assert len(shas) == count  # the boundary's own changes are not known
            assert _hunks(history, shas[0]) == (Hunk(0, ("2",), 0, ("3",)),)
    longer = repository(tmp_path / "sha256", [Made({"a.py": "1\n"}), Made({"a.py": "2\n"})], "--object-format=sha256")
    with History(longer) as history:
        last = next(history.commits())
        assert len(last.sha) == 64
        assert _hunks(history, last.sha) == (Hunk(0, ("1",), 0, ("2",)),)


def _corrupt(path: Path, name: str) -> None:
    sha = git(path, "rev-parse", name)
    (path / "objects" / sha[:2] / sha[2:]).chmod(0o600)
    (path / "objects" / sha[:2] / sha[2:]).write_bytes(zlib.compress(b"blob 4\0no")[:9])


@pytest.fixture
def loose(tmp_path: Path) -> Path:
    """Ten commits in loose objects."""
    path = repository(tmp_path / "r", [Made({"a.py": f"{at}\n", f"{at}.py": f"new {at}\n"}) for at in range(10)])
    pack = next((path / "objects" / "pack").glob("*.pack"), None)
    if pack:
        data = pack.read_bytes()
        for file in (path / "objects" / "pack").iterdir():
            file.unlink()
        git(path, "unpack-objects", "-q", stdin=data)
    return path


@pytest.mark.parametrize("broken", ["HEAD~4:5.py", "HEAD~4^{tree}"])
def test_a_corrupt_object_costs_what_needs_it_and_a_line_in_the_log(
    loose: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    with History(loose) as history:
        shas = [commit.sha for commit in history.commits()]
        _corrupt(loose, broken)
        with caplog.at_level(logging.WARNING):
            patches = dict(history.patches(shas))
        lost = [sha for sha in shas if patches[sha] is None]
        assert set(lost) <= {shas[4], shas[3]} and shas[4] in lost
        assert history.skipped == len(lost)
        assert any(shas[4] in record.getMessage() for record in caplog.records)


def test_a_corrupt_blob_is_none_and_the_next_is_read(loose: Path) -> None:
    with History(loose) as history:
        _corrupt(loose, "HEAD~4:5.py")
        assert list(history.blobs(["HEAD~4:5.py", "HEAD:5.py", "HEAD:a.py", "HEAD:no.py"])) == [
            None,
            None,
            b"9\n",
            None,
        ]


def test_a_history_that_breaks_off_ends_with_a_line_in_the_log(loose: Path, caplog: pytest.LogCaptureFixture) -> None:
    with History(loose) as history:
        _corrupt(loose, "HEAD~4")
        found = list(history.commits())
        assert len(found) <= 4 and history.skipped == 1
    assert "no further" in caplog.text


def test_a_hostile_configuration_runs_nothing(tmp_path: Path) -> None:
    path = repository(tmp_path / "r", [Made({"a.py": "1\n", ".gitattributes": "* diff=evil\n"}), Made({"a.py": "2\n"})])
    git(tmp_path, "clone", "-q", str(path), "work")
    trap = tmp_path / "trapped"
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch '{trap}'\ncat \"$1\" 2>/dev/null\n")
    script.chmod(0o755)
    work = tmp_path / "work"
    for key in (
        *(
            "core.fsmonitor",
            "core.sshCommand",
            "core.pager",
            "core.askPass",
            "core.gitProxy",
            "core.alternateRefsCommand",
        ),
        *("diff.external", "diff.evil.command", "diff.evil.textconv", "gpg.program", "credential.helper"),
        *("filter.evil.clean", "filter.evil.smudge", "uploadpack.packObjectsHook", "core.editor"),
    ):
        git(work, "config", key, str(script))
    git(work, "config", "log.showSignature", "true")
    git(work, "config", "core.hooksPath", str(tmp_path))
    # a missing object must not be fetched: neither by a helper nor by a program
    for key, value in (
        ("remote.evil.promisor", "true"),
        ("remote.evil.url", f"ext::{script}"),
        ("remote.evil.vcs", "ext"),
        ("extensions.partialClone", "evil"),
        ("core.repositoryFormatVersion", "1"),
        ("protocol.ext.allow", "always"),
    ):
        git(work, "config", key, value)
    (work / ".git" / "info" / "attributes").write_text("* diff=evil filter=evil\n")
    with History(work) as history:
        last = next(history.commits())
        assert _hunks(history, last.sha) == (Hunk(0, ("1",), 0, ("2",)),)
        list(history.changes([last.sha]))
        assert list(history.blobs(["HEAD:a.py", "1" * 40])) == [b"2\n", None]
    assert not trap.exists()


def test_what_is_no_repository_of_its_own_is_said(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(GitError, match="not a git repository"):
        History(tmp_path / "plain")
    with pytest.raises(GitError, match="does not exist"):
        History(tmp_path / "nowhere")
    with pytest.raises(GitError, match="no commits"):
        History(repository(tmp_path / "empty", []))
    git(tmp_path, "init", "-q", "outer")
    (tmp_path / "outer" / "inner").mkdir()
    with pytest.raises(GitError, match=r"inside of the repository .*outer.*give"):
        History(tmp_path / "outer" / "inner")
    (tmp_path / "torn" / ".git").mkdir(parents=True)
    with pytest.raises(GitError, match="not a repository that git can read"):
        History(tmp_path / "torn")
