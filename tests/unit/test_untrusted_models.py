"""A model file is not trusted: what it claims is checked before it is believed, and no file beside it is read."""

from __future__ import annotations

import ast
import json
import os
import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from safetensors.numpy import save_file
from tiny_model import SHAPE, write_adapter, write_gguf

from foretype.model import gguf_header
from foretype.model.backend import BackendError
from foretype.model.onnx import OnnxEngine
from foretype.model.weights import Adapter, BuildError, Gguf

ROOT = Path(__file__).parent.parent.parent
HUGE = 1 << 60


def text(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data


def header(
    keys: Sequence[bytes] = (), tensors: Sequence[bytes] = (), version: int = 3, counts: tuple[int, int] | None = None
) -> bytes:
    """`counts`: how many tensors and keys it claims to have."""
    numbers = counts or (len(tensors), len(keys))
    return b"GGUF" + struct.pack("<IQQ", version, *numbers) + b"".join([*keys, *tensors])


def key(kind: int, value: bytes, name: bytes = b"k") -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def listed(kind: int, count: int, items: bytes = b"") -> bytes:
    return key(9, struct.pack("<IQ", kind, count) + items)


def tensor(shape: list[int], kind: int = 0, offset: int = 0, name: bytes = b"t") -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (header([listed(0, HUGE)]), "items"),
        (header([listed(4, 1000)]), "ends within"),
        (header([listed(8, 1 << 20, text(b"a"))]), "ends within"),
        (header([listed(9, 1, struct.pack("<IQ", 9, 1))]), "type 9"),
        (header([listed(9, 100_000)]), "type 9"),
        (header([key(8, struct.pack("<Q", HUGE))]), "bytes of a text"),
        (header([key(99, b"")]), "type 99"),
        (header(counts=(0, HUGE)), "keys"),
        (header(counts=(HUGE, 0)), "tensors"),
        (header([], [tensor([HUGE, HUGE])]), "end after the file"),
        (header([], [tensor([8], offset=HUGE)]), "end after the file"),
        (header([], [tensor([1 << 32, 1 << 32])]), "end after the file"),  # 2^64 elements: 0 in 64 bits
        (header([], [tensor([0])]), "shape"),
        (header([], [tensor([33], kind=8)]), "shape"),
        (header([], [tensor([1] * 5)]), "dimensions"),
        (header([], [tensor([8], kind=777)]), "unknown type 777"),
        (header([key(4, struct.pack("<I", 0), b"general.alignment")]), "alignment"),
        (header([key(4, struct.pack("<I", 33), b"general.alignment")]), "alignment"),
        (header([], version=3 << 24), "byte order"),
    ],
)
def test_a_gguf_header_that_claims_too_much_is_not_read(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    with pytest.raises(BuildError, match=says) as caught:
        Gguf(path)
    assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_to_a_header_is_one_error_or_none(tiny_gguf: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(tiny_gguf.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 4000))
        junk = data.draw(st.sampled_from([b"\xff" * 8, b"\0" * 8, struct.pack("<Q", HUGE), b"\x09\0\0\0"]))
        whole[at : at + len(junk)] = junk
    path = tmp_path / "damaged.gguf"
    path.write_bytes(whole)
    try:
        read = Gguf(path)
        _ = read.config, read.vocabulary
    except BuildError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["block_count", "embedding_length", "attention.key_length", "feed_forward_length"])
@pytest.mark.parametrize("value", [0, 48, 1 << 20, (1 << 32) - 1])
def test_sizes_that_the_tensors_do_not_have(tmp_path: Path, name: str, value: int) -> None:
    sound = write_gguf(tmp_path / "sound.gguf").read_bytes()
    old = text(f"qwen2.{name}".encode()) + struct.pack("<I", 4)
    new = old + struct.pack("<I", value)
    path = tmp_path / "model.gguf"
    if old in sound:
        at = sound.index(old)
        path.write_bytes(sound[:at] + new + sound[at + len(new) :])
    else:  # one more key, in the place of the file's own alignment of tensors
        keys = struct.unpack_from("<Q", sound, 16)[0]
        body = sound[24:]
        end = sound.index(text(b"token_embd.weight")) - 24
        grown = sound[:16] + struct.pack("<Q", keys + 1) + body[:end] + new + body[end:]
        path.write_bytes(grown + bytes(1 << 12))
    with pytest.raises(BuildError):
        _ = Gguf(path).config


def test_a_safetensors_header_that_claims_too_much_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    stem = "model.layers.0.self_attn.q_proj"
    write_adapter(folder, {stem: (64, 64)})
    path = folder / "adapter_model.safetensors"
    for said in (
        {"t": {"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 16]}},
        {"t": {"dtype": "F32", "shape": [4], "data_offsets": [0, HUGE]}},
        {"t": {"dtype": "F32", "shape": [4], "data_offsets": [-16, 0]}},
    ):
        head = json.dumps(said).encode()
        path.write_bytes(struct.pack("<Q", len(head)) + head + bytes(16))
        with pytest.raises(BuildError, match="not a LoRA adapter"):
            Adapter(folder)
    path.write_bytes(struct.pack("<Q", HUGE) + b"{}")
    with pytest.raises(BuildError, match="not a LoRA adapter"):
        Adapter(folder)


def test_an_adapter_is_measured_before_it_is_multiplied(tmp_path: Path) -> None:
    stem = "base_model.model.model.layers.0.self_attn.q_proj"
    folder = tmp_path / "adapter"
    write_adapter(folder, {"model.layers.0.self_attn.q_proj": (64, 64)})
    tall = {f"{stem}.lora_A.weight": np.zeros((1, 64), "f4"), f"{stem}.lora_B.weight": np.zeros((1 << 20, 1), "f4")}
    save_file(tall, folder / "adapter_model.safetensors")
    with pytest.raises(BuildError, match="another base model"):
        Adapter(folder).merge_into("blk.0.attn_q.weight", np.zeros((64, 64), np.float32))


@pytest.fixture
def copy(tiny_build: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_build, tmp_path / "model"))


def _rewritten(folder: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    change(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def _pointing(place: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        for one in model.graph.initializer:
            for item in one.external_data:
                if item.key == "location":
                    item.value = place

    return change


def _read_by_openvino(folder: Path) -> None:
    from foretype.model import prefill

    prefill.model(folder / "model.onnx")


def _read_by_onnxruntime(folder: Path) -> None:
    OnnxEngine(folder, capacity=16, threads=1)


readers = pytest.mark.parametrize("read", [_read_by_onnxruntime, _read_by_openvino], ids=["onnxruntime", "openvino"])


@readers
def test_the_weights_lie_in_the_models_own_folder(copy: Path, tmp_path: Path, read: Callable[[Path], None]) -> None:
    read(copy)
    weights = shutil.copy(copy / "model.onnx.data", tmp_path / "elsewhere.data")
    for place in ("../elsewhere.data", str(weights), "sub/../../elsewhere.data"):
        (copy / "sub").mkdir(exist_ok=True)
        _rewritten(copy, _pointing(place))
        with pytest.raises(BackendError):
            read(copy)


@readers
@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_out_of_the_folder(copy: Path, tmp_path: Path, read: Callable[[Path], None]) -> None:
    shutil.move(copy / "model.onnx.data", tmp_path / "elsewhere.data")
    (copy / "model.onnx.data").symlink_to(tmp_path / "elsewhere.data")
    with pytest.raises(BackendError):
        read(copy)


@readers
@pytest.mark.parametrize(("name", "value"), [("offset", str(1 << 40)), ("offset", "-8"), ("length", str(HUGE))])
def test_weights_that_are_not_there(copy: Path, read: Callable[[Path], None], name: str, value: str) -> None:
    def change(model: onnx.ModelProto) -> None:
        for one in model.graph.initializer:
            for item in one.external_data:
                if item.key == name:
                    item.value = value

    _rewritten(copy, change)
    with pytest.raises(BackendError):
        read(copy)


@pytest.mark.parametrize("shape", [[1, 1 << 30, "m", 1 << 30], [1, "heads", "m", 16], [1, 0, "m", 16], [1, 2]])
def test_a_cache_that_no_machine_has_room_for(tmp_path: Path, shape: list[int | str]) -> None:
    past = helper.make_tensor_value_info("past_key_values.0.key", TensorProto.FLOAT, shape)
    tokens = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "t"])
    out = helper.make_tensor_value_info("logits", TensorProto.INT64, [1, "t"])
    graph = helper.make_graph([helper.make_node("Identity", ["input_ids"], ["logits"])], "g", [tokens, past], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(BackendError, match="cannot be served"):
        OnnxEngine(tmp_path, capacity=2048, threads=1)


# What runs code that data holds. Names of modules, and of functions with what must be among their arguments.
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle", "yaml"}
# Where a program that somebody wrote is run on purpose, in the sandbox; where PEFT, which prefers safetensors, is asked
# only if they are there.
ALLOWED = {
    "eval/cage/harness.py": ["exec", "compile"],
    "eval/cage/reference.py": ["exec"],
    "model/train/weights.py": ["PeftModel.from_pretrained"],
}


def dangers(source: str) -> list[str]:
    """What in a source could run code that it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            found += [name for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.Call):
            said = {argument.arg: argument.value for argument in node.keywords}
            called = ast.unparse(node.func)
            if called in ("eval", "exec", "compile", "__import__"):
                found.append(called)
            if called == "torch.load" and not _is(said.get("weights_only"), True):
                found.append(called)
            if called.endswith(".from_pretrained") and "Model" in called and not _is(said.get("use_safetensors"), True):
                found.append(called)
            found += [name for name in ("allow_pickle", "trust_remote_code", "shell") if _is(said.get(name), True)]
    return found


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from yaml import safe_load",
        "eval(x)",
        "exec(x)",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "np.load(p, allow_pickle=True)",
        "subprocess.run(x, shell=True)",
        "AutoModel.from_pretrained(x)",
        "AutoTokenizer.from_pretrained(x, trust_remote_code=True)",
    ],
)
def test_dangers_are_seen(source: str) -> None:
    assert dangers(source)


@pytest.mark.parametrize("source", ["torch.load(p, weights_only=True)", "model.eval()", "re.compile(x)", "np.load(p)"])
def test_others_are_not(source: str) -> None:
    assert not dangers(source)


def test_no_data_is_run() -> None:
    sources = [
        ROOT / "cli.py",
        *(path for name in ("context", "model", "lsp", "mining", "eval") for path in (ROOT / name).rglob("*.py")),
    ]
    assert len(sources) > 200
    found = {path.relative_to(ROOT).as_posix(): dangers(path.read_text("utf-8")) for path in sources}
    assert {path: names for path, names in found.items() if names} == ALLOWED


def test_the_whole_header_of_a_sound_file_is_sound(tiny_gguf: Path) -> None:
    gguf_header.check(tiny_gguf)
    assert SHAPE.layers == Gguf(tiny_gguf).config.layers
