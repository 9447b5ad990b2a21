"""Whether a GGUF file can hold what its header says it holds, asked before any of that is allocated.

The `gguf` package trusts the numbers in a header: a list that claims 2^60 items is read until memory ends. So the whole
header is walked here first, by the description of the format (github.com/ggml-org/ggml, docs/gguf.md), and nothing is
kept. Little-endian files of versions 2 and 3 alone. Does not know what the values mean.
"""

from __future__ import annotations

import mmap
import struct
from math import prod
from pathlib import Path

# Of each list; the largest vocabularies have a quarter of that.
MOST_ITEMS = 1 << 20
MOST_KEYS = MOST_TENSORS = 1 << 16
MOST_DIMENSIONS = 4
MOST_NAME = 1 << 16  # bytes; the format's limit for keys

_MAGIC, _VERSIONS = b"GGUF", (2, 3)
_STRING, _LIST = 8, 9
# Bytes of the values of fixed size, by their type.
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_ALIGNMENT, _ALIGNMENT_KEY = 32, b"general.alignment"


def check(path: Path) -> None:
    """Raises ValueError with what is wrong, and OSError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        header = _Header(data)
        header.check()


class _Header:
    """A place in the header, which moves on as parts of it are read."""

    def __init__(self, data: mmap.mmap) -> None:
        from gguf.constants import GGML_QUANT_SIZES

        self._data, self._at = data, 0
        self._alignment = _ALIGNMENT
        # values and bytes of a block, by the type of tensor
        self._blocks = {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()}

    def check(self) -> None:
        if self._bytes(4) != _MAGIC:
            raise ValueError("it does not begin with GGUF")
        version = self._number("<I")
        if version not in _VERSIONS:
            raise ValueError(f"version {version} or another byte order")
        tensors, keys = self._number("<Q"), self._number("<Q")
        _bounded(tensors, MOST_TENSORS, "tensors")
        _bounded(keys, MOST_KEYS, "keys")
        for _ in range(keys):
            self._key()
        places = [self._tensor() for _ in range(tensors)]
        start = self._at + -self._at % self._alignment
        for name, offset, size in places:
            if start + offset + size > len(self._data):
                raise ValueError(f"tensor {name} would end after the file")

    def _key(self) -> None:
        key, kind = self._string(), self._number("<I")
        if key == _ALIGNMENT_KEY and kind == 4:
            self._alignment = self._number("<I")
            if self._alignment <= 0 or self._alignment & (self._alignment - 1):
                raise ValueError(f"an alignment of {self._alignment} bytes")
        elif kind == _LIST:
            self._list(key)
        elif kind == _STRING:
            self._string(len(self._data))
        else:
            self._skip(_size(kind))

    def _list(self, key: bytes) -> None:
        kind, count = self._number("<I"), self._number("<Q")
        _bounded(count, MOST_ITEMS, f"items in {_shown(key)}")
        if kind == _STRING:
            for _ in range(count):
                self._string(len(self._data))
        else:
            self._skip(count * _size(kind))

    def _tensor(self) -> tuple[str, int, int]:
        """Its name, where it begins after the header, and its size, in bytes."""
        name, dimensions = _shown(self._string()), self._number("<I")
        _bounded(dimensions, MOST_DIMENSIONS, f"dimensions of {name}")
        shape = [self._number("<Q") for _ in range(dimensions)]
        kind, offset = self._number("<I"), self._number("<Q")
        if kind not in self._blocks:
            raise ValueError(f"tensor {name} is of the unknown type {kind}")
        block, size = self._blocks[kind]
        if not all(shape) or (shape and shape[0] % block):
            raise ValueError(f"tensor {name} cannot have the shape {shape}")
        return name, offset, prod(shape) // block * size

    def _string(self, most: int = MOST_NAME) -> bytes:
        size = self._number("<Q")
        _bounded(size, most, "bytes of a text")
        return self._bytes(size)

    def _number(self, form: str) -> int:
        value: int = struct.unpack(form, self._bytes(struct.calcsize(form)))[0]
        return value

    def _bytes(self, size: int) -> bytes:
        start = self._at
        self._skip(size)
        return self._data[start : self._at]

    def _skip(self, size: int) -> None:
        if size > len(self._data) - self._at:
            raise ValueError("it ends within its header")
        self._at += size


def _size(kind: int) -> int:
    if kind not in _SIZES:
        raise ValueError(f"a value of type {kind}, which cannot be there")
    return _SIZES[kind]


def _bounded(number: int, most: int, what: str) -> None:
    if number > most:
        raise ValueError(f"{number} {what}")


def _shown(name: bytes) -> str:
    return ascii(name[:60].decode("utf-8", "replace"))[1:-1]
