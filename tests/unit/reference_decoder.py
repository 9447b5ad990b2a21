"""A Qwen2 decoder in plain NumPy, to hold the graph against.

Written from the definition, with nothing of ONNX or of the code under test: root mean square norm (Zhang and Sennrich
2019), rotary embedding on halves (Su et al. 2021), grouped-query attention (Ainslie et al. 2023), SwiGLU (Shazeer
2020), biases on queries, keys and values (Qwen2 technical report, arXiv 2407.10671).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tiny_model import SHAPE, Shape


def logits(weights: Mapping[str, np.ndarray], tokens: Sequence[int], shape: Shape = SHAPE) -> np.ndarray:
    """float64 [tokens, vocabulary]: the logits after each token."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    x = w["token_embd.weight"][list(tokens)]
    for layer in range(shape.layers):
        own = {name.split(".", 2)[2]: value for name, value in w.items() if name.startswith(f"blk.{layer}.")}
        x = x + _attention(own, _norm(x, own["attn_norm.weight"], shape), shape) @ own["attn_output.weight"].T
        normed = _norm(x, own["ffn_norm.weight"], shape)
        gate = normed @ own["ffn_gate.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * (normed @ own["ffn_up.weight"].T)) @ own["ffn_down.weight"].T
    return _norm(x, w["output_norm.weight"], shape) @ w.get("output.weight", w["token_embd.weight"]).T


def _norm(x: np.ndarray, gain: np.ndarray, shape: Shape) -> np.ndarray:
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + shape.norm_epsilon) * gain


def _attention(w: Mapping[str, np.ndarray], x: np.ndarray, shape: Shape) -> np.ndarray:
    q, k, v = ((x @ w[f"attn_{part}.weight"].T + w[f"attn_{part}.bias"]) for part in "qkv")
    heads = []
    for head in range(shape.heads):
        shared = head // (shape.heads // shape.kv_heads)
        query, key = _rotated(_head(q, head, shape), shape), _rotated(_head(k, shared, shape), shape)
        scores = query @ key.T / np.sqrt(shape.head_dim)
        scores[np.triu_indices(len(x), 1)] = -np.inf
        share = np.exp(scores - scores.max(axis=-1, keepdims=True))
        heads.append(share / share.sum(axis=-1, keepdims=True) @ _head(v, shared, shape))
    return np.concatenate(heads, axis=-1)


def _head(x: np.ndarray, head: int, shape: Shape) -> np.ndarray:
    return x[:, head * shape.head_dim : (head + 1) * shape.head_dim]


def _rotated(x: np.ndarray, shape: Shape) -> np.ndarray:
    """Pair i of position p, elements i and i + head_dim / 2, turned by p / base^(2i / head_dim)."""
    half = shape.head_dim // 2
    angle = np.arange(len(x))[:, None] / shape.rope_base ** (np.arange(half) / half)
    a, b = x[:, :half], x[:, half:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], axis=-1)
