"""What all tests share: no user's own settings, skips that fail in CI, one tiny model a run, how much is fuzzed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tiny_model import random_weights, write_gguf

from foretype.model.build import build
from foretype.model.tokenizer import Vocab

# FORETYPE_FUZZ=nightly multiplies the cases of `fuzzing.cases`, and those of tests that say no number, by ten.
settings.register_profile("quick", deadline=None, max_examples=100)
settings.register_profile("nightly", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("FORETYPE_FUZZ", "quick"))


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty options file and an event log of their own, for this process and for the servers that it starts."""
    empty = tmp_path_factory.mktemp("settings") / "foretype.toml"
    empty.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORETYPE_CONFIG", str(empty))
        patch.setenv("FORETYPE_DATA", str(empty.with_name("data")))
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`random_weights()` in a GGUF file."""
    return write_gguf(tmp_path_factory.mktemp("tiny") / "tiny.gguf", random_weights())


@pytest.fixture(scope="session")
def tiny_build(tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its build, nothing quantized."""
    folder = tmp_path_factory.mktemp("build")
    build(tiny_gguf, folder, plan=lambda name: None)
    return folder


@pytest.fixture(scope="session")
def vocab(tiny_build: Path) -> Vocab:
    return Vocab(tiny_build / "tokenizer.json")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """In CI everything that can be tested is installed: a skip is a failure there."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure where CI is set: {report.longrepr}"
    return report
