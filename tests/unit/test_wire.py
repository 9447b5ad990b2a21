"""The protocol client against a scripted child, which answers by the name of the method."""

import os
import sys
import threading
from pathlib import Path

import pytest

from foretype.lsp.wire import STDERR_BYTES, Client, ResponseError, ServerEnded

CHILD = r"""
import json, os, sys, time
stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
held, log = [], []

def send(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    stdout.write(b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(body))
    stdout.write(body)
    stdout.flush()

while True:
    length = 0
    while (line := stdin.readline()).strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    if not line:
        break
    try:
        message = json.loads(stdin.read(length))
    except ValueError:
        send({"id": None, "error": {"code": -32700, "message": "broken"}})
        continue
    method, number, params = message.get("method"), message.get("id"), message.get("params")
    log.append(message)
    if method == "exit":
        sys.exit(0 if any(m.get("method") == "shutdown" for m in log) else 1)
    elif method == "hang":
        time.sleep(60)
    elif method == "die":
        sys.stderr.write("the reason\n")
        sys.exit(3)
    elif method == "print":
        print("debugging", flush=True)
    elif method == "hold":
        held.append(number)
    elif method == "release":
        for late in reversed(held):
            send({"id": late, "result": late})
        send({"id": number, "result": None})
    elif method == "$/cancelRequest":
        send({"id": params["id"], "error": {"code": -32800, "message": "cancelled"}})
    elif method == "fail":
        send({"id": number, "error": {"code": 7, "message": "no", "data": [1]}})
    elif method == "tell":
        for item in params:
            send({"method": "told", "params": item})
    elif method == "ask":
        for i, (asked, about) in enumerate(params):
            send({"id": "s%d" % i, "method": asked, "params": about})
    elif method == "shout":
        sys.stderr.write("x" * params + "end")
        sys.stderr.flush()
        send({"id": number, "result": None})
    elif method == "env":
        send({"id": number, "result": [os.environ.get(params), os.getcwd()]})
    elif method == "log":
        send({"id": number, "result": log})
    elif method is not None and number is not None:
        send({"id": number, "result": params})
"""


def start(**settings) -> Client:
    return Client.start([sys.executable, "-I", "-S", "-c", CHILD], **settings)


@pytest.fixture(scope="module")
def shared():
    with start() as client:
        yield client


def received(client: Client, method: str) -> list:
    return [message["params"] for message in client.request("log") if message.get("method") == method]


def test_a_request_has_its_result(shared: Client) -> None:
    assert shared.request("echo", {"a": ["é😀\ud83d\r\n", None]}) == {"a": ["é😀\ud83d\r\n", None]}
    assert shared.request("echo") is None


def test_an_error_is_raised(shared: Client) -> None:
    with pytest.raises(ResponseError, match="no") as caught:
        shared.request("fail")
    assert (caught.value.code, caught.value.message, caught.value.data) == (7, "no", [1])


def test_several_requests_in_flight_answered_out_of_order(shared: Client) -> None:
    first, second = shared.send_request("hold"), shared.send_request("hold")
    with pytest.raises(TimeoutError, match=r"hold.*0\.01 s"):
        shared.wait(first, 0.01)
    shared.request("release")
    assert (shared.wait(second), shared.wait(first)) == (second, first)


def test_a_cancelled_request_is_answered_by_the_server(shared: Client) -> None:
    number = shared.send_request("hold")
    shared.cancel(number)
    with pytest.raises(ResponseError, match="cancelled"):
        shared.wait(number)


def test_notifications_are_kept_until_they_are_waited_for(shared: Client) -> None:
    shared.notify("tell", [{"n": 1}, {"n": 2}, {"n": 3}])
    assert shared.wait_for_notification("told", lambda params: params["n"] == 3) == {"n": 3}
    assert shared.wait_for_notification("told") == {"n": 1}
    assert shared.wait_for_notification("told") == {"n": 2}
    with pytest.raises(TimeoutError, match="told"):
        shared.wait_for_notification("told", timeout=0.01)


def test_notifications_are_handed_on_as_they_come() -> None:
    told, done = [], threading.Event()

    def hear(method: str, params: int) -> None:
        told.append((method, params))
        if params == 2:
            done.set()

    with start(on_notification=hear) as client:
        client.notify("tell", [1, 2])
        assert done.wait(10)
    assert told == [("told", 1), ("told", 2)]


def test_requests_of_the_server_are_answered(shared: Client) -> None:
    asked = [
        ("window/workDoneProgress/create", {"token": 1}),
        ("workspace/configuration", {"items": [{}, {}]}),
        ("client/registerCapability", {"registrations": []}),
        ("workspace/applyEdit", {"edit": {}}),
        ("window/showDocument", {"uri": "file:///a"}),
        ("foretype/unheard", None),
    ]
    shared.notify("ask", asked)
    assert shared.wait_for_notification("foretype/unheard") is None
    assert shared.wait_for_notification("workspace/configuration") == {"items": [{}, {}]}
    answers = [message for message in shared.request("log") if "method" not in message]
    assert [answer["id"] for answer in answers] == [f"s{i}" for i in range(6)]
    results = [answer.get("result", "none") for answer in answers]
    assert results == [None, [None, None], None, {"applied": False}, {"success": False}, "none"]
    assert answers[5]["error"]["code"] == -32601


def test_bytes_are_sent_as_they_are(shared: Client) -> None:
    shared.send_raw(b"Content-Length: 5\r\n\r\n{bad}")
    assert shared.wait_for_notification("error") == {"code": -32700, "message": "broken"}


def test_stderr_is_bounded_and_does_not_block_the_server(shared: Client) -> None:
    shared.request("shout", 4 * STDERR_BYTES)
    shared.request("shout", STDERR_BYTES)
    with shared._changed:
        assert shared._changed.wait_for(lambda: shared.stderr.endswith("end"), timeout=10)
    assert len(shared.stderr) <= STDERR_BYTES


def test_initialize_open_and_change(shared: Client, tmp_path: Path) -> None:
    params = shared.initialize(tmp_path, {"model": {"threads": 1}}, encodings=("utf-8", "utf-16"))
    assert params["rootUri"] == params["workspaceFolders"][0]["uri"] == tmp_path.resolve().as_uri()
    assert params["initializationOptions"] == {"model": {"threads": 1}}
    assert params["capabilities"]["general"]["positionEncodings"] == ["utf-8", "utf-16"]
    assert received(shared, "initialized") == [{}]
    path = tmp_path / "a b.py"
    path.write_bytes("é\r\n".encode())
    uri = shared.open(path, "python")
    assert uri == path.resolve().as_uri()
    assert shared.open("untitled:Untitled-1", "lua", "x") == "untitled:Untitled-1"
    assert shared.change(uri, {"text": "a"}, {"text": "b"}) == 2
    opened = [params["textDocument"] for params in received(shared, "textDocument/didOpen")]
    assert opened[0] == {"uri": uri, "languageId": "python", "version": 1, "text": "é\r\n"}
    assert opened[1]["text"] == "x"
    (changed,) = received(shared, "textDocument/didChange")
    assert changed == {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": "a"}, {"text": "b"}]}


def test_the_environment_is_added_to_and_the_folder_set(tmp_path: Path) -> None:
    with start(env={"FORETYPE_PROBE": "1"}, cwd=tmp_path) as client:
        value, folder = client.request("env", "FORETYPE_PROBE")
        assert value == "1" and os.path.samefile(folder, tmp_path)
        assert client.request("env", "PATH")[0] == os.environ.get("PATH")


def test_closing_shuts_down_and_tells_the_status() -> None:
    client = start()
    assert client.close() == 0
    assert client.close() == 0
    assert not any(thread.is_alive() for thread in client._threads)


def test_a_server_that_ends_is_told_with_its_last_words() -> None:
    with start() as client:
        with pytest.raises(ServerEnded, match=r"answer to die .* status 3; stderr: the reason"):
            client.request("die")
        with pytest.raises(ServerEnded):
            client.wait_for_notification("told")
        assert client.close() == 3


def test_a_print_to_stdout_is_told() -> None:
    with start() as client, pytest.raises(ServerEnded, match="not the protocol: b'debugging"):
        client.request("print")


def test_a_server_that_stops_reading_hangs_nobody() -> None:
    client = start()
    client.notify("hang")
    client.notify("echo", "x" * 2_000_000)  # more than a pipe holds
    with pytest.raises(TimeoutError):
        client.request("echo", timeout=0.05)
    assert client.close(timeout=0.05) != 0
    assert not any(thread.is_alive() for thread in client._threads)


def test_a_failing_listener_is_told() -> None:
    def hear(method: str, params: object) -> None:
        raise KeyError("mine")

    with start(on_notification=hear) as client:
        client.notify("tell", [1])
        with pytest.raises(ServerEnded, match="mine"):
            client.wait_for_notification("told")
