"""The peer of `foretype eval replay`: llama.cpp's `llama-server` with the request policy of llama.vim.

The facts are those of llama.vim, revision a1c8e6e40cb45df59b78add5b65d575386832465 (2026-01-31),
`autoload/llama.vim` and `doc/llama.txt`, with its default configuration; the code is not. One thread with an event loop
stands for Vim's: a call returns when that loop has dealt with the event; only closing the last file waits for requests.

- Each key in insert mode shows what the cache has, then asks at once if no request runs. None is ever cancelled: while
  one runs, the next waits in one timer of 100 ms, which every key starts again and which then asks for where the cursor
  is. A remembered answer is shown for up to 128 characters typed along with it; the place itself is asked for again.
- An answer is shown if it fits where the cursor is by then and nothing is shown. What is shown starts a speculative
  request for the place behind it, by that same timer if the answer's own request has not ended.
- Chunks are picked 100 ms after a buffer is entered, on leaving and writing it, and around the window of a request
  more than 32 lines from the last that did so. One a second goes from the queue to the ring, with a request that
  prefills, in normal mode or three seconds after the last move.

Not as there: replay has no event for writing a file, so that a changed buffer counts as written when it is left, nor
has it yanks; what is accepted goes in at the cursor, where llama.vim replaces the rest of the line and goes behind it;
and with no file open the ring rests. Server flags for those who have little memory: `-c 0 -ub 1024 -b 1024
--cache-reuse 256` (llama.vim recommends llama.cpp's `--fim-qwen-1.5b-default`, which sets them).
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import psutil

from foretype.eval.llama.plugin import Plugin
from foretype.eval.llama.server import LlamaServer
from foretype.eval.typing.assistant import Shown

_T = TypeVar("_T")


class LlamaVim:
    """An `Assistant`. `model` and `build` are the server's. Raises `BackendError` when made where no server answers at
    `url`, and from `ask` once a request has failed. `seed` decides which halves of chunks are picked."""

    name = "llama.vim"

    def __init__(self, url: str, seed: int = 0) -> None:
        server = LlamaServer(url)
        self.model, self.build = server.name, server.build
        server.close()
        self._process = listener(url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="llama.vim", daemon=True)
        self._thread.start()
        self._plugin = self._do(lambda: Plugin(url.rstrip("/") + "/infill", random.Random(seed)))

    def workspace(self, root: Path, changed: tuple[str, ...]) -> None:
        """llama.vim knows buffers only."""

    def open(self, path: str, language: str, text: str) -> None:
        self._do(lambda: self._plugin.open(path, text))

    def edit(self, path: str, line: int, column: int, removed: str, inserted: str) -> None:
        """Raises ValueError where something else than `removed` stands there."""
        now = time.perf_counter()
        self._do(lambda: self._plugin.edit(path, line, column, removed, inserted, now))

    def move(self, path: str, line: int, column: int) -> None:
        self._do(lambda: self._plugin.move(path, line, column))

    def ask(self, path: str, line: int, column: int, key: int) -> None:
        self._do(lambda: self._plugin.ask(path, line, column, key))

    def shown(self) -> Shown | None:
        return self._do(lambda: self._plugin.shown)

    def busy(self) -> bool:
        """Whether any request runs or waits, since each delays the next."""
        return self._do(lambda: self._plugin.busy)

    def accepted(self, characters: int) -> None:
        self._do(lambda: self._plugin.hide())

    def rejected(self) -> None:
        self._do(lambda: self._plugin.hide())

    def close(self, path: str) -> None:
        """With no file left open, waits for the requests that run: they are part of what the files cost."""
        asyncio.run_coroutine_threadsafe(self._plugin.close(path), self._loop).result()

    def cpu_s(self) -> float:
        """Of the server alone, 0 where it is not on this machine or not ours to see."""
        if not self._process:
            return 0.0
        try:
            times = [process.cpu_times() for process in (self._process, *self._process.children(recursive=True))]
        except psutil.Error:
            return 0.0
        return sum(spent.user + spent.system for spent in times)

    def counts(self) -> Mapping[str, int]:
        """`Assistant`'s, and of `requests` those that were `speculative`; `prefills` were sent besides them."""
        return self._do(lambda: dict(self._plugin.counts))

    def stop(self) -> None:
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._plugin.stop(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _do(self, event: Callable[[], _T]) -> _T:
        async def handle() -> _T:
            return event()

        return asyncio.run_coroutine_threadsafe(handle(), self._loop).result()


def listener(url: str) -> psutil.Process | None:
    """The process of this machine that listens on the port of `url`, where this user may know it."""
    parts = urlsplit(url)
    if not _is_loopback(parts.hostname or ""):
        return None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    for process in psutil.process_iter():
        try:
            connections = process.net_connections(kind="tcp")
        except psutil.Error:
            continue
        if any(c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port for c in connections):
            return process
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
