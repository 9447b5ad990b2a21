"""Headers of models and adapters that were damaged or made up: one line that says so, before anything is allocated."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from fuzzing import cases, damaged
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tiny_model import write_adapter

from foretype.model import gguf_header
from foretype.model.weights import Adapter, BuildError, Gguf

STEM = "model.layers.0.self_attn.q_proj"
NUMBER = st.one_of(st.integers(0, 40), st.sampled_from([1 << 31, (1 << 32) - 1, 1 << 60, (1 << 64) - 1]))
TEXT = st.one_of(st.sampled_from([b"general.alignment", b"general.architecture", b"t"]), st.binary(max_size=8))


def text(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data


# Values of GGUF with their types (github.com/ggml-org/ggml, docs/gguf.md): as they should be, and as they claim to be.
SIMPLE = st.one_of(
    NUMBER.map(lambda value: (4, struct.pack("<I", value & 0xFFFFFFFF))),
    NUMBER.map(lambda value: (10, struct.pack("<Q", value))),
    st.floats(width=32).map(lambda value: (6, struct.pack("<f", value))),
    st.booleans().map(lambda value: (7, bytes([value]))),
    TEXT.map(lambda value: (8, text(value))),
)
LISTED = st.builds(
    lambda kind, count, items: (9, struct.pack("<IQ", kind, count) + b"".join(items)),
    st.integers(0, 14),
    NUMBER,
    st.lists(SIMPLE.map(lambda value: value[1]), max_size=3),
)
VALUE = st.one_of(SIMPLE, LISTED)
KEYED = st.builds(lambda name, value: text(name) + struct.pack("<I", value[0]) + value[1], TEXT, VALUE)
TENSOR = st.builds(
    lambda name, shape, kind, at: text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, at),
    TEXT,
    st.lists(NUMBER, max_size=5),
    st.integers(0, 45),
    NUMBER,
)


def opened(path: Path) -> None:
    try:
        read = Gguf(path)
        _ = read.config, read.vocabulary
    except BuildError as error:
        assert "\n" not in str(error)


@cases(200)
@given(st.lists(KEYED, max_size=3), st.lists(TENSOR, max_size=2), st.none() | st.tuples(NUMBER, NUMBER), st.binary())
def test_a_header_that_is_let_through_can_be_read(
    tmp_path: Path, keys: list[bytes], tensors: list[bytes], counts: tuple[int, int] | None, rest: bytes
) -> None:
    path = tmp_path / "model.gguf"
    numbers = counts or (len(tensors), len(keys))
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, *numbers) + b"".join([*keys, *tensors]) + bytes(64) + rest)
    try:
        gguf_header.check(path)
    except ValueError as error:
        assert "\n" not in str(error)
    opened(path)


@cases(30)
@given(st.data())
def test_a_damaged_header(tiny_gguf: Path, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(data.draw(damaged(tiny_gguf.read_bytes(), reach=2500)))
    opened(path)


@pytest.mark.parametrize(
    "key",
    [
        *("ggml.tokens", "ggml.token_type", "ggml.merges", "ggml.pre", "ggml.model", "general.architecture"),
        *("rope.freq_base", "attention.layer_norm_rms_epsilon"),
    ],
)
@cases(5)
@given(value=VALUE)
@example(value=(4, struct.pack("<I", 7)))
@example(value=(8, text(b"\xff")))
@example(value=(9, struct.pack("<IQI", 4, 1, 9)))
@example(value=(6, struct.pack("<f", float("nan"))))
def test_a_key_of_another_type(tiny_gguf: Path, tmp_path: Path, key: str, value: tuple[int, bytes]) -> None:
    """The key is there a second time under its own name, and the first goes by another."""
    whole = tiny_gguf.read_bytes()
    at = whole.index(key.encode())
    end = at + len(key)
    name = whole[:end].rpartition(b"\0")[2] if b"\0" in whole[:end] else key.encode()
    named = text(name)
    sound = whole.replace(named, text(b"x" * len(name)), 1)
    keys = struct.unpack_from("<Q", sound, 16)[0]
    first = sound[:16] + struct.pack("<Q", keys + 1) + named + struct.pack("<I", value[0]) + value[1]
    path = tmp_path / "typed.gguf"
    path.write_bytes(first + sound[24:] + bytes(1 << 12))
    opened(path)


NUMBERS = st.sampled_from([0, -1, 4, 1e308, float("nan"), float("inf"), 10**400, None, True, "4", [], {}])


@cases(100)
@given(NUMBERS, NUMBERS, st.booleans(), st.sampled_from(["LORA", None, []]))
@example(-1, 4, True, "LORA")
@example(4, float("nan"), False, "LORA")
def test_any_settings_of_an_adapter(tmp_path: Path, rank: object, alpha: object, slora: bool, kind: object) -> None:
    folder = tmp_path / "adapter"
    write_adapter(folder, {STEM: (8, 8)})
    said = {"peft_type": kind, "r": rank, "lora_alpha": alpha, "use_rslora": slora}
    (folder / "adapter_config.json").write_text(json.dumps(said))
    try:
        merged = Adapter(folder).merge_into("blk.0.attn_q.weight", np.zeros((8, 8), np.float32))
    except BuildError as error:
        assert "\n" not in str(error)
    else:
        assert merged.shape == (8, 8) and merged.dtype.kind == "f"


def test_settings_that_are_nested_too_deeply(tmp_path: Path) -> None:
    write_adapter(tmp_path, {STEM: (8, 8)})
    (tmp_path / "adapter_config.json").write_text("[" * 200_000)
    with pytest.raises(BuildError, match="not a LoRA adapter"):
        Adapter(tmp_path)


@cases(100)
@given(st.data())
def test_a_damaged_adapter(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "adapter"
    write_adapter(folder, {STEM: (8, 8)})
    path = folder / "adapter_model.safetensors"
    path.write_bytes(data.draw(damaged(path.read_bytes(), reach=300)))
    try:
        merged = Adapter(folder).merge_into("blk.0.attn_q.weight", np.zeros((8, 8), np.float32))
    except BuildError as error:
        assert "\n" not in str(error)
    else:
        assert merged.shape == (8, 8)


SHAPE = st.lists(st.integers(0, 5), max_size=3).map(tuple)


@cases(60)
@given(SHAPE, SHAPE, st.sampled_from(["f4", "f2", "i8", "u1", "?"]))
@example((), (), "f4")
@example((5, 3), (), "f4")
def test_an_adapter_of_any_shape(tmp_path: Path, up: tuple[int, ...], down: tuple[int, ...], dtype: str) -> None:
    write_adapter(tmp_path, {STEM: (5, 5)})
    tensors = {
        f"base_model.model.{STEM}.lora_{part}.weight": np.ones(size, dtype)
        for part, size in zip("BA", (up, down), strict=True)
    }
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    try:
        merged = Adapter(tmp_path).merge_into("blk.0.attn_q.weight", np.zeros((5, 5), np.float32))
    except BuildError as error:
        assert "another base model" in str(error)
    else:
        assert (len(up), len(down)) == (2, 2) and merged.shape == (5, 5)
