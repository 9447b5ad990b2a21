"""The real server with the real default model: one process, loaded once a run, for all tests that need real answers.

The model comes from the user's cache, where `make test` has put it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psutil
import pytest
from serving import METHOD, SERVE, ask, place, status, wait_for_state

from foretype.lsp.wire import Client, ResponseError
from foretype.model import store

_numbers = count()


@pytest.fixture(scope="session")
def server() -> Iterator[Client]:
    name = next(row.name for row in store.listing() if row.default)
    if store.find(name) is None:
        pytest.skip("the default model is not built: foretype model pull")
    client = Client.start(SERVE)
    # an engine of its own, and that of a default install: nothing else is to be waited for, or counted
    settings = {"completion": {"debounce_ms": 0, "deadline_ms": 0}, "model": {"share": False, "engine": "onnx"}}
    client.initialize(None, settings, ("utf-16",))
    wait_for_state(client, "ready", timeout=60)
    yield client
    assert client.close() == 0


def opened(server: Client, text: str, language: str) -> str:
    uri = f"file:///real/{next(_numbers)}"
    server.open(uri, language, text)
    return uri


def test_a_line_is_finished(server: Client) -> None:
    uri = opened(server, "def add(first, second):\n    return \n\n\nprint(add(1, 2))\n", "python")
    assert ask(server, uri, 1, 11) == "first + second"


def test_half_a_word_is_finished(server: Client) -> None:
    text = "import os\n\n\ndef files_of(folder):\n    for name in os.listd\n        print(name)\n"
    uri = opened(server, text, "python")
    answer = ask(server, uri, 4, 24)
    assert answer is not None
    assert answer.startswith("ir(folder")


def test_another_language(server: Client) -> None:
    text = "local function add(first, second)\n  return \nend\n\nprint(add(1, 2))\n"
    assert ask(server, opened(server, text, "lua"), 1, 9) == "first + second"


def test_the_body_of_a_block_is_several_lines_and_ends_with_it(server: Client) -> None:
    text = (
        "def count(words):\n"
        '    """How often each of the words is there."""\n'
        "    counts = {}\n"
        "    for word in words:\n"
        "        \n"
        "    return counts\n"
    )
    answer = ask(server, opened(server, text, "python"), 4, 8)
    assert answer is not None
    assert "\n" in answer
    # what the answer makes of the file is a program that does what it says
    space: dict = {}
    lines = text.split("\n")
    lines[4] += answer
    exec("\n".join(lines), space)
    assert space["count"](["a", "b", "a"]) == {"a": 2, "b": 1}


def test_typing_on_reads_only_what_is_new(server: Client) -> None:
    source = Path(store.__file__).read_text("utf-8").split("\n")
    line = next(index for index, text in enumerate(source) if text.strip().startswith("manifest = {"))
    uri = opened(server, "\n".join([*source[:line], "", *source[line + 1 :]]), "python")
    read = []
    for column, character in enumerate("    zeta"):  # nothing that the model would say
        at = {"line": line, "character": column}
        server.change(uri, {"range": {"start": at, "end": at}, "text": character})
        ask(server, uri, line, column + 1)
        if "prompt_tokens" in (figures := status(server)["last"]):
            read.append(figures["prompt_tokens"] - figures["cached_tokens"])
    assert len(read) >= 4
    assert read[0] > 100
    assert max(read[1:]) <= 4


def test_a_request_is_cancelled_while_its_prompt_is_read(server: Client) -> None:
    source = Path(store.__file__).read_text("utf-8")
    uri = opened(server, source, "python")
    end = source.count("\n")
    number = server.send_request(METHOD, place(uri, end, 0))
    time.sleep(0.05)  # the prompt takes far longer
    started = time.monotonic()
    server.cancel(number)
    with pytest.raises(ResponseError):
        server.wait(number, 5)
    assert time.monotonic() - started < 0.25
    test_a_line_is_finished(server)


def test_memory_of_a_warm_server(server: Client) -> None:
    test_a_line_is_finished(server)
    resident = psutil.Process(server.process.pid).memory_info().rss
    assert 0.5 * 2**30 < resident < 1.2 * 2**30  # the model is in it
