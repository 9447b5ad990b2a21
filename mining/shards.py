"""The files that training reads: JSON Lines in zstd, so many rows a file, and the manifest that says what is in them.

A shard's name holds a digest of its contents, and the manifest is written last, by renaming: whoever reads sees the old
set or the new one. Rows are dealt out to the shards of their split by their ids, so that each shard is a sample of all
repositories. Does not choose rows.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import zstandard

from foretype.context.row_files import MANIFEST, SPLITS, ShardError, Split, manifest, read
from foretype.mining.parts import LEVEL

__all__ = ["MANIFEST", "SPLITS", "Shard", "ShardError", "Writer", "commit", "manifest", "read"]

_ROWS = 20_000  # a shard
_MOST = 32  # shards a split; more rows make them larger, as all are open at once


@dataclass(frozen=True)
class Shard:
    """One file. `sha256` is that of its bytes."""

    name: str
    split: Split
    rows: int
    bytes: int
    sha256: str


class Writer:
    """Writes the shards of `counts` rows a split into a folder; a context manager that leaves nothing half done."""

    def __init__(self, folder: Path, counts: Mapping[Split, int]) -> None:
        self._folder = folder
        self._count = {split: min(_MOST, -(-counts.get(split, 0) // _ROWS)) for split in SPLITS}
        self._open: dict[tuple[Split, int], _File] = {}
        self._files = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._files.close()
        finally:
            for file in self._open.values():
                file.path.unlink(missing_ok=True)

    def write(self, split: Split, row_id: int, line: bytes) -> None:
        """One row, with its newline."""
        number = row_id % self._count[split]
        if (split, number) not in self._open:
            path = self._folder / f".{split}-{number:05}.{os.getpid()}.tmp"
            self._open[split, number] = _File(path, self._files)
        self._open[split, number].add(line)

    def finish(self) -> list[Shard]:
        """Closes all files and gives them their names; the shards by split and number."""
        self._files.close()
        done = []
        for (split, number), file in sorted(
            self._open.items(), key=lambda item: (SPLITS.index(item[0][0]), item[0][1])
        ):
            digest = file.digest.hexdigest()
            name = f"{split}-{number:05}-{digest[:12]}.jsonl.zst"
            size = file.path.stat().st_size
            os.replace(file.path, self._folder / name)
            done.append(Shard(name, split, file.rows, size, digest))
        return done


class _File:
    def __init__(self, path: Path, files: ExitStack) -> None:
        self.path, self.rows, self.digest = path, 0, hashlib.sha256()
        self._file: IO[bytes] = files.enter_context(path.open("wb"))
        self._packed = zstandard.ZstdCompressor(LEVEL).compressobj()
        files.callback(self._finish)

    def add(self, line: bytes) -> None:
        self._put(self._packed.compress(line))
        self.rows += 1

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self.digest.update(data)

    def _finish(self) -> None:
        self._put(self._packed.flush())


def commit(folder: Path, said: Mapping[str, Any]) -> None:
    """Makes a manifest the folder's, and takes away the shards that it does not name, and what runs that were killed
    have left of theirs. Raises `OSError`."""
    temporary = folder / f".{MANIFEST}.{os.getpid()}.tmp"
    try:
        temporary.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, folder / MANIFEST)
    finally:
        temporary.unlink(missing_ok=True)
    named = {shard["name"] for shard in said["shards"]}
    for split in SPLITS:
        for path in (*folder.glob(f"{split}-*.jsonl.zst"), *folder.glob(f".{split}-*.tmp")):
            if path.name not in named:
                path.unlink(missing_ok=True)
    for path in folder.glob(f".{MANIFEST}.*.tmp"):
        path.unlink(missing_ok=True)
