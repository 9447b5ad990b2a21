"""GGUF files and LoRA adapters: what is read, what is merged, and what a damaged file says."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_model import BFLOAT16, ID, KINDS, MERGES, TOKENS, Shape, random_weights, write_adapter, write_gguf

from foretype.model.weights import Adapter, BuildError, Config, Gguf

Q8_0, F16 = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F16
SHAPES = {"model.layers.0.self_attn.q_proj": (64, 64), "model.layers.1.mlp.down_proj": (64, 128)}
NAMES = {
    "blk.0.attn_q.weight": "model.layers.0.self_attn.q_proj",
    "blk.1.ffn_down.weight": "model.layers.1.mlp.down_proj",
}


def one_line(caught: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


def test_config(tiny_gguf):
    shape = Shape()
    assert Gguf(tiny_gguf).config == Config(
        architecture="qwen2",
        layers=shape.layers,
        hidden=shape.hidden,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        feed_forward=shape.feed_forward,
        vocabulary=len(TOKENS),
        context=shape.context,
        rope_base=shape.rope_base,
        norm_epsilon=pytest.approx(shape.norm_epsilon),
    )


def test_heads_that_are_wider_than_their_share_of_the_hidden_size(tmp_path):
    shape = Shape(head_dim=32)
    path = write_gguf(tmp_path / "wide.gguf", random_weights(shape), shape)
    assert Gguf(path).config.head_dim == 32


def test_the_rotary_base_has_a_default(tmp_path):
    shape = Shape(rope_base=5e5)
    assert Gguf(write_gguf(tmp_path / "a.gguf", shape=shape)).config.rope_base == 5e5
    path = write_gguf(tmp_path / "b.gguf", shape=shape, leave_out=["qwen2.rope.freq_base"])
    assert Gguf(path).config.rope_base == 1e4


def test_vocabulary(tiny_gguf):
    vocabulary = Gguf(tiny_gguf).vocabulary
    assert (vocabulary.tokens, vocabulary.merges, vocabulary.kinds) == (TOKENS, MERGES, KINDS)
    assert vocabulary.pretokenizer == "qwen2"
    assert vocabulary.tokens[ID["<|fim_middle|>"]] == "<|fim_middle|>"


def test_tensors_of_several_types_are_float32(tmp_path):
    weights = random_weights()
    types = {"blk.0.ffn_up.weight": Q8_0, "blk.1.ffn_up.weight": F16}
    read = Gguf(write_gguf(tmp_path / "mixed.gguf", weights, types=types))
    for name, value in weights.items():
        found = read.tensor(name)
        assert (found.dtype, found.shape) == (np.float32, value.shape)
        kind = types.get(name)
        expected = value if kind is None else gguf.quants.dequantize(gguf.quants.quantize(value, kind), kind)
        assert np.array_equal(found, expected), name
        np.testing.assert_allclose(found, value, atol=0.05)
    assert read.has("output.weight")
    assert not read.has("blk.2.attn_q.weight")


@pytest.mark.parametrize(
    "key",
    [
        "qwen2.block_count",
        "qwen2.embedding_length",
        "qwen2.attention.head_count",
        "qwen2.attention.head_count_kv",
        "qwen2.feed_forward_length",
        "qwen2.context_length",
        "qwen2.attention.layer_norm_rms_epsilon",
        "tokenizer.ggml.pre",
        "tokenizer.ggml.merges",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type",
    ],
)
def test_a_missing_key_is_named(tmp_path, key):
    path = write_gguf(tmp_path / "model.gguf", leave_out=[key])
    with pytest.raises(BuildError) as caught:
        read = Gguf(path)
        _ = (read.config, read.vocabulary)
    assert {str(path), key} <= set(one_line(caught).replace(":", "").replace(",", "").split())


def test_a_missing_tensor_is_named(tmp_path):
    read = Gguf(write_gguf(tmp_path / "model.gguf", leave_out=["blk.1.ffn_up.weight"]))
    with pytest.raises(BuildError, match=r"model\.gguf: tensor blk\.1\.ffn_up\.weight is missing") as caught:
        read.tensor("blk.1.ffn_up.weight")
    one_line(caught)


def test_an_unknown_architecture_says_which_are_known(tmp_path):
    read = Gguf(write_gguf(tmp_path / "model.gguf", architecture="strange"))
    with pytest.raises(BuildError, match=r"architecture 'strange' cannot be built \(known: qwen2\)") as caught:
        _ = read.config
    one_line(caught)


def test_a_tokenizer_of_another_kind(tmp_path):
    read = Gguf(write_gguf(tmp_path / "model.gguf", tokenizer="llama"))
    with pytest.raises(BuildError, match="tokenizer 'llama' is not byte-level BPE") as caught:
        _ = read.vocabulary
    one_line(caught)


@pytest.mark.parametrize(
    "content",
    [b"", b"GGUF", b"GGUF\x03\0\0\0", b"not a model\n" * 100, b"<html>\n<body>404</body>\n</html>\n", bytes(4096)],
    ids=["empty", "magic", "version", "text", "page", "zeros"],
)
def test_a_file_that_is_no_gguf(tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(BuildError) as caught:
        Gguf(path)
    assert one_line(caught).startswith(f"{path}: not a readable GGUF file")


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.1, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file(tiny_gguf, tmp_path, share):
    content = tiny_gguf.read_bytes()
    path = tmp_path / "model.gguf"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BuildError) as caught:
        Gguf(path)
    assert one_line(caught).startswith(f"{path}: not a readable GGUF file")


def test_no_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(BuildError) as caught:
            Gguf(path)
        one_line(caught)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, BFLOAT16])
@pytest.mark.parametrize(("rslora", "scale"), [(False, 8 / 4), (True, 8 / 4**0.5)])
def test_merge(tmp_path, dtype, rslora, scale):
    pairs = write_adapter(tmp_path / "lora", SHAPES, dtype=dtype, use_rslora=rslora)
    adapter = Adapter(tmp_path / "lora")
    weights = random_weights()
    for name, stem in NAMES.items():
        down, up = pairs[stem]
        merged = adapter.merge_into(name, weights[name])
        assert merged.dtype == np.float32
        np.testing.assert_allclose(merged, weights[name] + scale * up @ down, rtol=1e-5, atol=1e-5)
        assert np.abs(merged - weights[name]).max() > 0.1


def test_what_the_adapter_does_not_change_is_not_touched(tmp_path):
    write_adapter(tmp_path / "lora", SHAPES)
    adapter = Adapter(tmp_path / "lora")
    for name, value in random_weights().items():
        if name not in NAMES:
            assert adapter.merge_into(name, value) is value, name


def test_an_adapter_of_another_base_model(tmp_path):
    write_adapter(tmp_path / "lora", {"model.layers.0.self_attn.q_proj": (96, 96)})
    adapter = Adapter(tmp_path / "lora")
    with pytest.raises(
        BuildError, match=r"q_proj .* \(96, 4\) and \(4, 96\), the weight is \(64, 64\): it was trained on another"
    ) as caught:
        adapter.merge_into("blk.0.attn_q.weight", random_weights()["blk.0.attn_q.weight"])
    one_line(caught)


def replace_tensor(folder: Path, name: str, value: np.ndarray) -> None:
    file = folder / "adapter_model.safetensors"
    save_file(load_file(file) | {f"base_model.model.model.layers.0.self_attn.{name}": value}, file)


def test_a_and_b_of_different_ranks(tmp_path):
    write_adapter(tmp_path / "lora", SHAPES)
    replace_tensor(tmp_path / "lora", "q_proj.lora_A.weight", np.zeros((5, 64), np.float32))
    with pytest.raises(BuildError) as caught:
        Adapter(tmp_path / "lora").merge_into("blk.0.attn_q.weight", np.zeros((64, 64), np.float32))
    one_line(caught)


@pytest.mark.parametrize(
    "settings",
    [
        {"peft_type": "IA3"},
        {"use_dora": True},
        {"rank_pattern": {"q_proj": 8}},
        {"alpha_pattern": {"q_proj": 32}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_an_adapter_that_cannot_be_merged_exactly(tmp_path, settings):
    write_adapter(tmp_path / "lora", SHAPES, **settings)
    with pytest.raises(BuildError, match="only plain LoRA adapters can be merged") as caught:
        Adapter(tmp_path / "lora")
    one_line(caught)


def test_an_adapter_with_more_than_a_and_b(tmp_path):
    write_adapter(tmp_path / "lora", SHAPES)
    replace_tensor(tmp_path / "lora", "q_proj.lora_magnitude_vector", np.ones(64, np.float32))
    with pytest.raises(BuildError, match="lora_magnitude_vector cannot be merged") as caught:
        Adapter(tmp_path / "lora")
    one_line(caught)


@pytest.mark.parametrize("stem", ["lm_head", "model.layers.0.self_attn.qkv_proj"])
def test_an_adapter_that_changes_what_the_graph_does_not_know(tmp_path, stem):
    write_adapter(tmp_path / "lora", SHAPES | {stem: (64, 64)})
    with pytest.raises(BuildError, match=stem) as caught:
        Adapter(tmp_path / "lora")
    one_line(caught)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("adapter_config.json", None),
        ("adapter_config.json", b"{"),
        ("adapter_config.json", b"[]"),
        ("adapter_config.json", b'{"peft_type": "LORA"}'),
        ("adapter_config.json", b"\xff\xfe"),
        ("adapter_model.safetensors", None),
        ("adapter_model.safetensors", b""),
        ("adapter_model.safetensors", b"garbage\n" * 100),
    ],
)
def test_a_damaged_adapter(tmp_path: Path, file, content):
    folder = tmp_path / "lora"
    write_adapter(folder, SHAPES)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(BuildError) as caught:
        Adapter(folder)
    assert str(folder) in one_line(caught)


def test_the_shipped_adapter_can_be_merged(repository):
    adapter = Adapter(repository / "model" / "adapters" / "mined-v3")
    change = adapter.merge_into("blk.23.attn_k.weight", np.zeros((128, 896), np.float32))
    assert 0 < np.abs(change).max() < 1
