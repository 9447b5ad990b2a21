"""New checkpoints of a training run, each copied to where training does not write any more.

`foretype train` replaces an adapter's files one by one, each whole: the weights, the configuration, and last the record
of how it was made (`model/train/weights.py`). A folder is a checkpoint when all three are there, the record is not
older than the weights, the weights are as long as their header says, and nothing changed while it was copied. An
adapter made by other means, with no record and no training beside it, is one when nothing changed between two looks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from foretype.model.store import CONFIG, RECORD, WEIGHTS

_LOOK_S = 10.0
_FILES = (WEIGHTS, CONFIG, RECORD)
_TRAINING = "log.jsonl"  # that `foretype train` writes from its first step on

State = tuple[tuple[str, int, int], ...]  # name, size, time of change


def arrivals(
    folder: Path,
    kept: Path,
    patience_s: float = 0.0,
    look_s: float = _LOOK_S,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Path]:
    """Copies below `kept` of the checkpoints in `folder` itself and in the folders in it, each once for its weights;
    first those that are there from an earlier time.

    Ends when none came for `patience_s`, 0 for never. Raises OSError if a copy cannot be written.
    """
    seen: set[str] = set()
    for copy in _candidates(kept):
        seen.add(_digest(copy))
        yield copy
    last: dict[Path, State] = {}
    came = clock()
    while True:
        for candidate in _candidates(folder):
            state = _state(candidate)
            steady = last.get(candidate) == state
            last[candidate] = state
            if not complete(candidate, steady):
                continue
            if (taken := _copied(candidate, kept, state, seen)) is not None:
                yield taken
                came = clock()
        left_s = patience_s - (clock() - came)
        if patience_s and left_s <= 0:
            return
        sleep(min(look_s, left_s) if patience_s else look_s)


def complete(folder: Path, steady: bool) -> bool:
    """Whether a folder holds a whole adapter; `steady` says that it was the same at an earlier look."""
    try:
        weights, record = folder / WEIGHTS, folder / RECORD
        json.loads((folder / CONFIG).read_text("utf-8"))
        if not _whole(weights):
            return False
        if not record.exists():
            return steady and not (folder / _TRAINING).exists()
        json.loads(record.read_text("utf-8"))
        return record.stat().st_mtime_ns >= weights.stat().st_mtime_ns
    except (OSError, ValueError):
        return False


def _copied(folder: Path, kept: Path, state: State, seen: set[str]) -> Path | None:
    """The copy of a checkpoint that is not in `seen`; None for one that is, or that changed meanwhile."""
    partial = kept / f".partial-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for name, _, _ in state:
            shutil.copy2(folder / name, partial / name)
        if _state(folder) != state or not _whole(partial / WEIGHTS):
            return None
        digest = _digest(partial)
        if digest in seen:
            return None
        seen.add(digest)
        copy = kept / f"{folder.name}-{_step(partial) or digest[:8]}"
        if copy.exists() and _digest(copy) != digest:
            copy = kept / f"{copy.name}-{digest[:8]}"  # another run, of a folder of the same name
        if not copy.exists():
            os.replace(partial, copy)
        return copy
    except FileNotFoundError:  # training took a file away
        return None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _candidates(folder: Path) -> list[Path]:
    """The folder and those in it, the one with the oldest weights first."""
    try:
        inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except OSError:
        return []  # training has not made it yet
    found = [path for path in (folder.absolute(), *inside) if (path / WEIGHTS).is_file()]
    return sorted(found, key=lambda path: (_state(path)[:1] and _state(path)[0][2], path.name))


def _state(folder: Path) -> State:
    found = []
    for name in _FILES:
        try:
            stat = (folder / name).stat()
        except OSError:
            continue
        found.append((name, stat.st_size, stat.st_mtime_ns))
    return tuple(found)


def _whole(path: Path) -> bool:
    """Whether a safetensors file is as long as its header says: eight bytes of that one's length, little endian, the
    header, and the tensors at offsets from there on (https://huggingface.co/docs/safetensors). Raises OSError,
    ValueError."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        size = path.stat().st_size
        if not 0 < length <= size - 8:
            return False
        header = json.loads(file.read(length))
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    return bool(ends) and 8 + length + max(ends) == size


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


def _step(folder: Path) -> str:
    """The step of the run that the record tells of; "" if there is none."""
    try:
        step = json.loads((folder / RECORD).read_text("utf-8")).get("step")
    except (OSError, ValueError, AttributeError):
        return ""
    return str(step) if isinstance(step, int) else ""
