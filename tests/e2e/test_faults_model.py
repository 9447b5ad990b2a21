"""A model's files that are replaced, cut and put back while a shared engine has the model open."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from killing import Property
from tiny_model import random_weights, write_gguf

from foretype.model.backend import BackendError, Cancel, FimRequest
from foretype.model.build import build
from foretype.model.shared import EngineUnreachable, Settings, SharedBackend

REQUEST = FimRequest("def f(a):\n    retu", "\n", path="a.py", max_tokens=12)
OTHER = FimRequest("x = 1\nprint(x", "\n", path="b.py", max_tokens=12)


@pytest.fixture
def model(tiny_build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model's folder, and engines of the test's own."""
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    yield _named(shutil.copytree(tiny_build, tmp_path / "model"))
    _end_engines(tmp_path / "cache")


def _named(folder: Path) -> Path:
    (folder / "manifest.json").write_text(json.dumps({"family": "qwen2.5-coder"}), "utf-8")
    return folder


def _end_engines(cache: Path) -> None:
    for address in cache.glob("engines/*/address.json"):
        try:
            engine = psutil.Process(json.loads(address.read_text("utf-8"))["pid"])
            engine.kill()
            engine.wait(30)
        except psutil.NoSuchProcess:
            pass


def _answer(backend: SharedBackend, request: FimRequest) -> str:
    """What is answered; where nothing can be, the one line that says why."""
    try:
        return backend.complete(request, Cancel()).text
    except (BackendError, EngineUnreachable) as error:
        assert len(str(error).splitlines()) == 1
        return f"error: {error}"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are in use from being replaced")
def test_a_model_that_is_replaced_while_it_is_used(model: Path, tmp_path: Path, record_property: Property) -> None:
    record_property("row", "model swapped while in use")
    settings = Settings(str(model), "none", context_tokens=512)
    backend = SharedBackend(settings)
    before = [_answer(backend, request) for request in (REQUEST, OTHER)]
    built = tmp_path / "new"
    built.mkdir()
    build(write_gguf(tmp_path / "new.gguf", random_weights(seed=5)), built, plan=lambda name: None)
    os.replace(model, tmp_path / "old")
    os.replace(_named(built), model)
    assert [_answer(backend, request) for request in (REQUEST, OTHER)] == before  # what is open stays as it is
    backend.close()
    _end_engines(tmp_path / "cache")
    again = SharedBackend(settings)
    after = [_answer(again, request) for request in (REQUEST, OTHER)]
    again.close()
    assert after != before and not any(text.startswith("error") for text in after)


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are in use from being cut")
def test_a_model_that_is_cut_while_it_is_used(model: Path, record_property: Property) -> None:
    record_property("row", "model swapped while in use")
    backend = SharedBackend(Settings(str(model), "none", context_tokens=512))
    before = [_answer(backend, request) for request in (REQUEST, OTHER)]
    whole = {file: file.read_bytes() for file in model.iterdir()}
    for file in whole:
        os.truncate(file, 0)
    # the engine may go on with what it has read, or die of it; whoever asked does not
    for request, text in zip((REQUEST, OTHER), before, strict=True):
        assert _answer(backend, request) == text or _answer(backend, request).startswith("error: ")
    for file, data in whole.items():
        file.write_bytes(data)
    assert [_answer(backend, request) for request in (REQUEST, OTHER)] == before
    backend.close()
