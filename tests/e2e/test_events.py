"""A scripted session with the real server gives exactly the rows that were scripted, event by event."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import METHOD, SERVE, options, place, start, wait_for_state
from stub_openai import StubOpenAI

from foretype.lsp.log import installation
from foretype.lsp.log.schema import COLUMNS
from foretype.lsp.log.store import reader
from foretype.lsp.options import Options
from foretype.lsp.wire import Client

URI = "file:///events/secret_file.py"


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        yield stub


class Typist:
    """A document of one line that is typed at its end, as an editor does that reports what it shows."""

    def __init__(self, client: Client) -> None:
        self.client, self.text = client, ""
        client.open(URI, "python", "")

    def put(self, text: str) -> None:
        here = {"line": 0, "character": len(self.text)}
        self.text += text
        self.client.change(URI, {"range": {"start": here, "end": here}, "text": text})

    def ask(self) -> Any:
        answer = self.client.request(METHOD, place(URI, 0, len(self.text)))
        item = answer["items"][0] if answer else None
        if item:
            self.client.notify("textDocument/didShowCompletion", {"item": item})
        return item

    def accept(self, item: Any) -> None:
        self.put(item["insertText"])
        command = item["command"]
        self.client.request("workspace/executeCommand", {name: command[name] for name in ("command", "arguments")})


def rows(*columns: str) -> list[tuple[Any, ...]]:
    connection = reader(installation.database())
    try:
        return connection.execute(f"SELECT {', '.join(columns)} FROM events ORDER BY at_ms, seq").fetchall()
    finally:
        connection.close()


def test_the_rows_of_a_session(stub: StubOpenAI) -> None:
    answers = {"a": "bc = secret_name", "z": "", "q": "uit()"}
    stub.script = lambda prompt, suffix: answers.get(prompt[-1:], "")
    with start(stub.url) as client:
        typist = Typist(client)
        typist.put("a")
        item = typist.ask()
        typist.put("b")  # typed as it says, nobody asks
        typist.accept({**item, "insertText": item["insertText"][1:]})
        typist.put("z")
        assert typist.ask() is None
        typist.put("q")
        rejected = typist.ask()
        client.notify("foretype/didReject", rejected["command"]["arguments"][0])
        typist.put("import everything that was copied")
        assert client.request("foretype/status")["counts"]["accepted"] == 1
    assert rows("origin", "attempted", "reason", "response", "recalled", "shown", "ending", "accepted_characters") == [
        ("typed", 1, "", "ready", 0, 1, "accepted", 15),
        ("typed", 1, "", "ready", 1, 0, "none", 0),
        ("accepted", 0, "", "", 0, 0, "none", 0),
        ("typed", 1, "empty", "empty", 0, 0, "none", 0),
        ("typed", 1, "", "ready", 0, 1, "rejected", 0),
        ("paste", 0, "", "", 0, 0, "none", 0),
    ]
    assert set(rows("language", "model", "inferred", "arms")) == {("python", "scripted", "", "{}")}
    assert all(total > model > 0 for total, model in rows("total_us", "model_us")[:1])
    assert len(set(rows("session", "installation"))) == 1


def test_no_code_no_path_no_name_is_in_the_file(stub: StubOpenAI, data: Path) -> None:
    stub.script = lambda prompt, suffix: "secret_suggestion()"
    with start(stub.url) as client:
        typist = Typist(client)
        typist.put("secret_text = ")
        typist.accept(typist.ask())
    assert len(rows(*COLUMNS)) >= 2
    held = b"".join(file.read_bytes() for file in data.glob("events*"))
    assert b"secret" not in held and b"file://" not in held


def test_switched_off_there_is_no_file(stub: StubOpenAI, data: Path) -> None:
    installation.switch(False)
    with start(stub.url) as client:
        Typist(client).put("a")
    assert not installation.database().exists()


def test_figures_of_the_day_for_a_status_line(stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "bcd"
    with start(stub.url) as client:
        typist = Typist(client)
        typist.put("a")
        typist.accept(typist.ask())
        deadline = time.monotonic() + 10
        while not (found := client.request("foretype/stats")) or not found["accepted"]:
            assert time.monotonic() < deadline
    assert found == {"opportunities": 1, "shown": 1, "accepted": 1, "accepted_characters": 3, "cpo": 3.0}


def test_a_log_that_cannot_be_written_is_said_once_and_suggestions_go_on(stub: StubOpenAI, data: Path) -> None:
    data.write_text("a file where the folder should be")
    stub.script = lambda prompt, suffix: "bcd"
    with start(stub.url) as client:
        typist = Typist(client)
        for key in "xyz":
            typist.put(key)
            assert typist.ask()["insertText"] == "bcd"
        told = client.wait_for_notification(
            "window/showMessage", lambda message: "event log" in message["message"], timeout=10
        )
        assert "suggestions go on" in told["message"]


def test_a_newer_log_is_left_alone(stub: StubOpenAI) -> None:
    installation.make_folder(installation.folder())
    with sqlite3.connect(installation.database()) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = installation.database().read_bytes()
    with start(stub.url) as client:
        Typist(client).put("a")
        client.wait_for_notification("window/showMessage", lambda message: "newer" in message["message"], timeout=10)
    assert installation.database().read_bytes() == before


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which everybody gets the second arm."""
    settings = tmp_path / "settings"
    (settings / "experiments").mkdir(parents=True)
    (settings / "foretype.toml").touch()
    monkeypatch.setenv("FORETYPE_CONFIG", str(settings / "foretype.toml"))
    arms = '\n[[arms]]\nname = "{0}"\nweight = {1}\noptions = {{ "completion.max_tokens_single" = {2} }}'
    (settings / "experiments" / "length.toml").write_text(
        'key = "length"' + arms.format("short", 0.0, 8) + arms.format("long", 1.0, 9)
    )


def test_a_session_is_in_its_experiments_arm_once_it_meets_the_option(stub: StubOpenAI, experiment: None) -> None:
    stub.script = lambda prompt, suffix: "bc"
    with start(stub.url) as client:
        typist = Typist(client)
        typist.put("a")
        typist.ask()  # the option is read here for the first time
        typist.put("z")
        typist.ask()
    assert [json.loads(arms) for (arms,) in rows("arms")][-1] == {"length@1": "long"}
    assert stub.requests[-1]["max_tokens"] == 9


def test_who_is_not_counted_is_in_no_experiment(stub: StubOpenAI, experiment: None) -> None:
    stub.script = lambda prompt, suffix: "bc"
    with Client.start(SERVE) as client:
        client.initialize(None, {**options(stub.url), "telemetry": {"enabled": False}})
        wait_for_state(client, "ready")
        typist = Typist(client)
        typist.put("a")
        typist.ask()
    assert stub.requests[-1]["max_tokens"] == Options().completion.max_tokens_single
