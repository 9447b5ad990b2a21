"""Models on disk: what a name means, whether it is built, and building it.

    <cache>/models/<name>/FILE.gguf, source.json
    <cache>/models/<name>/builds/<adapter>-<digest>/model.onnx ..., tokenizer.json, manifest.json

A build is one folder per GGUF, adapter and version of the builder. `manifest.json` is written last, in a hidden folder
that gets its name in one rename: a folder without a sound manifest is no build. How a graph is made is the business of
`model/build.py`, which is imported only to build.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foretype.model.carriers import CarrierError
from foretype.model.catalogue import (
    SHIPPED,
    Entry,
    StoreError,
    catalogue,
    digests_file,
    entry_named,
    gguf_path,
    is_path,
    models_dir,
    suggestion,
)
from foretype.model.digests import digest, remembered
from foretype.model.progress import Progress, silent
from foretype.model.pull import check_space, locked, origin, plain_disk_errors, pull, pull_locked, sync

__all__ = [
    "BUILD_VERSION",
    "Built",
    "Row",
    "StoreError",
    "catalogue",
    "check_base",
    "ensure_built",
    "find",
    "listing",
    "pull",
    "resolve",
]

# To be raised whenever `model/build.py` writes something else for the same input.
BUILD_VERSION = 1

_MANIFEST = "manifest.json"
# An adapter's folder: PEFT's two files, and what `foretype train` says of how it was made.
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
RECORD = "train_config.json"


@dataclass(frozen=True)
class Built:
    """A model that can be served. `manifest` is empty for a folder of the user's own that has none."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def model(self) -> Path:
        return self.folder / str(self.manifest.get("model", "model.onnx"))

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter in PEFT's layout. `sha256` is of its safetensors; `digest` covers its configuration too."""

    name: str
    folder: Path
    sha256: str
    digest: str


@dataclass(frozen=True)
class Target:
    """What a name and an adapter stand for: a build to find or make from `gguf`, or one that is there already."""

    entry: Entry
    gguf: Path
    adapter: Adapter | None
    ready: Built | None = None

    @property
    def folder(self) -> Path:
        """Where the build is, once it is made."""
        adapter = self.adapter.digest if self.adapter else ""
        key = hashlib.sha256(f"{self.entry.sha256} {adapter} {BUILD_VERSION}".encode()).hexdigest()
        return _builds_dir(self.entry.name) / f"{_plain(self.adapter.name) if self.adapter else 'none'}-{key[:12]}"


@dataclass(frozen=True)
class Row:
    """A line of `foretype model list`. `size` is the GGUF's, in bytes; `adapter` is the default one, "" for none."""

    name: str
    licence: str
    size: int
    adapter: str
    default: bool
    pulled: bool
    builds: tuple[Built, ...]
    folder: Path


def find(name: str, adapter: str = "default") -> Built | None:
    """The build, if it is there; does no work. Arguments and errors as for `ensure_built`."""
    path = Path(name).expanduser()
    if is_path(name) and path.suffix == ".gguf" and path.is_file() and remembered(path, digests_file()) is None:
        return None  # never seen, so never built; to read all of it would be work
    return _complete(resolve(name, adapter))


def ensure_built(name: str, adapter: str = "default", progress: Progress = silent) -> Built:
    """The build, pulled and built first if need be.

    `name` is the catalogue's, or the path of a GGUF, of an ONNX file or of a folder with `model.onnx`, the last two
    with `tokenizer.json` beside them. `adapter` is "default" (what the catalogue says), "none", the name of a shipped
    one or the path of a folder. Raises `StoreError`.
    """
    target = resolve(name, adapter, progress)
    if (built := _complete(target)) is not None:
        return built
    with locked(target.entry.name, progress):
        # another process may have built it while this one waited
        if (built := _complete(target)) is None:
            if target.gguf == gguf_path(target.entry):
                pull_locked(target.entry, progress)
            built = _build(target, progress)
        return built


def resolve(name: str, adapter: str = "default", progress: Progress = silent) -> Target:
    """What a name and an adapter stand for. Reads a local GGUF once, for its digest. Raises `StoreError`."""
    if not is_path(name):
        entry = entry_named(name)
        return Target(entry, gguf_path(entry), _adapter(adapter, entry))
    path = Path(name).expanduser().absolute()
    if path.is_dir() or path.suffix == ".onnx":
        return _ready(path, adapter)
    if not path.is_file():
        raise StoreError(f"there is no file {path}; give the path of a .gguf or .onnx file, or a model's name")
    with plain_disk_errors():
        sha256 = digest(path, digests_file(), progress)
    known = next((entry for entry in catalogue().values() if entry.sha256 == sha256), None)
    entry = known or Entry(f"{_plain(path.stem)}-{sha256[:12]}", path.name, path.stat().st_size, sha256, "unknown", "")
    return Target(entry, path, _adapter(adapter, entry))


def listing() -> list[Row]:
    """The catalogue's models in its order, then what was built from local files. Raises `StoreError`."""
    entries = catalogue()
    others = sorted(folder.parent.name for folder in models_dir().glob("*/builds"))
    rows = [_row(entry) for entry in entries.values()]
    for name in others:
        if name not in entries and (builds := _builds(name)):
            facts: dict[str, Any] = {"file": "", "size": 0, "sha256": "", "licence": "unknown"} | builds[0].manifest
            rows.append(_row(Entry(name, facts["file"], facts["size"], facts["sha256"], facts["licence"], "")))
    return rows


def _complete(target: Target) -> Built | None:
    return target.ready or _load(target.folder)


def _load(folder: Path) -> Built | None:
    """The build in a folder, or None if its manifest is missing or damaged, or a file is not as the manifest says."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in manifest["files"].items())
        sound = whole and {"model.onnx", "tokenizer.json"} <= manifest["files"].keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Built(folder, manifest) if sound else None


def _build(target: Target, progress: Progress) -> Built:
    """Builds under the lock. Nothing has the build's name before all of it is on disk."""
    from foretype.model.build import BuildError, build

    entry, adapter, folder = target.entry, target.adapter, target.folder
    for leftover in folder.parent.glob(".partial-*"):
        shutil.rmtree(leftover)
    partial = folder.parent / f".partial-{folder.name}"
    gguf = target.gguf
    try:
        check_space(2 * gguf.stat().st_size, folder.parent)
        partial.mkdir(parents=True)
        facts = build(gguf, partial, adapter.folder if adapter else None, progress)
    except (BuildError, CarrierError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise StoreError(f"cannot build {entry.name}: {error}") from error
    files = sorted(path for path in partial.rglob("*") if path.is_file())
    manifest = {
        "name": entry.name,
        "file": entry.file,
        "size": entry.size,
        "sha256": entry.sha256,
        "licence": entry.licence,
        **(origin(entry) if gguf == gguf_path(entry) else {"source": f"local file {gguf}", "revision": ""}),
        **facts,
        "family": entry.family or facts.get("family", ""),
        "adapter": adapter.name if adapter else "",
        "adapter_sha256": adapter.sha256 if adapter else "",
        "build_version": BUILD_VERSION,
        "files": {path.relative_to(partial).as_posix(): path.stat().st_size for path in files},
    }
    for path in files:
        sync(path)
    (partial / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    sync(partial / _MANIFEST)
    sync(partial)
    if folder.exists():
        shutil.rmtree(folder)  # its manifest is damaged, else it would have been used
    os.replace(partial, folder)
    sync(folder.parent)
    return Built(folder, manifest)


def _ready(path: Path, adapter: str) -> Target:
    """A folder or an ONNX file of the user's own, served as it is."""
    if adapter not in ("default", "none"):
        raise StoreError(f"an adapter cannot be merged into {path}; give the GGUF that it was made from")
    folder, model = (path, path / "model.onnx") if path.is_dir() else (path.parent, path)
    for file in (model, folder / "tokenizer.json"):
        if not file.is_file():
            raise StoreError(f"there is no {file}; a model folder holds model.onnx and tokenizer.json")
    try:
        manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        manifest = {}
    built = Built(folder, {**(manifest if isinstance(manifest, dict) else {}), "model": model.name})
    return Target(Entry(str(path), model.name, model.stat().st_size, "", "unknown", ""), model, None, built)


def _adapter(name: str, entry: Entry) -> Adapter | None:
    if name == "default":
        name = entry.adapter or "none"
    if name == "none":
        return None
    folder = Path(name).expanduser().absolute() if is_path(name) else SHIPPED / "adapters" / name
    if not is_path(name) and not folder.is_dir():
        shipped = [path.name for path in (SHIPPED / "adapters").iterdir() if path.is_dir()]
        raise StoreError(f"no adapter is called {name!r}; {suggestion(name, [*shipped, 'none', 'default'])}")
    for file in (WEIGHTS, CONFIG):
        if not (folder / file).is_file():
            raise StoreError(f"there is no {folder / file}; an adapter's folder holds {WEIGHTS} and {CONFIG}")
    check_base(folder, entry.sha256)
    with plain_disk_errors():
        weights, config = (digest(folder / file, digests_file()) for file in (WEIGHTS, CONFIG))
    return Adapter(folder.name, folder, weights, f"{weights} {config}")


def check_base(folder: Path, sha256: str) -> None:
    """Raises `StoreError` if the record in an adapter's folder says that it was trained on other weights than those of
    the GGUF of that digest."""
    try:
        said = json.loads((folder / RECORD).read_text("utf-8"))["base_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # no record: the shapes of the weights will tell
    if said != sha256:
        raise StoreError(
            f"{folder}: this adapter was trained on weights whose sha256 is {str(said)[:12]}..., these have "
            f"{sha256[:12]}...; choose the model that it was trained on"
        )


def _row(entry: Entry) -> Row:
    gguf = gguf_path(entry)
    pulled = gguf.is_file() and gguf.stat().st_size == entry.size
    adapter = entry.adapter
    return Row(entry.name, entry.licence, entry.size, adapter, entry.default, pulled, _builds(entry.name), gguf.parent)


def _builds(name: str) -> tuple[Built, ...]:
    folders = sorted(path for path in _builds_dir(name).glob("*") if not path.name.startswith("."))
    return tuple(built for folder in folders if (built := _load(folder)) is not None)


def _builds_dir(name: str) -> Path:
    return models_dir() / name / "builds"


def _plain(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "model"
