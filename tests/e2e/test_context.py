"""The real server with a workspace on disk: what of other files reaches the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import METHOD, SERVE, options, place, until, wait_for_state
from stub_openai import StubOpenAI

from foretype.lsp.wire import Client

AREA = 'def area(width: float, height: float) -> float:\n    """In square units."""\n    return width * height\n'
MAIN = "from shapes import area\n\n\ndef report(room):\n    total = area()\n    return total\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work space ü"
    root.mkdir()
    (root / "shapes.py").write_text(AREA, "utf-8")
    (root / "main.py").write_text(MAIN, "utf-8")
    return root


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        yield stub


def start(
    root: Path, stub: StubOpenAI, tmp_path: Path, edits: dict[str, object] | None = None, **context: object
) -> Client:
    chosen = options(stub.url)
    chosen["openai"]["family"] = "qwen2.5-coder"
    client = Client.start(SERVE, env={"FORETYPE_CACHE": str(tmp_path / "cache")})
    client.initialize(root, {**chosen, "context": context, "edits": edits or {}}, ("utf-16",))
    wait_for_state(client, "ready")
    return client


def prompt_at(client: Client, stub: StubOpenAI, uri: str) -> str:
    """What the model is asked inside the call's brackets."""
    before = len(stub.requests)
    client.request(METHOD, place(uri, 4, 17))
    until(lambda: len(stub.requests) > before)
    return stub.requests[-1]["prompt"]


def test_a_definition_in_another_file_is_in_the_prompt_and_stays_fresh(root, stub, tmp_path) -> None:
    with start(root, stub, tmp_path, enabled=True) as client:
        uri = client.open(root / "main.py", "python")
        until(lambda: "def area(width: float, height: float)" in prompt_at(client, stub, uri), timeout=20)
        prompt = prompt_at(client, stub, uri)
        assert prompt.index("def area(") < prompt.index("def report(")
        assert prompt.count("def report(") == 1

        (root / "shapes.py").write_text(AREA.replace("width", "breadth"), "utf-8")
        changed = {"uri": (root / "shapes.py").as_uri(), "type": 2}
        client.notify("workspace/didChangeWatchedFiles", {"changes": [changed]})
        other = client.open(root / "shapes.py", "python")  # another file in between: the choice is made anew
        client.request(METHOD, place(other, 0, 0))
        until(lambda: "def area(breadth: float" in prompt_at(client, stub, uri), timeout=20)


def test_secrets_stay_out(root, stub, tmp_path) -> None:
    key = "AKIA" + "Q3EGRZ5VNT2XYLW7"
    (root / "shapes.py").write_text(AREA.replace("(width", f'(key="{key}", width'), "utf-8")
    with start(root, stub, tmp_path, enabled=True) as client:
        uri = client.open(root / "main.py", "python")
        similar = "def total_of(room):\n    total = area()\n    return total\n"
        (root / "other.py").write_text(similar, "utf-8")
        client.notify(
            "workspace/didChangeWatchedFiles", {"changes": [{"uri": (root / "other.py").as_uri(), "type": 1}]}
        )
        until(lambda: key not in prompt_at(client, stub, uri))
    assert all(key not in request["prompt"] for request in stub.requests)


def test_a_document_outside_does_not_pass_for_a_file_of_the_same_name(root, stub, tmp_path) -> None:
    outside = tmp_path / "shapes.py"
    outside.write_text(AREA.replace("width", "breadth"), "utf-8")
    with start(root, stub, tmp_path, enabled=True) as client:
        client.open(outside, "python")
        uri = client.open(root / "main.py", "python")
        until(lambda: "def area(width: float" in prompt_at(client, stub, uri), timeout=20)
    assert all("breadth" not in request["prompt"] for request in stub.requests)


def test_nothing_of_other_files_where_it_is_off(root, stub, tmp_path) -> None:
    with start(root, stub, tmp_path, {"enabled": False}, enabled=False) as client:
        uri = client.open(root / "main.py", "python")
        assert "square units" not in prompt_at(client, stub, uri)
    assert not (tmp_path / "cache").exists()
