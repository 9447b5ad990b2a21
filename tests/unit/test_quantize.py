"""Rounding of weights: how far off it may be, and that ONNX Runtime reads the layout as it is meant."""

from __future__ import annotations

import gguf
import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import TensorProto, helper

from foretype.model.quantize import Format, dequantize, quantize

FORMATS = [Format(4, 16), Format(4, 32), Format(4, 64), Format(8, 16), Format(8, 32), Format(8, 128)]
every_format = pytest.mark.parametrize("form", FORMATS, ids=lambda form: f"{form.bits}x{form.block}")
weights = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 3), st.sampled_from([32, 64, 96])), elements=st.floats(-1e4, 1e4, width=32)
)


def random(outputs: int, inputs: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((outputs, inputs)).astype(np.float32)


def blocks_of(values: np.ndarray, block: int) -> np.ndarray:
    return values.reshape(values.shape[0], -1, block)


def to_nearest(w: np.ndarray, block: int) -> np.ndarray:
    """Plain 4-bit rounding with a zero point, what the search has to beat."""
    parts = blocks_of(w, block)
    low, high = np.minimum(parts.min(2, keepdims=True), 0), np.maximum(parts.max(2, keepdims=True), 0)
    scale = (high - low) / 15
    zero = np.rint(-low / scale)
    return ((np.clip(np.rint(parts / scale) + zero, 0, 15) - zero) * scale).reshape(w.shape)


@settings(deadline=None, max_examples=60)
@given(weights)
def test_8_bits_are_off_by_half_a_step_at_most(w):
    back = dequantize(quantize(w, Format(8, 32)))
    step = np.abs(blocks_of(w, 32)).max(axis=2, keepdims=True) / 127
    # but for numbers so small that their step is no normal float any more
    assert (np.abs(blocks_of(back - w, 32)) <= step * 0.5001 + 1e-36).all()


@settings(deadline=None, max_examples=60)
@given(weights)
def test_4_bits_are_finite_and_never_worse_than_plain_rounding(w):
    q = quantize(w, Format(4, 32))
    back = dequantize(q)
    assert np.isfinite(q.scales).all()
    low, high = (np.abs(f(blocks_of(w, 32), axis=2, keepdims=True)) for f in (np.min, np.max))
    # plain rounding is off by half a step, and by another half where the zero point had to be rounded
    bound = (low + high) / 15
    error = blocks_of(back - w, 32).astype(np.float64) ** 2
    assert (error.sum(axis=2) <= 32 * bound[:, :, 0] ** 2 + 1e-12).all()


def test_q8_0_blocks_come_out_as_they_were():
    raw = gguf.quants.quantize(random(24, 128), gguf.GGMLQuantizationType.Q8_0)
    w = gguf.quants.dequantize(raw, gguf.GGMLQuantizationType.Q8_0)
    stored = raw.reshape(24, 4, 34)[:, :, 2:].view(np.int8)  # a block is its float16 scale and 32 integers
    q = quantize(w, Format(8, 32))
    assert np.array_equal(q.packed.astype(int) - 128, stored)
    np.testing.assert_allclose(dequantize(q), w, rtol=1e-6)


def test_4_bits_of_a_grid_of_16_values_are_exact():
    steps = np.tile(np.arange(16, dtype=np.float32), 8).reshape(2, 64)
    w = (steps - 5) * np.float32(0.25)
    np.testing.assert_allclose(dequantize(quantize(w, Format(4, 32))), w, atol=1e-6)


def test_4_bits_beat_plain_rounding():
    w = random(64, 256)
    ours, plain = (((back - w) ** 2).mean() for back in (dequantize(quantize(w, Format(4, 32))), to_nearest(w, 32)))
    assert ours < 0.96 * plain


@every_format
def test_zeros_stay_zeros(form):
    q = quantize(np.zeros((3, 2 * form.block), np.float32), form)
    assert np.isfinite(q.scales).all()
    assert not dequantize(q).any()


@every_format
@pytest.mark.parametrize("value", [0.75, -0.75, 1e-30, -3e4])
def test_a_constant_block_stays_constant(form, value):
    w = np.full((2, form.block), value, np.float32)
    np.testing.assert_allclose(dequantize(quantize(w, form)), w, rtol=1e-5)


@every_format
@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_odd_numbers_of_blocks(form, blocks):
    w = random(7, blocks * form.block)
    q = quantize(w, form)
    assert q.packed.shape == (7, blocks, form.block * form.bits // 8)
    assert q.scales.shape == (7, blocks)
    assert (q.zeros is None) == (form.bits == 8)
    if q.zeros is not None:
        assert q.zeros.shape == (7, (blocks + 1) // 2)
    assert np.abs(dequantize(q) - w).max() < (0.5 if form.bits == 4 else 0.03)


def test_more_rows_than_fit_at_once_are_the_same_as_fewer():
    w = random(1100, 32)
    whole = dequantize(quantize(w, Format(4, 32)))
    parts = [dequantize(quantize(w[start : start + 100], Format(4, 32))) for start in range(0, 1100, 100)]
    assert np.array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize(("inputs", "block"), [(896, 128), (4864, 128), (64, 64), (96, 32), (48, 16)])
def test_the_largest_block_that_fits(inputs, block):
    assert Format(8, 128).fitted(inputs) == Format(8, block)
    assert Format(4, 16).fitted(inputs) == Format(4, 16)


def test_no_block_fits():
    with pytest.raises(ValueError, match="72 inputs cannot be cut into blocks"):
        Format(8, 128).fitted(72)


def test_inputs_that_are_no_multiple_of_the_block():
    with pytest.raises(ValueError, match="48 inputs are no multiple of the block of 32"):
        quantize(random(2, 48), Format(4, 32))


@every_format
@pytest.mark.parametrize("blocks", [2, 3])
def test_onnx_runtime_reads_the_layout(form, blocks):
    outputs, inputs = 24, blocks * form.block
    q = quantize(random(outputs, inputs) + 0.3, form)
    names = ["packed", "scales", "zeros"][: 2 if q.zeros is None else 3]
    values = [value for value in (q.packed, q.scales, q.zeros) if value is not None]
    node = helper.make_node(
        "MatMulNBits",
        ["x", *names],
        ["y"],
        domain="com.microsoft",
        K=inputs,
        N=outputs,
        bits=form.bits,
        block_size=form.block,
        accuracy_level=1,  # multiplies in float32
    )
    constants = [
        helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape, value.tobytes(), raw=True)
        for name, value in zip(names, values, strict=True)
    ]
    x_info = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", inputs])
    y_info = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", outputs])
    model = helper.make_model(
        helper.make_graph([node], "one", [x_info], [y_info], constants),
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)],
        ir_version=10,
    )
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for rows in (1, 5):
        x = random(rows, inputs, seed=rows)
        np.testing.assert_allclose(session.run(None, {"x": x})[0], x @ dequantize(q).T, rtol=1e-4, atol=1e-4)
