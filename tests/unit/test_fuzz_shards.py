"""Mined rows that were cut, changed or made up: a `ShardError` of one line, never a row that was not written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from fuzzing import cases, damaged
from hypothesis import example, given
from hypothesis import strategies as st

from foretype.context import row_files
from foretype.context.row_files import MANIFEST, ShardError
from foretype.context.rows import SCHEMA, FimRow, Origin, RowError, from_json, to_json

ORIGIN = Origin("project", "c" * 40, 1, "MIT", "a.py", "python")
ROWS = [FimRow(ORIGIN, "single", f"{number} = ", "x", "\n") for number in range(5)]
PLAIN = "".join(f"{to_json(row)}\n" for row in ROWS).encode()
PACKED = zstandard.ZstdCompressor(write_checksum=True).compress(PLAIN)
NAME = "train-00.jsonl.zst"

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
)


def written(folder: Path, packed: bytes = PACKED, said: object = None) -> Path:
    shard = {"name": NAME, "split": "train", "rows": len(ROWS), "sha256": hashlib.sha256(PACKED).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps({"schema": SCHEMA, "shards": [shard]} if said is None else said))
    (folder / NAME).write_bytes(packed)
    return folder


def refused(read: Callable[[], object]) -> bool:
    try:
        read()
    except ShardError as error:
        assert "\n" not in str(error)
        return True
    return False


def test_sound_shards_are_read(tmp_path: Path) -> None:
    folder = written(tmp_path)
    assert list(row_files.read(folder, "train")) == ROWS
    assert b"".join(row_files.lines(folder, "train")) == PLAIN


@cases(150)
@given(damaged(PACKED))
def test_a_damaged_shard_is_refused_or_says_the_same(tmp_path: Path, packed: bytes) -> None:
    folder = written(tmp_path, packed)
    if not refused(lambda: list(row_files.read(folder, "train"))):
        assert list(row_files.read(folder, "train")) == ROWS
    assert refused(lambda: list(row_files.lines(folder, "train"))) == (packed != PACKED)


@cases(150)
@given(damaged(PLAIN))
def test_rows_that_were_changed_and_packed_again(tmp_path: Path, plain: bytes) -> None:
    folder = written(tmp_path, zstandard.compress(plain))
    if not refused(lambda: list(row_files.read(folder, "train"))):
        assert list(row_files.read(folder, "train")) == ROWS


SHARD = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(st.sampled_from([NAME, "../" + NAME, "", "a\0b", "..", "none.zst"]), JSON),
        "split": st.one_of(st.just("train"), JSON),
        "rows": st.one_of(st.just(len(ROWS)), JSON),
        "sha256": JSON,
    },
)


@cases(150)
@given(st.one_of(JSON, st.fixed_dictionaries({"schema": st.just(SCHEMA)}, optional={"shards": st.lists(SHARD) | JSON})))
@example({"schema": SCHEMA})
@example({"schema": SCHEMA, "shards": [{"name": "a\0b", "split": "train", "rows": 1}]})
@example({"schema": SCHEMA, "shards": [{"name": "../" + NAME, "split": "train", "rows": 5}]})
@example({"schema": SCHEMA, "shards": [{"name": NAME, "split": "train", "rows": 5}]})
def test_any_manifest(tmp_path: Path, said: object) -> None:
    (tmp_path / "inner").mkdir(exist_ok=True)
    (tmp_path / NAME).write_bytes(PACKED)  # outside of the folder
    folder = written(tmp_path / "inner", said=said if said is not None else 0)
    refused(lambda: list(row_files.read(folder, "train")))
    refused(lambda: list(row_files.lines(folder, "train")))


def test_a_manifest_that_is_nested_too_deeply(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("[" * 200_000)
    with pytest.raises(ShardError, match="no manifest"):
        row_files.manifest(tmp_path)


FIELDS = json.loads(to_json(ROWS[0]))


@cases(150)
@given(st.dictionaries(st.sampled_from([*FIELDS, "x\ny"]), JSON, max_size=3))
@example({"kind": []})
@example({"kind": {}})
def test_a_line_of_any_shape_is_a_row_or_an_error(change: dict[str, object]) -> None:
    try:
        assert from_json(json.dumps({**FIELDS, **change})) in ROWS
    except RowError as error:
        assert "\n" not in str(error)


def test_a_line_that_is_nested_too_deeply() -> None:
    with pytest.raises(RowError, match="not JSON"):
        from_json("[" * 200_000)
