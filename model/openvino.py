"""The engine for long prompts: OpenVINO reads them, ONNX Runtime goes on from there.

OpenVINO fills ONNX Runtime's own key-value buffers, a copy per chunk; the tokens whose logits are wanted, and whatever
is too short to pay, are ONNX Runtime's. So there is one cache, and cropping it stays setting a number. Needs the
extra `openvino`. Knows nothing of how fast either is: see `model/speed.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov

from foretype.context.machine import cores
from foretype.model import prefill
from foretype.model.backend import BackendError, Cancel, Cancelled
from foretype.model.onnx import OnnxEngine

# Tokens per run: what a cancelled run loses at most. Runs of 512 and 1024 were no faster, of 128 a tenth slower.
CHUNK = 256


class Reader:
    """Reads tokens into a cache. Not thread-safe: one thread at a time.

    `precision` is of the products: "bf16", "f32" (with VNNI, 8 bits on both sides), or "" for what OpenVINO prefers.
    `threads` 0 means one per physical core. Raises `BackendError` if the graph cannot be used.
    """

    def __init__(self, path: Path, threads: int = 0, precision: str = "") -> None:
        path = path / "model.onnx" if path.is_dir() else path
        model = prefill.model(path)
        settings = {
            "INFERENCE_NUM_THREADS": threads or cores(),
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # we are not alone on the machine
            # Of kernels made for one shape. Hardly two prompts have the same, and of the 5,000 that OpenVINO keeps
            # memory grew by 70 MiB in 500 prompts, and on; of 100 by 15 and no further, at the same speed.
            "CPU_RUNTIME_CACHE_CAPACITY": 100,
        }
        if precision:
            settings["INFERENCE_PRECISION_HINT"] = precision
        try:
            compiled = ov.Core().compile_model(model, "CPU", settings)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1][:200]
            raise BackendError(f"OpenVINO cannot compile {path} ({reason}); set model.engine to onnx") from error
        self.precision: str = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self._request = compiled.create_infer_request()
        names = [port.get_any_name() for port in compiled.inputs]
        self._past = [(name, _number(name)) for name in names if name.startswith("past.")]
        self._present = [(port, _number(port.get_any_name())) for port in compiled.outputs]
        self._lock = threading.Lock()
        self._running: object = None
        _, heads, _, size = (dimension.get_min_length() for dimension in model.output(0).get_partial_shape())
        self._rows = (heads, size)
        # the first run rearranges the weights, which takes as long as hundreds of tokens
        self.read([0, 0], self.cache(2), 0, Cancel())

    def cache(self, capacity: int) -> list[np.ndarray]:
        """An empty cache as `OnnxEngine.cache` is."""
        heads, size = self._rows
        return [np.zeros((1, heads, capacity, size), np.float32) for _ in self._present]

    def read(self, tokens: Sequence[int], cache: list[np.ndarray], start: int, cancel: Cancel) -> None:
        """Writes the keys and values of tokens at positions from `start` on into the cache (`OnnxEngine.cache`).

        What the cache holds before `start` is what they follow. Raises `Cancelled`, with nothing written.
        """
        cancel.check()
        count, end = len(tokens), start + len(tokens)
        mask = np.zeros((1, 1, count, end), np.float32)
        mask[..., start:] = np.triu(np.full((count, count), -np.inf, np.float32), 1)
        feeds: dict[str, np.ndarray] = {
            "input_ids": np.array([tokens], np.int64),
            "positions": np.arange(start, end),
            "mask": mask,
        }
        feeds |= {name: np.ascontiguousarray(cache[number][:, :, :start]) for name, number in self._past}
        self._run(feeds, cancel)
        for port, number in self._present:
            cache[number][:, :, start:end] = self._request.get_tensor(port).data

    def _run(self, feeds: dict[str, np.ndarray], cancel: Cancel) -> None:
        run = object()

        def stop() -> None:
            with self._lock:
                if self._running is run:  # a flag may be set long after its run
                    self._request.cancel()

        self._running = run
        try:
            self._request.start_async(feeds, share_inputs=True)
            cancel.on_set(stop)  # after the start: before it there is nothing to cancel
            self._request.wait()
        except RuntimeError as error:
            if cancel.is_set():
                raise Cancelled from None
            raise BackendError(f"OpenVINO failed ({str(error).strip().splitlines()[-1][:200]})") from error
        finally:
            with self._lock:
                self._running = None


class OpenVinoEngine(OnnxEngine):
    """Implements `Engine`; `switch` is the number of tokens from which OpenVINO reads them.

    Other arguments and errors as for `OnnxEngine` and `Reader`.
    """

    def __init__(
        self, path: Path, capacity: int = 2048, threads: int = 0, precision: str = "", switch: int = 32
    ) -> None:
        super().__init__(path, capacity, threads)
        self._reader = Reader(path, threads, precision)
        self._switch = switch

    def forward(self, tokens: Sequence[int], cancel: Cancel, keep: int = 1) -> np.ndarray:
        head = len(tokens) - keep
        fits = keep > 0 and self.length + len(tokens) <= self.capacity  # what does not is refused below
        if fits and head > 0 and len(tokens) >= self._switch:
            # in equal parts: a short last one would cost nearly as much as a long one
            runs = -(-head // CHUNK)
            for run in range(runs):
                part = tokens[run * head // runs : (run + 1) * head // runs]
                self._reader.read(part, self.cache, self.length, cancel)
                self.length += len(part)
            tokens = tokens[head:]
        return super().forward(tokens, cancel, keep)


def _number(name: str) -> int:
    """Where in the cache the tensor `...LAYER.key` or `...LAYER.value` has its place."""
    _, layer, part = name.split(".")
    return 2 * int(layer) + (part == "value")
