"""The engine on a tiny graph: its cache, its chunks, its cancelling, and what it says of a damaged graph."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import reference_decoder
from onnx import TensorProto, helper
from tiny_model import TOKENS, random_weights

from foretype.model.backend import BackendError, Cancel, Cancelled
from foretype.model.onnx import CHUNK, OnnxEngine

PROMPT = [int(token) for token in np.random.default_rng(5).integers(0, len(TOKENS), 2 * CHUNK + 40)]


class SetAfter(Cancel):
    """A flag that is set once it was looked at a number of times: between two runs of the graph."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    def check(self) -> None:
        self._looks -= 1
        if self._looks < 0:
            self.set()
        super().check()


class SetInRun(Cancel):
    """A flag that is set as soon as the engine listens for it, which is during its run."""

    def on_set(self, callback):
        super().on_set(callback)
        self.set()


@pytest.fixture
def engine(tiny_build: Path) -> OnnxEngine:
    return OnnxEngine(tiny_build, capacity=512, threads=1)


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return reference_decoder.logits(random_weights(), PROMPT)


def forward(engine: OnnxEngine, tokens: list[int], keep: int = 1) -> np.ndarray:
    return engine.forward(tokens, Cancel(), keep).copy()


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_what_it_says_of_itself(engine):
    assert (engine.length, engine.capacity, engine.vocabulary) == (0, 512, len(TOKENS))


@pytest.mark.parametrize("size", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, len(PROMPT)])
def test_prompts_of_any_length_give_the_last_logits(engine, expected, size):
    logits = forward(engine, PROMPT[:size])
    assert (logits.dtype, engine.length) == (np.float32, size)
    close(logits, expected[size - 1 : size])


@pytest.mark.parametrize("keep", [1, 2, 7, CHUNK, CHUNK + 3, 2 * CHUNK + 40])
def test_keep_gives_the_last_rows(engine, expected, keep):
    close(forward(engine, PROMPT, keep), expected[-keep:])


@pytest.mark.parametrize("keep", [0, -1, 4])
def test_keep_of_more_or_less_than_there_is(engine, keep):
    with pytest.raises(ValueError, match="of 3 tokens"):
        forward(engine, PROMPT[:3], keep)
    with pytest.raises(ValueError, match="of 0 tokens"):
        forward(engine, [], 1)
    assert engine.length == 0


def test_one_token_after_another_is_the_same_as_all_at_once(engine, expected):
    rows = [forward(engine, [token]) for token in PROMPT[:20]]
    close(np.concatenate(rows), expected[:20])


def test_steps_over_the_edge_of_a_chunk(engine, expected):
    for start, end in [(0, CHUNK - 2), (CHUNK - 2, CHUNK + 3), (CHUNK + 3, 2 * CHUNK + 20)]:
        close(forward(engine, PROMPT[start:end]), expected[end - 1 : end])
    assert engine.length == 2 * CHUNK + 20


@pytest.mark.parametrize("length", [0, 1, 50, CHUNK, CHUNK + 1])
def test_crop_and_go_on_is_as_if_the_rest_had_never_been(engine, length):
    forward(engine, PROMPT[: CHUNK + 10])
    engine.crop(length)
    assert engine.length == length
    other = [1, 2, 3, 4]
    expected = reference_decoder.logits(random_weights(), PROMPT[:length] + other)
    close(forward(engine, other, 4), expected[-4:])
    assert engine.length == length + 4


@pytest.mark.parametrize("length", [-1, 6])
def test_crop_to_what_is_not_there(engine, length):
    forward(engine, PROMPT[:5])
    with pytest.raises(ValueError, match=f"cannot crop 5 tokens to {length}"):
        engine.crop(length)
    assert engine.length == 5


def test_capacity(tiny_build, expected):
    engine = OnnxEngine(tiny_build, capacity=10, threads=1)
    forward(engine, PROMPT[:6])
    with pytest.raises(ValueError, match=r"6 \+ 5 tokens do not fit into 10"):
        forward(engine, PROMPT[6:11])
    assert engine.length == 6
    close(forward(engine, PROMPT[6:10]), expected[9:10])
    with pytest.raises(ValueError, match=r"10 \+ 1 tokens do not fit into 10"):
        forward(engine, [1])


def test_cancelled_before_it_began(engine, expected):
    forward(engine, PROMPT[:4])
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        engine.forward(PROMPT[4:8], cancel)
    assert engine.length == 4
    close(forward(engine, PROMPT[4:8]), expected[7:8])


def test_cancelled_between_two_runs_keeps_what_was_read(engine, expected):
    with pytest.raises(Cancelled):
        engine.forward(PROMPT, SetAfter(1), 1)
    assert engine.length == CHUNK
    close(forward(engine, PROMPT[CHUNK:]), expected[-1:])


def test_cancelled_in_a_run(engine, expected, capfd):
    forward(engine, PROMPT[:4])
    with pytest.raises(Cancelled):
        engine.forward(PROMPT[4:90], SetInRun())
    assert engine.length == 4
    close(forward(engine, PROMPT[4:90]), expected[89:90])
    assert capfd.readouterr() == ("", "")


def test_a_flag_set_after_the_answer_disturbs_nothing(engine, expected):
    cancel = Cancel()
    engine.forward(PROMPT[:4], cancel)
    cancel.set()
    close(forward(engine, PROMPT[4:8]), expected[7:8])


def test_past_and_present_are_the_same_buffers(engine):
    forward(engine, PROMPT[:10])
    pointers = [cache.data_ptr() for cache in engine._caches]
    assert len(set(pointers)) == 4
    for tokens in (PROMPT[10:11], PROMPT[11:40]):
        forward(engine, tokens)
        assert [cache.data_ptr() for cache in engine._caches] == pointers
        # the first output is the logits
        assert [output.data_ptr() for output in engine._binding.get_outputs()[1:]] == pointers
    written = np.abs(engine._caches[0].numpy()).sum(axis=(0, 1, 3)) > 0
    assert written.tolist() == [True] * 40 + [False] * 472


def test_crop_copies_nothing_and_a_step_writes_only_its_own_rows(engine):
    forward(engine, PROMPT[:30])
    before = [cache.numpy().copy() for cache in engine._caches]
    engine.crop(12)
    assert all(np.array_equal(cache.numpy(), was) for cache, was in zip(engine._caches, before, strict=True))
    forward(engine, [7])
    for cache, was in zip(engine._caches, before, strict=True):
        changed = np.abs(cache.numpy() - was).sum(axis=(0, 1, 3)) > 0
        assert np.flatnonzero(changed).tolist() == [12]


def test_two_engines_do_not_disturb_one_another(tiny_build, expected):
    one, other = (OnnxEngine(tiny_build, capacity=64, threads=1) for _ in range(2))
    reverse = PROMPT[19::-1]
    backwards = reference_decoder.logits(random_weights(), reverse)
    for position in range(20):
        close(forward(one, PROMPT[position : position + 1]), expected[position : position + 1])
        close(forward(other, reverse[position : position + 1]), backwards[position : position + 1])
        if position == 10:
            other.crop(5)
            forward(other, reverse[5:11])


@pytest.fixture
def copy(tiny_build: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_build, tmp_path / "model"))


def cannot_be_loaded(folder: Path) -> str:
    with pytest.raises(BackendError) as caught:
        OnnxEngine(folder, capacity=16, threads=1)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


def test_no_graph(tmp_path, capfd):
    assert "delete its folder" in cannot_be_loaded(tmp_path)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("content", [b"", b"garbage" * 50])
def test_a_damaged_graph(copy, content):
    (copy / "model.onnx").write_bytes(content)
    cannot_be_loaded(copy)


def test_a_truncated_graph(copy):
    path = copy / "model.onnx"
    path.write_bytes(path.read_bytes()[:-100])
    cannot_be_loaded(copy)


@pytest.mark.parametrize("size", [None, 0, 5000])
def test_missing_or_truncated_weights(copy, size):
    data = copy / "model.onnx.data"
    content = data.read_bytes()
    data.unlink()
    if size is not None:
        data.write_bytes(content[:size])
    cannot_be_loaded(copy)


def test_a_graph_that_is_no_decoder(tmp_path):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "one", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    assert "no decoder with a key-value cache" in cannot_be_loaded(tmp_path)
