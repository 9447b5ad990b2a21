"""A completion server that dies, hangs and comes back while somebody types into the real language server.

The completion server is a process of its own: a scripted one, and llama.cpp's with the default model's weights. The
local model is a tiny one with random weights: what it says is nonsense, who says it is in the status.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llama_server
import pytest
from serving import INVOKED, SERVE, ask, status, wait_for_state

from foretype.lsp.wire import Client

STUB = """
import sys
sys.path.insert(0, sys.argv[1])
from stub_openai import StubOpenAI
with StubOpenAI(int(sys.argv[2])) as stub:
    stub.script = lambda prompt, suffix: "remote_answer"
    print("ready", flush=True)
    sys.stdin.read()
"""
PAUSE = signal.SIGSTOP if hasattr(signal, "SIGSTOP") else None


class Remote:
    """A completion server on a port of its own, which can be killed and started again."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        if self.kind == "stub":
            command = [sys.executable, "-c", STUB, str(Path(__file__).parent), str(self.port)]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert self.process.stdout is not None and self.process.stdout.readline()
            return
        self.process = llama_server.start(self.port, "--parallel", "1")
        until(lambda: llama_server.is_well(self.url), timeout=120)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


class Typist:
    """Types into one document, and asks at each key for ghost text, as a person who wants it does."""

    def __init__(self, client: Client) -> None:
        self.client, self.line = client, ""
        self.uri = client.open("a.py", "python", "")

    def key(self, letter: str = "a") -> str:
        """Who answered at this key."""
        end = {"line": 0, "character": len(self.line)}
        self.client.change(self.uri, {"range": {"start": end, "end": end}, "text": letter})
        self.line += letter
        ask(self.client, self.uri, 0, len(self.line), INVOKED)
        return str(status(self.client)["model"])

    def lost_ms(self) -> float:
        """What the server cost the last request before the local model was asked."""
        return float(status(self.client)["last"]["stages_ms"]["model_lost"])


def until(true: Callable[[], Any], timeout: float = 30.0) -> None:
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture(params=["stub", "llama.cpp"])
def remote(request: pytest.FixtureRequest) -> Iterator[Remote]:
    if request.param != "stub" and not (llama_server.program() and llama_server.weights()):
        pytest.skip("run tests/e2e/llama_server.py and foretype model pull")
    server = Remote(request.param)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def model(tiny_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(tiny_build, tmp_path_factory.mktemp("models") / "tiny")
    (folder / "manifest.json").write_text(json.dumps({"name": "tiny", "family": "qwen2.5-coder"}))
    return folder


@pytest.fixture
def typist(remote: Remote, model: Path) -> Iterator[Typist]:
    options = {
        "model": {"backend": "openai", "fallback": "local", "name": str(model), "adapter": "none", "share": False},
        "openai": {"url": remote.url, "model": "team", "family": "qwen2.5-coder", "timeout_s": 60.0},
        "completion": {"debounce_ms": 0, "max_tokens_single": 4},
    }
    client = Client.start(SERVE)
    client.initialize(None, options)
    wait_for_state(client, "ready", 60)
    client.wait_for_notification("window/logMessage", lambda line: "stands by" in line["message"], 60)
    yield Typist(client)
    client.close()


def test_the_local_model_answers_when_the_server_is_killed_and_the_server_when_it_is_back(
    typist: Typist, remote: Remote
) -> None:
    assert [typist.key() for _ in range(3)] == ["openai:team"] * 3
    remote.kill()
    assert typist.key() == "tiny"
    assert typist.lost_ms() < 300
    assert "the local model answers" in status(typist.client)["message"]
    assert typist.key() == "tiny"  # nothing is asked of a server that is known to be down
    assert typist.lost_ms() < 300
    remote.start()
    until(lambda: typist.key() == "openai:team")
    assert status(typist.client)["message"] == ""


@pytest.mark.skipif(PAUSE is None, reason="only POSIX can freeze a process")
def test_a_server_that_hangs_is_found_out_long_before_its_time_is_up(typist: Typist, remote: Remote) -> None:
    assert typist.key() == "openai:team"
    os.kill(remote.process.pid, signal.SIGSTOP)
    try:
        until(lambda: typist.key() == "tiny")
        assert typist.lost_ms() < 1_000  # 100 ms of silence, 150 ms of a check; all of `openai.timeout_s` is 60 s
    finally:
        os.kill(remote.process.pid, signal.SIGCONT)
    until(lambda: typist.key() == "openai:team")


def test_a_workspace_cannot_have_a_model_stand_by(tmp_path: Path) -> None:
    from foretype.lsp.options import load

    (tmp_path / ".foretype.toml").write_text('[model]\nfallback = "local"\n[openai]\nconcurrent = 1000\n')
    loaded = load(tmp_path)
    assert loaded.options.model.fallback == "none" and loaded.options.openai.concurrent == 4
    assert len(loaded.problems) == 2
