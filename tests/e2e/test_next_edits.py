"""Next edits over stdio: when the real server looks for them, what it tells, and that none is applied to other text."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import FOUND, LOG, OPENED, SERVE, Desk, places, write
from serving import until

from foretype.lsp.wire import Client

Start = Callable[..., Desk]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Path]]:
    """A server, and the workspace that it serves."""
    folder = tmp_path_factory.mktemp("shared")
    root = folder / "work space ü"
    root.mkdir()
    client = Client.start(SERVE, env={"FORETYPE_CACHE": str(folder / "cache")})
    client.initialize(root, {"completion": {"enabled": False}, "edits": {"enabled": False}})
    yield client, root
    assert client.close() == 0


@pytest.fixture
def root(shared: tuple[Client, Path]) -> Path:
    """The workspace as every test finds it."""
    root = shared[1]
    for child in root.iterdir():
        shutil.rmtree(child) if child.is_dir() else child.unlink()
    write(root)
    return root


@pytest.fixture
def start(shared: tuple[Client, Path], root: Path) -> Iterator[Start]:
    """Makes the server begin anew with options under which edits settle at once, and opens `lib.py`."""
    client = shared[0]

    def configure(**edits: Any) -> None:
        client.notify("workspace/didChangeConfiguration", {"settings": {"edits": edits}})

    def start(**edits: Any) -> Desk:
        configure(**{"enabled": True, "idle_ms": 1, "mid_word": True, **edits})
        return Desk(client, root, "lib.py")

    yield start
    for uri in OPENED:
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    OPENED.clear()
    configure(enabled=False)
    while True:  # what the next test is told is about itself
        client.request("foretype/status")
        try:
            client.wait_for_notification(FOUND, timeout=0.05)
        except TimeoutError:
            break


def test_a_settled_edit_is_carried_to_every_other_place(start: Start) -> None:
    desk = start()
    desk.rename()
    edits = desk.found(5)
    assert places(edits) == [("lib.py", 4), ("deep/lib.py", 0), ("main.py", 0), ("main.py", 4), ("main.py", 5)]
    first, other = edits[0], edits[-1]
    assert first["uri"] == desk.uri and first["version"] == desk.version
    assert other["version"] is None and other["uri"].endswith("main.py")
    assert (first["oldText"], first["text"], first["why"]) == ("log", "logger", "log is now logger")
    assert first["range"] == {"start": {"line": 4, "character": 0}, "end": {"line": 4, "character": 3}}
    assert desk.ask()["edits"] == edits


def test_clients_of_copilot_s_language_server_are_served(start: Start) -> None:
    desk = start()
    main = Desk(desk.client, desk.root, "main.py")
    desk.rename()
    client = desk.client
    client.notify("textDocument/didFocus", {"textDocument": {"uri": desk.uri}})
    answer = client.request(
        "textDocument/copilotInlineEdit",
        {
            "textDocument": {"uri": desk.uri, "version": desk.version},
            "position": {"line": 0, "character": 9},
            "context": {"triggerKind": 2},
        },
    )
    first, *others = answer["edits"]
    assert first.keys() == {"text", "textDocument", "range", "command"}
    assert first["textDocument"] == {"uri": desk.uri, "version": desk.version}
    assert [edit["textDocument"] for edit in others] == [{"uri": main.uri, "version": 1}] * 3
    client.notify("textDocument/didShowInlineEdit", {"item": {"command": first["command"]}})
    client.request("workspace/executeCommand", {k: first["command"][k] for k in ("command", "arguments")})
    counted = desk.status()["counts"]
    assert (counted["shown"], counted["accepted"]) == (1, 1)


def test_accepting_one_keeps_the_others(start: Start) -> None:
    desk = start(idle_ms=60_000)
    desk.rename()
    edits = desk.ask(trigger=1)["edits"]
    first = edits[0]
    desk.replace(0, 0, "import os\n")
    (moved, *rest) = desk.found(5)
    assert (moved["id"], moved["version"]) == (first["id"], desk.version)
    assert moved["range"]["start"] == {"line": 5, "character": 0}
    desk.accept(moved)
    assert desk.text.endswith("\nlogger('here')\n")
    assert [edit["id"] for edit in desk.found(4)] == [edit["id"] for edit in rest]
    assert desk.status()["counts"]["accepted"] == 1


def test_typing_its_text_shortens_it_and_other_text_ends_it(start: Start) -> None:
    desk = start(idle_ms=60_000)
    desk.rename()
    assert len(desk.ask(trigger=1)["edits"]) == 5
    call = desk.text.index("log('here')")
    desk.replace(call + 3, 0, "g")
    (first, *_) = desk.found(5)
    assert (first["oldText"], first["text"]) == ("logg", "logger")
    desk.replace(call + 4, 0, "x")
    assert len(desk.found(4)) == 4
    edits = desk.ask()["edits"]
    assert ("lib.py", 4) not in places(edits)


@pytest.mark.parametrize("cause", ["line_left", "saved"])
def test_what_else_settles_an_edit(start: Start, cause: str) -> None:
    desk = start(idle_ms=60_000)
    desk.rename()
    if cause == "saved":
        desk.client.notify("textDocument/didSave", {"textDocument": {"uri": desk.uri}})
    else:
        position = {"line": 2, "character": 0}
        desk.client.notify("foretype/didMoveCursor", {"textDocument": {"uri": desk.uri}, "position": position})
    assert len(desk.found(5)) == 5
    assert desk.status()["last"]["cause"] == cause


def test_a_diagnostic_near_a_change_settles_it(start: Start) -> None:
    desk = start(idle_ms=60_000, diagnostics_ms=1)
    desk.rename()
    assert len(desk.ask(trigger=1)["edits"]) == 5
    place = {"start": {"line": 4, "character": 0}, "end": {"line": 4, "character": 3}}
    said = {"range": place, "message": "log is not defined", "severity": 1}
    desk.replace(0, 0, "import os\n")
    desk.client.notify("textDocument/didSave", {"textDocument": {"uri": desk.uri}})
    until(lambda: desk.status()["last"].get("cause") == "saved")
    desk.client.notify("foretype/didChangeDiagnostics", {"uri": desk.uri, "diagnostics": [said, "nonsense", {}]})
    until(lambda: desk.status()["last"].get("cause") == "diagnostic")
    until(lambda: desk.ask()["note"] == "log is not defined")


def test_nothing_after_an_undo(start: Start) -> None:
    desk = start()
    desk.rename()
    assert len(desk.found(5)) == 5
    at = desk.text.index("logger") + 3
    desk.replace(at, 3, "")
    until(lambda: desk.status()["last"].get("held") == "undo")
    desk.replace(at, 0, "ger")
    answer = desk.ask()
    assert desk.status()["last"]["held"] == "undo"
    assert len(answer["edits"]) == 5


def test_what_was_rejected_stays_away(start: Start) -> None:
    desk = start(rejected_s=0)
    desk.rename()
    edits = desk.found(5)
    desk.client.notify("foretype/didReject", {"suggestionId": edits[0]["id"]})
    assert places(desk.found(4)) == places(edits)[1:]
    desk.replace(len(desk.text), 0, "\n# more\n")
    assert places(desk.ask()["edits"]) == places(edits)[1:]
    assert desk.status()["counts"]["rejected"] == 1


def test_apply_all_is_one_versioned_edit(start: Start) -> None:
    desk = start()
    desk.rename()
    edits = desk.found(5)
    answer = desk.apply_all(*[edit["id"] for edit in edits])
    changes = answer["edit"]["documentChanges"]
    assert [(Path(one["textDocument"]["uri"]).name, one["textDocument"]["version"]) for one in changes] == [
        ("lib.py", desk.version),
        ("lib.py", None),
        ("main.py", None),
    ]
    assert [len(one["edits"]) for one in changes] == [1, 1, 3]
    (kind,) = answer["edit"]["changeAnnotations"]
    assert {edit["annotationId"] for one in changes for edit in one["edits"]} == {kind} == {"rename"}
    assert answer["message"] == "" and len(answer["command"]["arguments"]) == 5


def test_nothing_is_applied_where_one_file_cannot_be(root: Path, start: Start) -> None:
    names = ("gone", "renamed", "locked", "latin", "other")
    for name in names:
        (root / f"{name}.py").write_text("log(1)\n", "utf-8")
    desk = start(idle_ms=60_000)
    desk.rename()
    edits = desk.ask(trigger=1)["edits"]
    assert len(edits) == 10
    (root / "gone.py").unlink()
    (root / "renamed.py").rename(root / "renamed elsewhere.py")
    (root / "locked.py").chmod(0o444)
    (root / "latin.py").write_bytes("log('ä')\n".encode("latin-1"))
    (root / "other.py").write_text("# somebody else's\nlog(1)\n", "utf-8")
    answer = desk.apply_all()
    assert answer["edit"] is None and answer["edits"] == [] and answer["command"] is None
    assert {problem["path"]: problem["reason"] for problem in answer["problems"]} == {
        "gone.py": "is gone",
        "renamed.py": "is gone",
        "locked.py": "is read-only",
        "latin.py": "is not UTF-8",
        "other.py": "has changed since",
    }
    assert answer["message"].startswith("nothing was applied: ") and "locked.py is read-only" in answer["message"]
    rest = [("lib.py", 4), ("deep/lib.py", 0), ("main.py", 0), ("main.py", 4), ("main.py", 5)]
    assert places(desk.apply_all()["edits"]) == rest
    lost = next(edit["id"] for edit in edits if edit["path"] == "gone.py")
    refused = desk.apply_all(edits[0]["id"], lost)
    assert refused["edit"] is None and refused["problems"] == [{"path": "gone.py", "reason": "has changed since"}]


def test_a_file_that_is_opened_takes_its_proposals_over(start: Start) -> None:
    desk = start(idle_ms=60_000)
    desk.rename()
    desk.ask(trigger=1)
    edits = desk.found(5)
    main = Desk(desk.client, desk.root, "main.py")
    assert [edit["version"] for edit in desk.found(5)] == [desk.version, None, 1, 1, 1]
    other = Desk(desk.client, desk.root, "deep/lib.py", "# not what is on disk\nlog(1)\n")
    left = desk.found(4)
    assert places(left) == [("lib.py", 4), ("main.py", 0), ("main.py", 4), ("main.py", 5)]
    assert {edit["id"] for edit in left} < {edit["id"] for edit in edits}
    main.replace(0, 0, "# unsaved\n")
    desk.client.notify("textDocument/didClose", {"textDocument": {"uri": main.uri}})
    assert places(desk.found(1)) == [("lib.py", 4)]
    assert other.uri != main.uri


def test_files_outside_new_files_and_line_ends(start: Start, tmp_path: Path) -> None:
    desk = start()
    outside = tmp_path / "lib.py"
    outside.write_text(LOG, "utf-8")
    other = Desk(desk.client, tmp_path, "lib.py")
    other.rename()
    assert other.ask()["edits"] == []
    new = Desk(desk.client, desk.root, "new.py", "log(1)\r\nx = 'é𝄞' + log(2)\nlog(3)\rlog(4)")
    desk.rename()
    edits = [edit for edit in desk.found(9) if edit["path"] == "new.py"]
    assert [edit["range"]["start"] for edit in edits] == [
        {"line": 0, "character": 0},
        {"line": 1, "character": 12},
        {"line": 2, "character": 0},
        {"line": 3, "character": 0},
    ]
    assert {edit["version"] for edit in edits} == {1} and {edit["uri"] for edit in edits} == {new.uri}


def test_switched_off(start: Start) -> None:
    desk = start(enabled=False)
    desk.rename()
    assert desk.ask(trigger=1)["edits"] == []
    assert desk.status()["enabled"] is False


def test_what_is_no_message_of_ours_does_no_harm(start: Start) -> None:
    desk = start()
    desk.rename()
    desk.found(5)
    for method in ("foretype/nextEdits", "textDocument/copilotInlineEdit", "foretype/applyAll"):
        for params in (None, [], {"textDocument": 3}, {"suggestionIds": [3, None, "unknown"]}):
            answer = desk.client.request(method, params)
            assert isinstance(answer["edits"], list)
    for method in ("foretype/didChangeDiagnostics", "textDocument/didShowInlineEdit", "foretype/didReject"):
        for params in (None, {"uri": 1}, {"uri": desk.uri, "diagnostics": [{"range": 3, "message": 4}]}, {"item": {}}):
            desk.client.notify(method, params)
    command = {"command": "foretype.acceptEdit", "arguments": [{"suggestionId": "unknown"}, 3]}
    desk.client.request("workspace/executeCommand", command)
    assert len(desk.ask()["edits"]) == 5


def test_typing_races_acceptance(root: Path, start: Start) -> None:
    """A client types on and accepts what it was told last: only what is for the version that it has. Whatever happens,
    exactly the names that were renamed are changed, and what was typed is there."""
    (root / "lib.py").write_text(LOG + "log(1)\n" * 30, "utf-8")
    desk = start(idle_ms=60_000)
    desk.rename()
    edits = desk.ask(trigger=1)["edits"]
    code = desk.text
    rng = random.Random(6)
    typed = accepted = 0
    for turn in range(100):
        if rng.random() < 0.5:
            line = rng.randrange(code.count("\n"))
            at = sum(len(text) + 1 for text in desk.text.split("\n")[:line])
            desk.replace(at, 0, f"#{turn}\n")
            typed += 1
        if rng.random() < 0.5:
            edits = desk.ask()["edits"]
        mine = [edit for edit in edits if (edit["uri"], edit["version"]) == (desk.uri, desk.version)]
        if mine and rng.random() < 0.5:
            desk.accept(rng.choice(mine))
            accepted += 1
    assert accepted > 5 and typed > 20
    lines = [line for line in desk.text.split("\n") if not line.startswith("#")]
    assert "\n".join(lines).replace("logger(", "log(") == LOG + "log(1)\n" * 30
    assert lines.count("logger(1)") + lines.count("logger('here')") == accepted
    assert lines[0] == "def logger(text):"
