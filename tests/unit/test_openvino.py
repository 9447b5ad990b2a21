"""Long prompts read by OpenVINO: the same cache and logits as ONNX Runtime alone, cropping, cancelling."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
import reference_decoder
from test_onnx import SetAfter, SetInRun, forward
from tiny_model import TOKENS, random_weights

pytest.importorskip("openvino", reason="the extra openvino is not installed")

from foretype.model import prefill
from foretype.model.backend import BackendError, Cancel, Cancelled
from foretype.model.build import build
from foretype.model.onnx import OnnxEngine
from foretype.model.openvino import CHUNK, OpenVinoEngine, Reader

PROMPT = [int(token) for token in np.random.default_rng(5).integers(0, len(TOKENS), CHUNK + 200)]
SWITCH = 8


@pytest.fixture(scope="module")
def loaded(tiny_build: Path) -> OpenVinoEngine:
    return OpenVinoEngine(tiny_build, capacity=512, threads=1, precision="f32", switch=SWITCH)


@pytest.fixture
def engine(loaded: OpenVinoEngine) -> OpenVinoEngine:
    loaded.crop(0)
    for rows in loaded.cache:
        rows.fill(np.nan)  # whoever looks at rows that were not written is found out
    return loaded


@pytest.fixture
def lengths(engine: OpenVinoEngine, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens OpenVINO was given, run by run."""
    seen: list[int] = []
    read = engine._reader.read

    def listening(tokens, cache, start, cancel):
        seen.append(len(tokens))
        read(tokens, cache, start, cancel)

    monkeypatch.setattr(engine._reader, "read", listening)
    return seen


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return reference_decoder.logits(random_weights(), PROMPT)


@pytest.fixture(scope="module")
def quantized(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantized")
    build(tiny_gguf, folder)
    return folder


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("size", [1, SWITCH - 1, SWITCH, SWITCH + 1, CHUNK, CHUNK + 1, CHUNK + 2, len(PROMPT)])
def test_prompts_of_any_length_give_the_last_logits(engine, expected, size):
    logits = forward(engine, PROMPT[:size])
    assert (logits.dtype, engine.length) == (np.float32, size)
    close(logits, expected[size - 1 : size])


@pytest.mark.parametrize("keep", [1, 2, 40, len(PROMPT) - 1, len(PROMPT)])
def test_keep_gives_the_last_rows(engine, expected, keep):
    close(forward(engine, PROMPT, keep), expected[-keep:])


@pytest.mark.parametrize(
    ("size", "keep", "runs"),
    [
        (SWITCH - 1, 1, []),
        (SWITCH, 1, [SWITCH - 1]),
        (20, 5, [15]),
        (20, 20, []),
        (CHUNK + 1, 1, [CHUNK]),
        (CHUNK + 2, 1, [CHUNK // 2, CHUNK // 2 + 1]),
    ],
)
def test_long_prompts_are_read_by_openvino(engine, lengths, size, keep, runs):
    forward(engine, PROMPT[:size], keep)
    assert lengths == runs


def test_the_cache_is_onnx_runtimes_own(engine, tiny_build):
    alone = OnnxEngine(tiny_build, capacity=512, threads=1)
    forward(alone, PROMPT[:100])
    forward(engine, PROMPT[:100])
    for ours, theirs in zip(engine.cache, alone.cache, strict=True):
        np.testing.assert_allclose(ours[:, :, :100], theirs[:, :, :100], atol=1e-4)
        assert np.isnan(ours[:, :, 100:]).all()


@pytest.mark.parametrize("length", [0, 1, 50, CHUNK])
def test_crop_and_go_on_is_as_if_the_rest_had_never_been(engine, length):
    forward(engine, PROMPT[: CHUNK + 40])
    engine.crop(length)
    other = PROMPT[::-1][: SWITCH + 20]
    theirs = reference_decoder.logits(random_weights(), PROMPT[:length] + other)
    close(forward(engine, other, 4), theirs[-4:])
    assert engine.length == length + len(other)


def test_long_and_short_in_turns(engine, expected):
    for start, end in [(0, 3), (3, 60), (60, 61), (61, 200), (200, 204), (204, 400)]:
        close(forward(engine, PROMPT[start:end]), expected[end - 1 : end])


def test_what_does_not_fit_is_refused_and_nothing_is_read(engine, lengths):
    forward(engine, PROMPT[:400])
    lengths.clear()
    with pytest.raises(ValueError, match=r"400 \+ 113 tokens do not fit into 512"):
        forward(engine, PROMPT[:113])
    with pytest.raises(ValueError, match="logits of 0 of 50 tokens"):
        forward(engine, PROMPT[:50], 0)
    assert (engine.length, lengths) == (400, [])


def test_weights_of_8_bits(quantized):
    """Both round activations to 8 bits, each in its own way."""
    alone = OnnxEngine(quantized, capacity=512, threads=1)
    theirs = forward(alone, PROMPT, 50)
    reference = np.abs(theirs).max()
    for precision in ("f32", "bf16"):
        engine = OpenVinoEngine(quantized, capacity=512, threads=1, precision=precision, switch=SWITCH)
        ours = forward(engine, PROMPT, 50)
        assert np.abs(ours - theirs).max() < 0.05 * reference
        assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() >= 0.9


def test_cancelled_before_it_began(engine, expected):
    forward(engine, PROMPT[:30])
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        engine.forward(PROMPT[30:90], cancel)
    assert engine.length == 30
    close(forward(engine, PROMPT[30:90]), expected[89:90])


def test_cancelled_between_two_runs_keeps_what_was_read(engine, expected):
    with pytest.raises(Cancelled):
        engine.forward(PROMPT, SetAfter(1), 1)
    assert engine.length == (len(PROMPT) - 1) // 2
    close(forward(engine, PROMPT[engine.length :]), expected[-1:])


def test_cancelled_in_a_run(engine, expected, capfd):
    forward(engine, PROMPT[:4])
    with pytest.raises(Cancelled):
        engine.forward(PROMPT[4:90], SetInRun())
    assert engine.length in (4, 89)  # a run may be over before it can be stopped
    close(forward(engine, PROMPT[engine.length : 90]), expected[89:90])
    assert capfd.readouterr() == ("", "")


def test_a_flag_set_after_its_run_disturbs_no_other(engine, monkeypatch):
    stopped = []
    first = Cancel()
    engine.forward(PROMPT[:30], first)

    class Request:
        def cancel(self):
            stopped.append(True)

    monkeypatch.setattr(engine._reader, "_request", Request())
    monkeypatch.setattr(engine._reader, "_running", object())  # as if another run were on its way
    first.set()
    assert not stopped


def test_a_run_is_stopped_from_another_thread(engine, monkeypatch):
    """Whoever waits for a run comes back when the flag is set, and not before."""
    over, stops = threading.Event(), []

    class Endless:
        def start_async(self, feeds, share_inputs):
            pass

        def wait(self):
            assert over.wait(10)
            raise RuntimeError("Infer Request was canceled")

        def cancel(self):
            stops.append(True)
            over.set()

    monkeypatch.setattr(engine._reader, "_request", Endless())
    cancel = Cancel()
    threading.Timer(0.05, cancel.set).start()
    with pytest.raises(Cancelled):
        engine.forward(PROMPT[:30], cancel)
    assert (engine.length, stops) == (0, [True])


def test_what_openvino_says_is_one_line(engine, monkeypatch):
    class Broken:
        def start_async(self, feeds, share_inputs):
            raise RuntimeError("Exception from a file:1:\nout of memory\n")

    monkeypatch.setattr(engine._reader, "_request", Broken())
    with pytest.raises(BackendError, match=r"^OpenVINO failed \(out of memory\)$"):
        forward(engine, PROMPT[:30])
    assert engine.length == 0


def test_graphs_of_other_builders_are_refused(tiny_build, tmp_path):
    graph = onnx.load(tiny_build / "model.onnx", load_external_data=False)
    next(node for node in graph.graph.node if node.op_type == "QuickGelu").op_type = "FastGelu"
    onnx.save(graph, tmp_path / "model.onnx")
    (tmp_path / "model.onnx.data").write_bytes((tiny_build / "model.onnx.data").read_bytes())
    with pytest.raises(BackendError, match=r"no FastGelu; set model\.engine to onnx"):
        Reader(tmp_path)


@pytest.mark.parametrize("content", [b"", b"garbage" * 50])
def test_a_damaged_graph(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(BackendError, match=r"set model\.engine to onnx"):
        prefill.model(path)


def test_a_model_of_one_layer(tmp_path):
    """Its only layer needs no past: the keys and values of a token depend on that token alone."""
    from tiny_model import Shape, write_gguf

    shape = Shape(layers=1)
    weights = random_weights(shape)
    write_gguf(tmp_path / "one.gguf", weights, shape)
    build(tmp_path / "one.gguf", tmp_path, plan=lambda name: None)
    engine = OpenVinoEngine(tmp_path, capacity=64, threads=1, precision="f32", switch=SWITCH)
    close(forward(engine, PROMPT[:40]), reference_decoder.logits(weights, PROMPT[:40], shape)[-1:])
