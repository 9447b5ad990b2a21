"""Getting a catalogue model's GGUF: carriers in turn until one brings the right bytes.

Safe to kill at any moment and to run in several processes at once: everything unfinished lies in `.partial`, is taken
up by the next run, and gets its place in one rename after its digest was found right. Knows no builds.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from foretype.context.machine import cache_dir
from foretype.model.carriers import Carrier, CarrierError, LocalFile, fetch, is_disk_full, needed_bytes
from foretype.model.catalogue import Entry, StoreError, digests_file, entry_named, gguf_path, models_dir
from foretype.model.digests import computed, digest, remember, remembered, write_whole
from foretype.model.progress import Progress, silent

_GIB = 1 << 30


def pull(name: str, progress: Progress = silent, source: Path | None = None) -> Path:
    """The path of the model's verified GGUF, fetched if it is not there yet.

    With `source`, a GGUF or a folder that holds one of the entry's file name, nothing else is tried.
    Raises `StoreError`.
    """
    entry = entry_named(name)
    if remembered(gguf_path(entry), digests_file()) == entry.sha256:
        _tidy(entry)
        return gguf_path(entry)
    with locked(entry.name, progress):
        return pull_locked(entry, progress, source)


def pull_locked(entry: Entry, progress: Progress, source: Path | None = None) -> Path:
    """`pull` for one who holds the model's lock already."""
    gguf, memory = gguf_path(entry), digests_file()
    if gguf.is_file() and digest(gguf, memory, progress) == entry.sha256:
        _tidy(entry)
        return gguf
    failures = []
    for carrier in _carriers(entry, source):
        partial = _partial(entry) / type(carrier).__name__.lower()
        try:
            fetched = _fetch_right(entry, carrier, partial, progress)
        except CarrierError as error:
            failures.append(f"{carrier}: {error}")
            continue
        origin = {"source": str(carrier), "revision": carrier.revision}
        write_whole(_origin_file(entry), json.dumps(origin, indent=1))
        os.replace(fetched, gguf)
        remember(gguf, memory, entry.sha256)
        _tidy(entry)
        return gguf
    if source is not None:
        raise StoreError(f"cannot take {entry.name} from {failures[0]}")
    raise StoreError(
        f"cannot get {entry.name}: {'; '.join(failures) or 'the catalogue names no carrier'}. Mend one and try again,"
        f" or get {entry.file} yourself and run: foretype model pull {entry.name} --from PATH"
    )


def origin(entry: Entry) -> dict[str, str]:
    """Which carrier brought the GGUF, and of which revision: the keys `source` and `revision`."""
    try:
        found = json.loads(_origin_file(entry).read_text("utf-8"))
        return {"source": str(found["source"]), "revision": str(found["revision"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"source": "unknown", "revision": ""}


@contextmanager
def locked(name: str, progress: Progress) -> Iterator[None]:
    """Holds the model's lock between processes; within it, a failing disk is a `StoreError`."""
    with plain_disk_errors():
        models_dir().mkdir(parents=True, exist_ok=True)
        lock = FileLock(models_dir() / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress(f"waiting for another foretype that works on {name}", 0, 0)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


@contextmanager
def plain_disk_errors() -> Iterator[None]:
    """Turns an OSError of the cache's disk into a `StoreError`."""
    try:
        yield
    except OSError as error:
        where = error.filename or cache_dir()
        if is_disk_full(error):
            raise StoreError(f"the disk is full ({where}); {_roomier()}; what was fetched is kept") from error
        reason = error.strerror or str(error)
        raise StoreError(
            f"cannot use {where} ({reason}); make {cache_dir()} writable or point FORETYPE_CACHE elsewhere"
        ) from error


def check_space(needed: int, folder: Path) -> None:
    """Raises `CarrierError` if fewer than `needed` bytes are free where `folder` is or will be."""
    free = free_bytes(folder)
    if free < needed:
        raise CarrierError(f"needs {needed / _GIB:.2f} GiB in {folder}, {free / _GIB:.2f} are free; {_roomier()}")


def free_bytes(folder: Path) -> int:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _fetch_right(entry: Entry, carrier: Carrier, partial: Path, progress: Progress) -> Path:
    """The fetched file with the right digest, on disk for good. Wrong bytes are deleted with all they came from."""
    check_space(needed_bytes(carrier, entry.size, partial), partial)
    fetched = fetch(carrier, entry.file, entry.size, partial, progress)
    found = computed(fetched, progress)
    if found != entry.sha256:
        shutil.rmtree(partial)
        raise CarrierError(f"the file has the wrong digest {found[:12]}…, not {entry.sha256[:12]}…; it is not used")
    sync(fetched)
    return fetched


def sync(path: Path) -> None:
    """Asks the system to have the file or folder on disk before it goes on."""
    if path.is_dir() and not hasattr(os, "O_DIRECTORY"):
        return  # Windows opens no folders, and its renames need no such help
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _carriers(entry: Entry, source: Path | None) -> list[Carrier]:
    if source is not None:
        source = source.expanduser().absolute()
        return [LocalFile(source / entry.file if source.is_dir() else source)]
    found: list[Carrier] = []
    if own := os.environ.get("FORETYPE_MODEL_DIR"):
        found.append(LocalFile(Path(own).expanduser().absolute() / entry.file))
    if (laid := models_dir() / entry.file).is_file():
        found.append(LocalFile(laid))
    return [*found, *entry.carriers]


def _partial(entry: Entry) -> Path:
    """Where everything unfinished lies."""
    return gguf_path(entry).parent / ".partial"


def _tidy(entry: Entry) -> None:
    """Of a model that is there: also where who brought it was killed before that."""
    shutil.rmtree(_partial(entry), ignore_errors=True)


def _origin_file(entry: Entry) -> Path:
    return gguf_path(entry).parent / "source.json"


def _roomier() -> str:
    return "free some space or point FORETYPE_CACHE at a roomier disk"
