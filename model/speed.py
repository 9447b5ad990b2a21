"""How fast each engine is on this machine with a model: measured once, in a process of its own, and remembered.

A library that does not get along with the processor takes that process with it and nothing else; it then counts as
not being there. What is remembered holds for a graph, the versions of the engines, and the threads. Of several times
the best counts, but a machine that is busy all the while is taken for a slow one.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from foretype.context.machine import cache_dir, cores
from foretype.model.backend import BackendError, Cancel
from foretype.model.digests import write_whole

SHORT, LONG = 32, 256  # tokens of the prompts that are timed
PRECISIONS = ("f32", "bf16")  # of OpenVINO's products; what asks most of the processor comes last
_LIMIT_S = 60.0  # for the whole of the other process; it takes 3 to 5 s on two cores
_GRAPH_BYTES = 1 << 20  # of the graph file that tell it from others
_REMEMBERED = 32


@dataclass(frozen=True)
class Speed:
    """What an engine does on this machine. `engine` is "onnx" or "openvino"; ONNX Runtime decodes in both.

    `prompt_tokens_per_s` is of a cold prompt of 256 tokens, `token_ms` one more token after it. `precision` and
    `switch` are `OpenVinoEngine`'s: from that many tokens on OpenVINO reads them.
    """

    engine: str
    prompt_tokens_per_s: float
    token_ms: float
    precision: str = ""
    switch: int = 0


@dataclass(frozen=True)
class Times:
    """Milliseconds to read prompts of `SHORT` and `LONG` tokens, and for one more token (0: it decodes nothing)."""

    short_ms: float
    long_ms: float
    token_ms: float = 0.0

    def after(self, tokens: int) -> float:
        """Milliseconds to read a prompt, by the line through both measurements."""
        return self.short_ms + (tokens - SHORT) * (self.long_ms - self.short_ms) / (LONG - SHORT)


def measured(path: Path, threads: int = 0, anew: bool = False) -> dict[str, Times]:
    """Times by "onnx", "bf16" and "f32" (OpenVINO with these precisions), of the engines that are there.

    Remembered, else (or `anew`) measured now, for a few seconds. Raises `BackendError` if nothing can be measured, or
    not in time; then nothing is remembered.
    """
    path = path / "model.onnx" if path.is_dir() else path
    memory, key = cache_dir() / "speed.json", _key(path, threads)
    rows = _load(memory)
    if not anew:
        try:
            return {name: Times(**row) for name, row in rows[key].items()}
        except (KeyError, TypeError, AttributeError):
            pass
    times = _in_a_process(path, threads)
    rows.pop(key, None)
    kept = dict([*rows.items(), (key, {name: asdict(row) for name, row in times.items()})][-_REMEMBERED:])
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_whole(memory, json.dumps(kept, indent=1))
    except OSError:
        pass  # measured again next time
    return times


def choose(times: dict[str, Times], engine: str = "auto") -> Speed:
    """The faster engine, or the one asked for, which must be among those measured.

    OpenVINO pays if reading all but the last token there and the last one in ONNX Runtime takes less time than reading
    all of a long prompt in ONNX Runtime.
    """
    onnx = times["onnx"]
    readers = {name: row for name, row in times.items() if name != "onnx"}
    plain = Speed("onnx", 1000 * LONG / onnx.long_ms, onnx.token_ms)
    if engine == "onnx" or not readers:
        return plain
    precision = min(readers, key=lambda name: readers[name].long_ms)
    reader = readers[precision]
    together_ms = reader.long_ms + onnx.token_ms
    if engine == "auto" and together_ms >= onnx.long_ms:
        return plain
    pays = (n for n in range(2, LONG) if reader.after(n) + onnx.token_ms < onnx.after(n))
    return Speed("openvino", 1000 * LONG / together_ms, onnx.token_ms, precision, next(pays, LONG))


def measure_onnx(path: Path, threads: int) -> Times:
    """Times of ONNX Runtime, in this process."""
    from foretype.model.onnx import OnnxEngine

    engine = OnnxEngine(path, LONG + 1, threads)
    tokens, cancel = _tokens(), Cancel()

    def read(size: int) -> None:
        engine.crop(0)
        engine.forward(tokens[:size], cancel)

    def step() -> None:
        engine.crop(LONG)
        engine.forward(tokens[:1], cancel)

    read(SHORT)  # the first run is slower
    short_ms, long_ms = _best_ms(lambda: read(SHORT)), _best_ms(lambda: read(LONG), 2)
    return Times(short_ms, long_ms, _best_ms(step, 5))


def measure_openvino(path: Path, threads: int, precision: str) -> Times:
    """Times of OpenVINO's reader, in this process. Raises `BackendError` if it cannot compute so."""
    from foretype.model.openvino import Reader

    reader = Reader(path, threads, precision)
    if reader.precision != precision:
        raise BackendError(f"OpenVINO computes in {reader.precision} here, not in {precision}")
    tokens, cancel, cache = _tokens(), Cancel(), reader.cache(LONG)

    def read(size: int) -> None:
        reader.read(tokens[:size], cache, 0, cancel)

    read(SHORT)
    return Times(_best_ms(lambda: read(SHORT)), _best_ms(lambda: read(LONG), 2))


def main() -> int:
    """Measures the graph on the command line; prints one JSON object a line, each with one engine more."""
    parser = argparse.ArgumentParser()
    parser.add_argument("graph", type=Path)
    parser.add_argument("threads", type=int)
    parser.add_argument("engines", nargs="+")
    args = parser.parse_args()
    for name in args.engines:
        try:
            times = (
                measure_onnx(args.graph, args.threads)
                if name == "onnx"
                else measure_openvino(args.graph, args.threads, name)
            )
        except (BackendError, ImportError) as error:
            sys.stderr.write(f"{error}\n")
            continue
        # at once: the next one may end the process
        sys.stdout.write(json.dumps([name, asdict(times)]) + "\n")
        sys.stdout.flush()
    return 0


def _in_a_process(path: Path, threads: int) -> dict[str, Times]:
    names = ["onnx", *(PRECISIONS if version("openvino") else ())]
    # -P: modules of the current folder, which may be a cloned repository, must not run
    command = [sys.executable, "-P", "-m", "foretype.model.speed", str(path), str(threads), *names]
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise BackendError(f"the speed of {path} was not measured within {_LIMIT_S:.0f} s") from None
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    times = {name: Times(**row) for name, row in map(json.loads, lines)}
    if "onnx" not in times:
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
        raise BackendError(f"the speed of {path} cannot be measured ({reason[0][:200]})")
    return times


def version(package: str) -> str:
    """The installed version of a package, or "". Imports nothing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _best_ms(run: Callable[[], None], times: int = 3) -> float:
    """Of several times: what else the machine does can only add to it."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        spent.append(1000 * (time.perf_counter() - started))
    return min(spent)


def _tokens() -> list[int]:
    """What they say does not matter to the time; the smallest vocabulary has this many."""
    return [int(token) for token in np.random.default_rng(1).integers(0, 256, LONG)]


def _key(path: Path, threads: int) -> str:
    with path.open("rb") as file:
        graph = hashlib.sha256(file.read(_GRAPH_BYTES) + str(path.stat().st_size).encode()).hexdigest()[:16]
    engines = f"onnxruntime {version('onnxruntime')} openvino {version('openvino') or '-'}"
    # a home folder may be shared by machines
    return f"{platform.machine()} {platform.node()} {threads or cores()} threads {engines} graph {graph}"


def _load(memory: Path) -> dict[str, dict]:
    try:
        rows = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return rows if isinstance(rows, dict) else {}


if __name__ == "__main__":
    sys.exit(main())
