"""SHA-256 of files, remembered for as long as a file keeps its size and time of change.

The memory is one JSON file in the cache. It only saves time: when it is lost, damaged or cannot be written, digests
are computed again. Also here: writing a small file so that it is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from pathlib import Path

from foretype.model.progress import Progress, silent

_CHUNK = 1 << 20


def digest(path: Path, memory: Path, progress: Progress = silent) -> str:
    """The file's SHA-256 as lower-case hex digits. Raises OSError if it cannot be read."""
    known = remembered(path, memory)
    if known is None:
        stat = path.stat()
        known = computed(path, progress)
        _remember(path, memory, stat, known)
    return known


def computed(path: Path, progress: Progress = silent) -> str:
    """`digest` without the memory."""
    sha, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
            done += len(chunk)
            progress(f"checking {path.name}", done, size)
    return sha.hexdigest()


def remembered(path: Path, memory: Path) -> str | None:
    """What `digest` would return, if that is known without reading the file."""
    try:
        stat = path.stat()
        size, changed_ns, found = _load(memory)[_key(path)]
    except (OSError, KeyError, TypeError, ValueError):
        return None
    return found if (size, changed_ns) == (stat.st_size, stat.st_mtime_ns) else None


def remember(path: Path, memory: Path, found: str) -> None:
    """Lets `remembered` know the digest of a file that somebody else computed."""
    _remember(path, memory, path.stat(), found)


def write_whole(path: Path, text: str) -> None:
    """Replaces the file's text in one step, so that no reader and no crash sees half of it. Raises OSError."""
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with new.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _remember(path: Path, memory: Path, stat: os.stat_result, found: str) -> None:
    known = {name: row for name, row in _load(memory).items() if Path(name).exists()}
    known[_key(path)] = [stat.st_size, stat.st_mtime_ns, found]
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_whole(memory, json.dumps(known, indent=1))
    except OSError:
        pass  # a read-only cache still serves; the digest is computed again next time


def _load(memory: Path) -> dict[str, list]:
    try:
        rows = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return rows if isinstance(rows, dict) else {}


def _key(path: Path) -> str:
    return str(path.absolute())
