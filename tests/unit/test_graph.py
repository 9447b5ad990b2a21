"""The graph against a decoder in NumPy: the same logits from the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import reference_decoder
from tiny_model import TOKENS, Shape, random_weights

from foretype.model import graph
from foretype.model.backend import Cancel
from foretype.model.onnx import OnnxEngine
from foretype.model.quantize import Format, dequantize, quantize
from foretype.model.weights import Config

PROMPT = [int(token) for token in np.random.default_rng(3).integers(0, len(TOKENS), 60)]


def config(shape: Shape) -> Config:
    return Config("qwen2", vocabulary=len(TOKENS), **vars(shape))


def write(folder: Path, weights: Mapping[str, np.ndarray], shape: Shape, plan: graph.Plan, **options) -> Path:
    tied = "output.weight" not in weights
    return graph.write(folder, config(shape), weights.__getitem__, plan, tied_head=tied, **options)


def run(folder: Path, tokens: list[int] = PROMPT) -> np.ndarray:
    return OnnxEngine(folder, capacity=128, threads=1).forward(tokens, Cancel(), keep=len(tokens))


def error(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max())


@pytest.mark.parametrize(
    "shape",
    [
        Shape(),
        Shape(layers=1),
        Shape(heads=4, kv_heads=4),
        Shape(heads=8, kv_heads=1),
        Shape(head_dim=32),
        Shape(rope_base=1e6, norm_epsilon=1e-2),
    ],
    ids=["plain", "one layer", "no groups", "one group", "wide heads", "other constants"],
)
@pytest.mark.parametrize("tied", [False, True], ids=["own head", "tied head"])
def test_logits_are_those_of_the_definition(tmp_path, shape, tied):
    weights = random_weights(shape, tied)
    write(tmp_path, weights, shape, lambda name: None)
    expected = reference_decoder.logits(weights, PROMPT, shape)
    assert expected.std() > 0.5
    assert error(run(tmp_path), expected) < 1e-4


@pytest.mark.parametrize("part", ["attn_q.bias", "attn_k.weight", "attn_v.bias", "ffn_gate.weight", "attn_norm.weight"])
def test_each_part_of_the_reference_matters(part):
    """The comparison would see it if the graph left one of these out or mixed two of them up."""
    weights = random_weights()
    name = f"blk.1.{part}"
    changed = weights | {name: np.roll(weights[name], 1, axis=0)}
    assert error(reference_decoder.logits(changed, PROMPT), reference_decoder.logits(weights, PROMPT)) > 0.05


@pytest.mark.parametrize("tied", [False, True], ids=["own head", "tied head"])
@pytest.mark.parametrize("form", [Format(4, 32), Format(8, 32), Format(8, 128)], ids=str)
def test_quantized_logits_are_those_of_the_rounded_weights(tmp_path, form, tied):
    def plan(name: str) -> Format:
        return Format(8, 32) if name in ("token_embd.weight", "output.weight") else form

    weights = random_weights(tied=tied)
    write(tmp_path, weights, Shape(), plan)
    rounded = {
        name: dequantize(quantize(value, plan(name).fitted(value.shape[1]))) if value.ndim == 2 else value
        for name, value in weights.items()
    }
    ours = run(tmp_path)
    expected, unrounded = (reference_decoder.logits(w, PROMPT) for w in (rounded, weights))
    # what is left is the rounding of activations to 8 bits, about a hundredth of their size in each product
    assert np.sqrt(((ours - expected) ** 2).mean()) < 0.05 * expected.std()
    if form.bits == 4:
        assert error(ours, expected) < 0.5 * error(ours, unrounded)


def test_projections_that_share_an_input_can_differ_in_format(tmp_path):
    weights = random_weights()
    write(tmp_path, weights, Shape(), lambda name: Format(8, 32) if name.endswith("ffn_down.weight") else None)
    assert error(run(tmp_path), reference_decoder.logits(weights, PROMPT)) < 0.2
    operators = [node.op_type for node in onnx.load(tmp_path / "model.onnx", load_external_data=False).graph.node]
    assert operators.count("MatMulNBits") == Shape().layers


def test_progress_counts_layers(tmp_path):
    told = []
    write(
        tmp_path, random_weights(), Shape(), lambda name: None, progress=lambda done, total: told.append((done, total))
    )
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_the_same_weights_make_the_same_files(tmp_path):
    contents = []
    for name in "ab":
        (tmp_path / name).mkdir()
        write(tmp_path / name, random_weights(), Shape(), lambda name: Format(4, 32))
        contents.append([path.read_bytes() for path in sorted((tmp_path / name).iterdir())])
    assert contents[0] == contents[1]
    assert [path.name for path in sorted((tmp_path / "a").iterdir())] == ["model.onnx", "model.onnx.data"]
