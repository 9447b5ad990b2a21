"""A team's server: the real language server before llama.cpp's, which has the default model's weights and a key."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from typing import Any

import llama_server
import pytest
from serving import INVOKED, METHOD, SERVE, place, status, until, wait_for_state

from foretype.lsp.wire import Client

KEY = "FORETYPE_TEAM_KEY"
CODE = "import os\n\n\ndef sizes(folder):\n    for name in os.listdir(folder):\n        path = {}\n    return path\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    if not (llama_server.program() and llama_server.weights()):
        pytest.skip("run tests/e2e/llama_server.py and foretype model pull")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY, secrets.token_hex(16))
        server = llama_server.start(port, "--parallel", "1", "--api-key", os.environ[KEY])
        try:
            until(lambda: llama_server.is_well(f"http://127.0.0.1:{port}"), timeout=120)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()
            server.communicate()


def editor(url: str, **openai: Any) -> Client:
    client = Client.start(SERVE)
    remote = {"url": url, "model": "team", "family": "qwen2.5-coder", "api_key_env": KEY, "timeout_s": 60.0, **openai}
    options = {
        "model": {"backend": "openai"},
        "openai": remote,
        "completion": {"debounce_ms": 0, "max_tokens_single": 12, "gate": 0},
    }
    client.initialize(None, options)
    wait_for_state(client, "ready", 60)
    return client


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    client = editor(url)
    yield client
    client.close()


def answer(client: Client, uri: str, line: int, character: int) -> str | None:
    """The ghost text there; one thread may take a while to read the first prompt."""
    given = client.request(METHOD, place(uri, line, character, INVOKED), timeout=60)
    return given and given["items"][0]["insertText"]


def test_it_finishes_the_line(client: Client) -> None:
    uri = client.open("a.py", "python", CODE.format("os.path.j"))
    assert answer(client, uri, 5, 8 + len("path = os.path.j")) == "oin(folder, name)"


def test_what_it_has_read_is_not_read_again_while_somebody_types(client: Client) -> None:
    """The file is long, so that nearly all of a prompt is text before the cursor, and stays."""
    above = "".join(f"def area_{at}(width, height):\n    return {at} * width * height\n\n\n" for at in range(16))
    line = above.count("\n")
    uri = client.open("long.py", "python", above)
    typed = "def volume("
    for column, letter in enumerate(typed):
        end = {"line": line, "character": column}
        client.change(uri, {"range": {"start": end, "end": end}, "text": letter})
        answer(client, uri, line, column + 1)
    tokens = status(client)["tokens"]
    assert tokens["prompt"] > 200 * 3  # it was asked at several of the keys; at the others it had foreseen them
    assert tokens["cached"] / tokens["prompt"] > 0.5


def test_a_wrong_key_is_said_on_one_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETYPE_OTHER_KEY", "not it")
    client = editor(url, api_key_env="FORETYPE_OTHER_KEY")
    uri = client.open("a.py", "python", CODE.format("os"))
    assert answer(client, uri, 5, 8 + len("path = os")) is None
    assert "FORETYPE_OTHER_KEY" in status(client)["message"]
    client.close()
