"""The server process over stdio, as an editor sees it: what it announces, answers, drops and counts."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from serving import (
    AUTOMATIC,
    INVOKED,
    METHOD,
    SERVE,
    ask,
    framed,
    held,
    options,
    place,
    reason,
    start,
    status,
    until,
    wait_for_state,
)
from stub_openai import StubOpenAI

from foretype.lsp.wire import Client, ResponseError

_numbers = count()


@pytest.fixture(scope="module")
def scripted() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        yield stub


@pytest.fixture(scope="module")
def served(scripted: StubOpenAI) -> Iterator[Client]:
    client = start(scripted.url)
    yield client
    assert client.close() == 0


@pytest.fixture
def stub(scripted: StubOpenAI) -> StubOpenAI:
    scripted.reset()
    return scripted


@pytest.fixture
def client(served: Client, stub: StubOpenAI) -> Client:
    return served


def opened(client: Client, text: str, language: str = "python") -> str:
    """A document that no other test has touched."""
    return client.open(f"file:///project/{next(_numbers)}.py", language, text)


def grown(client: Client, before: dict[str, int]) -> dict[str, int]:
    """What the counts have grown by."""
    after = status(client)["counts"]
    return {name: after[name] - n for name, n in before.items() if after[name] != n}


def test_initialize_is_answered_within_300_ms_and_announces_inline_completion() -> None:
    with Client.start(SERVE) as client:
        with pytest.raises(ResponseError) as early:  # also waits for the interpreter to be up
            status(client)
        assert early.value.code == -32002  # ServerNotInitialized
        start = time.perf_counter()
        result = client.initialize(None, {"completion": {"enabled": False}})
        assert time.perf_counter() - start < 0.3
    capabilities = result["capabilities"]
    assert capabilities["inlineCompletionProvider"] == {}
    assert "completionProvider" not in capabilities
    assert capabilities["textDocumentSync"]["change"] == 2
    assert capabilities["executeCommandProvider"] == {"commands": ["foretype.accept", "foretype.acceptEdit"]}
    assert result["serverInfo"]["name"] == "foretype"


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        ("foretype.lsp.server", "onnxruntime numpy tokenizers tree_sitter httpx huggingface_hub psutil"),
        ("foretype.lsp.server, foretype.lsp.completion, foretype.model.openai", "torch transformers onnx gguf"),
    ],
)
def test_serving_imports_nothing_heavy_too_early(modules: str, absent: str) -> None:
    code = f"import sys, {modules}; print(*({set(absent.split())} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""


def test_a_suggestion_is_an_item_at_the_cursor(client: Client, stub: StubOpenAI) -> None:
    stub.answers.append("a + b")
    uri = opened(client, "def add(a, b):\n    return \n")
    (item,) = client.request(METHOD, place(uri, 1, 11))["items"]
    position = {"line": 1, "character": 11}
    assert item["insertText"] == "a + b"
    assert item["range"] == {"start": position, "end": position}
    assert item["command"]["command"] == "foretype.accept"
    assert item["command"]["arguments"][0]["suggestionId"]
    assert (stub.requests[0]["prompt"], stub.requests[0]["suffix"]) == ("def add(a, b):\n    return ", "\n")
    last = status(client)["last"]
    assert last["suggestion_id"] == item["command"]["arguments"][0]["suggestionId"]
    assert {"context", "model", "trim", "total"} <= last["stages_ms"].keys()


@pytest.mark.parametrize(
    ("offered", "chosen", "characters"),
    [
        (("utf-8", "utf-16"), "utf-8", (11, 6)),
        (("utf-32", "utf-8"), "utf-32", (7, 3)),
        (("utf-7", "utf-16"), "utf-16", (8, 4)),
        ((), "utf-16", (8, 4)),
    ],
)
def test_positions_are_in_the_encoding_the_client_likes_best(
    stub: StubOpenAI, offered: tuple[str, ...], chosen: str, characters: tuple[int, int]
) -> None:
    stub.script = lambda prompt, suffix: "x"
    with Client.start(SERVE) as client:
        result = client.initialize(None, options(stub.url), offered)
        assert result["capabilities"].get("positionEncoding", "utf-16") == chosen
        wait_for_state(client, "ready")
        uri = opened(client, "é = 😀\n😀é\n")
        first, second = characters
        # Insert after the first line's last character, then ask there; the second line's end is told apart as well.
        end = {"line": 0, "character": first - 2}
        client.change(uri, {"range": {"start": end, "end": end}, "text": " +"})
        ask(client, uri, 0, first)
        ask(client, uri, 1, second)
    assert [request["prompt"] for request in stub.requests] == ["é = 😀 +", "é = 😀 +\n😀é"]


def test_a_newer_request_supersedes_an_older_one(client: Client, stub: StubOpenAI) -> None:
    before = status(client)["counts"]
    uri = opened(client, "a = \nb = ")
    older = held(client, stub, uri, 0, 4)
    newer = client.send_request(METHOD, place(uri, 1, 4))
    assert client.wait(older) is None  # while the completion server still holds it
    stub.answers += ["2", "2"]
    stub.gate.set()
    assert client.wait(newer)["items"][0]["insertText"] == "2"
    assert grown(client, before) == {"requests": 2, "superseded": 1, "answered": 1}


def test_waiting_requests_start_newest_first_and_superseded_ones_never(client: Client, stub: StubOpenAI) -> None:
    one, two, six = (opened(client, f"{name} = \n{name} += ") for name in ("one", "two", "six"))
    numbers = [held(client, stub, one, 0, 6)]
    numbers += [client.send_request(METHOD, place(uri, 0, 6)) for uri in (two, six)]
    numbers += [client.send_request(METHOD, place(two, 1, 7))]
    assert client.wait(numbers[1]) is None
    stub.script = lambda prompt, suffix: "1"
    stub.gate.set()
    assert all(client.wait(number) for number in (numbers[0], numbers[2], numbers[3]))
    assert [request["prompt"] for request in stub.requests] == ["one = ", "two = \ntwo += ", "six = "]


def test_a_cancelled_request_ends_within_50_ms_and_frees_the_model(client: Client, stub: StubOpenAI) -> None:
    before = status(client)["counts"]
    uri = opened(client, "a = ")
    waited = []
    for _ in range(3):
        number = held(client, stub, uri, 0, 4)
        begin = time.perf_counter()
        client.cancel(number)
        with pytest.raises(ResponseError) as cancelled:
            client.wait(number)
        waited.append(time.perf_counter() - begin)
        assert cancelled.value.code == -32800  # RequestCancelled
    assert min(waited) < 0.05
    other = opened(client, "b = ")
    assert held(client, stub, other, 0, 4)  # the completion server still sits on the others
    assert grown(client, before)["cancelled"] == 3


def test_an_answer_for_an_older_version_is_dropped(client: Client, stub: StubOpenAI) -> None:
    uri = opened(client, "a = ")
    number = held(client, stub, uri, 0, 4)
    client.change(uri, {"text": "a = 1"})
    assert client.wait(number) is None
    assert reason(client) == "stale"


def test_a_request_belongs_to_the_text_before_the_changes_that_follow_it(client: Client, stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "1"
    uri = opened(client, "a = ")
    change = {"textDocument": {"uri": uri, "version": 2}, "contentChanges": [{"text": "b = "}]}
    request = framed({"id": "both", "method": METHOD, "params": place(uri, 0, 4)})
    client.send_raw(request + framed({"method": "textDocument/didChange", "params": change}))  # in one read
    assert ask(client, uri, 0, 4) == "1"
    assert status(client)["reasons"]["stale"] >= 1
    assert stub.requests[-1]["prompt"] == "b = "


def test_typing_on_within_the_debounce_starts_nothing(stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "1"
    client = start(stub.url, debounce_ms=10_000)
    with client:
        uri = opened(client, "a = \nb = ")
        older = client.send_request(METHOD, place(uri, 0, 4))
        assert ask(client, uri, 0, 4, INVOKED) == "1"  # asked for: no debounce
        assert client.wait(older) is None
        waiting = client.send_request(METHOD, place(uri, 1, 4))
        client.cancel(waiting)
        with pytest.raises(ResponseError):
            client.wait(waiting)
    assert len(stub.requests) == 1


def test_what_the_client_tells_about_suggestions_is_counted(client: Client, stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "😀 = 1"
    uri = opened(client, "x = ")
    before = status(client)["counts"]

    def item() -> tuple[dict[str, Any], str]:
        (found,) = client.request(METHOD, place(uri, 0, 4))["items"]
        return found, found["command"]["arguments"][0]["suggestionId"]

    def accept(identifier: str, **length: int) -> None:
        arguments = [{"suggestionId": identifier, **length}]
        client.request("workspace/executeCommand", {"command": "foretype.accept", "arguments": arguments})

    whole, whole_id = item()
    for _ in range(2):  # drawn twice, shown once
        client.notify("textDocument/didShowCompletion", {"item": whole})
    accept(whole_id)
    accept(whole_id)
    parts, parts_id = item()
    client.notify("textDocument/didPartiallyAcceptCompletion", {"item": parts, "acceptedLength": 2})
    client.notify("textDocument/didPartiallyAcceptCompletion", {"item": parts, "acceptedLength": 4})
    assert grown(client, before)["partially_accepted"] == 1
    accept(parts_id, acceptedLength=6)  # UTF-16 units: all of it
    _, rejected_id = item()
    client.notify("foretype/didReject", {"suggestionId": rejected_id})
    accept(rejected_id)
    expected = {"requests": 3, "answered": 3, "shown": 3, "accepted": 2, "partially_accepted": 1, "rejected": 1}
    assert grown(client, before) == expected


def test_comments_can_be_switched_off_while_the_server_runs(client: Client, stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "text"
    uri = opened(client, "# a comment about \nx = 'a string of \ny = ")
    assert ask(client, uri, 0, 18) == "text"
    client.notify("workspace/didChangeConfiguration", {"settings": {"foretype": {"completion": {"comments": False}}}})
    assert ask(client, uri, 0, 18) is None
    assert reason(client) == "comment"
    assert ask(client, uri, 0, 18, INVOKED) == "text"
    assert ask(client, uri, 2, 4) == "text"
    client.notify("workspace/didChangeConfiguration", {"settings": None})
    assert ask(client, uri, 0, 18) == "text"


def test_it_can_be_switched_off_for_a_language_and_in_all(client: Client, stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "1"
    python, text = opened(client, "a = "), opened(client, "a = ", "plaintext")
    configure = "workspace/didChangeConfiguration"
    client.notify(configure, {"settings": {"completion": {"disabled_languages": ["plaintext"]}}})
    assert (ask(client, python, 0, 4), ask(client, text, 0, 4, INVOKED)) == ("1", None)
    assert reason(client) == "language"
    client.notify(configure, {"settings": {"completion": {"enabled": False}}})
    assert ask(client, python, 0, 4, INVOKED) is None
    assert (status(client)["state"], reason(client)) == ("off", "off")
    client.notify(configure, {"settings": {}})
    wait_for_state(client, "off")
    wait_for_state(client, "ready")
    assert ask(client, python, 0, 4) == "1"


def test_a_wrong_option_is_named_and_the_rest_holds(stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "1"
    wrong = options(stub.url, max_tokens_single="many", debounce=3)
    with Client.start(SERVE) as client:
        client.initialize(None, wrong)
        told = client.wait_for_notification("window/showMessage")["message"]
        assert "completion.max_tokens_single" in told and "debounce" in told and "initializationOptions" in told
        client.notify("workspace/didChangeConfiguration", {"settings": {"foretype": {"log": {"level": 7}}}})
        told = client.wait_for_notification("window/showMessage")["message"]
        assert "log.level" in told and "max_tokens_single" not in told  # said once
        wait_for_state(client, "ready")
        assert ask(client, opened(client, "a = "), 0, 4) == "1"


def test_a_model_that_fails_is_complained_of_once_and_tried_again(stub: StubOpenAI) -> None:
    def fail(prompt: str, suffix: str) -> str:
        raise ConnectionAbortedError

    stub.script = fail
    told: list[str] = []

    def listen(method: str, params: Any) -> None:
        if method == "window/showMessage":
            told.append(params["message"])

    with Client.start(SERVE, on_notification=listen) as client:
        client.initialize(None, options(stub.url))
        wait_for_state(client, "ready")
        uri = opened(client, "a = ")
        assert [ask(client, uri, 0, 4, INVOKED) for _ in range(2)] == [None, None]
        assert (reason(client), status(client)["state"], len(told)) == ("failed", "error", 1)
        asked = len(stub.requests)
        assert ask(client, uri, 0, 4, AUTOMATIC) is None
        assert (reason(client), len(stub.requests)) == ("paused", asked)
        stub.script = lambda prompt, suffix: "1"
        until(lambda: ask(client, uri, 0, 4, AUTOMATIC) == "1")
        assert (status(client)["state"], len(told)) == ("ready", 1)
