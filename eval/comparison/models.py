"""What a person may call a model in a comparison, and making it ready to be asked.

    qwen2.5-coder-0.5b              of the catalogue, with its own adapter
    qwen2.5-coder-0.5b+none         the same with another one: "none", a shipped name or a folder
    mined-v3, train/C                 an adapter, shipped or as `foretype train --out` writes it, on the model it is of
    build/, model.gguf              a built model, or weights to build
    NAME@http://127.0.0.1:8012      what an OpenAI-compatible server calls NAME

A local model is built in a process of its own, and from then on means that build: what training does to the adapter's
folder meanwhile changes nothing. Knows no benchmark.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from foretype.model.catalogue import SHIPPED, catalogue, is_path, suggestion
from foretype.model.store import CONFIG, RECORD, WEIGHTS

FORETYPE = (sys.executable, "-m", "foretype")
ENGINES = ("local", "openai", "hf", "llama-server")


class UsageError(Exception):
    """What was named is no model. The message tells a user what to do."""


class NotReady(Exception):
    """A model cannot be built. The message is one line."""


@dataclass(frozen=True)
class Named:
    """A model as somebody named it: `label` for tables; the rest as the benchmarks' options of these names have it."""

    label: str
    engine: str
    model: str
    adapter: str = "default"
    url: str = ""
    family: str = ""


@dataclass(frozen=True)
class Model:
    """A model that can be asked. `key` tells it from all others, in a name that file systems take; `options` are those
    of the benchmarks' commands; `about` says what it is, for reports."""

    label: str
    key: str
    options: tuple[str, ...]
    about: dict[str, Any]


def named(texts: Sequence[str], engines: Sequence[str] = (), url: str = "", family: str = "") -> list[Named]:
    """The models, whose labels all differ. `engines` has one for each, one for all, or none: then the text decides.
    Raises `UsageError`."""
    if len(engines) not in (0, 1, len(texts)):
        raise UsageError(f"{len(engines)} engines for {len(texts)} models: give one for all, or one for each")
    if unknown := [engine for engine in engines if engine not in ENGINES]:
        raise UsageError(f"no engine is called {unknown[0]}; there are {', '.join(ENGINES)}")
    each = list(engines) * (len(texts) if len(engines) == 1 else 1) or [""] * len(texts)
    found = [_named(text, engine, url, family) for text, engine in zip(texts, each, strict=True)]
    times = Counter(one.label for one in found)
    told = [one if times[one.label] == 1 else replace(one, label=_longer(one)) for one in found]
    if len({one.label for one in told}) < len(told):
        raise UsageError("a model is named twice; name each once")
    return told


def ready(one: Named, command: Sequence[str] = FORETYPE) -> Model:
    """Builds the model if it is local and not built yet. `command` is what runs Foretype. Raises `NotReady`."""
    about = {"label": one.label, "engine": one.engine, "model": one.model}
    if one.engine != "local":
        options = ["--engine", one.engine, "--model", one.model]
        for option, value in (("--url", one.url), ("--family", one.family)):
            options += [option, value] if value else []
        key = f"{_plain(one.label)}-{_digest(options)}"
        return Model(one.label, key, tuple(options), {**about, "url": one.url})
    words = [*command, "model", "build", one.model, "--adapter", one.adapter, "--json"]
    try:
        done = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace")
        built = json.loads(done.stdout) if not done.returncode else {}
        folder = Path(built["folder"]) if built else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotReady(f"{one.label} cannot be built: {error}") from error
    if folder is None:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise NotReady(said[-1] if said else f"{one.label} cannot be built: status {done.returncode}")
    about |= {name: built.get(name, "") for name in ("adapter", "adapter_sha256")}
    about |= {"model": built.get("name") or one.model, "model_sha256": built.get("sha256", "")}
    # a build of ours has a digest in its name; another is told by its files
    ours = folder.parent.name == "builds"
    key = f"{about['model']}-{folder.name}" if ours else f"{folder.name}-{_digest(_files(folder))}"
    return Model(one.label, _plain(key), ("--model", str(folder)), about)


def trained_on(folder: Path) -> str:
    """The model that an adapter is of."""
    base = ""
    with suppress(OSError, ValueError, KeyError, TypeError):
        base = str(json.loads((folder / CONFIG).read_text("utf-8"))["base_model_name_or_path"])
        base = str(json.loads((folder / RECORD).read_text("utf-8"))["base"])
    return base if base in catalogue() or (is_path(base) and Path(base).is_file()) else _default()


def _named(text: str, engine: str, url: str, family: str) -> Named:
    name, at, address = text.rpartition("@")
    if at and address.startswith(("http://", "https://")):
        return Named(text, engine or "openai", name, url=address, family=family)
    if engine not in ("", "local"):
        return Named(text, engine, text, url=url, family=family)
    # a folder of that name cannot take the place of either of these
    if text in catalogue():
        return Named(text, "local", text)
    shipped = [folder.name for folder in (SHIPPED / "adapters").iterdir() if folder.is_dir()]
    if text in shipped:
        return Named(text, "local", _default(), text)
    path = Path(text).expanduser()
    if path.is_dir():
        folder = path.absolute()
        if (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file():
            return Named(folder.name, "local", trained_on(folder), str(folder))
        if (folder / "model.onnx").is_file():
            return Named(folder.name, "local", str(folder))
        raise UsageError(f"{text} holds neither an adapter ({WEIGHTS}, {CONFIG}) nor a built model (model.onnx)")
    if path.is_file():
        return Named(path.stem, "local", str(path.absolute()))
    base, plus, adapter = text.partition("+")
    if plus and adapter:
        under = _named(base, "local", "", "")
        over = Path(adapter).expanduser()
        if not over.is_dir():
            return replace(under, label=text, adapter=adapter)
        return replace(under, label=f"{under.label}+{over.name}", adapter=str(over.absolute()))
    if is_path(text):
        raise UsageError(f"there is no {text}: give an adapter's folder, a built model or a name of the catalogue")
    raise UsageError(f"no model or folder is called {text!r}; {suggestion(text, [*catalogue(), *shipped])}")


def _longer(one: Named) -> str:
    """A label with more of the path, for folders of one name."""
    path = Path(one.adapter if one.adapter not in ("default", "none") else one.model)
    return "/".join(path.parts[-3:])


def _default() -> str:
    return next(entry.name for entry in catalogue().values() if entry.default)


def _files(folder: Path) -> list[str]:
    found = sorted(path for path in folder.iterdir() if path.is_file())
    return [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in found]


def _digest(words: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]


def _plain(text: str) -> str:
    """A name that every file system takes."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in text).strip(".-") or "model"
