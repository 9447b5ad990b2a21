"""What `foretype doctor` looks at: one function for each thing, which says what it found and how to mend it.

A check takes the folder of a workspace and its options, and yields findings; it changes nothing, and what it cannot
find out it says. A new check is one function in `CHECKS`. Secrets are counted, never told.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from foretype.lsp.options import WORKSPACE_FILE, Loaded, user_file

State = Literal["ok", "note", "problem"]

# Below these ghost text comes late, or less of the text around it fits before the deadline (docs/options.md).
_SLOW_PROMPT_TOKENS_PER_S, _SLOW_TOKEN_MS = 150.0, 80.0
_SLOW_DISK_MIB_PER_S = 100.0  # 0.5 GB of weights then take 5 s to load
_DISK_SAMPLE = 64 << 20
_FEW_CORES = 2
_MOST_FILES_SEARCHED = 5000  # for secrets
_REACH_S = 3.0


@dataclass(frozen=True)
class Finding:
    """`what` was found of `about`; `mend` is what to do about it, "" where nothing is to be done."""

    about: str
    state: State
    what: str
    mend: str = ""


Check = Callable[[Path, Loaded], Iterator[Finding]]


def versions(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """The program, and what it runs on."""
    version = importlib.metadata.version("foretype")
    yield Finding("foretype", "ok", f"{version}, Python {platform.python_version()}, {platform.platform(terse=True)}")


def options(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """The option files that were read, and what in them is wrong."""
    for path in (user_file(), root / WORKSPACE_FILE):
        if path.is_file():
            yield Finding("options", "ok", f"{path} is read")
    for problem in loaded.problems:
        yield Finding("options", "problem", problem, "correct that line; docs/options.md lists all options")
    if not loaded.options.completion.enabled:
        yield Finding("options", "note", "ghost text is off", "completion.enabled = true")


def processor(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """Cores, and the vector instructions that the engine is fast with."""
    from foretype.context.machine import cores

    found, flags = cores(), _cpu_flags()
    said = f"{found} physical core{'s' if found != 1 else ''}"
    if found < _FEW_CORES:
        yield Finding("processor", "note", said, "a smaller completion.prefix_tokens makes up for it in part")
    else:
        yield Finding("processor", "ok", said)
    if flags and "avx2" not in flags:
        yield Finding(
            "processor",
            "problem",
            "has no AVX2, so the engine is slow",
            'model.backend = "openai" uses a server instead',
        )
    elif flags and not {"avx512_vnni", "avx_vnni"} & flags:
        yield Finding("processor", "note", "has no VNNI instructions: prompts are read at about half the speed")


def model(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """Whether the model is there, whole, built, and fast enough."""
    from foretype.model import speed, store
    from foretype.model.backend import ModelError
    from foretype.model.catalogue import gguf_path
    from foretype.model.digests import computed

    chosen = loaded.options.model
    if chosen.backend != "local":
        return
    pull = f"foretype model pull {chosen.name}"
    try:
        target = store.resolve(chosen.name, chosen.adapter)
        built = store.find(chosen.name, chosen.adapter)
    except ModelError as error:
        yield Finding("model", "problem", str(error), "foretype model list names what there is")
        return
    if target.ready is None and target.gguf == gguf_path(target.entry):
        if not target.gguf.is_file():
            yield Finding("model", "problem" if built is None else "note", f"{chosen.name} is not pulled", pull)
        elif computed(target.gguf) != target.entry.sha256:
            yield Finding("model", "problem", f"{target.gguf} is damaged: another SHA-256 than the catalogue's", pull)
        else:
            yield Finding("model", "ok", f"{chosen.name} is pulled, its SHA-256 is right")
    if built is None:
        yield Finding("model", "problem", f"{chosen.name} is not built", pull)
        return
    yield Finding("model", "ok", f"built in {built.folder}, adapter: {built.manifest.get('adapter') or 'none'}")
    yield from _disk(built.model)
    try:
        measured = speed.choose(speed.measured(built.model, chosen.threads), chosen.engine)
    except (ModelError, KeyError) as error:
        yield Finding("engine", "problem", f"cannot be measured: {error}", "foretype model bench")
        return
    said = f"{measured.engine}: {measured.prompt_tokens_per_s:.0f} prompt tokens/s, {measured.token_ms:.0f} ms a token"
    if measured.prompt_tokens_per_s < _SLOW_PROMPT_TOKENS_PER_S or measured.token_ms > _SLOW_TOKEN_MS:
        mend = "close what keeps the processor busy and measure again with `foretype model bench`, or use a server"
        yield Finding("engine", "note", f"{said}: slow, suggestions will be late or short", mend)
    else:
        yield Finding("engine", "ok", said)
    if chosen.engine == "auto" and measured.engine == "onnx" and not _is_installed("openvino"):
        yield Finding(
            "engine",
            "note",
            "OpenVINO may read long prompts faster on this machine",
            "pip install 'foretype[openvino]'",
        )


def backend(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """Whether a server that completions are asked of can be reached."""
    chosen = loaded.options
    if chosen.model.backend != "openai":
        return
    import httpx

    url = chosen.openai.url
    try:
        answer = httpx.get(f"{url.rstrip('/')}/models", timeout=_REACH_S, follow_redirects=False, trust_env=False)
        yield Finding("server", "ok", f"{url} answers ({answer.status_code})")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        mend = "start it, or correct openai.url in your options"
        yield Finding("server", "problem", f"{url} cannot be reached: {type(error).__name__}", mend)


def workspace(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """What of the workspace may be read, and how much is left out, by reason."""
    from foretype.context import languages, secrets
    from foretype.context.guard import Guard, content_refusal

    guard = Guard(root, loaded.options.context.include)
    readable = searched = refused = holding = 0
    for path, _ in guard.files(lambda path: languages.find("", path) is not None):
        readable += 1
        if searched == _MOST_FILES_SEARCHED:
            continue
        try:
            source = (guard.root / path).read_bytes()
        except OSError:
            continue
        searched += 1
        if content_refusal(source):
            refused += 1
        elif secrets.secret(source.decode("utf-8", "replace")):
            holding += 1
    yield Finding("workspace", "ok", f"{guard.root}: {readable} source files may be read")
    left_out = {**guard.refused, **({"generated or binary by content": refused} if refused else {})}
    if left_out:
        counts = ", ".join(f"{reason} {count}" for reason, count in sorted(left_out.items(), key=lambda pair: -pair[1]))
        yield Finding("workspace", "ok", f"left out, files and folders: {counts}")
    if holding:
        of = "" if searched == readable else f" of the first {searched}"
        yield Finding("workspace", "note", f"files{of} with what looks like a secret, which is never shown: {holding}")


CHECKS: tuple[Check, ...] = (versions, options, processor, model, backend, workspace)


def _disk(file: Path) -> Iterator[Finding]:
    """How fast the weights come from the disk; only Linux lets go of what it has read before."""
    if not hasattr(os, "posix_fadvise"):
        return
    weights = max((each for each in file.parent.iterdir() if each.is_file()), key=lambda each: each.stat().st_size)
    with weights.open("rb", buffering=0) as opened:
        os.posix_fadvise(opened.fileno(), 0, _DISK_SAMPLE, os.POSIX_FADV_DONTNEED)
        started = time.perf_counter()
        size = len(opened.read(_DISK_SAMPLE))
        speed = size / (1 << 20) / max(1e-9, time.perf_counter() - started)
    if speed < _SLOW_DISK_MIB_PER_S:
        yield Finding(
            "disk", "note", f"{speed:.0f} MiB/s: the model loads slowly", "move FORETYPE_CACHE to a faster disk"
        )
    else:
        yield Finding("disk", "ok", "the weights are read fast enough")


def _cpu_flags() -> frozenset[str]:
    """The processor's instruction sets as Linux names them; empty where that cannot be known."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        return frozenset()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                return frozenset(line.split())
    except OSError:
        pass
    return frozenset()


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
