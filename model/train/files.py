"""Files that are replaced whole or not at all: a full disk or a crash leaves what was there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Gives the path of a new file to write, which takes the place of `path` once the block has ended well. What a
    process that was killed has left of such a file goes first."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        left.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """A safetensors file. Raises OSError."""
    try:
        save_file(dict(tensors), path, dict(metadata))
    except SafetensorError as error:  # what the library makes of a full disk
        raise OSError(f"{path}: {error}") from error
