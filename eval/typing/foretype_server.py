"""Foretype's side of a replay: the real server in a process of its own, spoken to as an editor speaks to it.

As in the Neovim client, what is on the screen stays there, shortened, while its own characters are typed, and an answer
does not change it under the eye unless it goes on where that ends. Unlike there, the server is asked at every key, so
that it keeps count. Knows nothing of traces.
"""

from __future__ import annotations

import json
import math
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from foretype.context.machine import cache_dir
from foretype.context.text import units_from_column
from foretype.eval.typing.assistant import Shown
from foretype.eval.typing.buffer import Buffer, behind
from foretype.lsp.wire import Client, ResponseError, ServerEnded

SERVE = (sys.executable, "-m", "foretype", "serve")

# Seconds. A model that is not there yet is pulled and built first.
_READY_S = 3600.0
_ANSWER_S = 300.0
_AUTOMATIC = 2  # InlineCompletionTriggerKind: not asked for, the user just types
_CHANGED = 2  # FileChangeType

# Reasons of `foretype/status` for which the server did begin to look for an answer.
_TRIED = {"superseded", "cancelled", "stale", "failed", "empty", "trimmed", "unsure", "gated", "rejected"}


class ServerError(Exception):
    """The server cannot be measured. The message tells a user what to do."""


@dataclass(frozen=True)
class _Ask:
    """A request by its number; `pressed` is when its key was, on the performance counter's clock."""

    number: int
    key: int
    path: str
    line: int
    column: int
    pressed: float


@dataclass(frozen=True)
class _Live:
    """What is on the screen: the item, and how many of its first characters stand in the text already."""

    item: dict[str, Any]
    done: int
    path: str
    line: int
    column: int
    shown: Shown

    @property
    def rest(self) -> str:
        return str(self.item["insertText"])[self.done :]


# What a server that nobody types with for work should not do: write into the user's log, propose next edits.
_QUIET = {"telemetry": {"enabled": False}, "edits": {"enabled": False}}


class ForetypeServer:
    """An `Assistant`. `options` are the server's initialization options; `root` is the workspace's folder. `client`
    speaks to a server that was started already, instead of one that `serve` starts.

    Raises `ServerError` where no model can be had.
    """

    name = "foretype"

    def __init__(
        self,
        root: Path,
        options: Mapping[str, Any],
        serve: Sequence[str | Path] = SERVE,
        client: Client | None = None,
    ) -> None:
        self._root = root
        self._screen = threading.Lock()  # guards the next five
        self._live: _Live | None = None
        self._newest: _Ask | None = None
        self._ids: set[str] = set()  # of the suggestions that the server gave
        self._under_way = 0  # the number of the request that was not answered, nor cancelled
        self._counted: Counter[str] = Counter()
        self._buffers: dict[str, Buffer] = {}
        self._uris: dict[str, str] = {}
        self._pressed = 0.0
        self._broken = ""
        self._said_after_edit: tuple[str, Any] | None = None
        self._asks: queue.SimpleQueue[_Ask | None] = queue.SimpleQueue()
        self._client = client or Client.start(serve)
        try:
            answer = self._client.initialize(root, {**_QUIET, **options})
            self._encoding = answer["capabilities"].get("positionEncoding", "utf-16")
            self._await_model()
        except BaseException:
            self._client.close()
            raise
        self.model = str(self._status()["model"])
        self._process = psutil.Process(self._client.process.pid)
        self._cpu_s: dict[int, float] = {}  # by process, when it was last seen
        self._listener = threading.Thread(target=self._listen, name="replay-answers", daemon=True)
        self._listener.start()

    def workspace(self, root: Path, changed: tuple[str, ...]) -> None:
        changes = [{"uri": (root / path).resolve().as_uri(), "type": _CHANGED} for path in changed]
        if changes:
            self._client.notify("workspace/didChangeWatchedFiles", {"changes": changes})

    def open(self, path: str, language: str, text: str) -> None:
        self._leave()
        self._buffers[path] = Buffer(text)
        self._uris[path] = self._client.open(self._root / path, language, text)

    def edit(self, path: str, line: int, column: int, removed: str, inserted: str) -> None:
        self._pressed = time.perf_counter()
        start, end = self._position(path, line, column), self._position(path, *behind(line, column, removed))
        self._buffers[path].change(line, column, removed, inserted)
        with self._screen:
            self._newest = None
            live, self._live = self._live, None
            goes_on = live and (live.path, live.line, live.column) == (path, line, column) and not removed
            if live and goes_on and live.rest.startswith(inserted) and live.rest != inserted:
                self._live = _shortened(live, inserted)
        self._client.change(self._uris[path], {"range": {"start": start, "end": end}, "text": inserted})
        if self._said_after_edit:
            method, params = self._said_after_edit
            self._said_after_edit = None
            if method == "workspace/executeCommand":
                self._client.send_request(method, params)
            else:
                self._client.notify(method, params)

    def move(self, path: str, line: int, column: int) -> None:
        self._leave()
        place = {"textDocument": {"uri": self._uris[path]}, "position": self._position(path, line, column)}
        self._client.notify("foretype/didMoveCursor", place)

    def ask(self, path: str, line: int, column: int, key: int) -> None:
        params = {
            "textDocument": {"uri": self._uris[path]},
            "position": self._position(path, line, column),
            "context": {"triggerKind": _AUTOMATIC},
        }
        if self._broken:
            raise ServerError(self._broken)
        with self._screen:
            self._drop()
            number = self._under_way = self._client.send_request("textDocument/inlineCompletion", params)
            ask = self._newest = _Ask(number, key, path, line, column, self._pressed)
            self._counted["asks"] += 1
            if self._live:
                ms = 1000 * (time.perf_counter() - self._pressed)
                self._live = replace(self._live, shown=replace(self._live.shown, key=key, ms=ms, cached=True))
        self._asks.put(ask)

    def shown(self) -> Shown | None:
        with self._screen:
            return self._live.shown if self._live else None

    def busy(self) -> bool:
        with self._screen:
            return self._newest is not None

    def accepted(self, characters: int) -> None:
        with self._screen:
            live = self._live
        if live is None:
            return
        if characters == len(live.rest):
            command = live.item["command"]
            self._said_after_edit = (
                "workspace/executeCommand",
                {
                    "command": command["command"],
                    "arguments": command["arguments"],
                },
            )
        else:
            text = str(live.item["insertText"])
            length = units_from_column(text, live.done + characters, "utf-16")
            self._said_after_edit = (
                "textDocument/didPartiallyAcceptCompletion",
                {"item": live.item, "acceptedLength": length},
            )

    def rejected(self) -> None:
        with self._screen:
            live, self._live = self._live, None
        if live:
            self._client.notify("foretype/didReject", {"suggestionId": _suggestion_id(live.item)})

    def close(self, path: str) -> None:
        self._leave()
        self._client.notify("textDocument/didClose", {"textDocument": {"uri": self._uris.pop(path)}})
        del self._buffers[path]

    def cpu_s(self) -> float:
        """Of the server and its children, and of the engine processes that windows share: what other windows have them
        do meanwhile is counted too, so that none should be in use."""
        for process in (self._process, *self._process.children(recursive=True), *_engines()):
            try:
                times = process.cpu_times()
            except psutil.Error:  # it ended; what it used until it was last seen stays
                continue
            self._cpu_s[process.pid] = times.user + times.system
        return sum(self._cpu_s.values())

    def counts(self) -> dict[str, int]:
        status = self._status()
        reasons: dict[str, int] = status.get("reasons", {})
        suppressed = {reason: count for reason, count in reasons.items() if reason not in _TRIED}
        with self._screen:
            counted = Counter(self._counted)
        attempts = status["counts"].get("attempts", counted["asks"] - sum(suppressed.values()))
        return {
            "attempts": attempts,
            "requests": attempts - counted["recalled"],
            "answered": counted["answered"],
            "empty": counted["empty"],
            "wasted": counted["wasted"],
            "failed": reasons.get("failed", 0),
            **{f"{kind}_tokens": count for kind, count in status.get("tokens", {}).items()},
            **{f"suppressed_{reason}": count for reason, count in suppressed.items()},
        }

    def stop(self) -> None:
        self._asks.put(None)
        self._client.close()
        self._listener.join(5)

    def _listen(self) -> None:
        """Takes the answers in the order of their asks: the server ends an older one before it answers a newer."""
        while (ask := self._asks.get()) is not None:
            try:
                answer = self._client.wait(ask.number, _ANSWER_S)
            except ResponseError:  # it was cancelled
                answer = None
            except (ServerEnded, TimeoutError) as error:
                self._broken = str(error)
                return
            items = (answer or {}).get("items") or []
            with self._screen:
                current = self._newest is ask
                self._counted["answered" if items else "empty"] += 1
                if current:
                    self._newest, self._under_way = None, 0
                self._counted["wasted"] += bool(items) and not current
                live = self._given(items[0], ask, current) if items else None
            if live:
                self._client.notify("textDocument/didShowCompletion", {"item": live.item})
                self._learn(live)

    def _given(self, item: dict[str, Any], ask: _Ask, current: bool) -> _Live | None:
        """Shows an item where it is still wanted; returns it where it was not on the screen before. The server's items
        begin and end at the cursor; one that it gave before comes from its memory."""
        known = _suggestion_id(item) in self._ids
        self._ids.add(_suggestion_id(item))
        self._counted["recalled"] += known
        text = str(item["insertText"])
        if current and self._live is None:
            ms = 1000 * (time.perf_counter() - ask.pressed)
            self._live = _Live(item, 0, ask.path, ask.line, ask.column, Shown(text, ask.key, ms, known, 0))
            return self._live
        if current and self._live and text.startswith(self._live.rest):
            self._live = replace(self._live, item=item, done=0, shown=replace(self._live.shown, text=text))
        return None

    def _learn(self, live: _Live) -> None:
        """How many tokens there are in what is on the screen, and how long before the last key it was asked for."""
        try:
            last = self._status()["last"]
        except (ServerEnded, TimeoutError):
            return
        if last.get("suggestion_id") != _suggestion_id(live.item):
            return
        with self._screen:
            if self._live and self._live.item is live.item:
                # Of what was typed meanwhile only the rest is shown.
                shown, length = self._live.shown, len(str(live.item["insertText"]))
                tokens = math.ceil(last.get("tokens", 0) * len(shown.text) / length)
                ms = shown.ms + (0 if shown.cached else last["stages_ms"].get("earlier", 0))
                self._live = replace(self._live, shown=replace(shown, tokens=tokens, ms=ms))

    def _drop(self) -> None:
        """The latest ask is not wanted any more; under `_screen`. What it was about was changed before, if at all, so
        that the server can see whether its work still serves."""
        if self._under_way:
            self._client.cancel(self._under_way)
        self._under_way = 0
        self._newest = None

    def _leave(self) -> None:
        with self._screen:
            self._live = None
            self._drop()

    def _position(self, path: str, line: int, column: int) -> dict[str, int]:
        text = self._buffers[path].lines[line]
        return {"line": line, "character": units_from_column(text, column, self._encoding)}

    def _status(self) -> dict[str, Any]:
        return self._client.request("foretype/status", timeout=60)

    def _await_model(self) -> None:
        status = self._client.wait_for_notification(
            "foretype/didChangeStatus", lambda status: status["state"] != "loading", _READY_S
        )
        if status["state"] != "ready":
            raise ServerError(status["message"] or f"the model is {status['state']}")


def _engines() -> Iterator[psutil.Process]:
    """The engine processes that say in the cache how they are reached (`model/shared.py`)."""
    for address in (cache_dir() / "engines").glob("*/address.json"):
        try:
            yield psutil.Process(json.loads(address.read_text("utf-8"))["pid"])
        except (OSError, ValueError, KeyError, TypeError, psutil.Error):  # just ended
            continue


def _shortened(live: _Live, typed: str) -> _Live:
    line, column = behind(live.line, live.column, typed)
    rest = live.rest[len(typed) :]
    tokens = math.ceil(live.shown.tokens * len(rest) / len(live.rest))
    shown = replace(live.shown, text=rest, tokens=tokens)
    return replace(live, done=live.done + len(typed), line=line, column=column, shown=shown)


def _suggestion_id(item: dict[str, Any]) -> str:
    return str(item["command"]["arguments"][0]["suggestionId"])
