"""What else may draw ghost text in this user's editors, by where extensions and plugins are installed.

Two that draw at one place show neither well. Looks at names alone, and only where VS Code, its forks and Neovim's usual
plugin managers keep them; whether one of them is switched off in the editor is not known here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Folder in the home folder -> the command of the editor that keeps its extensions there.
_EDITORS = {
    ".vscode/extensions": "code",
    ".vscode-insiders/extensions": "code-insiders",
    ".vscode-oss/extensions": "codium",
    ".vscode-server/extensions": "code",
    ".cursor/extensions": "cursor",
    ".windsurf/extensions": "windsurf",
    ".local/share/code-server/extensions": "code-server",
}
_EXTENSIONS = {
    "amazonwebservices.amazon-q-vscode": "Amazon Q",
    "augment.vscode-augment": "Augment",
    "codeium.codeium": "Windsurf",
    "continue.continue": "Continue",
    "ggml-org.llama-vscode": "llama.vscode",
    "github.copilot": "GitHub Copilot",
    "google.geminicodeassist": "Gemini Code Assist",
    "sourcegraph.cody-ai": "Cody",
    "supermaven.supermaven": "Supermaven",
    "tabbyml.vscode-tabby": "Tabby",
    "tabnine.tabnine-vscode": "Tabnine",
}
_PLUGINS = (
    "codeium.nvim",
    "codeium.vim",
    "copilot.lua",
    "copilot.vim",
    "llama.vim",
    "minuet-ai.nvim",
    "neocodeium",
    "supermaven-nvim",
    "tabnine-nvim",
    "windsurf.nvim",
    "windsurf.vim",
)
# Below Neovim's folder for data: lazy.nvim's, vim-plug's, and those of `:help packages`.
_PLUGIN_FOLDERS = ("lazy", "plugged", "site/pack/*/start", "site/pack/*/opt")


@dataclass(frozen=True)
class Rival:
    """`mend` is what leaves one of the two."""

    name: str
    editor: str
    mend: str


def found(home: Path) -> Iterator[Rival]:
    for folder, command in _EDITORS.items():
        for extension in sorted(_installed(home / folder) & _EXTENSIONS.keys()):
            mend = f"disable it in the editor's list of extensions, or: {command} --uninstall-extension {extension}"
            yield Rival(_EXTENSIONS[extension], command, mend)
    data = _neovim_data(home)
    for name in _PLUGINS:
        if any(next(data.glob(f"{folder}/{name}"), None) for folder in _PLUGIN_FOLDERS):
            yield Rival(name, "nvim", ":checkhealth foretype tells whether it is loaded; load one of the two alone")


def _installed(extensions: Path) -> set[str]:
    """Identifiers in the list that VS Code keeps beside its extensions (`extensions.json`), in lower case."""
    try:
        listed = json.loads((extensions / "extensions.json").read_text("utf-8"))
        return {str(one["identifier"]["id"]).lower() for one in listed}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _neovim_data(home: Path) -> Path:
    """`stdpath("data")`, as `:help standard-path` has it."""
    name = os.environ.get("NVIM_APPNAME", "nvim")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / f"{name}-data"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / name
