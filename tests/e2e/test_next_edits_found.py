"""What next edits the real server finds, by rules and by a model, and what ends its search: a server for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from desk import LOG, MAIN, OPENED, SERVE, Desk, places, write
from serving import METHOD, place, until, wait_for_state
from serving import SERVE as REAL
from serving import options as scripted_options
from stub_openai import StubOpenAI

from foretype.lsp.wire import Client


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Starts a server for one test."""
    clients: list[Client] = []

    def alone(serve: Sequence[object] = SERVE, url: str = "", wait: float = 0, **edits: Any) -> Desk:
        root = tmp_path / "work"
        write(root)
        env = {"FORETYPE_CACHE": str(tmp_path / "cache"), "STAND_IN_S": str(wait)}
        clients.append(Client.start([str(word) for word in serve], env=env))
        options = scripted_options(url) if url else {"completion": {"enabled": False}}
        clients[0].initialize(root, {**options, "edits": {"idle_ms": 1, "mid_word": True, **edits}})
        wait_for_state(clients[0], "ready" if url else "off")
        return Desk(clients[0], root, "lib.py")

    yield alone
    OPENED.clear()
    for client in clients:
        client.close()


def test_typing_ends_a_search(alone: Callable[..., Desk]) -> None:
    desk = alone(wait=0.2)
    desk.rename()
    until(lambda: desk.status()["counts"]["requests"] == 1)
    desk.replace(len(desk.text), 0, "#")
    assert len(desk.found(5)) == 5
    assert desk.status()["counts"]["answered"] == 5


def test_the_rules_themselves(alone: Callable[..., Desk]) -> None:
    desk = alone(serve=REAL)
    desk.rename()
    edits = desk.found(4)
    assert places(edits) == [("lib.py", 4), ("main.py", 0), ("main.py", 4), ("main.py", 5)]
    assert {(edit["lane"], edit["reason"]) for edit in edits} == {("rule", "rename")}
    changes = desk.apply_all()["edit"]["documentChanges"]
    assert [len(change["edits"]) for change in changes] == [1, 3]


def test_accepting_an_import_keeps_the_uses_below_it(alone: Callable[..., Desk]) -> None:
    desk = alone(serve=REAL)
    main = Desk(desk.client, desk.root, "main.py")
    desk.rename()
    edits = desk.found(4)
    main.accept(next(edit for edit in edits if edit["path"] == "main.py" and edit["range"]["start"]["line"] == 0))
    assert main.text.startswith("from lib import logger\n")
    left = main.found(3)
    assert places(left) == [("lib.py", 4), ("main.py", 4), ("main.py", 5)]
    assert places(main.ask(trigger=1)["edits"]) == places(left)  # which looks again


def test_a_second_renaming_of_what_was_renamed_everywhere(alone: Callable[..., Desk]) -> None:
    desk = alone(serve=REAL)
    main = Desk(desk.client, desk.root, "main.py")
    for old, new in (("log", "logger"), ("logger", "lug")):
        desk.rename(old, new)
        edits = desk.found(4)
        for here in (desk, main):
            while mine := [edit for edit in edits if edit["path"] == here.uri.rpartition("/")[2]]:
                here.accept(mine[0])
                edits = here.found(len(edits) - 1)
        assert main.ask(trigger=1)["edits"] == []  # which looks again
    assert desk.text == LOG.replace("log(", "lug(") and main.text == MAIN.replace("log", "lug")


def test_the_model_s_places_make_way_for_ghost_text(alone: Callable[..., Desk]) -> None:
    def asked(about: str) -> int:
        return sum(about in request["prompt"] for request in stub.requests)

    with StubOpenAI() as stub:
        stub.gate.clear()
        desk = alone(url=stub.url, model="likely", idle_ms=50)
        desk.rename()
        assert len(desk.found(5, complete=False)) == 5  # the rules' are there while the model is asked
        until(lambda: asked("next edit") == 1)
        number = desk.client.send_request(METHOD, place(desk.uri, 1, 4))
        until(lambda: asked("def logger") == 1)
        stub.gate.set()
        assert desk.client.wait(number) is None  # the scripted model has nothing to say
        until(lambda: asked("next edit") == 2)
        assert len(desk.found(5)) == 5


def test_the_model_is_not_asked_where_nothing_is_left(alone: Callable[..., Desk]) -> None:
    with StubOpenAI() as stub:
        desk = alone(url=stub.url, model="due", idle_ms=50)
        desk.rename()
        assert len(desk.found(5)) == 5  # complete: nothing more comes
        assert not any("next edit" in request["prompt"] for request in stub.requests)
