"""Which folder is the workspace, of those that a client names."""

from __future__ import annotations

from pathlib import Path

from lsprotocol import types

from foretype.lsp import server


def root(*folders: Path) -> Path | None:
    named = [types.WorkspaceFolder(uri=folder.as_uri(), name=folder.name) for folder in folders]
    return server._root(types.InitializeParams(capabilities=types.ClientCapabilities(), workspace_folders=named))


def test_the_first_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert root(tmp_path / "gone", tmp_path / "here") == tmp_path / "here"
    assert root(tmp_path / "gone") == tmp_path / "gone"
    assert root() is None
