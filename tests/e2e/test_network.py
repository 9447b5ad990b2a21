"""What leaves the machine: by default nothing, with the network cut off where that can be; to a server, what is asked.

Every call that opens, binds or names a socket is written down, in the server and in its children."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planted_secrets import PLANTED
from serving import INVOKED, METHOD, SERVE, options, place, status, until, wait_for_state
from stub_openai import StubOpenAI

from foretype.eval import sandbox
from foretype.lsp.wire import Client
from foretype.model import sent

SECRET_LINE = PLANTED["aws_key"]
SECRET = SECRET_LINE.split('"')[1]
AREA = "def area(width, height):\n    return width * height\n"
MAIN = "from shapes import area\n\n\ndef report(room):\n    total = area(\n    return total\n"
# Python runs it at its start. An audit hook cannot be taken out again (PEP 578).
RECORDER = """\
import os, sys

def hook(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname", "socket.setsockopt"):
        with open(os.environ["RECORD"], "a") as record:
            record.write(event + " " + " ".join(map(repr, arguments[-1:])) + "\\n")

sys.addaudithook(hook)
"""


class Recorded:
    """The environment of a process whose use of sockets is written down, and what was."""

    def __init__(self, folder: Path) -> None:
        self._record = folder / "sockets"
        (folder / "hook").mkdir()
        (folder / "hook" / "sitecustomize.py").write_text(RECORDER)
        self.environment = {
            **{
                "PYTHONPATH": str(folder / "hook"),
                "RECORD": str(self._record),
                "FORETYPE_CACHE": str(folder / "cache"),
                "FORETYPE_DATA": str(folder / "data"),
            },
            **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://203.0.113.1:9"),
        }

    @property
    def calls(self) -> list[str]:
        return self._record.read_text().splitlines() if self._record.exists() else []

    @property
    def beyond_this_process(self) -> list[str]:
        """Those that are not of a pipe between processes of this user: a path in place of a host and a port."""
        return [call for call in self.calls if "'/" not in call and "b'\\x00" not in call and "''" not in call]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    (root / "shapes.py").write_text(AREA)
    (root / "main.py").write_text(MAIN)
    (root / ".env").write_text("TOKEN=the-env-file\n")
    (root / "ignored.py").write_text("def area_ignored():\n    return 'the-ignored-file'\n")
    (root / ".gitignore").write_text("ignored.py\n")
    (root / "keys.py").write_text(f"def area_key(width):\n    {SECRET_LINE}    return area(width)\n")
    return root


@pytest.fixture
def model(tiny_build: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_build, tmp_path / "tiny"))
    (folder / "manifest.json").write_text(json.dumps({"family": "qwen2.5-coder"}))
    return folder


def cut_off() -> list[str]:
    """What a command is put behind to have no network at all; nothing where this machine cannot do that."""
    try:
        command = [sandbox._find(), "--dev-bind", "/", "/", "--unshare-net", "--die-with-parent", "--"]
        done = subprocess.run([*command, sys.executable, "-c", ""], capture_output=True, timeout=60)
    except (sandbox.SandboxError, OSError, subprocess.SubprocessError):
        return []
    return [] if done.returncode else command


def use(client: Client, root: Path) -> None:
    """Ghost text, an edit, what follows from it, figures: what a user does in a session."""
    uri = client.open(root / "main.py", "python")
    client.request(METHOD, place(uri, 4, 17, INVOKED), timeout=60)
    client.change(
        uri, {"range": {"start": {"line": 3, "character": 4}, "end": {"line": 3, "character": 10}}, "text": "told"}
    )
    client.request(
        "foretype/nextEdits", {"textDocument": {"uri": uri}, "position": {"line": 3, "character": 8}}, timeout=60
    )
    client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
    client.request("foretype/stats")
    until(lambda: status(client)["counts"]["requests"] == 1)


def test_nothing_leaves_the_machine(root: Path, model: Path, recorded: Recorded) -> None:
    chosen = {"model": {"name": str(model), "adapter": "none", "share": False}, "context": {"enabled": True}}
    with Client.start([*cut_off(), *SERVE], env=recorded.environment, cwd=root) as client:
        client.initialize(root, chosen, ("utf-16",))
        wait_for_state(client, "ready", 120)
        use(client, root)
        assert status(client)["last"]["prompt_tokens"] > 0
    assert recorded.beyond_this_process == []


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        yield stub


def test_with_a_server_it_alone_is_asked_and_gets_no_secret(root: Path, recorded: Recorded, stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "1, 2)"
    chosen: dict[str, Any] = options(stub.url) | {"context": {"enabled": True, "tokens": 4000}}
    chosen["openai"]["family"] = "qwen2.5-coder"
    environment = recorded.environment | {"FORETYPE_API_KEY": ""}
    with Client.start(SERVE, env=environment, cwd=root) as client:
        client.initialize(root, chosen, ("utf-16",))
        wait_for_state(client, "ready", 60)
        uri = client.open(root / "main.py", "python")

        def prompt() -> str:
            before = len(stub.requests)
            client.request(METHOD, place(uri, 4, 17, INVOKED), timeout=60)
            until(lambda: len(stub.requests) > before)
            return str(stub.requests[-1]["prompt"])

        until(lambda: "return width * height" in prompt(), timeout=60)
    bodies = json.dumps(stub.requests)
    assert "def report(room)" in bodies and "return width * height" in bodies
    assert not any(
        word in bodies for word in ("the-env-file", "the-ignored-file", SECRET, str(root), os.path.expanduser("~"))
    )
    # what the user can look up afterwards: each request, and the files whose text was in it
    kept = sent.read(Path(environment["FORETYPE_DATA"]) / "sent.jsonl").requests
    assert len(kept) == len(stub.requests) and set(kept[-1].files) == {"main.py", "shapes.py"}
    fields = {"model", "prompt", "max_tokens", "temperature", "stream", "stop", "logprobs", "stream_options"}
    assert all(request.keys() <= fields | {"skip_special_tokens"} for request in stub.requests)
    address = repr(("127.0.0.1", int(stub.url.rpartition(":")[2])))
    connected = {call for call in recorded.beyond_this_process if call.startswith("socket.connect")}
    assert connected == {f"socket.connect {address}"}
    # the address is no name, so that nobody is asked where it is
    assert not any(call.startswith(("socket.gethostby", "socket.sendto")) for call in recorded.calls)


def test_the_recorder_sees_what_leaves(recorded: Recorded) -> None:
    code = "import socket\nsocket.socket(type=socket.SOCK_DGRAM).connect_ex(('203.0.113.1', 9))"
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {code!r}])"
    subprocess.run([sys.executable, "-c", child], env=os.environ | recorded.environment, check=True, timeout=60)
    assert any("203.0.113.1" in call for call in recorded.beyond_this_process)
