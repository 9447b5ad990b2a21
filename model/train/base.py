"""The weights that adapters are put on: from a model's name to a transformers model with its vocabulary."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from foretype.model import fim, store, tokenizer
from foretype.model.backend import ModelError
from foretype.model.fim import Family
from foretype.model.progress import Progress
from foretype.model.tokenizer import Vocab
from foretype.model.train.weights import base_model
from foretype.model.weights import BuildError, Gguf


class UsageError(ModelError):
    """A setting does not fit. The message tells a user what to do."""


@dataclass(frozen=True)
class Base:
    """`model` is a `Qwen2ForCausalLM` whose layers from the first adapted one on are float32; `sha256` the GGUF's."""

    name: str
    sha256: str
    family: Family
    vocab: Vocab
    model: Any


def open_base(name: str, adapter: Path | None, first_layer: int, dtype: torch.dtype, progress: Progress) -> Base:
    """Pulls the weights where they are not there. Raises `UsageError`, also for weights that `adapter`, the folder of
    one, is not of; `StoreError`."""
    target = store.resolve(name, "none", progress)
    if not target.gguf.is_file():
        store.pull(name, progress=progress)
    if adapter:
        store.check_base(adapter, target.entry.sha256)
    try:
        gguf = Gguf(target.gguf)
        if not 0 <= first_layer < gguf.config.layers:
            raise UsageError(f"--from-layer {first_layer}: {name} has {gguf.config.layers} layers, from 0 on")
        family = fim.FAMILIES[target.entry.family or "qwen2.5-coder"]
        model = base_model(gguf, dtype, first_layer, progress)
        return Base(target.entry.name, target.entry.sha256, family, _vocab(gguf), model)
    except BuildError as error:
        raise UsageError(str(error)) from error


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """What products are made in: "bf16", "fp32", or "auto", bf16 on GPUs and on processors that multiply in it."""
    if name == "auto":
        fast = device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    return {"bf16": torch.bfloat16, "fp32": torch.float32}[name]


def _vocab(gguf: Gguf) -> Vocab:
    """The tokenizer that the builder writes for these weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        tokenizer.write(gguf.vocabulary, path)
        return Vocab(path)
