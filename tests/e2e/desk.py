"""A workspace of three files, and one of them open in a client that edits it and takes next edits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from foretype.lsp.wire import Client

SERVE = [sys.executable, Path(__file__).with_name("stand_in_edits.py")]
FOUND = "foretype/didFindNextEdits"
OPENED: list[str] = []  # documents of the shared server

LOG = "def log(text):\n    print(text)\n\n\nlog('here')\n"
MAIN = "from lib import log\n\n\ndef main():\n    log('a')\n    log('b')\n"


def write(root: Path) -> None:
    (root / "deep").mkdir(parents=True)
    (root / "lib.py").write_text(LOG, "utf-8")
    (root / "main.py").write_text(MAIN, "utf-8")
    (root / "deep" / "lib.py").write_text("log(1)\n", "utf-8")


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
