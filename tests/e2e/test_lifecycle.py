"""The server process while its model loads, when its model dies, and when it is time to go."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from serving import INVOKED, METHOD, ask, place, reason, status, until, wait_for_state

from foretype.lsp.wire import Client, ServerEnded

STAND_IN = Path(__file__).with_name("stand_in.py")
NO_DEBOUNCE = {"completion": {"debounce_ms": 0}}


def begun(folder: Path, options: dict[str, object] = NO_DEBOUNCE, loads: bool = True) -> Client:
    if loads:
        (folder / "go").touch()
    client = Client.start([sys.executable, STAND_IN, folder])
    client.initialize(folder, options)
    if loads:
        wait_for_state(client, "ready")
    return client


def opened(client: Client, text: str) -> str:
    return client.open("file:///project/a.py", "python", text)


def test_while_the_model_loads_answers_are_null_and_progress_is_shown(tmp_path: Path) -> None:
    with begun(tmp_path, loads=False) as client:
        client.wait_for_notification("window/workDoneProgress/create")
        client.wait_for_notification("$/progress", lambda it: it["value"]["kind"] == "begin")
        shown = client.wait_for_notification("$/progress", lambda it: it["value"].get("percentage") == 50)["value"]
        assert (shown["kind"], shown["message"]) == ("report", "downloading weights")
        uri = opened(client, "a = ")
        assert ask(client, uri, 0, 4) is None
        assert (reason(client), status(client)["state"]) == ("loading", "loading")
        (tmp_path / "go").touch()
        client.wait_for_notification("$/progress", lambda it: it["value"]["kind"] == "end")
        assert ask(client, uri, 0, 4) == "1"
        assert status(client)["model"] == "stand-in"


def test_another_model_is_loaded_when_the_options_ask_for_one(tmp_path: Path) -> None:
    with begun(tmp_path) as client:
        uri = opened(client, "a = ")
        assert ask(client, uri, 0, 4) == "1"
        client.notify("workspace/didChangeConfiguration", {"settings": {"model": {"name": "missing"}}})
        told = client.wait_for_notification("window/showMessage")["message"]
        assert told == "Foretype: no model is called missing; see foretype model list"
        until((tmp_path / "closed").exists)
        assert ask(client, uri, 0, 4) is None
        client.notify("workspace/didChangeConfiguration", {"settings": {"model": {"name": "found"}}})
        wait_for_state(client, "ready")
        assert ask(client, uri, 0, 4) == "1"


def test_a_model_that_dies_is_told_once_without_code_and_opened_again(tmp_path: Path) -> None:
    with begun(tmp_path) as client:
        uri = opened(client, "die, user's own text")
        assert ask(client, uri, 0, 3) is None
        told = client.wait_for_notification("window/showMessage")["message"]
        assert "ValueError" in told and "own text" not in told
        assert ask(client, uri, 0, 3, INVOKED) is None  # opens it again
        wait_for_state(client, "ready")
        assert ask(client, uri, 0, 3) is None  # dies again
        with pytest.raises(TimeoutError):
            client.wait_for_notification("window/showMessage", timeout=0.05)
        client.change(uri, {"text": "a = "})
        until(lambda: ask(client, uri, 0, 4) == "1")
        assert "ValueError" in client.stderr and "own text" not in client.stderr


def test_stray_output_does_not_reach_the_protocol(tmp_path: Path) -> None:
    with begun(tmp_path) as client:
        assert ask(client, opened(client, "print"), 0, 5) == "1"
        until(lambda: client.stderr.count("stray") == 3)


def test_the_exit_status_says_whether_shutdown_came_first(tmp_path: Path) -> None:
    client = begun(tmp_path)
    client.request("shutdown")
    client.notify("exit")
    assert client.process.wait(5) == 0
    client = begun(tmp_path)
    client.notify("exit")
    assert client.process.wait(5) == 1


def test_a_model_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    client = begun(tmp_path)
    uri = opened(client, "hang")
    client.send_request(METHOD, place(uri, 0, 4))
    assert client.close(timeout=5) == 0


def test_it_ends_at_the_end_of_input(tmp_path: Path) -> None:
    client = begun(tmp_path, loads=False)  # in the middle of a download
    client._outbox.put(None)
    assert client.process.wait(5) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM on Windows")
def test_it_ends_at_sigterm(tmp_path: Path) -> None:
    client = begun(tmp_path)
    client.process.send_signal(signal.SIGTERM)
    assert client.process.wait(5) == 0
    with pytest.raises(ServerEnded):
        status(client)
    assert "Traceback" not in client.stderr


def test_it_ends_when_the_clients_process_is_gone(tmp_path: Path) -> None:
    editor = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    client = Client.start([sys.executable, STAND_IN, tmp_path])
    client.request("initialize", {"processId": editor.pid, "rootUri": None, "capabilities": {}})
    client.notify("initialized", {})
    status(client)
    editor.communicate(b"\n")
    assert client.process.wait(10) == 0
