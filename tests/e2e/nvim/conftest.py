"""Real Neovims with the plugin, and the scripted model that the real server asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nvim import get
from nvim.editor import Editor
from nvim.plugin import set_up, wait_until_ready
from stub_openai import StubOpenAI

VERSIONS = get.VERSIONS


def program(version: str) -> Path:
    found = get.program(version)
    if found is None:
        pytest.skip(f"Neovim {version} is not there: run tests/e2e/nvim/get.py")
    return found


@pytest.fixture(scope="session")
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        yield stub


@pytest.fixture(scope="session", params=VERSIONS)
def shared(
    request: pytest.FixtureRequest, stub: StubOpenAI, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Editor]:
    """One editor with one server for all tests that do them no harm."""
    editor = Editor(program(request.param), tmp_path_factory.mktemp("nvim"))
    editor.nvim.command(f"edit {editor.home / 'first.py'}")
    set_up(editor, stub)
    editor.type("i")
    yield editor
    editor.close()


@pytest.fixture
def editor(shared: Editor, stub: StubOpenAI, request: pytest.FixtureRequest) -> Iterator[Editor]:
    """The shared editor in normal mode in an empty Python file of its own."""
    stub.reset()
    with shared.bounded():
        shared.type("<Esc>")
        shared.wait(lambda: shared.nvim.api.get_mode()["mode"] == "n", "normal mode")
        shared.nvim.command("%bwipeout!")
        shared.nvim.command(f"edit {shared.home / request.node.originalname}.py")
        shared.forget_messages()
        wait_until_ready(shared)
        shared.screen.frames.clear()
        yield shared


@pytest.fixture(params=VERSIONS)
def fresh(request: pytest.FixtureRequest, stub: StubOpenAI, tmp_path: Path) -> Iterator[Editor]:
    """An editor of its own, in a Python file, without `setup`."""
    stub.reset()
    editor = Editor(program(request.param), tmp_path / "home")
    with editor.bounded():
        editor.nvim.command(f"edit {tmp_path / 'fresh.py'}")
        yield editor
    editor.close()
