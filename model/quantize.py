"""Block-wise quantization of weights to 4 or 8 bits, in the layout of ONNX Runtime's MatMulNBits.

Knows arrays; knows nothing of files or graphs. A weight is [outputs, inputs]; each run of `block` inputs of one output
shares a scale and, where asymmetric, a zero point: w = (q - zero) * scale.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

# Shares of a block's range that are tried as its clipping range; 1.0 is plain rounding to nearest.
_SHRINK = (1.0, 0.96, 0.92, 0.88, 0.84, 0.8, 0.76, 0.72)
_ROWS = 512  # rows at once: keeps the candidates in the processor's cache


@dataclass(frozen=True)
class Format:
    """Bits per weight, weights per block. 8 bits are symmetric, 4 bits have a zero point."""

    bits: int
    block: int

    def fitted(self, inputs: int) -> Format:
        """The same with the largest block that divides the inputs, down to the 16 that ONNX Runtime allows.

        Raises ValueError if there is none.
        """
        block = self.block
        while inputs % block:
            block //= 2
            if block < 16:
                raise ValueError(f"{inputs} inputs cannot be cut into blocks of 16 or more")
        return Format(self.bits, block)


@dataclass(frozen=True)
class Quantized:
    """`packed` uint8 [outputs, blocks, block * bits / 8] with the first of two nibbles low; `scales` float32
    [outputs, blocks]; `zeros` uint8 [outputs, ceil(blocks * bits / 8)] or None for the middle of the range."""

    format: Format
    packed: np.ndarray
    scales: np.ndarray
    zeros: np.ndarray | None


def quantize(weight: np.ndarray, form: Format) -> Quantized:
    """Quantizes float32 [outputs, inputs].

    `inputs` must be a multiple of the block. 8 bits reproduce blocks of llama.cpp's Q8_0 exactly
    but for the rounding of their scale.
    """
    outputs, inputs = weight.shape
    if inputs % form.block:
        raise ValueError(f"{inputs} inputs are no multiple of the block of {form.block}")
    blocks = inputs // form.block
    parts = [weight[row : row + _ROWS].reshape(-1, blocks, form.block) for row in range(0, outputs, _ROWS)]
    one = _symmetric8 if form.bits == 8 else _asymmetric4
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(one, parts))
    q, scales, zeros = (np.concatenate([part[i] for part in done]) for i in range(3))
    if form.bits == 8:
        return Quantized(form, q, scales, None)
    return Quantized(form, _nibbles(q), scales, _nibbles(zeros))


def dequantize(quantized: Quantized) -> np.ndarray:
    """The float32 weight that a `Quantized` stands for."""
    bits, block = quantized.format.bits, quantized.format.block
    outputs, blocks = quantized.scales.shape
    if bits == 8:
        q, zeros = quantized.packed.astype(np.float32), np.full((outputs, blocks), 128.0, np.float32)
    else:
        assert quantized.zeros is not None
        q = _unpack(quantized.packed).astype(np.float32)
        zeros = _unpack(quantized.zeros)[:, :blocks].astype(np.float32)
    return ((q - zeros[:, :, None]) * quantized.scales[:, :, None]).reshape(outputs, blocks * block)


def _symmetric8(w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scale = np.abs(w).max(axis=2, keepdims=True) / 127.0
    q = np.rint(w / np.where(scale == 0, 1, scale)) + 128
    return q.astype(np.uint8), scale[:, :, 0], np.zeros(w.shape[:2], np.uint8)


def _asymmetric4(w: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best of several clipping ranges by squared error, each scale refitted to its own rounding."""
    low = np.minimum(w.min(axis=2, keepdims=True), 0)
    high = np.maximum(w.max(axis=2, keepdims=True), 0)
    best_error = np.full(low.shape, np.inf, np.float32)
    best_q, best_zero = np.zeros(w.shape, np.float32), np.zeros(low.shape, np.float32)
    best_scale = np.zeros(low.shape, np.float32)
    for shrink in _SHRINK:
        scale = (high - low) * (shrink / 15)
        scale[scale == 0] = 1
        zero = np.clip(np.rint(-low * shrink / scale), 0, 15)
        q = np.clip(np.rint(w / scale) + zero, 0, 15)
        steps = q - zero
        # least squares of w on the steps: the scale that fits this rounding best
        norm = (steps * steps).sum(axis=2, keepdims=True)
        scale = np.where(norm > 0, (steps * w).sum(axis=2, keepdims=True) / np.where(norm > 0, norm, 1), scale)
        error = ((w - steps * scale) ** 2).sum(axis=2, keepdims=True)
        better = error < best_error
        np.copyto(best_error, error, where=better)
        np.copyto(best_q, q, where=better)
        np.copyto(best_zero, zero, where=better)
        np.copyto(best_scale, scale, where=better)
    return best_q.astype(np.uint8), best_scale[:, :, 0], best_zero[:, :, 0].astype(np.uint8)


def _nibbles(q: np.ndarray) -> np.ndarray:
    if q.shape[-1] % 2:
        q = np.concatenate([q, np.zeros((*q.shape[:-1], 1), np.uint8)], axis=-1)
    return (q[..., 0::2] | (q[..., 1::2] << 4)).astype(np.uint8)


def _unpack(packed: np.ndarray) -> np.ndarray:
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1)
