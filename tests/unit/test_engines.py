"""Which engine is chosen, from which measurements, and what happens where there is nothing to measure."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from foretype.model import engines, speed
from foretype.model.backend import BackendError
from foretype.model.onnx import OnnxEngine
from foretype.model.speed import Speed, Times

ONNX = Times(short_ms=100, long_ms=600, token_ms=30)  # 28.6 ms and 2.23 ms a token
FAST = Times(short_ms=60, long_ms=250)
SLOW = Times(short_ms=90, long_ms=590)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(engines, "_SMALL", 0)
    return tmp_path / "cache"


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run; the process prints what `child.lines` says."""

    class Commands(list):
        lines: tuple = (("onnx", ONNX),)
        errors = b""

    commands = Commands()

    def run(command, **_):
        commands.append(command)
        lines = (json.dumps([name, vars(times)]) for name, times in commands.lines)
        return subprocess.CompletedProcess(command, 1, "".join(f"{line}\n" for line in lines).encode(), commands.errors)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def installed(monkeypatch: pytest.MonkeyPatch, openvino: str) -> None:
    versions = {"onnxruntime": "1.31", "openvino": openvino}
    monkeypatch.setattr(speed, "version", versions.__getitem__)


def test_the_faster_one_is_chosen():
    found = speed.choose({"onnx": ONNX, "f32": SLOW, "bf16": FAST})
    assert (found.engine, found.precision, found.token_ms) == ("openvino", "bf16", 30)
    assert found.prompt_tokens_per_s == pytest.approx(1000 * 256 / 280)


def test_the_switch_is_where_both_take_the_same_time():
    switch = speed.choose({"onnx": ONNX, "bf16": FAST}).switch
    assert FAST.after(switch) + 30 < ONNX.after(switch)
    assert FAST.after(switch - 1) + 30 >= ONNX.after(switch - 1)


@pytest.mark.parametrize("times", [{"onnx": ONNX}, {"onnx": ONNX, "f32": SLOW}])
def test_openvino_that_does_not_pay(times):
    assert speed.choose(times) == Speed("onnx", pytest.approx(1000 * 256 / 600), 30)


def test_openvino_can_be_insisted_on_and_onnx_too():
    times = {"onnx": ONNX, "f32": SLOW}
    assert speed.choose(times, "openvino").engine == "openvino"
    assert speed.choose({"onnx": ONNX, "bf16": FAST}, "onnx").engine == "onnx"


def test_measured_once_for_a_graph_its_threads_and_the_engines(tiny_build, child, monkeypatch):
    installed(monkeypatch, "")
    for _ in range(2):
        assert speed.measured(tiny_build, 1) == {"onnx": ONNX}
    assert len(child) == 1
    assert child[0][-1] == "onnx"
    speed.measured(tiny_build, 2)
    installed(monkeypatch, "2026.4")
    child.lines = (("onnx", ONNX), ("f32", FAST))
    assert speed.measured(tiny_build, 1) == {"onnx": ONNX, "f32": FAST}
    assert child[-1][-3:] == ["onnx", "f32", "bf16"]
    assert len(child) == 3
    child.lines = (("onnx", ONNX),)
    assert speed.measured(tiny_build, 1, anew=True) == speed.measured(tiny_build, 1) == {"onnx": ONNX}
    assert len(child) == 4


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}'])
def test_a_damaged_memory_is_written_anew(tiny_build, child, cache, content):
    cache.mkdir()
    (cache / "speed.json").write_text(content)
    speed.measured(tiny_build, 1)
    speed.measured(tiny_build, 1)
    assert len(child) == 1


def test_a_library_that_ends_its_process_counts_as_missing(tiny_build, child, monkeypatch):
    installed(monkeypatch, "2026.4")
    child.lines, child.errors = (("onnx", ONNX),), b"Illegal instruction\n"
    engine, found = engines.open_measured(tiny_build, 16, 1)
    assert (type(engine), found.engine) == (OnnxEngine, "onnx")
    with pytest.raises(BackendError, match="OpenVINO cannot run this model on this machine"):
        engines.open_engine(tiny_build, 16, 1, "openvino")


def test_without_any_measurement_onnx_serves(tiny_build, child, cache):
    child.lines, child.errors = (), b"no such thing\n"
    with pytest.raises(BackendError, match=r"cannot be measured \(no such thing\)"):
        speed.measured(tiny_build, 1)
    engine, found = engines.open_measured(tiny_build, 16, 1)
    assert (type(engine), found) == (OnnxEngine, None)
    assert not (cache / "speed.json").exists()


def test_a_machine_that_is_too_busy_to_measure_is_asked_again(tiny_build, cache, monkeypatch):
    def late(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", late)
    engine, found = engines.open_measured(tiny_build, 16, 1)
    assert (type(engine), found) == (OnnxEngine, None)
    assert not (cache / "speed.json").exists()


def test_without_the_extra(tiny_build, child, monkeypatch):
    installed(monkeypatch, "")
    assert type(engines.open_engine(tiny_build, 16, 1)) is OnnxEngine
    with pytest.raises(BackendError, match=r"pip install 'foretype\[openvino\]'"):
        engines.open_engine(tiny_build, 16, 1, "openvino")
    assert len(child) == 1


def test_an_unknown_engine(tiny_build):
    with pytest.raises(BackendError, match="can be auto, onnx, openvino"):
        engines.open_engine(tiny_build, 16, 1, "opnvino")


def test_no_graph_is_told_as_ever(tmp_path, child):
    with pytest.raises(BackendError, match="delete its folder"):
        engines.open_engine(tmp_path, 16, 1)


def test_a_real_measurement(tiny_build):
    """In a process of its own, with all the engines that are there."""
    times = speed.measured(tiny_build, 1)
    expected = {"onnx", "f32"} if speed.version("openvino") else {"onnx"}
    assert expected <= times.keys()
    assert all(row.short_ms > 0 and row.long_ms > 0 for row in times.values())
    assert times["onnx"].token_ms > 0
    engine, found = engines.open_measured(tiny_build, 512, 1)
    assert engine.capacity == 512
    assert found == speed.choose(times)


def test_a_small_model_is_not_worth_measuring(tiny_build, child, monkeypatch):
    monkeypatch.setattr(engines, "_SMALL", 2**20)
    engine, found = engines.open_measured(tiny_build)
    assert (type(engine), found, child) == (OnnxEngine, None, [])
