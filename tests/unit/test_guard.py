"""What may be read of a workspace: ignore rules as Git has them, and all that is left out whatever they say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from foretype.context import guard
from foretype.context.guard import Guard, content_refusal


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def readable(watch: Guard) -> set[str]:
    return {path for path, _ in watch.files()}


def test_ignore_files_hold_at_every_level_as_in_git(tmp_path: Path) -> None:
    files = {
        ".gitignore": "*.log\n/build\ndocs/**/draft.py\n!keep.log\n# a comment\n\\#odd.py\ntrail/ \n",
        "app.py": "",
        "app.log": "",
        "keep.log": "",
        "#odd.py": "",
        "build/out.py": "",
        "src/build/in.py": "",
        "docs/a/b/draft.py": "",
        "docs/a/b/final.py": "",
        "trail/x.py": "",
        "src/.gitignore": "!app.log\nlocal.py\n",
        "src/app.log": "",
        "src/local.py": "",
        "src/deep/local.py": "",
        "local.py": "",
        "with space/naïve ü.py": "",
    }
    root = write(tmp_path, files)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True, timeout=20)
    listed = ["git", "-c", "core.quotePath=off", "ls-files", "--others", "--exclude-standard", "-z"]
    by_git = subprocess.run(listed, cwd=root, check=True, capture_output=True, timeout=20).stdout.decode()
    watch = Guard(root)
    assert readable(watch) == set(by_git.split("\0")) - {""}
    assert watch.refused["ignored"] > 0
    for path in files:
        assert bool(watch.refusal(path)) == (path not in by_git.split("\0")), path


def test_the_rules_of_the_repository_hold_in_a_folder_of_it(tmp_path: Path) -> None:
    files = {".git/info/exclude": "mine.py\n", ".gitignore": "sub/gen/\n*.tmp.py\n", "sub/gen/a.py": "", "sub/b.py": ""}
    root = write(tmp_path, files | {"sub/mine.py": "", "sub/c.tmp.py": ""})
    assert readable(Guard(root / "sub")) == {"b.py"}


def test_own_ignore_file_only_takes_away(tmp_path: Path) -> None:
    root = write(
        tmp_path, {".gitignore": "a.py\n", ".foretypeignore": "!a.py\nb.py\n", "a.py": "", "b.py": "", "c.py": ""}
    )
    assert readable(Guard(root)) == {".gitignore", ".foretypeignore", "c.py"}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (".env", "secret"),
        ("deploy/.env.production", "secret"),
        (".env.example", ""),
        ("id_ed25519", "secret"),
        ("certs/server.key", "secret"),
        ("secrets.yaml", "secret"),
        ("secrets.py", ""),
        ("environment.py", ""),
        ("poetry.lock", "generated"),
        ("package-lock.json", "generated"),
        ("jquery.min.js", "generated"),
        ("api_pb2.py", "generated"),
        ("schema.py", "generated"),  # by .gitattributes
        ("hand/schema.py", ""),
        ("node_modules/left-pad/index.js", "tool folder"),
        ("../outside.py", "outside"),
        ("not_there.py", ""),
    ],
)
def test_reasons_by_name(tmp_path: Path, path: str, reason: str) -> None:
    attributes = "schema.py linguist-generated\nhand/schema.py -linguist-generated\n*.py text eol=lf\n"
    root = write(tmp_path / "work", {".gitattributes": attributes})
    assert Guard(root).refusal(path) == reason


def test_a_walk_and_a_single_question_agree(tmp_path: Path) -> None:
    root = write(tmp_path, {".env": "A=1", "a.py": "", "big.py": b"x" * (guard.MAX_BYTES + 1), "venv/pyvenv.cfg": ""})
    write(root, {"venv/lib/x.py": "", "node_modules/m/i.js": "", "uv.lock": ""})
    watch = Guard(root)
    assert readable(watch) == {"a.py"}
    assert watch.refused == {"secret": 1, "large": 1, "tool folder": 2, "generated": 1}
    assert [watch.refusal(path) for path in (".env", "a.py", "big.py", "uv.lock")] == [
        "secret",
        "",
        "large",
        "generated",
    ]


def test_links_are_not_followed(tmp_path: Path) -> None:
    root = write(tmp_path / "work", {"a/real.py": "", "b/x.py": ""})
    write(tmp_path, {"elsewhere/stolen.py": ""})
    os.symlink(root, root / "a" / "cycle", target_is_directory=True)
    os.symlink(tmp_path / "elsewhere", root / "a" / "out", target_is_directory=True)
    os.symlink(tmp_path / "elsewhere" / "stolen.py", root / "b" / "stolen.py")
    os.symlink(root / "gone.py", root / "dangling.py")
    watch = Guard(root)
    assert readable(watch) == {"a/real.py", "b/x.py"}
    assert watch.refused == {"link": 4}
    assert watch.refusal("a/out/stolen.py") == watch.refusal("b/stolen.py") == "outside"
    assert watch.refusal("a/cycle/a/real.py") == ""  # the file itself may be read, by whatever name


def test_a_root_that_is_a_link_is_a_root(tmp_path: Path) -> None:
    write(tmp_path / "work", {"x.py": ""})
    os.symlink(tmp_path / "work", tmp_path / "link", target_is_directory=True)
    watch = Guard(tmp_path / "link")
    assert readable(watch) == {"x.py"} and watch.refusal("x.py") == ""


def test_include_limits_to_folders(tmp_path: Path) -> None:
    root = write(tmp_path, {"src/app/a.py": "", "src/b.py": "", "other/c.py": "", "top.py": "", "src/apple/d.py": ""})
    watch = Guard(root, ["src/app"])
    assert readable(watch) == {"src/app/a.py"}
    assert watch.refusal("src/b.py") == watch.refusal("src/apple/d.py") == "not included"


def test_a_walk_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_ENTRIES", 30)
    root = write(tmp_path, {f"d{at}/x.py": "" for at in range(20)} | {"near.py": ""})
    watch = Guard(root)
    found = readable(watch)
    assert "near.py" in found and len(found) < 21 and watch.refused["over the limit of files"] == 1


def test_a_broken_pattern_spoils_only_itself(tmp_path: Path) -> None:
    root = write(tmp_path, {".gitignore": b"b.py\n!\n\xff\xfe\n[\n", "a.py": "", "b.py": ""})
    assert readable(Guard(root)) >= {"a.py"} and "b.py" not in readable(Guard(root))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x = 1\n", ""),
        (b"", ""),
        (b"\x89PNG\r\n\x1a\n\0\0", "binary"),
        ("# café\n".encode("latin-1"), ""),
        (b"// Code generated by protoc-gen-go. DO NOT EDIT.\npackage x\n", "generated"),
        (b"/* @generated */\nlet a;\n", "generated"),
        (b"var a=1;" * 1000, "generated"),
        (b"a = 1\n" * 1000, ""),
        (b"a = 1\n" * 300_000, "large"),
    ],
)
def test_reasons_by_content(content: bytes, reason: str) -> None:
    assert content_refusal(content) == reason
