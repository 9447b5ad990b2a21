"""Tensors of a GGUF file as float32 arrays, a LoRA adapter merged in on request.

Knows the file formats (GGUF through the `gguf` package, adapters as safetensors in PEFT's layout) and the names of
tensors; knows nothing of graphs, quantization targets or engines. Needs neither torch nor transformers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from foretype.model import gguf_header

# LoRA's names for the projections of a Llama-like layer, as PEFT writes them, and GGUF's for the same tensors.
_PROJECTIONS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_CHANGE = re.compile(rf"model\.layers\.\d+\.({'|'.join(map(re.escape, _PROJECTIONS.values()))})\.lora_[AB]\.weight")
# Settings of PEFT under which the change is another one than scale * B @ A.
_NOT_PLAIN = ("use_dora", "rank_pattern", "alpha_pattern", "fan_in_fan_out", "layer_replication")
ARCHITECTURES = ("qwen2",)
_Value = TypeVar("_Value")


class BuildError(ValueError):
    """A file cannot be built into a graph. The message is one line that says which and why."""


@dataclass(frozen=True)
class Config:
    """Shape of a decoder; `head_dim` x `heads` is the width of the attention, in floats."""

    architecture: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    feed_forward: int
    vocabulary: int
    context: int
    rope_base: float
    norm_epsilon: float


@dataclass(frozen=True)
class Vocabulary:
    """The byte-level BPE of a GGUF file: `kinds` are llama.cpp's token types (1 normal, 3 control, 4 user defined)."""

    tokens: tuple[str, ...]
    merges: tuple[str, ...]
    kinds: tuple[int, ...]
    pretokenizer: str


class Gguf:
    """A GGUF file, mapped into memory; tensors are dequantized when asked for.

    Raises `BuildError` if the file is damaged or of an architecture that the graph builder does not know.
    """

    def __init__(self, path: Path) -> None:
        import gguf

        self._dequantize = gguf.quants.dequantize
        try:
            gguf_header.check(path)
            self._reader = gguf.GGUFReader(path)
        except (ValueError, KeyError, IndexError, OSError, OverflowError) as error:
            raise BuildError(f"{path}: not a readable GGUF file ({error}); get it again") from error
        self.path = path
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}

    @cached_property
    def config(self) -> Config:
        name = self._field("general.architecture")
        if name not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise BuildError(
                f"{self.path}: architecture {name!r} cannot be built (known: {known}); "
                "serve it with llama.cpp's server and use backend = 'openai'"
            )
        hidden, heads = self._count(f"{name}.embedding_length"), self._count(f"{name}.attention.head_count")
        config = Config(
            architecture=name,
            layers=self._count(f"{name}.block_count"),
            hidden=hidden,
            heads=heads,
            kv_heads=self._count(f"{name}.attention.head_count_kv"),
            head_dim=self._count(f"{name}.attention.key_length", hidden // heads),
            feed_forward=self._count(f"{name}.feed_forward_length"),
            vocabulary=int(self._find("token_embd.weight").shape[-1]),
            context=self._count(f"{name}.context_length"),
            rope_base=self._number(f"{name}.rope.freq_base", 10000.0),
            norm_epsilon=self._number(f"{name}.attention.layer_norm_rms_epsilon"),
        )
        self._check_shapes(config)
        return config

    @cached_property
    def vocabulary(self) -> Vocabulary:
        if (kind := self._field("tokenizer.ggml.model")) != "gpt2":
            raise BuildError(f"{self.path}: tokenizer {kind!r} is not byte-level BPE; only that kind can be built")
        return Vocabulary(
            tokens=self._list_of(str, "tokenizer.ggml.tokens"),
            merges=self._list_of(str, "tokenizer.ggml.merges"),
            kinds=self._list_of(int, "tokenizer.ggml.token_type"),
            pretokenizer=self._of(str, "tokenizer.ggml.pre"),
        )

    def has(self, name: str) -> bool:
        return name in self._tensors

    def tensor(self, name: str) -> np.ndarray:
        """A tensor as float32, weights as [outputs, inputs]."""
        tensor = self._find(name)
        try:
            return np.asarray(self._dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        except (NotImplementedError, ValueError) as error:
            raise BuildError(f"{self.path}: tensor {name} cannot be dequantized ({error})") from error

    def _find(self, name: str) -> Any:
        if name not in self._tensors:
            raise BuildError(f"{self.path}: tensor {name} is missing; the file is damaged or of another architecture")
        return self._tensors[name]

    def _check_shapes(self, config: Config) -> None:
        """Whether the tensors have the shapes that the keys call for: what is computed from keys has no other bound."""
        if config.layers > len(self._tensors):
            raise BuildError(f"{self.path}: {config.layers} layers of {len(self._tensors)} tensors; get the file again")
        hidden, inner = config.hidden, config.feed_forward
        queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
        of_layers = {"attn_q": (queries, hidden), "attn_k": (keys, hidden), "attn_v": (keys, hidden)}
        of_layers |= {"attn_output": (hidden, queries), "ffn_down": (hidden, inner)}
        of_layers |= {"ffn_gate": (inner, hidden), "ffn_up": (inner, hidden)}
        expected = {"token_embd.weight": (config.vocabulary, hidden), "output.weight": (config.vocabulary, hidden)}
        for layer in range(config.layers):
            expected |= {f"blk.{layer}.{part}.weight": shape for part, shape in of_layers.items()}
        for name, shape in expected.items():
            if name in self._tensors and (found := tuple(map(int, reversed(self._tensors[name].shape)))) != shape:
                raise BuildError(
                    f"{self.path}: tensor {name} is {found}, its keys call for {shape}; get the file again"
                )

    def _count(self, key: str, default: int | None = None) -> int:
        value = self._field(key, default)
        if not isinstance(value, int) or not 0 < value < 1 << 31:
            raise BuildError(f"{self.path}: the key {key} is no size; the file is damaged")
        return value

    def _number(self, key: str, default: float | None = None) -> float:
        value = self._field(key, default)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise BuildError(f"{self.path}: the key {key} is no number; the file is damaged")
        return float(value)

    def _of(self, kind: type[_Value], key: str) -> _Value:
        value = self._field(key)
        if not isinstance(value, kind):
            raise BuildError(f"{self.path}: the key {key} is not of type {kind.__name__}; the file is damaged")
        return value

    def _list_of(self, kind: type[_Value], key: str) -> tuple[_Value, ...]:
        values = self._of(list, key)
        if not all(isinstance(value, kind) for value in values):
            raise BuildError(f"{self.path}: the key {key} is no list of {kind.__name__}; the file is damaged")
        return tuple(values)

    def _field(self, key: str, default: Any = None) -> Any:
        field = self._reader.fields.get(key)
        if field is not None:
            try:
                return field.contents()
            except ValueError as error:
                raise BuildError(f"{self.path}: the key {key} cannot be read ({error}); get it again") from error
        if default is None:
            raise BuildError(f"{self.path}: the key {key} is missing; the file is damaged or incomplete")
        return default


class Adapter:
    """A LoRA adapter in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors` in one folder.

    Raises `BuildError` if it is not one, or uses what cannot be merged exactly.
    """

    def __init__(self, folder: Path) -> None:
        import ml_dtypes  # noqa: F401  (teaches NumPy the name "bfloat16")
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            settings: Mapping[str, Any] = json.loads((folder / "adapter_config.json").read_text("utf-8"))
            tensors = load_file(folder / "adapter_model.safetensors")
            rank, special = settings["r"], [key for key in _NOT_PLAIN if settings.get(key)]
            self._scale = settings["lora_alpha"] / (rank**0.5 if settings.get("use_rslora") else rank)
            if not math.isfinite(self._scale):
                raise ValueError(f"a scale of {self._scale}")
        except (
            *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError),
            SafetensorError,
        ) as error:
            raise BuildError(f"{folder}: not a LoRA adapter in PEFT's layout ({error})") from error
        if settings.get("peft_type") != "LORA" or special:
            raise BuildError(f"{folder}: only plain LoRA adapters can be merged")
        self._tensors = {name.removeprefix("base_model.model."): value for name, value in tensors.items()}
        for name in self._tensors:
            if not _CHANGE.fullmatch(name):
                raise BuildError(f"{folder}: its tensor {ascii(name)[1:-1]} cannot be merged; only plain adapters can")

    def merge_into(self, name: str, weight: np.ndarray) -> np.ndarray:
        """The weight plus the adapter's low-rank change of it, `name` being GGUF's (Hu et al. 2021, equation 3)."""
        parts = name.split(".")
        if parts[0] != "blk" or parts[2] not in _PROJECTIONS or parts[3] != "weight":
            return weight
        stem = f"model.layers.{parts[1]}.{_PROJECTIONS[parts[2]]}"
        down, up = self._tensors.get(f"{stem}.lora_A.weight"), self._tensors.get(f"{stem}.lora_B.weight")
        if down is None or up is None:
            return weight
        rank = down.shape[:1]
        if (up.shape, down.shape) != ((weight.shape[0], *rank), (*rank, weight.shape[1])):
            raise BuildError(
                f"the adapter's change of {stem} is a product of {up.shape} and {down.shape}, the weight is "
                f"{weight.shape}: it was trained on another base model"
            )
        return weight + self._scale * (up.astype(np.float32) @ down.astype(np.float32))
