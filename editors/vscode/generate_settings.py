"""Writes the server's options into the extension's manifest, so that they are described in one place alone.

`python editors/vscode/generate_settings.py`. What a workspace file may not set, VS Code takes from the user's own
settings alone (scope "machine"); in an untrusted workspace it takes nothing from the workspace.
"""

from __future__ import annotations

import json
import sys
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from foretype.lsp.options import Options

MANIFEST = Path(__file__).with_name("package.json")

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", tuple: "array"}


def setting(option: Field[Any]) -> dict[str, Any]:
    """One option as a setting: JSON schema and where VS Code may take it from."""
    meaning, kind = option.metadata, type(option.default)
    told: dict[str, Any] = {
        "type": _TYPES[kind],
        "default": list(option.default) if kind is tuple else option.default,
        "markdownDescription": meaning["doc"],
        "scope": "machine" if meaning["workspace"] == "no" else "window",
    }
    if kind is tuple:
        told["items"] = {"type": "string"}
    if meaning["choices"]:
        told["enum"] = list(meaning["choices"])
    for limit in ("minimum", "maximum"):
        if meaning[limit] is not None:
            told[limit] = meaning[limit]
    return told


def groups() -> list[dict[str, Any]]:
    """The settings of the server, one group for each section of its options."""
    return [
        {
            "id": f"foretype.{section.name}",
            "title": section.name.capitalize(),
            "properties": {
                f"foretype.{section.name}.{option.name}": setting(option) for option in fields(section.default)
            },
        }
        for section in fields(Options)
    ]


def generated(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with the settings as they are in the schema; the first group is the extension's own."""
    own = manifest["contributes"]["configuration"][0]
    configuration = [own, *groups()]
    every = [name for group in configuration for name in group["properties"]]
    untrusted = {**manifest["capabilities"]["untrustedWorkspaces"], "restrictedConfigurations": every}
    return {
        **manifest,
        "capabilities": {**manifest["capabilities"], "untrustedWorkspaces": untrusted},
        "contributes": {**manifest["contributes"], "configuration": configuration},
    }


def main() -> int:
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    MANIFEST.write_text(json.dumps(generated(manifest), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
