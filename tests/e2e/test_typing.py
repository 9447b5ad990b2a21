"""Ghost text while its user types: what is asked of the model, and what is known without it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from serving import INVOKED, METHOD, ask, held, place, reason, start, status
from stub_openai import StubOpenAI

from foretype.lsp.wire import Client

_numbers = count()


@pytest.fixture(scope="module")
def scripted() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        yield stub


@pytest.fixture(scope="module")
def served(scripted: StubOpenAI) -> Iterator[Client]:
    with start(scripted.url) as client:
        yield client


@pytest.fixture
def stub(scripted: StubOpenAI) -> StubOpenAI:
    scripted.reset()
    return scripted


class Typist:
    """A document that is typed at its end."""

    def __init__(self, client: Client, text: str) -> None:
        self.client, self.text = client, text
        self.uri = client.open(f"file:///typing/{next(_numbers)}.py", "python", text)

    @property
    def here(self) -> dict[str, int]:
        lines = self.text.split("\n")
        return {"line": len(lines) - 1, "character": len(lines[-1])}

    def type(self, text: str) -> None:
        where = {"start": self.here, "end": self.here}
        self.text += text
        self.client.change(self.uri, {"range": where, "text": text})

    def back(self) -> None:
        end = self.here
        self.text = self.text[:-1]
        self.client.change(self.uri, {"range": {"start": self.here, "end": end}, "text": ""})

    def ask(self, trigger: int = 2) -> str | None:
        return ask(self.client, self.uri, **self.here, trigger=trigger)

    def item(self) -> Any:
        answer = self.client.request(METHOD, place(self.uri, **self.here))
        return answer and answer["items"][0]

    def held(self, stub: StubOpenAI) -> int:
        return held(self.client, stub, self.uri, **self.here)


@pytest.fixture
def typist(served: Client, stub: StubOpenAI) -> Typist:
    return Typist(served, "total = ")


def test_typing_what_is_suggested_asks_nothing_of_the_model(typist: Typist, stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "sum(values)"
    first = typist.item()
    texts = []
    for char in "sum(":
        typist.type(char)
        item = typist.item()
        assert item["command"] == first["command"]
        texts.append(item["insertText"])
    assert texts == ["um(values)", "m(values)", "(values)", "values)"]
    typist.back()
    assert typist.ask() == "(values)"
    assert len(stub.requests) == 1


def test_typing_something_else_asks_again(typist: Typist, stub: StubOpenAI) -> None:
    stub.answers += ["sum(values)", "x(values)"]
    typist.ask()
    typist.type("ma")
    assert typist.ask() == "x(values)"
    assert len(stub.requests) == 2


def test_a_run_goes_on_while_its_user_types_what_it_may_say(typist: Typist, stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "sum(values)"
    first = typist.held(stub)
    typist.type("su")
    assert typist.client.wait(first) is None  # its text is another one by now
    second = typist.client.send_request(METHOD, place(typist.uri, **typist.here))
    stub.gate.set()
    assert typist.client.wait(second)["items"][0]["insertText"] == "m(values)"
    assert len(stub.requests) == 1


def test_a_run_that_says_something_else_makes_way(typist: Typist, stub: StubOpenAI) -> None:
    stub.answers += ["sum(values)", "x(values)"]
    typist.held(stub)
    typist.type("ma")
    second = typist.client.send_request(METHOD, place(typist.uri, **typist.here))
    stub.gate.set()
    assert typist.client.wait(second)["items"][0]["insertText"] == "x(values)"
    assert [request["prompt"] for request in stub.requests] == ["total = ", "total = ma"]


def test_an_answer_that_came_too_late_is_not_lost(typist: Typist, stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "sum(values)"
    first = typist.held(stub)
    typist.type("s")
    assert typist.client.wait(first) is None
    stub.gate.set()
    assert typist.ask() == "um(values)"
    assert len(stub.requests) == 1


def test_an_edit_elsewhere_ends_the_run(typist: Typist, stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "1"
    typist.held(stub)
    start = {"line": 0, "character": 0}
    typist.client.change(typist.uri, {"range": {"start": start, "end": start}, "text": "# "})
    typist.text = "# " + typist.text
    stub.gate.set()
    assert typist.ask() == "1"
    assert [request["prompt"] for request in stub.requests] == ["total = ", "# total = "]


def test_what_was_rejected_is_not_shown_again_while_it_is_typed(typist: Typist, stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "sum(values)"
    (argument,) = typist.item()["command"]["arguments"]
    typist.client.notify("foretype/didReject", argument)
    typist.type("su")
    assert typist.ask() is None
    assert reason(typist.client) == "rejected"
    assert typist.ask(INVOKED) == "sum(values)"
    assert len(stub.requests) == 2


def test_what_is_taken_of_the_rest_adds_to_what_was_taken_before(typist: Typist, stub: StubOpenAI) -> None:
    stub.script = lambda prompt, suffix: "sum(values)"
    client, item = typist.client, typist.item()
    before = status(client)["counts"]
    client.notify("textDocument/didPartiallyAcceptCompletion", {"item": item, "acceptedLength": 3})
    typist.type("sum")
    typist.type("(")
    (argument,) = typist.item()["command"]["arguments"]
    client.request("workspace/executeCommand", {"command": "foretype.accept", "arguments": [argument]})
    after = status(client)["counts"]
    assert {name: after[name] - before[name] for name in ("shown", "partially_accepted", "accepted")} == {
        "shown": 1,
        "partially_accepted": 1,
        "accepted": 1,
    }


def test_other_options_make_it_forget(stub: StubOpenAI) -> None:
    with start(stub.url) as client:
        typist = Typist(client, "# a comment about ")
        stub.script = lambda prompt, suffix: "text"
        assert typist.ask() == "text"
        settings = {"foretype": {"completion": {"comments": False}}}
        client.notify("workspace/didChangeConfiguration", {"settings": settings})
        assert typist.ask() is None
