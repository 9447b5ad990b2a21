"""The tiny model, built once a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_model import random_weights, write_gguf

from foretype.model.build import build
from foretype.model.tokenizer import Vocab


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`random_weights()` in a GGUF file."""
    return write_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf", random_weights())


@pytest.fixture(scope="session")
def tiny_build(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its build, nothing quantized."""
    folder = tmp_path_factory.mktemp("build")
    build(tiny_gguf, folder, plan=lambda name: None)
    return folder


@pytest.fixture(scope="session")
def vocab(tiny_build: Path) -> Vocab:
    return Vocab(tiny_build / "tokenizer.json")
