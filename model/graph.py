"""Writes a decoder as one ONNX graph with its weights beside it, tensor by tensor.

Knows ONNX Runtime's operators (GroupQueryAttention with rotary embedding inside, MatMulNBits,
SkipSimplifiedLayerNormalization) and the shape of a Llama-like decoder; knows nothing of where weights come from.

Inputs, for `t` new tokens over a cache of `m` positions:
`input_ids` int64 [1, t]; `seqlens_k` int32 [1], the tokens in the cache after this step, less one;
`total_sequence_length` int32 [1], the same number plus one; `logits_from` int64 [1], the first of the new tokens
that gets logits (t: none does); `past_key_values.N.key|value` float32 [1, kv_heads, m, head_dim].
Outputs: `logits` float32 [1, kept, vocabulary] and `present.N.key|value`, to be bound to the buffers of the past.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from foretype.model.quantize import Format, Quantized, quantize
from foretype.model.weights import Config

# GGUF's name of a tensor -> its value, float32
Tensors = Callable[[str], np.ndarray]
# GGUF's name of a weight -> its format, or None to keep float32
Plan = Callable[[str], Format | None]

POSITIONS = 16384  # rows of the rotary tables, and so the longest context of a built graph
_ALIGN = 4096  # of each tensor in the data file, so that it can be mapped
_DOMAIN = "com.microsoft"


def write(
    folder: Path,
    config: Config,
    tensors: Tensors,
    plan: Plan,
    tied_head: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Writes `model.onnx` and `model.onnx.data` into the folder; returns the path of the first.

    `progress` gets the layers done and their number. One layer is in memory at a time.
    """
    path = folder / "model.onnx"
    with open(folder / "model.onnx.data", "wb") as data:
        graph = _Graph(config, tensors, plan, data)
        _decoder(graph, config, tied_head, progress)
    model = helper.make_model(
        helper.make_graph(graph.nodes, "decoder", graph.inputs, graph.outputs, graph.initializers),
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(_DOMAIN, 1)],
        producer_name="foretype",
        ir_version=10,
    )
    onnx.save(model, path)
    return path


class _Graph:
    """The nodes so far, and the file that the weights go to."""

    def __init__(self, config: Config, tensors: Tensors, plan: Plan, data: IO[bytes]) -> None:
        self.config, self.tensors, self.plan, self.data = config, tensors, plan, data
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.initializers: list[Any] = []

    def node(
        self, op: str, inputs: list[str], output: str, domain: str = "", outputs: int = 1, **attributes: Any
    ) -> str:
        """Adds a node; its outputs are `output`, `output.1`, ...; returns the first."""
        names = [output, *(f"{output}.{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(op, inputs, names, name=output, domain=domain, **attributes))
        return output

    def constant(self, name: str, value: np.ndarray) -> str:
        """Adds an initializer: small ones inside the graph, others in the data file."""
        tensor = TensorProto(name=name, dims=value.shape, data_type=helper.np_dtype_to_tensor_dtype(value.dtype))
        raw = np.ascontiguousarray(value)
        if raw.nbytes < 1024:
            tensor.raw_data = raw.tobytes()
        else:
            self.data.write(b"\0" * (-self.data.tell() % _ALIGN))
            offset = self.data.tell()
            self.data.write(raw.data)
            tensor.data_location = TensorProto.EXTERNAL
            for key, text in (("location", "model.onnx.data"), ("offset", str(offset)), ("length", str(raw.nbytes))):
                tensor.external_data.add(key=key, value=text)
        self.initializers.append(tensor)
        return name

    def linear(self, x: str, output: str, names: list[str], biases: list[str] | None = None) -> str:
        """x times the transposed weights, put together along their outputs, plus the biases."""
        weight = np.concatenate([self.tensors(name) for name in names]) if len(names) > 1 else self.tensors(names[0])
        bias = np.concatenate([self.tensors(name) for name in biases]) if biases else None
        form = self.plan(names[0])
        if form is None:
            y = self.node("MatMul", [x, self.constant(f"{output}.weight", weight.T)], f"{output}.product")
            return y if bias is None else self.node("Add", [y, self.constant(f"{output}.bias", bias)], output)
        form = form.fitted(weight.shape[1])
        q = quantize(weight, form)
        inputs = [x, *self.quantized(output, q)]
        if bias is not None:
            inputs += [""] * (5 - len(inputs)) + [self.constant(f"{output}.bias", bias)]
        outputs, size = weight.shape
        return self.node(
            "MatMulNBits",
            inputs,
            output,
            _DOMAIN,
            K=size,
            N=outputs,
            bits=form.bits,
            block_size=form.block,
            accuracy_level=4,  # activations in 8 bits too
        )

    def quantized(self, name: str, q: Quantized) -> list[str]:
        parts = [self.constant(f"{name}.packed", q.packed), self.constant(f"{name}.scales", q.scales)]
        return parts if q.zeros is None else [*parts, self.constant(f"{name}.zeros", q.zeros)]


def _decoder(graph: _Graph, config: Config, tied_head: bool, progress: Callable[[int, int], None]) -> None:
    _declare(graph, config)
    head_name = "token_embd.weight" if tied_head else "output.weight"
    x = _embed(graph, config)
    skip = ""
    for layer in range(config.layers):
        progress(layer, config.layers)
        x, skip = _layer(graph, config, layer, x, skip)
    x = _norm(graph, "final_norm", x, skip, graph.tensors("output_norm.weight"))[0]
    graph.node("Identity", [graph.linear(x, "head", [head_name])], "logits")
    progress(config.layers, config.layers)


def _layer(graph: _Graph, config: Config, layer: int, x: str, skip: str) -> tuple[str, str]:
    """Adds one layer; takes and returns what was added last and what it is to be added to."""
    name, blk = f"layer{layer}", f"blk.{layer}"
    normed, residual = _norm(graph, f"{name}.attention_norm", x, skip, graph.tensors(f"{blk}.attn_norm.weight"))
    qkv = graph.linear(
        normed,
        f"{name}.qkv",
        [f"{blk}.attn_{part}.weight" for part in "qkv"],
        [f"{blk}.attn_{part}.bias" for part in "qkv"],
    )
    past = [f"past_key_values.{layer}.{part}" for part in ("key", "value")]
    present = [f"present.{layer}.{part}" for part in ("key", "value")]
    graph.nodes.append(
        helper.make_node(
            "GroupQueryAttention",
            [qkv, "", "", *past, "seqlens_k", "total_sequence_length", "rotary_cos", "rotary_sin"],
            [f"{name}.attention", *present],
            name=f"{name}.attention",
            domain=_DOMAIN,
            num_heads=config.heads,
            kv_num_heads=config.kv_heads,
            scale=config.head_dim**-0.5,
            do_rotary=1,
            rotary_interleaved=0,
        )
    )
    mixed = f"{name}.attention"
    if layer == config.layers - 1:
        # Nothing after the last attention mixes positions: go on with those whose logits are wanted.
        mixed = graph.node("Slice", [mixed, "logits_from", "int_max", "one"], f"{name}.kept_attention")
        residual = graph.node("Slice", [residual, "logits_from", "int_max", "one"], f"{name}.kept_residual")
    out = graph.linear(mixed, f"{name}.attention_out", [f"{blk}.attn_output.weight"])
    normed, residual = _norm(graph, f"{name}.ffn_norm", out, residual, graph.tensors(f"{blk}.ffn_norm.weight"))
    # one product for both: a step was 6 % slower with two
    both = graph.linear(normed, f"{name}.gate_up", [f"{blk}.ffn_gate.weight", f"{blk}.ffn_up.weight"])
    gate = graph.node("Split", [both], f"{name}.split", outputs=2, axis=-1, num_outputs=2)
    silu = graph.node("QuickGelu", [gate], f"{name}.silu", _DOMAIN, alpha=1.0)  # x * sigmoid(x)
    inner = graph.node("Mul", [silu, f"{gate}.1"], f"{name}.inner")
    return graph.linear(inner, f"{name}.down", [f"{blk}.ffn_down.weight"]), residual


def _norm(graph: _Graph, name: str, x: str, skip: str, gain: np.ndarray) -> tuple[str, str]:
    """RMS norm of x + skip; returns the normed value and the sum."""
    weight, epsilon = graph.constant(f"{name}.gain", gain), graph.config.norm_epsilon
    if not skip:
        return graph.node("SimplifiedLayerNormalization", [x, weight], name, axis=-1, epsilon=epsilon, stash_type=1), x
    outputs = [name, "", "", f"{name}.sum"]
    graph.nodes.append(
        helper.make_node(
            "SkipSimplifiedLayerNormalization", [x, skip, weight], outputs, name=name, domain=_DOMAIN, epsilon=epsilon
        )
    )
    return name, f"{name}.sum"


def _embed(graph: _Graph, config: Config) -> str:
    """Rows of the embedding, from 8-bit integers and a scale per block by standard operators that any runtime has."""
    weight = graph.tensors("token_embd.weight")
    form = graph.plan("token_embd.weight")
    if form is None:
        return graph.node("Gather", [graph.constant("embedding", weight), "input_ids"], "embedded")
    form = Format(8, form.block).fitted(config.hidden)
    q = quantize(weight, form)
    blocks = config.hidden // form.block
    steps = (q.packed.astype(np.int16) - 128).astype(np.int8)
    rows = graph.node("Gather", [graph.constant("embedding.steps", steps), "input_ids"], "embedding.rows")
    scales = graph.constant("embedding.scales", q.scales.reshape(config.vocabulary, blocks, 1).astype(np.float16))
    scale = graph.node("Gather", [scales, "input_ids"], "embedding.row_scales")
    rows = graph.node("Cast", [rows], "embedding.floats", to=TensorProto.FLOAT)
    scale = graph.node("Cast", [scale], "embedding.float_scales", to=TensorProto.FLOAT)
    product = graph.node("Mul", [rows, scale], "embedding.product")
    shape = graph.constant("embedding.shape", np.array([1, -1, config.hidden], np.int64))
    return graph.node("Reshape", [product, shape], "embedded")


def _declare(graph: _Graph, config: Config) -> None:
    """Inputs, outputs, rotary tables, and the first position whose logits are wanted."""
    value = helper.make_tensor_value_info
    cache = [1, config.kv_heads, "cache", config.head_dim]
    graph.inputs += [
        value("input_ids", TensorProto.INT64, [1, "tokens"]),
        value("seqlens_k", TensorProto.INT32, [1]),
        value("total_sequence_length", TensorProto.INT32, [1]),
        value("logits_from", TensorProto.INT64, [1]),
    ]
    graph.outputs.append(value("logits", TensorProto.FLOAT, [1, "kept", config.vocabulary]))
    for layer in range(config.layers):
        for part in ("key", "value"):
            graph.inputs.append(value(f"past_key_values.{layer}.{part}", TensorProto.FLOAT, cache))
            graph.outputs.append(value(f"present.{layer}.{part}", TensorProto.FLOAT, cache))
    positions = min(config.context, POSITIONS)
    frequency = config.rope_base ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
    angles = np.outer(np.arange(positions), frequency)
    graph.constant("rotary_cos", np.cos(angles).astype(np.float32))
    graph.constant("rotary_sin", np.sin(angles).astype(np.float32))
    graph.constant("one", np.array([1], np.int64))
    graph.constant("int_max", np.array([np.iinfo(np.int64).max], np.int64))
