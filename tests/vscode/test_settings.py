"""The extension's settings are the server's options, word for word."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import fields
from pathlib import Path

from foretype.lsp.options import Options, merge

EXTENSION = Path(__file__).parents[2] / "editors" / "vscode"

_spec = importlib.util.spec_from_file_location("generate_settings", EXTENSION / "generate_settings.py")
assert _spec and _spec.loader
generate_settings = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate_settings)

MANIFEST = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
PROPERTIES = {
    name: setting for group in MANIFEST["contributes"]["configuration"] for name, setting in group["properties"].items()
}


def test_manifest_is_generated() -> None:
    again = generate_settings.generated(MANIFEST)
    assert again == MANIFEST, "run `python editors/vscode/generate_settings.py`"


def test_every_option_is_a_setting_that_the_server_takes() -> None:
    named = {
        f"foretype.{section.name}.{option.name}" for section in fields(Options) for option in fields(section.default)
    }
    assert named <= set(PROPERTIES)
    for name in named:
        _, section, option = name.split(".")
        loaded = merge(Options(), {section: {option: PROPERTIES[name]["default"]}}, "settings")
        assert loaded.problems == ()
        assert loaded.options == Options()


def test_a_workspace_cannot_send_code_elsewhere() -> None:
    mine = {name for name, setting in PROPERTIES.items() if setting["scope"] == "machine"}
    assert {"foretype.openai.url", "foretype.model.backend", "foretype.telemetry.capture_code"} <= mine
    assert {"foretype.server.command", "foretype.install.source", "foretype.install.python"} <= mine


def test_nothing_is_taken_from_an_untrusted_workspace() -> None:
    assert set(MANIFEST["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]) == set(PROPERTIES)
