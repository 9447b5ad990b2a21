"""Which engine serves a built model: the one asked for, or the one that was measured to be faster here."""

from __future__ import annotations

from pathlib import Path

from foretype.model import speed
from foretype.model.backend import BackendError
from foretype.model.engine import Engine
from foretype.model.speed import Speed

ENGINES = ("auto", "onnx", "openvino")

# Bytes of weights below which every engine is fast enough, and none is worth measuring.
_SMALL = 32 * 2**20


def open_engine(path: Path, capacity: int = 2048, threads: int = 0, engine: str = "auto") -> Engine:
    """Loads a graph, or `model.onnx` in a folder; `threads` 0 means one per physical core.

    "auto" takes OpenVINO for long prompts if it is installed and faster on this machine. Raises `BackendError` if the
    graph cannot be loaded, or if "openvino" is asked for and is not there or cannot compute it.
    """
    return open_measured(path, capacity, threads, engine)[0]


def open_measured(
    path: Path, capacity: int = 2048, threads: int = 0, engine: str = "auto"
) -> tuple[Engine, Speed | None]:
    """`open_engine`, and what the engine was measured to do: None if that could not be measured.

    The first time on a machine this takes some seconds more.
    """
    if engine not in ENGINES:
        raise BackendError(f"model.engine is {engine!r}; it can be {', '.join(ENGINES)}")
    if engine == "openvino" and not speed.version("openvino"):
        raise BackendError("model.engine is openvino, which is not installed: pip install 'foretype[openvino]'")
    from foretype.model.onnx import OnnxEngine

    if engine == "auto" and _size(path) < _SMALL:
        return OnnxEngine(path, capacity, threads), None
    try:
        times = speed.measured(path, threads)
    except (BackendError, OSError):
        # whatever it is, loading the graph here says it better
        return OnnxEngine(path, capacity, threads), None
    if engine == "openvino" and times.keys() == {"onnx"}:
        raise BackendError("OpenVINO cannot run this model on this machine; set model.engine to auto")
    found = speed.choose(times, engine)
    if found.engine == "onnx":
        return OnnxEngine(path, capacity, threads), found
    from foretype.model.openvino import OpenVinoEngine

    return OpenVinoEngine(path, capacity, threads, found.precision, found.switch), found


def _size(path: Path) -> int:
    """Bytes of a graph and of what lies beside it."""
    folder = path if path.is_dir() else path.parent
    return sum(file.stat().st_size for file in folder.glob("*.onnx*"))
