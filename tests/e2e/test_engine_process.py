"""One engine process behind several backends: found, shared, cancelled, killed, and ended by itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path

import psutil
import pytest
from serving import until

from foretype.context.rows import Diagnostic, Diff, Excerpt, Window
from foretype.model import local
from foretype.model.backend import BackendError, Cancel, Cancelled, ContextFile, EditQuestion, FimRequest
from foretype.model.edit_format import EditRequest
from foretype.model.shared import Settings, SharedBackend, connect, token

REQUEST = FimRequest("def f(a):\n    retu", "\n", path="a.py", files=(ContextFile("b.py", "x = 1\n"),), max_tokens=12)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORETYPE_CACHE", str(folder))
        yield folder
        for address in folder.glob("engines/*/address.json"):
            psutil.Process(json.loads(address.read_text())["pid"]).kill()


@pytest.fixture(scope="module")
def settings(tiny_build: Path, cache: Path) -> Settings:
    model = shutil.copytree(tiny_build, cache / "tiny")
    manifest = json.loads((model / "manifest.json").read_text()) if (model / "manifest.json").exists() else {}
    (model / "manifest.json").write_text(json.dumps({**manifest, "family": "qwen2.5-coder"}))
    return Settings(str(model), "none", context_tokens=512)


@pytest.fixture
def backend(settings: Settings) -> Iterator[SharedBackend]:
    backend = SharedBackend(settings)
    yield backend
    backend.close()


def pid(settings: Settings) -> int:
    return int(json.loads((settings.folder / "address.json").read_text())["pid"])


def test_it_answers_as_the_model_in_the_process_does(backend: SharedBackend, settings: Settings) -> None:
    alone = local.open_backend(settings.name, settings.adapter, context_tokens=512)
    ours, theirs = backend.complete(REQUEST, Cancel()), alone.complete(REQUEST, Cancel())
    assert replace(ours, stages_ms={}, cached_tokens=0) == replace(theirs, stages_ms={}, cached_tokens=0)
    assert backend.name == alone.name
    assert backend.complete(REQUEST, Cancel()).cached_tokens > 0


def test_it_is_asked_for_edits_as_the_model_in_the_process_is(backend: SharedBackend, settings: Settings) -> None:
    history = (Diff("a.py", "@@ -1,1 +1,1 @@\n-x = 1\n+x = 2\n"),)
    said = (Diagnostic("a.py", 5, "ruff", "F821", "undefined"),)
    window = Window("a.py", 4, ("def f():", "    return x", "", "é = '\u2028'"))
    request = EditRequest("a.py", history, window, said, (Excerpt("b.py", "y = 1"),), (5, 6))
    alone = local.open_backend(settings.name, settings.adapter, context_tokens=512)
    question = EditQuestion(request, least_gap=-50.0, max_tokens=8)
    ours, theirs = backend.edit(question, Cancel()), alone.edit(question, Cancel())
    assert ours.finish and ours.window == (4, 8)
    assert replace(ours, stages_ms={}, cached_tokens=0) == replace(theirs, stages_ms={}, cached_tokens=0)


def test_the_stop_predicate_is_the_windows_own(backend: SharedBackend) -> None:
    said = []

    def stop(text: str) -> int | None:
        said.append(text)
        return 1 if len(said) == 3 else None

    result = backend.complete(replace(REQUEST, stop=stop), Cancel())
    assert (result.text, result.finish) == (said[-1][:1], "stop")
    assert len(said) == 3


def test_windows_share_a_process(backend: SharedBackend, settings: Settings) -> None:
    first = pid(settings)
    other = SharedBackend(settings)
    assert pid(settings) == first
    assert other.complete(REQUEST, Cancel()).text == backend.complete(REQUEST, Cancel()).text
    other.close()
    assert psutil.Process(first).nice() > psutil.Process().nice() or os.name == "nt"


def test_other_settings_have_another(backend: SharedBackend, settings: Settings) -> None:
    other = replace(settings, suffix_tokens=32)
    SharedBackend(other).close()
    assert pid(other) != pid(settings)


def test_many_windows_at_once_start_one(settings: Settings) -> None:
    mine = replace(settings, prefix_tokens=100)
    pids: list[int] = []

    def window() -> None:
        backend = SharedBackend(mine)
        backend.complete(REQUEST, Cancel())
        pids.append(pid(mine))
        backend.close()

    threads = [threading.Thread(target=window) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 4
    assert len(set(pids)) == 1


def test_cancelled_while_it_answers(backend: SharedBackend) -> None:
    cancel = Cancel()

    def stop(text: str) -> None:
        cancel.set()

    with pytest.raises(Cancelled):
        backend.complete(replace(REQUEST, stop=stop), cancel)
    assert backend.complete(REQUEST, Cancel()).text


def test_prepared(backend: SharedBackend) -> None:
    request = replace(REQUEST, prefix="x = 1\ny = ")
    backend.prepare(request, Cancel())
    result = backend.complete(request, Cancel())
    assert result.prompt_tokens - result.cached_tokens <= 1


def test_killed_in_between(backend: SharedBackend, settings: Settings) -> None:
    before = backend.complete(REQUEST, Cancel()).text
    first = pid(settings)
    os.kill(first, signal.SIGTERM)
    psutil.wait_procs([psutil.Process(first)] if psutil.pid_exists(first) else [], timeout=5)
    assert backend.complete(REQUEST, Cancel()).text == before
    assert pid(settings) != first


def test_it_ends_by_itself(settings: Settings) -> None:
    idle = replace(settings, idle_s=1.5)
    backend = SharedBackend(idle)
    process = psutil.Process(pid(idle))
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    assert backend.complete(REQUEST, Cancel()).text  # and comes back when it is needed
    backend.close()
    alone = replace(settings, alone_s=0.4)
    backend = SharedBackend(alone)
    process = psutil.Process(pid(alone))
    time.sleep(0.6)
    assert process.is_running()
    backend.close()
    until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def test_a_model_that_is_not_there(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(BackendError, match=f"there is no file {tmp_path / 'x.gguf'}"):
        SharedBackend(Settings(str(tmp_path / "x.gguf")))


def test_nobody_else_gets_in(backend: SharedBackend, settings: Settings) -> None:
    if os.name != "nt":
        assert (settings.folder / "token").stat().st_mode & 0o077 == 0
        assert settings.folder.stat().st_mode & 0o077 == 0
    address = json.loads((settings.folder / "address.json").read_text())["address"]
    with pytest.raises(AuthenticationError):
        Client(address, authkey=b"guessed")
    assert backend.complete(REQUEST, Cancel()).text


def test_a_window_that_speaks_nonsense_harms_nobody(backend: SharedBackend, settings: Settings) -> None:
    for nonsense in (b"", b"[]", b"\xff", b'{"do": "complete", "number": 1, "request": {}}', b'{"do": []}'):
        connection = connect(settings)
        connection.send_bytes(nonsense)
        connection.close()
    assert backend.complete(REQUEST, Cancel()).text


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_secret_that_others_can_read_is_none(tmp_path: Path) -> None:
    assert len(token(tmp_path)) == 32
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert token(tmp_path) == token(tmp_path)
    (tmp_path / "token").chmod(0o644)
    with pytest.raises(OSError, match="not this user's alone"):
        token(tmp_path)
