"""The ONNX Runtime engine: a decoder graph whose past and present are the same buffers.

Runs graphs of `model/graph.py` and those of onnxruntime-genai's builder (float32 cache, `attention_mask` input).
Knows nothing of text. Keys and values are written in place through IO binding, so a step copies no cache, and
cropping is setting a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from foretype.context.machine import cores
from foretype.model.backend import BackendError, Cancel, Cancelled

# Bytes of a cache: 131,072 positions of a model of 7 billion weights take 7 GiB, those of 70 billion 80 GiB.
_MOST_CACHE = 128 << 30
# Tokens per run while reading a prompt: bounds the scratch memory and the work on masked positions; longer runs were
# no faster.
CHUNK = 128


class OnnxEngine:
    """Implements `Engine` for a graph, or for `model.onnx` in a folder; `capacity` is the positions to make room for.

    `threads` 0 means one per physical core. Raises `BackendError` if the graph cannot be loaded.
    `cache` holds each layer's keys, then its values, float32 [1, heads, capacity, size]: who reads tokens by other
    means writes them there and sets `length`.
    """

    def __init__(self, path: Path, capacity: int = 2048, threads: int = 0) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Its arena never gives back: what an edit checked at once took (logits of a hundred tokens are 60 MiB) stayed,
        # and memory grew by 13 % in 45,000 keys. Without it a step takes as long, or less (0.83 to 1.02).
        options.enable_cpu_mem_arena = False
        path = path / "model.onnx" if path.is_dir() else path
        try:
            self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises many unrelated types
            reason = str(error).splitlines()[0][:200]
            raise BackendError(
                f"the graph {path} cannot be loaded ({reason}); delete its folder to build it again"
            ) from error
        inputs = {value.name: value for value in self._session.get_inputs()}
        layers = sum(name.startswith("past_key_values.") and name.endswith(".key") for name in inputs)
        if not layers or "input_ids" not in inputs:
            raise BackendError(f"{path} is no decoder with a key-value cache (no past_key_values inputs)")
        heads, size = _rows(path, inputs, layers, capacity)
        self.length, self.capacity = 0, capacity
        self.vocabulary: int = self._session.get_outputs()[0].shape[-1]
        self._inputs = inputs
        self._binding = self._session.io_binding()
        self._binding.bind_output("logits", "cpu")  # first, so that it is the first of the outputs
        self._caches = []
        self.cache: list[np.ndarray] = []
        for layer in range(layers):
            for part in ("key", "value"):
                # zeroed pages are not resident until written
                self.cache.append(np.zeros((1, heads, capacity, size), np.float32))
                cache = ort.OrtValue.ortvalue_from_numpy(self.cache[-1])  # on a CPU the same memory
                self._caches.append(cache)
                self._binding.bind_ortvalue_input(f"past_key_values.{layer}.{part}", cache)
                self._binding.bind_ortvalue_output(f"present.{layer}.{part}", cache)

    def forward(self, tokens: Sequence[int], cancel: Cancel, keep: int = 1) -> np.ndarray:
        if not 0 < keep <= len(tokens):
            raise ValueError(f"logits of {keep} of {len(tokens)} tokens")
        if self.length + len(tokens) > self.capacity:
            raise ValueError(f"{self.length} + {len(tokens)} tokens do not fit into {self.capacity}")
        head = max(0, len(tokens) - max(keep, CHUNK))
        for start in range(0, head, CHUNK):
            self._run(tokens[start : min(start + CHUNK, head)], cancel, 0)
        return self._run(tokens[head:], cancel, keep)

    def crop(self, length: int) -> None:
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot crop {self.length} tokens to {length}")
        self.length = length

    def _run(self, tokens: Sequence[int], cancel: Cancel, keep: int) -> np.ndarray:
        cancel.check()
        total = self.length + len(tokens)
        feeds = {
            "input_ids": lambda: np.array([tokens], np.int64),
            "attention_mask": lambda: np.ones((1, total), np.int64),
            "position_ids": lambda: np.arange(self.length, total, dtype=np.int64)[None],
            "seqlens_k": lambda: np.array([total - 1], np.int32),
            "total_sequence_length": lambda: np.array([total], np.int32),
            "logits_from": lambda: np.array([len(tokens) - keep], np.int64),
        }
        for name, feed in feeds.items():
            if name in self._inputs:
                self._binding.bind_cpu_input(name, feed())
        selective = "logits_from" in self._inputs
        self._binding.bind_output("logits", "cpu")  # again: the shape is another one
        run = ort.RunOptions()
        cancel.on_set(lambda: setattr(run, "terminate", True))
        try:
            self._session.run_with_iobinding(self._binding, run)
        except Exception as error:
            if cancel.is_set():
                raise Cancelled from None
            raise BackendError(f"the engine failed ({str(error).splitlines()[0][:200]})") from error
        self.length = total
        logits = self._binding.get_outputs()[0].numpy()[0]
        return logits if selective else logits[-keep:]


def _rows(path: Path, inputs: dict[str, Any], layers: int, capacity: int) -> tuple[int, int]:
    """The heads of every layer's keys and values, and their size. Raises `BackendError` where there is no making room
    for them: a graph may claim any size."""
    name = "past_key_values.0.key"
    shape: Sequence[Any] = inputs[name].shape if name in inputs else ()
    heads, size = (shape[1], shape[3]) if len(shape) == 4 else (0, 0)
    fits = all(isinstance(number, int) and number > 0 for number in (heads, size))
    if not fits or 2 * layers * heads * capacity * size * 4 > _MOST_CACHE:
        raise BackendError(f"{path} cannot be served: its cache would have rows of {shape}; get the model again")
    return heads, size
