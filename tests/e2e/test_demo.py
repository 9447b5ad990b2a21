"""The demo: its places are still in the files, and it plays with the real server around a scripted model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stub_openai import StubOpenAI

from foretype.eval import demo
from foretype.eval.typing.editor import Document
from foretype.lsp.wire import Client


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        yield stub


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The options file of the servers started from here on."""
    file = tmp_path / "foretype.toml"
    monkeypatch.setenv("FORETYPE_CONFIG", str(file))
    return file


def scripted(url: str) -> str:
    openai = f'url = "{url}"\nmodel = "scripted"\nretries = 0'
    return f'[model]\nbackend = "openai"\n[openai]\n{openai}\n[completion]\ndebounce_ms = 0\n'


@pytest.mark.parametrize("scene", demo.SCENES, ids=lambda scene: scene.title)
def test_the_places_are_in_the_files(scene: demo.Scene) -> None:
    before, taken, after = demo.cut(scene)
    assert before.endswith(scene.anchor) and after.startswith(scene.until)
    assert taken.strip()


def test_a_place_that_is_gone_or_twice_there_is_told() -> None:
    with pytest.raises(demo.DemoError, match=r"context/text\.py has changed"):
        demo.cut(demo.Scene("", "context/text.py", "nowhere in this file"))
    with pytest.raises(demo.DemoError, match=r"context/text\.py has changed"):
        demo.cut(demo.Scene("", "context/text.py", "return"))


def test_it_plays(stub: StubOpenAI, configured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {demo.cut(scene)[0]: demo.cut(scene)[1] for scene in demo.SCENES}
    stub.script = lambda prompt, suffix: "" if prompt.endswith('"shown": ') else wanted.get(prompt, "something_else")
    configured.write_text(scripted(stub.url), "utf-8")
    assert demo.main() == 0
    out = capsys.readouterr().out
    assert "def invisible(text: str, place⟨: Place) -> str:⟩" in out
    assert "accepted  def invisible(text: str, place: Place) -> str:" in out
    assert "no suggestion: the model proposed nothing" in out
    assert "if seen + width⟨something_else⟩" in out and "has something else: > units:" in out
    requests = sum(len(scene.typed) for scene in demo.SCENES)
    assert len(stub.requests) == requests
    assert f"{requests - 1} suggestions for {requests} requests" in out and out.rstrip().endswith("1 accepted.")


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ('[model]\nname = "nonesuch"', "no model is called 'nonesuch'"),
        (scripted("http://127.0.0.1:9"), "127.0.0.1:9"),
    ],
)
def test_a_failure_is_one_line(configured: Path, capsys: pytest.CaptureFixture[str], config: str, why: str) -> None:
    configured.write_text(config, "utf-8")
    assert demo.main() == 1
    error = capsys.readouterr().err
    assert why in error and error.count("\n") == 1


def test_accepting_edits_the_document_as_the_server_sees_it(stub: StubOpenAI, configured: Path, tmp_path: Path) -> None:
    configured.write_text(scripted(stub.url), "utf-8")
    stub.answers.extend(["a: 1,\n    b: 2", "done"])
    with Client.start(demo.SERVE) as client:
        client.initialize(tmp_path, {"completion": {"mode": "multi"}})
        client.wait_for_notification("foretype/didChangeStatus", lambda status: status["state"] == "ready")
        document = Document(client, tmp_path / "a.js", "javascript", "const 𝒳 = {\n  '𝒳': 0, ", "\n}\n")
        answer = document.ask(10)
        assert answer.item and answer.last["tokens"] >= 0
        document.accept(answer.item)
        assert document.text == "const 𝒳 = {\n  '𝒳': 0, a: 1,\n    b: 2\n}\n"
        document.type(" /* ")
        assert document.line == ("    b: 2 /* ", "")
        document.ask(10)
        assert stub.requests[-1]["prompt"] + stub.requests[-1]["suffix"] == document.text
        assert client.request("foretype/status")["counts"]["accepted"] == 1
