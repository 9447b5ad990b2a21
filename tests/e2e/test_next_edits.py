"""Next edits over stdio: when the real server looks for them, what it tells, and that none is applied to other text."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from serving import METHOD, place, until, wait_for_state
from serving import SERVE as REAL
from serving import options as scripted_options
from stub_openai import StubOpenAI

from foretype.lsp.wire import Client

SERVE = [sys.executable, Path(__file__).with_name("stand_in_edits.py")]
FOUND = "foretype/didFindNextEdits"
OPENED: list[str] = []  # documents of the shared server

LOG = "def log(text):\n    print(text)\n\n\nlog('here')\n"
MAIN = "from lib import log\n\n\ndef main():\n    log('a')\n    log('b')\n"


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


def write(root: Path) -> None:
    (root / "deep").mkdir(parents=True)
    (root / "lib.py").write_text(LOG, "utf-8")
    (root / "main.py").write_text(MAIN, "utf-8")
    (root / "deep" / "lib.py").write_text("log(1)\n", "utf-8")


Start = Callable[..., "Desk"]


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


class Desk:
    """An open file, edited as a client does, and what the server proposes."""

    def __init__(self, client: Client, root: Path, path: str, text: str | None = None) -> None:
        self.client, self.root = client, root
        self.text = (root / path).read_bytes().decode() if text is None else text
        self.uri = client.open(root / path, "python", self.text)
        self.version = 1
        OPENED.append(self.uri)
        self.before = self._counts()

    def place(self, offset: int) -> dict[str, int]:
        head = self.text[:offset].replace("\r\n", "\n").split("\n")
        return {"line": len(head) - 1, "character": len(head[-1].encode("utf-16-le")) // 2}

    def replace(self, offset: int, length: int, text: str) -> None:
        where = {"start": self.place(offset), "end": self.place(offset + length)}
        self.text = self.text[:offset] + text + self.text[offset + length :]
        self.version = self.client.change(self.uri, {"range": where, "text": text})

    def rename(self, old: str = "log", new: str = "logger") -> None:
        """The definition's name, by typing behind it."""
        at = self.text.index(f"def {old}") + 4
        self.replace(at + len(old), 0, new[len(old) :]) if new.startswith(old) else self.replace(at, len(old), new)

    def found(self, count: int, complete: bool = True) -> list[dict[str, Any]]:
        """The next list of so many that the server tells of, for the text as it is now."""

        def right(params: Any) -> bool:
            versions = {edit["version"] for edit in params["edits"] if edit["uri"] == self.uri}
            return params["complete"] is complete and len(params["edits"]) == count and versions <= {self.version}

        return self.client.wait_for_notification(FOUND, right)["edits"]

    def ask(self, trigger: int = 2) -> dict[str, Any]:
        params = {"textDocument": {"uri": self.uri}, "position": self.place(0), "context": {"triggerKind": trigger}}
        return self.client.request("foretype/nextEdits", params)

    def apply_all(self, *ids: str) -> dict[str, Any]:
        return self.client.request("foretype/applyAll", {"suggestionIds": list(ids)} if ids else {})

    def offset(self, position: dict[str, int]) -> int:
        lines = self.text.split("\n")
        return sum(len(line) + 1 for line in lines[: position["line"]]) + position["character"]

    def accept(self, edit: dict[str, Any]) -> None:
        """As a client does: applies it to the text of its version, then runs its command."""
        begin, end = self.offset(edit["range"]["start"]), self.offset(edit["range"]["end"])
        assert self.text[begin:end] == edit["oldText"]
        self.replace(begin, end - begin, edit["text"])
        command = {name: edit["command"][name] for name in ("command", "arguments")}
        self.client.request("workspace/executeCommand", command)

    def status(self) -> dict[str, Any]:
        """Counts are those since the file was opened."""
        found = self.client.request("foretype/status")["edits"]
        return {**found, "counts": {name: n - self.before[name] for name, n in found["counts"].items()}}

    def _counts(self) -> dict[str, int]:
        return self.client.request("foretype/status")["edits"]["counts"]


def places(edits: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(edit["path"], edit["range"]["start"]["line"]) for edit in edits]


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


def test_switched_off(start: Start) -> None:
    desk = start(enabled=False)
    desk.rename()
    assert desk.ask(trigger=1)["edits"] == []
    assert desk.status()["enabled"] is False


def test_the_model_s_places_make_way_for_ghost_text(alone: Callable[..., Desk]) -> None:
    def asked(about: str) -> int:
        return sum(about in request["prompt"] for request in stub.requests)

    with StubOpenAI() as stub:
        stub.gate.clear()
        desk = alone(url=stub.url, model=True, idle_ms=50)
        desk.rename()
        assert len(desk.found(5, complete=False)) == 5  # the rules' are there while the model is asked
        until(lambda: asked("next edit") == 1)
        number = desk.client.send_request(METHOD, place(desk.uri, 1, 4))
        until(lambda: asked("def logger") == 1)
        stub.gate.set()
        assert desk.client.wait(number) is None  # the scripted model has nothing to say
        until(lambda: asked("next edit") == 2)
        assert len(desk.found(5)) == 5


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
