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
from typing import TYPE_CHECKING, Literal

from foretype.lsp import instructions, rivals
from foretype.lsp.options import WORKSPACE_FILE, Loaded, ModelOptions, user_file

if TYPE_CHECKING:
    from foretype.model.speed import Speed

State = Literal["ok", "note", "problem"]

# Below these ghost text comes late, or less of the text around it fits before the deadline (docs/options.md).
_SLOW_PROMPT_TOKENS_PER_S, _SLOW_TOKEN_MS = 150.0, 80.0
_SLOW_DISK_MIB_PER_S = 100.0  # 0.5 GB of weights then take 5 s to load
_DISK_SAMPLE = 64 << 20
_FEW_CORES = 2
_SHORTER = "completion.prefix_tokens = 128"
_USE_A_SERVER = 'model.backend = "openai" has another machine compute it (docs/models.md)'
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
        yield Finding("options", "note", "ghost text is off", f"completion.enabled = true in {user_file()}")


def processor(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """Cores, and the vector instructions that the engine is fast with."""
    from foretype.context.machine import cores

    found, asked = cores(), loaded.options.model.threads
    said = f"{found} physical core{'s' if found != 1 else ''}"
    if found < _FEW_CORES:
        yield Finding("processor", "note", f"{said}: prompts are read slowly", f"{_SHORTER} in {user_file()}")
    else:
        yield Finding("processor", "ok", said)
    if asked > found:
        what = f"model.threads is {asked}, more than there are cores: threads wait for each other"
        yield Finding("processor", "note", what, "leave model.threads out, or set it to 0")
    flags = instructions.known()
    if platform.machine().lower() in ("arm64", "aarch64"):
        if flags and "asimddp" not in flags:
            yield Finding("processor", "note", "has no dot product instructions: the engine is slow", _USE_A_SERVER)
    elif flags and "avx2" not in flags:
        yield Finding("processor", "problem", "has no AVX2, so the engine is slow", _USE_A_SERVER)
    elif sys.platform == "linux" and flags and not {"avx512_vnni", "avx_vnni"} & flags:
        what = "has no VNNI instructions: prompts are read at about half the speed"
        yield Finding("processor", "note", what, f"{_SHORTER} in {user_file()}, if suggestions come late")


def model(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """Whether the model is there, whole, built, and fast enough."""
    from foretype.model import store
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
        measured = _speed(built.model, chosen)
    except (ModelError, KeyError) as error:
        yield Finding("engine", "problem", f"cannot be measured: {error}", "foretype model bench")
        return
    said = f"{measured.engine}: {measured.prompt_tokens_per_s:.0f} prompt tokens/s, {measured.token_ms:.0f} ms a token"
    if _is_slow(measured):
        mend = "close what keeps the processor busy and run `foretype doctor` again, or use a server"
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
    """Whether what computes completions instead of the built-in engine is there, or can be reached."""
    chosen = loaded.options
    if chosen.model.backend == "hf" and not all(map(_is_installed, ("torch", "transformers"))):
        yield Finding("server", "problem", "torch and transformers are missing", "pip install 'foretype[train]'")
    if chosen.model.backend != "openai":
        return
    import httpx
    from filelock import Timeout

    from foretype.lsp.host import open_backend
    from foretype.model import sent
    from foretype.model.backend import ModelError

    try:
        open_backend(chosen, lambda *_: None).close()
    except ModelError as error:
        yield Finding("server", "problem", str(error), f"correct [openai] in {user_file()}; docs/options.md lists all")
        return
    url, key = chosen.openai.url, chosen.openai.api_key_env
    address = httpx.URL(url)
    local = address.host in ("localhost", "127.0.0.1", "::1")
    try:
        sent.record(sent.trail(), sent.Sent(int(time.time() * 1000), address.netloc.decode(), local, 0))
    except (OSError, Timeout) as error:
        mend = f"make {sent.trail().parent} writable; suggestions go on without"
        yield Finding("server", "problem", f"what is sent cannot be written down: {error}", mend)
    try:
        answer = httpx.get(f"{url.rstrip('/')}/models", timeout=_REACH_S, follow_redirects=False, trust_env=not local)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        mend = f"start it, or correct openai.url in {user_file()}"
        yield Finding("server", "problem", f"{url} cannot be reached: {type(error).__name__}", mend)
        return
    if answer.status_code in (401, 403) and not os.environ.get(key):
        mend = f"export {key}=... where the editor is started"
        yield Finding("server", "problem", f"{url} wants a key ({answer.status_code})", mend)
    elif answer.status_code >= 500:
        yield Finding("server", "problem", f"{url} fails ({answer.status_code})", "see that server's log, restart it")
    else:
        yield Finding("server", "ok", f"{url} answers ({answer.status_code})")


def telemetry(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """Whether the event log is written, without which there is no report."""
    from foretype.lsp.log import installation
    from foretype.lsp.log.command import status

    found = status()
    if found["problem"]:
        yield Finding("event log", "problem", str(found["problem"]), "foretype telemetry purge begins a new one")
    if installation.switched_off():
        yield Finding("event log", "note", "is switched off: there is nothing to report", "foretype telemetry on")
    elif not loaded.options.telemetry.enabled:
        what = "telemetry.enabled is false: there is nothing to report"
        yield Finding("event log", "note", what, f"take it out of {user_file()} or {root / WORKSPACE_FILE}")
    elif not found["problem"]:
        yield Finding("event log", "ok", f"{found['path']}, {found['opportunities']} opportunities; never sent")


def gate(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """Whether the weights that the user's own log was fitted to are used; there need be none."""
    from foretype.lsp.gate import own_file, read

    file, model, again = own_file(), loaded.options.model_name, "foretype gate fit --from-events"
    if not file.is_file():
        return
    try:
        fitted = read(file.read_text("utf-8")).model
    except (OSError, ValueError) as error:
        yield Finding("gate", "problem", f"{file} is left out: {error}", f"{again}, or delete it")
        return
    if fitted == model:
        yield Finding("gate", "ok", f"{file} is used, for {model}")
    else:
        yield Finding("gate", "note", f"{file} is for {fitted or 'no model'}, not {model}", again)


def plugins(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """Whether something else may draw ghost text where ours is."""
    for rival in rivals.found(Path(os.path.expanduser("~"))):
        what = f"{rival.name} is installed in {rival.editor} too: if it is on, two draw ghost text at one place"
        yield Finding("plugins", "note", what, rival.mend)


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


CHECKS: tuple[Check, ...] = (versions, options, processor, model, backend, plugins, telemetry, gate, workspace)


def _speed(model: Path, chosen: ModelOptions) -> Speed:
    """As remembered, unless that is slow: the machine may have been busy then. Raises `ModelError`, `KeyError`."""
    from foretype.model import speed

    measured = speed.choose(speed.measured(model, chosen.threads), chosen.engine)
    if _is_slow(measured):
        measured = speed.choose(speed.measured(model, chosen.threads, anew=True), chosen.engine)
    return measured


def _is_slow(measured: Speed) -> bool:
    return measured.prompt_tokens_per_s < _SLOW_PROMPT_TOKENS_PER_S or measured.token_ms > _SLOW_TOKEN_MS


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


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
