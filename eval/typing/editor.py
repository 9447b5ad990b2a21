"""A document as an editor has it open: text, a cursor, typing, asking for ghost text, accepting it.

What an editor tells the server, and in which order, over the client of `lsp/wire.py`. Positions go over the wire in
UTF-16 code units. Draws nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foretype.context.text import column_from_units, content, split_lines, units_from_column
from foretype.lsp.wire import Client

_AUTOMATIC = 2  # InlineCompletionTriggerKind: not asked for, the user just types


@dataclass(frozen=True)
class Answer:
    """`item` as the server gave it, None where it gave none; `ms` from the request to the answer; `last` is what
    `foretype/status` says of the request."""

    item: dict[str, Any] | None
    ms: float
    last: dict[str, Any]

    @property
    def text(self) -> str:
        return str(self.item["insertText"]) if self.item else ""


class Document:
    """An open document with the cursor between `before` and `after`."""

    def __init__(self, client: Client, path: Path, language: str, before: str, after: str) -> None:
        self.before, self.after = before, after
        self._client = client
        self._uri = client.open(path, language, before + after)

    @property
    def text(self) -> str:
        return self.before + self.after

    @property
    def row(self) -> int:
        """The cursor's line, 0-based."""
        return len(split_lines(self.before)) - 1

    @property
    def line(self) -> tuple[str, str]:
        """The text of the cursor's line before and after the cursor."""
        return split_lines(self.before)[-1], content(split_lines(self.after)[0])

    def type(self, text: str) -> None:
        if text:
            self._replace(self._cursor(), self._cursor(), text)

    def ask(self, timeout: float) -> Answer:
        """Ghost text at the cursor, reported as shown. Raises what `Client.request` does; `timeout` in seconds."""
        place = {"textDocument": {"uri": self._uri}, "position": self._cursor()}
        started = time.perf_counter()
        answer = self._client.request(
            "textDocument/inlineCompletion", {**place, "context": {"triggerKind": _AUTOMATIC}}, timeout
        )
        ms = 1000 * (time.perf_counter() - started)
        item = answer["items"][0] if answer and answer["items"] else None
        if item:
            self._client.notify("textDocument/didShowCompletion", {"item": item})
        return Answer(item, ms, self._client.request("foretype/status")["last"])

    def accept(self, item: dict[str, Any]) -> None:
        """Puts the text in at the item's range, then has the server run the item's command."""
        self._replace(item["range"]["start"], item["range"]["end"], item["insertText"])
        command = {"command": item["command"]["command"], "arguments": item["command"]["arguments"]}
        self._client.request("workspace/executeCommand", command)

    def close(self) -> None:
        self._client.notify("textDocument/didClose", {"textDocument": {"uri": self._uri}})

    def _cursor(self) -> dict[str, int]:
        head = self.line[0]
        return {"line": self.row, "character": units_from_column(head, len(head), "utf-16")}

    def _replace(self, start: dict[str, int], end: dict[str, int], text: str) -> None:
        """An edit on the cursor's line, which leaves the cursor behind it."""
        self._client.change(self._uri, {"range": {"start": start, "end": end}, "text": text})
        head, tail = self.line
        first, last = (column_from_units(head + tail, place["character"], "utf-16") for place in (start, end))
        self.before = self.before[: len(self.before) - len(head)] + (head + tail)[:first] + text
        self.after = (head + tail)[last:] + self.after[len(tail) :]
