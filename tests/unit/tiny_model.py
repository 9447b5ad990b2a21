"""Writes models of a few kilobytes: a Qwen2 with random weights and a byte-level vocabulary, a LoRA adapter for it.

The number of a token that is one byte is that byte, so that tests can read prompts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

CONTROL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"),
    *("<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
)
USER_DEFINED = ("<tool_call>",)
MERGES = (
    *("r e", "t u", "re tu", "r n", "retu rn", "Ġ return", "d e", "de f", "i n", "p r", "pr in", "prin t"),
    *("c o", "u n", "co un", "coun t", "e r", "count er", "Ġ a", "Ġ count", "Ġ Ġ", "ĠĠ ĠĠ", "Ã ©", "( )"),
)
_UNUSED = 20  # as large models have, to fill up their tables


def _byte_characters() -> list[str]:
    """GPT-2's printable character for each byte."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    moved = iter(range(256, 512))
    return [chr(byte if byte in plain else next(moved)) for byte in range(256)]


_ORDINARY = (*_byte_characters(), *(merge.replace(" ", "") for merge in MERGES))
_PADDING = tuple(f"[PAD{index}]" for index in range(_UNUSED))
TOKENS = (*_ORDINARY, *CONTROL, *USER_DEFINED, *_PADDING)
KINDS = (*[1] * len(_ORDINARY), *[3] * len(CONTROL), *[4] * len(USER_DEFINED), *[5] * len(_PADDING))
ID = {token: index for index, token in enumerate(TOKENS)}


@dataclass(frozen=True)
class Shape:
    """As `foretype.model.weights.Config` has it."""

    layers: int = 2
    hidden: int = 64
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 16
    feed_forward: int = 128
    context: int = 512
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-6


SHAPE = Shape()


def random_weights(shape: Shape = SHAPE, tied: bool = False, seed: int = 0) -> dict[str, np.ndarray]:
    """Tensors by GGUF's names, float32, weights as [outputs, inputs]; large enough that every part of them matters."""
    rng = np.random.default_rng(seed)
    query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim

    def matrix(outputs: int, inputs: int) -> np.ndarray:
        return (rng.standard_normal((outputs, inputs)) * 1.5 / inputs**0.5).astype(np.float32)

    def vector(size: int, mean: float) -> np.ndarray:
        return (mean + 0.3 * rng.standard_normal(size)).astype(np.float32)

    found = {
        "token_embd.weight": rng.standard_normal((len(TOKENS), shape.hidden)).astype(np.float32),
        "output_norm.weight": vector(shape.hidden, 1),
    }
    if not tied:
        found["output.weight"] = matrix(len(TOKENS), shape.hidden)
    for layer in range(shape.layers):
        found |= {
            f"blk.{layer}.{name}": value
            for name, value in {
                "attn_norm.weight": vector(shape.hidden, 1),
                "attn_q.weight": matrix(query, shape.hidden),
                "attn_q.bias": vector(query, 0),
                "attn_k.weight": matrix(key, shape.hidden),
                "attn_k.bias": vector(key, 0),
                "attn_v.weight": matrix(key, shape.hidden),
                "attn_v.bias": vector(key, 0),
                "attn_output.weight": matrix(shape.hidden, query),
                "ffn_norm.weight": vector(shape.hidden, 1),
                "ffn_gate.weight": matrix(shape.feed_forward, shape.hidden),
                "ffn_up.weight": matrix(shape.feed_forward, shape.hidden),
                "ffn_down.weight": matrix(shape.hidden, shape.feed_forward),
            }.items()
        }
    return found


def write_gguf(
    path: Path,
    weights: Mapping[str, np.ndarray] | None = None,
    shape: Shape = SHAPE,
    *,
    architecture: str = "qwen2",
    pretokenizer: str = "qwen2",
    tokenizer: str = "gpt2",
    types: Mapping[str, gguf.GGMLQuantizationType] = {},
    leave_out: Collection[str] = (),
) -> Path:
    """Writes a model; `types` are those of tensors that are not float32, `leave_out` names keys and tensors."""
    writer = gguf.GGUFWriter(path, architecture)
    keys: dict[str, tuple[Any, Any]] = {
        f"{architecture}.block_count": (writer.add_uint32, shape.layers),
        f"{architecture}.context_length": (writer.add_uint32, shape.context),
        f"{architecture}.embedding_length": (writer.add_uint32, shape.hidden),
        f"{architecture}.feed_forward_length": (writer.add_uint32, shape.feed_forward),
        f"{architecture}.attention.head_count": (writer.add_uint32, shape.heads),
        f"{architecture}.attention.head_count_kv": (writer.add_uint32, shape.kv_heads),
        f"{architecture}.attention.layer_norm_rms_epsilon": (writer.add_float32, shape.norm_epsilon),
        f"{architecture}.rope.freq_base": (writer.add_float32, shape.rope_base),
        "tokenizer.ggml.model": (writer.add_string, tokenizer),
        "tokenizer.ggml.pre": (writer.add_string, pretokenizer),
        "tokenizer.ggml.tokens": (writer.add_array, TOKENS),
        "tokenizer.ggml.token_type": (writer.add_array, KINDS),
        "tokenizer.ggml.merges": (writer.add_array, MERGES),
    }
    if shape.head_dim * shape.heads != shape.hidden:
        keys[f"{architecture}.attention.key_length"] = (writer.add_uint32, shape.head_dim)
    for key, (add, value) in keys.items():
        if key not in leave_out:
            add(key, value)
    for name, value in (random_weights(shape) if weights is None else weights).items():
        if name not in leave_out:
            kind = types.get(name)
            data = value if kind is None else gguf.quants.quantize(value, kind)
            writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_adapter(
    folder: Path,
    shapes: Mapping[str, tuple[int, int]],
    rank: int = 4,
    dtype: Any = np.float32,
    **settings: Any,
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Writes a LoRA adapter as PEFT does, for projections such as "model.layers.0.mlp.up_proj" of [outputs, inputs].

    Returns A [rank, inputs] and B [outputs, rank] of each, float32 with the values that were written.
    """
    rng = np.random.default_rng(7)
    pairs = {
        stem: tuple((rng.standard_normal(size) / 4).astype(dtype) for size in ((rank, inputs), (outputs, rank)))
        for stem, (outputs, inputs) in shapes.items()
    }
    tensors = {
        f"base_model.model.{stem}.lora_{letter}.weight": value
        for stem, pair in pairs.items()
        for letter, value in zip("AB", pair, strict=True)
    }
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    written = {"peft_type": "LORA", "r": rank, "lora_alpha": 8, "bias": "none", **settings}
    (folder / "adapter_config.json").write_text(json.dumps(written), encoding="utf-8")
    return {stem: (pair[0].astype(np.float32), pair[1].astype(np.float32)) for stem, pair in pairs.items()}


BFLOAT16 = ml_dtypes.bfloat16
