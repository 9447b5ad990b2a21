"""Builds a GGUF file into what the engine serves: an ONNX graph with quantized weights, and its tokenizer.

Decides which tensor gets which format; the graph, the rounding and the reading are elsewhere. Needs neither torch nor
transformers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from foretype.model import graph, tokenizer
from foretype.model.progress import Progress, silent
from foretype.model.quantize import Format
from foretype.model.weights import Adapter, BuildError, Gguf

__all__ = ["BuildError", "build", "plan"]

# Measured with `foretype eval divergence` (see README, "Choices that were measured").
_WEIGHTS = Format(bits=8, block=128)
# Rows are looked up, not multiplied: small blocks cost no time here.
_EMBEDDING = Format(bits=8, block=32)


def plan(name: str) -> Format | None:
    """The format of a weight, by GGUF's name of it."""
    return _EMBEDDING if name == "token_embd.weight" else _WEIGHTS


def build(
    path: Path,
    out: Path,
    adapter: Path | None = None,
    progress: Progress = silent,
    plan: graph.Plan = plan,
) -> dict[str, Any]:
    """Writes `model.onnx`, `model.onnx.data` and `tokenizer.json` into the folder `out`; returns facts for a manifest.

    `adapter` is the folder of a LoRA adapter to merge first; `plan` says which tensor gets which format.
    Raises `BuildError`, and OSError from writing.
    """
    progress("reading the weights", 0, 0)
    gguf = Gguf(path)
    config = gguf.config
    tokenizer.write(gguf.vocabulary, out / "tokenizer.json")
    lora = Adapter(adapter) if adapter else None

    def tensors(name: str) -> np.ndarray:
        weight = gguf.tensor(name)
        return lora.merge_into(name, weight) if lora else weight

    def told(done: int, total: int) -> None:
        progress("building the graph", done, total)

    try:
        graph.write(out, config, tensors, plan, tied_head=not gguf.has("output.weight"), progress=told)
    except BuildError:
        raise
    except ValueError as error:
        raise BuildError(f"{path}: {error}") from error
    return {
        "quantization": f"int{_WEIGHTS.bits}, blocks of {_WEIGHTS.block}",
        "context": min(config.context, graph.POSITIONS),
        "family": "qwen2.5-coder",
    }
