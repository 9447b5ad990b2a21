"""The decoder of an ONNX file as an OpenVINO model that only fills the cache: tokens in, keys and values out.

Translates the operators that `model/graph.py` writes, node by node, up to the last layer's keys and values: what comes
after them makes logits, and those are another engine's business. Weights stay in the mapped file, 8 bits and a scale
per block, in the pattern that OpenVINO's processor plugin multiplies without unpacking them beforehand.

Inputs, for `t` new tokens over `m` cached ones: `input_ids` int64 [1, t]; `positions` int64 [t]; `mask` float32
[1, 1, t, m + t], added to the scores; `past.N.key|value` float32 [1, kv_heads, m, head_dim], not for the last layer.
Outputs: `present.N.key|value` float32 [1, kv_heads, t, head_dim], of the new tokens alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
from onnx import numpy_helper
from openvino import opset13 as op

from foretype.model.backend import BackendError

# Nodes that logits alone need.
_AFTER_THE_CACHE = ("Slice", "Identity")


def model(path: Path) -> ov.Model:
    """The model of a graph file. Raises `BackendError` if another builder wrote it, or if it cannot be read."""
    try:
        graph = onnx.load(path, load_external_data=False).graph
        return _Translation(graph, path.parent).model()
    except BackendError:
        raise
    except Exception as error:  # protobuf, onnx and openvino raise many unrelated types
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise BackendError(f"OpenVINO cannot read {path} ({reason[0][:200]}); set model.engine to onnx") from error


class _Translation:
    def __init__(self, graph: Any, folder: Path) -> None:
        self._nodes = list(graph.node)
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._files: dict[str, np.ndarray] = {}
        self._folder = folder
        self._values: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def model(self) -> ov.Model:
        self._values["input_ids"] = self._input("input_ids", [1, -1], np.int64)
        positions = self._input("positions", [-1], np.int64)
        self._mask = self._input("mask", [1, 1, -1, -1], np.float32)
        self._rotary = [self._rows(self._array(f"rotary_{part}"), positions) for part in ("cos", "sin")]
        last = max(i for i, node in enumerate(self._nodes) if node.op_type == "GroupQueryAttention")
        for node in self._nodes[: last + 1]:
            if node.op_type in _AFTER_THE_CACHE:
                continue
            if node.op_type not in _TRANSLATORS:
                raise BackendError(
                    f"OpenVINO's reader knows graphs that foretype built, and no {node.op_type}; "
                    "set model.engine to onnx"
                )
            attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
            if node is self._nodes[last]:
                self._cache_rows(node, attributes)
            else:
                found = _TRANSLATORS[node.op_type](self, node, attributes)
                # outputs that are left out have no name
                self._values.update(zip(filter(None, node.output), found, strict=False))
        return ov.Model(self._outputs, self._inputs, "prefill")

    def attention(self, node: Any, attributes: dict[str, Any]) -> list[Any]:
        heads, kv_heads, scale = (attributes[name] for name in ("num_heads", "kv_num_heads", "scale"))
        query, key, value = self._cache_rows(node, attributes)
        size = key.get_partial_shape()[3].get_length()
        whole = []
        for new, name in zip((key, value), node.input[3:5], strict=True):
            past = self._input(name.replace("past_key_values", "past"), [1, kv_heads, -1, size], np.float32)
            # the heads that share keys become one more axis, so that nothing is copied for each
            whole.append(self._reshape(op.concat([past, new], 2), [kv_heads, 1, -1, size]))
        grouped = self._reshape(op.multiply(query, _floats(scale, 4)), [kv_heads, heads // kv_heads, -1, size])
        scores = op.add(op.matmul(grouped, whole[0], False, True), self._mask)
        mixed = op.matmul(op.softmax(scores, -1), whole[1], False, False)
        rows = op.transpose(self._reshape(mixed, [1, heads, -1, size]), op.constant([0, 2, 1, 3]))
        return [self._reshape(rows, [1, -1, heads * size]).output(0)]

    def product(self, node: Any, attributes: dict[str, Any]) -> list[Any]:
        """MatMulNBits: (steps - 128) * scale, a scale per block; the bias is the sixth input."""
        if attributes["bits"] != 8 or (len(node.input) > 3 and node.input[3]):
            raise BackendError("OpenVINO's reader knows weights of 8 bits alone; set model.engine to onnx")
        outputs, size, block = attributes["N"], attributes["K"], attributes["block_size"]
        shape = (outputs, size // block, block)
        steps = op.convert(self._constant(self._array(node.input[1]).reshape(shape)), "f32")
        # of the weights' own type: without it no product is computed with activations of 8 bits
        middle = op.convert(op.constant(np.full((1, 1, 1), 128, np.uint8)), "f32")
        scales = self._constant(self._array(node.input[2]).reshape(*shape[:2], 1))
        weight = self._reshape(op.multiply(op.subtract(steps, middle), scales), [outputs, size])
        y = op.matmul(self._value(node.input[0]), weight, False, True)
        return [(op.add(y, self._value(node.input[5])) if len(node.input) > 5 else y).output(0)]

    def norm(self, node: Any, attributes: dict[str, Any]) -> list[Any]:
        """RMS norm; of a sum if it is the skipping one, which also gives the sum, as its fourth output."""
        x, *others = (self._value(name) for name in node.input)
        if node.op_type.startswith("Skip"):
            x = op.add(x, others[0]).output(0)
        mean = op.reduce_mean(op.power(x, _floats(2, 0)), op.constant(np.array([-1], np.int64)), True)
        root = op.sqrt(op.add(mean, _floats(attributes["epsilon"], 0)))
        return [op.multiply(op.multiply(x, op.divide(_floats(1, 0), root)), others[-1]).output(0), x]

    def gather(self, node: Any, attributes: dict[str, Any]) -> list[Any]:
        return [op.gather(*map(self._value, node.input), op.constant(np.int64(attributes.get("axis", 0)))).output(0)]

    def split(self, node: Any, attributes: dict[str, Any]) -> list[Any]:
        parts = op.split(self._value(node.input[0]), op.constant(np.int64(attributes["axis"])), len(node.output))
        return list(parts.outputs())

    def apply(self, function: Callable[..., Any], node: Any) -> list[Any]:
        return [function(*map(self._value, node.input)).output(0)]

    def _cache_rows(self, node: Any, attributes: dict[str, Any]) -> tuple[Any, Any, Any]:
        """The new tokens' rotated queries, rotated keys, and values, [1, heads, t, size]; the last two are outputs."""
        heads, kv_heads = attributes["num_heads"], attributes["kv_num_heads"]
        size = self._rotary[0].get_partial_shape()[3].get_length()
        qkv = self._reshape(self._value(node.input[0]), [1, -1, heads + 2 * kv_heads, size])
        qkv = op.transpose(qkv, op.constant([0, 2, 1, 3]))
        parts = op.variadic_split(qkv, op.constant(np.int64(1)), op.constant([heads, kv_heads, kv_heads]))
        key, value = self._rotated(parts.output(1), size), parts.output(2)
        for rows, name in zip((key, value), node.output[1:3], strict=True):
            result = op.result(rows)
            result.output(0).get_tensor().set_names({name})
            self._outputs.append(result)
        return self._rotated(parts.output(0), size), key, value

    def _rotated(self, x: Any, size: int) -> Any:
        """Rotary embedding, halves turned against one another (as Llama's and Qwen's)."""
        cos, sin = self._rotary
        halves = op.variadic_split(x, op.constant(np.int64(3)), op.constant([size // 2, size // 2]))
        turned = op.concat([op.multiply(halves.output(1), _floats(-1, 4)), halves.output(0)], 3)
        return op.add(op.multiply(x, cos), op.multiply(turned, sin)).output(0)

    def _rows(self, table: np.ndarray, positions: Any) -> Any:
        """Rows of a rotary table, [1, 1, t, size]: the table has half of the size."""
        both = np.concatenate([table, table], axis=1)[None, None]
        return op.gather(op.constant(both), positions, op.constant(np.int64(2))).output(0)

    def _reshape(self, x: Any, shape: Sequence[int]) -> Any:
        return op.reshape(x, op.constant(np.array(shape, np.int64)), False)

    def _input(self, name: str, shape: list[int], kind: type) -> Any:
        self._inputs.append(op.parameter(shape, kind, name=name))
        self._inputs[-1].output(0).get_tensor().set_names({name})
        return self._inputs[-1].output(0)

    def _value(self, name: str) -> Any:
        if name not in self._values:
            self._values[name] = self._constant(self._array(name)).output(0)
        return self._values[name]

    def _constant(self, value: np.ndarray) -> Any:
        """A constant that stays where the array is, which OpenVINO takes only if it could write there."""
        return op.constant(value if value.flags.writeable else value.copy(), shared_memory=True)

    def _array(self, name: str) -> np.ndarray:
        tensor = self._constants[name]
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            return numpy_helper.to_array(tensor)
        place = {item.key: item.value for item in tensor.external_data}
        start, length = int(place["offset"]), int(place["length"])
        kind, data = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type), self._mapped(place["location"])
        if not 0 <= start <= start + length <= len(data):
            raise BackendError(f"the graph in {self._folder} asks for more than its weights hold; get the model again")
        return data[start : start + length].view(kind).reshape(tensor.dims)

    def _mapped(self, name: str) -> np.ndarray:
        if name not in self._files:
            path = (self._folder / name).resolve()
            if not path.is_relative_to(self._folder.resolve()):
                raise BackendError(f"the graph in {self._folder} names a file outside of it; do not use this model")
            # copy on write: nothing is ever written
            self._files[name] = np.memmap(path, np.uint8, "c")
        return self._files[name]


def _floats(value: float, rank: int) -> Any:
    return op.constant(np.full((1,) * rank, value, np.float32))


def _plain(function: Callable[..., Any]) -> Callable[[_Translation, Any, dict[str, Any]], list[Any]]:
    return lambda translation, node, attributes: translation.apply(function, node)


_TRANSLATORS: dict[str, Callable[[_Translation, Any, dict[str, Any]], list[Any]]] = {
    "Add": _plain(op.add),
    "Cast": _plain(lambda x: op.convert(x, "f32")),
    "Gather": _Translation.gather,
    "GroupQueryAttention": _Translation.attention,
    "MatMul": _plain(lambda x, weight: op.matmul(x, weight, False, False)),
    "MatMulNBits": _Translation.product,
    "Mul": _plain(op.multiply),
    "QuickGelu": _plain(op.swish),
    "Reshape": _plain(lambda x, shape: op.reshape(x, shape, False)),
    "SimplifiedLayerNormalization": _Translation.norm,
    "SkipSimplifiedLayerNormalization": _Translation.norm,
    "Split": _Translation.split,
}
