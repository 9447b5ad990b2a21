"""The design's rules about who may import what, and documents that are generated from the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import options_page
import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("context", "model", "lsp", "mining", "eval")
MAY_IMPORT = {
    "context": {"context"},
    "model": {"context", "model"},
    "lsp": {"context", "model", "lsp"},
    "mining": {"context", "model", "mining"},
    "eval": {"context", "model", "mining", "eval"},
}
# Modules of the server that know no protocol: the log, the options, the arms, the gate, a client.
FREE_OF_PYGLS = {"events", "options", "experiments", "wire", "documents", "outcome", "gate", "log"}
# A part of the code base -> the libraries that only it may import.
ONLY_IN = {
    "lsp/": {"pygls", "lsprotocol"},
    "model/hf.py model/train/": {"torch", "transformers", "peft", "accelerate"},
}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, `from foretype.x import y` as `foretype.x.y`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where they point"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    package, module = path.relative_to(ROOT).parts[0], path.stem
    here = path.relative_to(ROOT).as_posix()
    for name in imports(path):
        first, *rest = name.split(".")
        if first == "foretype" and rest[0] in PACKAGES:
            shared = rest[0] == "lsp" and rest[1] in FREE_OF_PYGLS and package in ("mining", "eval")
            assert rest[0] in MAY_IMPORT[package] or shared, f"{here} imports {name}"
        assert first not in PACKAGES, f"{here} imports {name} bare"
        for places, libraries in ONLY_IN.items():
            if first in libraries:
                assert here.startswith(tuple(places.split())), f"{here} imports {name}"
        if package == "lsp" and {module, path.parent.name} & FREE_OF_PYGLS and first in {"pygls", "lsprotocol"}:
            # for type checkers alone would be fine, but none of them needs it
            raise AssertionError(f"{here} imports {name}")


def test_serving_loads_no_training_library() -> None:
    code = (
        "import sys, foretype.lsp.server, foretype.lsp.completion, foretype.model.local, foretype.model.onnx\n"
        "print(*sorted({'torch', 'transformers', 'ray', 'onnx', 'gguf'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_the_page_of_options_is_what_the_schema_says() -> None:
    page = (ROOT / "docs" / "options.md").read_text("utf-8")
    assert page == options_page.written(page), "run `make docs`"
