"""What a cloned folder may say to the server: options that cannot harm, and no way to files outside of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretype.context.guard import Guard
from foretype.context.workspace import Workspace
from foretype.lsp import arms
from foretype.lsp.documents import path_from_uri, path_inside
from foretype.lsp.options import LARGEST_FILE, WORKSPACE_FILE, Loaded, Options, load

ROOT = "/desk/project"


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "user" / "user.toml"
    path.parent.mkdir()
    path.touch()
    monkeypatch.setenv("FORETYPE_CONFIG", str(path))
    return path


def said(folder: Path, text: str) -> Loaded:
    folder.mkdir(exist_ok=True)
    (folder / WORKSPACE_FILE).write_text(text, encoding="utf-8")
    return load(folder)


@pytest.mark.parametrize(
    "text",
    [
        # a host, a key
        "openai.url = 'https://evil.example'",
        "openai.api_key_env = 'AWS_SECRET_ACCESS_KEY'",
        "model.backend = 'openai'",
        # a command: no option is one, and none is made up
        "model.command = 'touch trapped'",
        "server.command = ['sh', '-c', 'true']",
        "index.program = '/bin/sh'",
        # a path to weights
        "model.name = '../evil.gguf'",
        "model.name = 'weights/evil.onnx'",
        "model.adapter = './adapter'",
        "model.engine = 'openvino'",
        # the capture of code, and what is kept of the log
        "telemetry.capture_code = true",
        "telemetry.retention_days = 3650",
        "telemetry.max_mib = 60000",
        # experiments
        "experiments.enabled = true",
        "experiment = 'evil.toml'",
        # reading more
        "context.include = ['/', '..']",
        "model.share = false",
    ],
)
def test_what_a_workspace_may_not_say_is_ignored_with_a_message(tmp_path: Path, text: str) -> None:
    loaded = said(tmp_path / "work", text)
    (line,) = loaded.problems
    assert loaded.options == Options()
    assert WORKSPACE_FILE in line and text.split(" ")[0].partition(".")[0] in line and "\n" not in line


def test_experiments_of_a_workspace_are_not_looked_for(tmp_path: Path, user: Path) -> None:
    for folder in (tmp_path / "work" / "experiments", tmp_path / "work" / ".foretype" / "experiments"):
        folder.mkdir(parents=True)
        (folder / "evil.toml").write_text("key = 'evil'\n[[arms]]\nname = 'a'\n")
    assert arms.folder() == user.parent / "experiments"
    part = arms.take_part(Options(), {"session": "1"}, lambda *_: None)
    assert (part.exposed, part.problems) == ({}, ())


# tomllib knows no references or entities, so nothing in it grows by itself as XML's "billion laughs" does; what is left
# is depth, and keys whose length counts by its square.
ABSURD = {
    "depth of lists": "a = " + "[" * 8000 + "]" * 8000,
    "depth of tables": "a = " + "{a=" * 4000 + "1" + "}" * 4000,
    "a key of many parts": ".".join("a" * 8000) + " = 1",
    "many keys of many parts": "\n".join(".".join(f"a{at}" for _ in range(60)) + " = 1" for at in range(70)),
    "many tables": "\n".join(f"[[{'.'.join('a' * 30)}]]" for _ in range(260)),
    "a large number": "a = " + "9" * 16_000,
    "a large file": "#" * (LARGEST_FILE + 1),
}


@pytest.mark.parametrize("text", ABSURD.values(), ids=ABSURD)
def test_absurd_options_cost_little_and_change_nothing(tmp_path: Path, text: str) -> None:
    began = time.process_time()
    loaded = said(tmp_path / "work", text)
    assert time.process_time() - began < 5
    assert loaded.options == Options() and loaded.problems
    assert all(len(problem) < 500 for problem in loaded.problems)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_options_that_are_a_link_to_a_secret_do_not_tell_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("-----BEGIN KEY-----\nhunter2 = correct horse battery staple\n")
    work = tmp_path / "work"
    work.mkdir()
    (work / WORKSPACE_FILE).symlink_to(tmp_path / "secret")
    loaded = load(work)
    assert loaded.options == Options()
    assert not any(word in problem for problem in loaded.problems for word in ("hunter2", "horse", "KEY"))


@pytest.mark.parametrize(
    "uri",
    [
        f"file://{ROOT}/../secret.py",
        f"file://{ROOT}/a/../../secret.py",
        f"file://{ROOT}/%2e%2e/secret.py",
        f"file://{ROOT}/%2E%2E%2Fsecret.py",
        "file:///desk/project-2/a.py",
        "file:///c:/desk/../secret.py",
        "https://evil.example/desk/project/a.py",
        "ftp://evil.example/a.py",
        "smb://evil.example/share/a.py",
        "file://evil.example/desk/project/a.py",
        f"vscode-notebook-cell:{ROOT}/../n.ipynb#W0s",
        f"untitled:{ROOT}/a.py",
        "javascript:alert(1)",
        "data:text/plain,x",
    ],
)
def test_no_uri_leads_out_of_the_workspace(uri: str) -> None:
    assert path_inside(uri, ROOT) is None
    assert "/" not in path_from_uri(uri, ROOT) and path_from_uri(uri, ROOT) not in ("", "..")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "a", "%2e%2e", "%2F", "/", "\\", "c:", "\0", "#", "?"]), max_size=8))
def test_any_path_of_a_uri_stays_below_the_root_or_is_none(parts: list[str]) -> None:
    path = path_inside(f"file://{ROOT}/" + "/".join(parts), ROOT)
    assert path is None or ".." not in path.split("/")


@pytest.mark.parametrize("path", ["../outside.py", "a/../../outside.py", "/etc/passwd", "link.py", "folder/outside.py"])
@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_no_path_leads_out_of_the_workspace(tmp_path: Path, path: str) -> None:
    root = tmp_path / "work"
    root.mkdir()
    (tmp_path / "outside.py").write_text("x = 1\n")
    (root / "link.py").symlink_to(tmp_path / "outside.py")
    (root / "folder").symlink_to(tmp_path)
    (root / "loop").symlink_to(root)
    assert Guard(root).refusal(path) == "outside"
    workspace = Workspace.open(root, None)
    try:
        assert workspace.refresh(children=0).files == 0
        assert workspace.read(path) is None
    finally:
        workspace.close()
