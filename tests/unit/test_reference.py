"""The graph before quantization against transformers: the same weights must give the same logits.

Once with the tiny model, once with the real one where it was pulled (`foretype model pull`): some gigabytes and about a
minute. Torch gets the very arrays that the builder gets, not those of transformers' own GGUF reader.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_model import random_weights, write_adapter, write_gguf

from foretype.model import store
from foretype.model.backend import Cancel
from foretype.model.build import build
from foretype.model.onnx import OnnxEngine
from foretype.model.tokenizer import Vocab
from foretype.model.weights import Adapter, Config, Gguf

PROMPTS = (
    ("def add(first, second):\n    return ", "\n\n\nprint(add(1, 2))\n"),
    ("use std::collections::HashMap;\n\nfn count(words: &[&str]) -> HashMap<String, usize> {\n    ", "\n}\n"),
    ("# Größe – 大きさ 🙂\nlocal t = {}\nfor i = 1, 10 do\n  t[", "] = i * i\nend\n"),
)
NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
BIASES = ("attn_q", "attn_k", "attn_v")


@pytest.fixture(autouse=True)
def needs_torch() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")


def test_the_tiny_model(tmp_path):
    path = write_gguf(tmp_path / "tiny.gguf", random_weights())
    shapes = {"model.layers.0.self_attn.v_proj": (32, 64), "model.layers.1.mlp.down_proj": (64, 128)}
    write_adapter(tmp_path / "lora", shapes)
    compare(path, tmp_path / "lora")


def test_the_tiny_model_with_a_tied_head(tmp_path):
    compare(write_gguf(tmp_path / "tiny.gguf", random_weights(tied=True)), None)


def test_the_real_model():
    name = next(row.name for row in store.listing() if row.default)
    target = store.resolve(name)
    if not target.gguf.is_file():
        pytest.skip(f"{name} is not there: foretype model pull {name}")
    compare(target.gguf, target.adapter.folder if target.adapter else None)


def compare(path: Path, adapter: Path | None) -> None:
    prompts, ours = graph_logits(path, adapter)
    gc.collect()
    for prompt, logits in zip(prompts, ours, strict=True):
        assert len(prompt) > 20
        assert logits.std() > 0.5
    for logits, expected in zip(ours, torch_logits(path, adapter, prompts), strict=True):
        assert np.abs(logits - expected).max() < 1e-3


def graph_logits(path: Path, adapter: Path | None) -> tuple[list[list[int]], list[np.ndarray]]:
    """The prompts as tokens, and the logits after each of them."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        build(path, Path(folder), adapter, plan=lambda name: None)
        vocab, engine = Vocab(Path(folder) / "tokenizer.json"), OnnxEngine(Path(folder), capacity=256)
        prompts, found = [], []
        for prefix, suffix in PROMPTS:
            before, after = vocab.encode(prefix), vocab.encode(suffix)
            first, second, third = (vocab.special[f"<|fim_{part}|>"] for part in ("prefix", "suffix", "middle"))
            prompts.append([first, *before, second, *after, third])
            engine.crop(0)
            found.append(engine.forward(prompts[-1], Cancel(), keep=len(prompts[-1])).copy())
        del engine
    return prompts, found


def torch_logits(path: Path, adapter: Path | None, prompts: Sequence[list[int]]) -> list[np.ndarray]:
    import torch
    from transformers import Qwen2ForCausalLM

    gguf = Gguf(path)
    config = qwen2_config(gguf.config, tied=not gguf.has("output.weight"))
    with torch.device("meta"):
        model = Qwen2ForCausalLM(config)
    model.load_state_dict(state(gguf, Adapter(adapter) if adapter else None), strict=True, assign=True)
    model.tie_weights()
    model.model.rotary_emb = type(model.model.rotary_emb)(config)  # what is not in the state has no values yet
    model.eval()
    with torch.inference_mode():
        return [model(torch.tensor([prompt])).logits[0].numpy() for prompt in prompts]


def qwen2_config(config: Config, tied: bool) -> Any:
    from transformers import Qwen2Config

    return Qwen2Config(
        vocab_size=config.vocabulary,
        hidden_size=config.hidden,
        intermediate_size=config.feed_forward,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.kv_heads,
        max_position_embeddings=config.context,
        rms_norm_eps=config.norm_epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
        tie_word_embeddings=tied,
    )


def state(gguf: Gguf, adapter: Adapter | None) -> dict[str, Any]:
    import torch

    names = {ours: theirs for ours, theirs in NAMES.items() if gguf.has(ours)}
    for layer in range(gguf.config.layers):
        for ours, theirs in PARTS.items():
            names[f"blk.{layer}.{ours}.weight"] = f"model.layers.{layer}.{theirs}.weight"
            if ours in BIASES:
                names[f"blk.{layer}.{ours}.bias"] = f"model.layers.{layer}.{theirs}.bias"
    found = {}
    for ours, theirs in names.items():
        value = gguf.tensor(ours)
        found[theirs] = torch.from_numpy(np.array(adapter.merge_into(ours, value) if adapter else value))
    if "lm_head.weight" not in found:
        found["lm_head.weight"] = found["model.embed_tokens.weight"]
    return found
