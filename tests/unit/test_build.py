"""From a GGUF file to answers, through the builder, the store and the engine, with a tiny model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import reference_decoder
from tiny_model import BFLOAT16, ID, SHAPE, TOKENS, Shape, random_weights, write_adapter, write_gguf

from foretype.model import store
from foretype.model.backend import BackendError, Cancel, FimRequest
from foretype.model.build import BuildError, build
from foretype.model.fim import FAMILIES
from foretype.model.generate import Text
from foretype.model.local import Budget, LocalBackend, open_backend
from foretype.model.onnx import OnnxEngine

REQUEST = FimRequest("def count(a):\n    return a\n\n\n", "\nprint(count(1))\n", max_tokens=12)
PROMPT = [int(token) for token in np.random.default_rng(9).integers(0, len(TOKENS), 30)]
CHANGED = {"model.layers.0.self_attn.k_proj": (32, 64), "model.layers.1.mlp.gate_proj": (128, 64)}
NAMES = {
    "blk.0.attn_k.weight": "model.layers.0.self_attn.k_proj",
    "blk.1.ffn_gate.weight": "model.layers.1.mlp.gate_proj",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def logits(folder: Path) -> np.ndarray:
    return OnnxEngine(folder, 64, threads=1).forward(PROMPT, Cancel(), keep=len(PROMPT))


def test_what_is_written_and_what_is_said_of_it(tiny_gguf, tmp_path):
    told = []
    facts = build(tiny_gguf, tmp_path, progress=lambda *step: told.append(step))
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.onnx.data", "tokenizer.json"}
    assert facts["context"] == SHAPE.context
    assert facts["family"] in FAMILIES
    assert facts["quantization"]
    assert told[-1] == ("building the graph", SHAPE.layers, SHAPE.layers)


def test_every_weight_is_quantized_by_default(tiny_gguf, tmp_path):
    build(tiny_gguf, tmp_path)
    graph = onnx.load(tmp_path / "model.onnx", load_external_data=False).graph
    operators = [node.op_type for node in graph.node]
    # queries, keys and values in one, the attention's output, gate and up in one, down; and the head
    assert operators.count("MatMulNBits") == 4 * SHAPE.layers + 1
    assert "MatMul" not in operators
    large = [
        tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2
    ]
    assert {tensor.name for tensor in large if "scales" not in tensor.name} == {"rotary_cos", "rotary_sin"}


def test_the_default_build_is_close_to_its_weights(tiny_gguf, tmp_path):
    build(tiny_gguf, tmp_path)
    expected = reference_decoder.logits(random_weights(), PROMPT)
    assert np.sqrt(((logits(tmp_path) - expected) ** 2).mean()) < 0.05 * expected.std()


@pytest.mark.parametrize("dtype", [np.float32, BFLOAT16])
def test_an_adapter_is_in_the_logits(tiny_gguf, tmp_path, dtype):
    pairs = write_adapter(tmp_path / "lora", CHANGED, dtype=dtype)
    (tmp_path / "out").mkdir()
    build(tiny_gguf, tmp_path / "out", tmp_path / "lora", plan=lambda name: None)
    weights = random_weights()
    plain = reference_decoder.logits(weights, PROMPT)
    for name, stem in NAMES.items():
        down, up = pairs[stem]
        weights[name] = weights[name] + 2 * up @ down  # lora_alpha 8 over rank 4
    merged = reference_decoder.logits(weights, PROMPT)
    assert np.abs(logits(tmp_path / "out") - merged).max() < 1e-4
    assert np.abs(merged - plain).max() > 0.1


def test_answers_are_those_of_the_definition(tiny_build, vocab):
    """The whole backend against greedy decoding with the NumPy decoder."""
    family = FAMILIES["qwen2.5-coder"]
    backend = LocalBackend("tiny", OnnxEngine(tiny_build, 256, threads=1), vocab, family, Budget())
    result = backend.complete(REQUEST, Cancel())
    tokens = [
        *(ID["<|fim_prefix|>"], *vocab.encode(REQUEST.prefix)),
        *(ID["<|fim_suffix|>"], *vocab.encode(REQUEST.suffix)),
        ID["<|fim_middle|>"],
    ]
    said, weights, stops = [], random_weights(), {vocab.special[stop] for stop in family.stop}
    while len(said) < REQUEST.max_tokens:
        best = int(reference_decoder.logits(weights, tokens + said)[-1].argmax())
        if best in stops:
            break
        said.append(best)
    text = Text()
    for token in said:
        text.add(vocab.bytes_of(token))
    assert result.text == text.value
    assert (result.tokens, result.prompt_tokens) == (len(said), len(tokens))
    assert len(set(said)) > 3


def test_a_path_is_built_once_and_served(tiny_gguf, cache):
    backend = open_backend(str(tiny_gguf), threads=1)
    result = backend.complete(REQUEST, Cancel())
    assert result.tokens > 0
    assert backend.complete(REQUEST, Cancel()).text == result.text
    built = store.find(str(tiny_gguf))
    assert built is not None
    assert built.folder.is_relative_to(cache)
    stamp = built.model.stat().st_mtime_ns
    assert open_backend(str(tiny_gguf), threads=1).complete(REQUEST, Cancel()).text == result.text
    assert built.model.stat().st_mtime_ns == stamp


def test_with_an_adapter_the_answer_is_another_one(tiny_gguf, tmp_path):
    write_adapter(tmp_path / "lora", CHANGED)
    plain, merged = (open_backend(str(tiny_gguf), adapter, threads=1) for adapter in ("none", str(tmp_path / "lora")))
    assert merged.name.endswith("+ lora")
    assert plain.complete(REQUEST, Cancel()).logprobs != merged.complete(REQUEST, Cancel()).logprobs


def test_a_folder_and_a_graph_of_the_users_own(tiny_build, tmp_path):
    own = tmp_path / "qwen2-of-mine"
    own.mkdir()
    for file in ("model.onnx", "model.onnx.data", "tokenizer.json"):
        (own / file).write_bytes((tiny_build / file).read_bytes())
    expected = open_backend(str(own), threads=1).complete(REQUEST, Cancel())
    (own / "model.onnx").rename(own / "decoder.onnx")
    assert open_backend(str(own / "decoder.onnx"), threads=1).complete(REQUEST, Cancel()).text == expected.text


def test_a_cache_larger_than_the_context_is_of_no_use(tiny_gguf):
    text = "1" * 400 + "\n"
    backend = open_backend(str(tiny_gguf), threads=1, context_tokens=4096, prefix_tokens=4096)
    result = backend.complete(FimRequest(text, "", max_tokens=1000), Cancel())
    assert result.prompt_tokens + result.tokens <= SHAPE.context + 1
    with pytest.raises(BackendError, match=f"the cache {SHAPE.context}"):
        backend.complete(FimRequest(text * 2, "", max_tokens=1000), Cancel())


@pytest.mark.parametrize("content", [b"", b"garbage\n" * 1000])
def test_a_file_that_cannot_be_built_is_one_line(tmp_path, cache, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(BackendError) as caught:
        open_backend(str(path))
    assert "not a readable GGUF file" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(cache.rglob("*.onnx"))


def test_sizes_that_no_block_fits(tmp_path):
    shape = Shape(hidden=72, head_dim=18, heads=4)
    path = write_gguf(tmp_path / "odd.gguf", random_weights(shape), shape)
    with pytest.raises(BuildError, match=r"odd\.gguf: 72 inputs cannot be cut into blocks"):
        build(path, tmp_path)


def test_a_tensor_that_is_missing(tmp_path):
    path = write_gguf(tmp_path / "model.gguf", leave_out=["blk.1.ffn_down.weight"])
    with pytest.raises(BuildError, match=r"tensor blk\.1\.ffn_down\.weight is missing"):
        build(path, tmp_path)


WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers"):
            raise AssertionError(f"{name} was imported")

sys.meta_path.insert(0, Blocked())

from foretype.model.backend import Cancel, FimRequest
from foretype.model.local import open_backend

backend = open_backend(sys.argv[1], sys.argv[2], threads=1)
print(backend.complete(FimRequest("def a(", ")", max_tokens=3), Cancel()).tokens)
assert not {"torch", "transformers"} & sys.modules.keys()
"""


def test_building_and_serving_need_neither_torch_nor_transformers(tiny_gguf, tmp_path):
    write_adapter(tmp_path / "lora", CHANGED, dtype=BFLOAT16)
    command = [sys.executable, "-c", WITHOUT, str(tiny_gguf), str(tmp_path / "lora")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
