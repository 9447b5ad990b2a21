"""The files that rows are kept in: JSON Lines in zstd, and the manifest that names them. Reading alone.

Each file belongs to one split. `mining/shards.py` writes them. Does not know what rows are for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from foretype.context.rows import SCHEMA, Row, RowError, from_json

MANIFEST = "manifest.json"
Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


class ShardError(Exception):
    """A folder of shards cannot be read. The message tells a user what to do."""


def manifest(folder: Path) -> dict[str, Any]:
    """What `foretype mine` said of its work. Raises `ShardError`."""
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError as error:
        raise ShardError(f"{folder} has no {MANIFEST}: is it what `foretype mine --out` wrote?") from error
    except (ValueError, RecursionError) as error:
        raise ShardError(f"{folder / MANIFEST} is no manifest ({error}); mine again") from error
    if not isinstance(said, dict) or said.get("schema") != SCHEMA:
        raise ShardError(f"{folder} holds rows of another schema than {SCHEMA}; mine again")
    shards = said.get("shards")
    if not isinstance(shards, list) or not all(map(_is_shard, shards)):
        raise ShardError(f"{folder / MANIFEST} names no shards; mine again")
    return said


def read(folder: Path, split: Split) -> Iterator[Row]:
    """The rows of one split, shard by shard, each checked. Raises `ShardError`."""
    for path, count in _shards(folder, split):
        for number, line in enumerate(_lines(path, count), 1):
            try:
                row = from_json(line)
            except RowError as error:
                raise ShardError(f"{path}, row {number}: {error}; mine again") from error
            yield row


def lines(folder: Path, split: Split) -> Iterator[bytes]:
    """The rows of one split as they are written, each with its newline, for who will read few of them. Each file is
    checked as a whole, by its digest, before its first line. Raises `ShardError`."""
    digests = {shard["name"]: shard.get("sha256") for shard in manifest(folder)["shards"]}
    for path, count in _shards(folder, split):
        try:
            with open(path, "rb") as file:
                said = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ShardError(f"{path}: {error}; mine again") from error
        if said != digests[path.name]:
            raise ShardError(f"{path} is not what was written (its digest is another); mine again")
        yield from _lines(path, count)


def zstd_lines(file: Any) -> Iterator[bytes]:
    """The lines of a zstd stream, each with its newline. Raises `zstandard.ZstdError` where it is no such stream, or
    was cut."""
    import zstandard

    decompressor, rest = zstandard.ZstdDecompressor().decompressobj(), b""
    while data := file.read(1 << 18):
        *whole, rest = (rest + decompressor.decompress(data)).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if not decompressor.eof or rest:
        raise zstandard.ZstdError("the file was cut")


def _is_shard(said: Any) -> bool:
    """Whether it names a file of the folder itself, and how many rows of which split that has."""
    if not isinstance(said, dict) or not isinstance(name := said.get("name"), str):
        return False
    return name == Path(name).name and "\0" not in name and isinstance(said.get("rows"), int) and "split" in said


def _shards(folder: Path, split: Split) -> list[tuple[Path, int]]:
    return [(folder / one["name"], one["rows"]) for one in manifest(folder)["shards"] if one["split"] == split]


def _lines(path: Path, expected: int) -> Iterator[bytes]:
    import zstandard

    count = 0
    try:
        with open(path, "rb") as file:
            for line in zstd_lines(file):
                count += 1
                yield line
    except (OSError, zstandard.ZstdError) as error:
        raise ShardError(f"{path}, row {count + 1}: {error}; mine again") from error
    if count != expected:
        raise ShardError(f"{path} has {count} rows, not {expected}; mine again")
