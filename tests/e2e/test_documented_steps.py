"""The steps of docs/editors.md, carried out as they stand there, on what a newcomer's machine has: an empty home.

The checkout is a copy of this one, and the model the one that `make test` has fetched. VS Code's steps are carried out
by `tests/vscode/e2e`. Helix and eglot draw no ghost text themselves: there the server has to start and to answer.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import documented
import other_editors
import pytest
from nvim import get
from nvim.editor import Editor

from foretype.context.machine import cache_dir
from foretype.model import store

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "editors.md"
NEOVIM, HELIX, EMACS = "Neovim 0.10 to 0.12", "Helix", "Emacs"
INSTALL_S, START_S = 900.0, 300.0


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, since `pip install .` leaves its build in the folder."""
    folder = tmp_path_factory.mktemp("checkout") / "foretype"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def machine(home: Path) -> dict[str, str]:
    """The environment of somebody who has this Python and the model, and has set nothing."""
    model = next(row.name for row in store.listing() if row.default)
    if store.find(model) is None:
        pytest.skip("the default model is not built: foretype model pull")
    network = ("PIP_", "SSL_", "HTTP", "http", "NO_PROXY", "no_proxy")
    kept = {name: value for name, value in os.environ.items() if name.startswith(network)}
    path = f"{Path(sys.base_prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    return kept | {"HOME": str(home), "PATH": path, "FORETYPE_CACHE": str(cache_dir())}


@pytest.fixture(scope="module")
def installed(checkout: Path, home: Path, machine: dict[str, str]) -> dict[str, str]:
    """What is for a shell was run, with Neovim's steps: those of the others begin with the same lines."""
    for command in shell(NEOVIM):
        subprocess.run(["sh", "-euc", command], cwd=checkout, env=machine, check=True, timeout=INSTALL_S)
    for heading in (NEOVIM, HELIX, EMACS):
        configure(heading, home)
    return machine


def shell(heading: str) -> list[str]:
    return [block.text for step in documented.steps(PAGE, heading) for block in step.blocks if block.language == "sh"]


def configure(heading: str, home: Path) -> None:
    """Writes each block that is not for a shell to the file that its step names first."""
    for step in documented.steps(PAGE, heading):
        for block in step.blocks:
            if block.language != "sh":
                named = next(word for word in step.text.split("`") if word.startswith("~/"))
                file = home / named.removeprefix("~/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text.replace("/home/me", str(home)), encoding="utf-8")


def test_helix_is_installed_like_neovim() -> None:
    assert shell(NEOVIM)[0].startswith(shell(HELIX)[0])


@pytest.mark.parametrize("heading", ["VS Code and its forks", NEOVIM, HELIX, EMACS])
def test_there_are_three_steps_or_fewer(heading: str) -> None:
    assert 1 <= len(documented.steps(PAGE, heading)) <= 3


@pytest.fixture(params=get.VERSIONS)
def editor(request: pytest.FixtureRequest, installed: dict[str, str], home: Path) -> Iterator[Editor]:
    program = get.program(request.param)
    if program is None:
        pytest.skip(f"Neovim {request.param} is not there: run tests/e2e/nvim/get.py")
    # a busy machine must not make it fail: an answer may take as long as it takes
    patient = home / "patient.toml"
    patient.write_text("[completion]\ndeadline_ms = 0\n", encoding="utf-8")
    editor = Editor(program, home, installed | {"FORETYPE_CONFIG": str(patient)}, configured=True)
    yield editor
    editor.close()


def test_neovim_has_ghost_text(editor: Editor, home: Path) -> None:
    (home / "sums.py").write_text('"""Sums."""\n\n\ndef add(first, second):\n    return \n', encoding="utf-8")
    editor.nvim.command(f"edit {home / 'sums.py'}")
    editor.wait(lambda: editor.lua("return require('foretype').status().state") == "ready", "the model", START_S)
    editor.type("G$i")  # before the blank
    editor.type("<Right>")
    editor.wait_for_ghost("first + second")
    editor.type("<Tab>")
    editor.wait(lambda: editor.line() == "    return first + second", "the text to be inserted")


def test_neovim_has_the_help_that_the_steps_name(editor: Editor) -> None:
    editor.nvim.command("helptags ALL")
    editor.nvim.command("help foretype")
    assert editor.nvim.current.buffer.name.endswith("foretype.txt")


def test_helix_starts_the_server(installed: dict[str, str], home: Path, tmp_path: Path) -> None:
    program = other_editors.program(other_editors.HELIX)
    if program is None:
        pytest.skip("Helix is not there: run tests/e2e/other_editors.py")
    (tmp_path / "sums.py").write_text("x = 1\n", encoding="utf-8")
    log = tmp_path / "log"
    keyboard, terminal = os.openpty()
    environment = installed | {"TERM": "xterm-256color"}
    helix = subprocess.Popen(
        [program, "-vv", "--log", log, tmp_path / "sums.py"],
        stdin=terminal, stdout=terminal, stderr=terminal, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    try:
        give_up_at = time.monotonic() + START_S
        while not (log.is_file() and '"serverInfo":{"name":"foretype"' in log.read_text("utf-8", "replace")):
            assert time.monotonic() < give_up_at and helix.poll() is None, log.read_text() if log.is_file() else ""
            if select.select([keyboard], [], [], 0.1)[0]:
                os.read(keyboard, 1 << 16)  # what it draws
        os.write(keyboard, b":q!\r")
        with suppress(OSError):  # at its end
            while os.read(keyboard, 1 << 16):
                pass
        assert helix.wait(START_S) == 0
    finally:
        helix.kill()
        helix.wait()
        os.close(keyboard)


ASK = """
(require 'eglot)
(setq eglot-sync-connect 300 eglot-connect-timeout 300)
(with-current-buffer (find-file-noselect (getenv "FILE"))
  (python-mode)
  (let ((server (apply #'eglot--connect (eglot--guess-contact))))
    (princ (json-serialize (list :name (plist-get (eglot--server-info server) :name)
                                 :status (jsonrpc-request server :foretype/status (list)))))
    (eglot-shutdown server)))
"""


def test_eglot_starts_the_server(installed: dict[str, str], home: Path, tmp_path: Path) -> None:
    program = other_editors.program(other_editors.EMACS)
    if program is None:
        pytest.skip("Emacs is not there: run tests/e2e/other_editors.py")
    (tmp_path / "sums.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "ask.el").write_text(ASK, encoding="utf-8")
    image = ["--dump-file", other_editors.emacs_image()]
    asked = subprocess.run(
        [program, *image, "-Q", "--batch", "-l", home / ".emacs.d" / "init.el", "-l", tmp_path / "ask.el"],
        env=installed | {"FILE": str(tmp_path / "sums.py")}, capture_output=True, text=True, timeout=START_S,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["name"] == "foretype"
    assert answer["status"]["state"] in ("loading", "ready")
