"""The event loop's side of llama.vim: which event asks, shows, picks or prefills, and when. `llama_vim.py` says how.

Rows and columns are 0-based, columns in characters; `now` is of `time.perf_counter`, in seconds. Everything here runs
in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from foretype.eval.llama import fim as llama_fim
from foretype.eval.llama.cache import Answer, Cache
from foretype.eval.llama.ring import CHUNK_LINES, Ring
from foretype.eval.typing.assistant import Shown
from foretype.eval.typing.buffer import Buffer, behind
from foretype.model.backend import BackendError

RETRY_S = 0.1
ENTERED_S = 0.1  # from entering a buffer to picking a chunk of it
RING_S = 1.0  # ring_update_ms
STILL_S = 3.0  # in insert mode, the ring moves only if the cursor did not for so long
SCOPE_LINES = 1024  # ring_scope
FAR_LINES = 32  # from the request that picked chunks last to the next one that does
CONNECT_S = 5.0  # for connections; an answer may take any time, as it may for curl

COUNTED = "attempts", "requests", "speculative", "answered", "empty", "wasted", "prefills"


@dataclass(frozen=True)
class Place:
    """Where a cursor is, or would be once a hint is accepted."""

    path: str
    before: str
    after: str

    def leads_to(self, text: str, now: Place) -> bool:
        """Whether the answer `text` to this place may be shown at `now` or later, if all is typed along with it."""
        if (self.path, self.after) != (now.path, now.after):
            return False
        return self.before.startswith(now.before) or (self.before + text).startswith(now.before)


@dataclass(frozen=True)
class Speculation:
    """What to ask for when the hint in row `row` is accepted."""

    row: int
    hint: llama_fim.Hint
    place: Place


class View:
    """A buffer with its cursor; `changed` since it was written."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.buffer, self.row, self.column, self.changed = path, Buffer(text), 0, 0, False

    @property
    def lines(self) -> list[str]:
        """As Vim has them: the end of the last line begins no other, unless the cursor is there."""
        lines = self.buffer.lines
        return lines[:-1] if 0 < len(lines) - 1 != self.row and not lines[-1] else lines

    @property
    def around(self) -> list[str]:
        """Up to a chunk of lines around the cursor."""
        return self.lines[max(0, self.row - CHUNK_LINES // 2) : self.row + CHUNK_LINES // 2 + 1]

    @property
    def window(self) -> llama_fim.Window:
        return llama_fim.window(self.lines, self.row, self.column)

    @property
    def place(self) -> Place:
        """Of a blank line its start, since that is what is asked for."""
        blank = llama_fim.is_blank(llama_fim.line_at(self.buffer.lines, self.row))
        before, after = self.buffer.split_at(self.row, 0 if blank else self.column)
        return Place(self.path, before, after.lstrip(" \t") if blank else after)


class Plugin:
    """Made in the running event loop and called from it alone; `url` is that of `/infill`."""

    def __init__(self, url: str, rng: random.Random) -> None:
        self.shown: Shown | None = None
        self.counts = Counter(dict.fromkeys(COUNTED, 0))
        self._url = url
        # a connection for each request, as curl makes it
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=CONNECT_S),
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
            verify=url.startswith("https"),  # which loads certificates
        )
        self._loop = asyncio.get_running_loop()
        self._failure = ""
        self._loop.set_exception_handler(self._on_exception)
        self._views: dict[str, View] = {}
        self._view: View | None = None
        self._inserting = False
        self._key, self._pressed_at, self._moved_at = 0, 0.0, 0.0
        self._hint: llama_fim.Hint | None = None
        self._cache = Cache()
        self._ring = Ring(rng)
        self._picked_row: int | None = None
        self._indent = -1
        self._job: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._prefills = set[asyncio.Task[Answer | None]]()
        self._ring_timer = self._loop.call_later(RING_S, self._update_ring)

    @property
    def busy(self) -> bool:
        return bool(self._job or self._retry or self._prefills)

    # Events.

    def open(self, path: str, text: str) -> None:
        self._leave()
        self._views[path] = View(path, text)
        self._enter(path)

    async def close(self, path: str) -> None:
        if self._view and self._view.path == path:
            self._leave()
        self._views.pop(path, None)
        if not self._views:
            await self.settle()

    def move(self, path: str, row: int, column: int) -> None:
        view = self._enter(path)
        view.row, view.column = row, column
        self._inserting = False
        self._left_place()

    def edit(self, path: str, row: int, column: int, removed: str, inserted: str, now: float) -> None:
        view = self._enter(path)
        view.buffer.change(row, column, removed, inserted)
        view.row, view.column = behind(row, column, inserted)
        view.changed = True
        self._pressed_at = now
        self._left_place()

    def ask(self, path: str, row: int, column: int, key: int) -> None:
        if self._failure:
            raise BackendError(self._failure)
        view = self._enter(path)
        view.row, view.column = row, column
        self._inserting, self._key = True, key
        self._left_place()
        self._suggest()
        self._request()
        too_much_behind = not self._hint and len(view.window.line_suffix) > llama_fim.LINE_SUFFIX_CHARS
        self.counts["suppressed_line_suffix" if too_much_behind else "attempts"] += 1

    def hide(self) -> None:
        self._hint = self.shown = None

    async def settle(self) -> None:
        """Returns when all requests have ended, and starts none that waits."""
        if self._retry:
            self._retry.cancel()
            self._retry = None
        await asyncio.gather(*self._running, return_exceptions=True)

    async def stop(self) -> None:
        self._leave()
        self._ring_timer.cancel()
        for task in self._running:
            task.cancel()
        await self.settle()
        await self._client.aclose()

    @property
    def _running(self) -> list[asyncio.Task[Any]]:
        return [task for task in (self._job, *self._prefills) if task]

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._failure = f"replay's llama.vim failed: {context.get('exception') or context['message']!r}"
        loop.default_exception_handler(context)

    def _enter(self, path: str) -> View:
        if not self._view or self._view.path != path:
            self._leave()
            self._view = self._views[path]
            self._loop.call_later(ENTERED_S, self._pick_around)
        return self._view

    def _leave(self) -> None:
        if self._view and self._view.changed:
            self._view.changed = False
            self._pick_around()
        self._pick_around()
        self._view, self._inserting = None, False
        self.hide()

    def _left_place(self) -> None:
        self._moved_at = self._loop.time()
        self.hide()

    # Requests.

    def _request(self, ahead: Speculation | None = None) -> None:
        """Asks for what follows the cursor, or follows a hint. What it picks and evicts: see the module."""
        if self._job:
            if self._retry:
                self._retry.cancel()
            self._retry = self._loop.call_later(RETRY_S, self._request_again, ahead)
            return
        view = self._view
        if not view:
            return
        if ahead:
            row, place = ahead.row, ahead.place
            window = llama_fim.window_after(view.lines, row, ahead.hint.lines, self._indent)
        else:
            row, place, window = view.row, view.place, view.window
        if len(window.line_suffix) > llama_fim.LINE_SUFFIX_CHARS or any(map(self._cache.get, window.states)):
            return
        self._indent = window.indent
        self._ring.evict_near(view.around)
        body = llama_fim.body(window, self._ring.chunks, speculative=ahead is not None)
        self._job = self._loop.create_task(self._fetch(body, window.states, place, self._pressed_at))
        self.counts["requests"] += 1
        self.counts["speculative"] += ahead is not None
        if self._picked_row is None or abs(row - self._picked_row) > FAR_LINES:
            self._picked_row = row
            self._pick_outside(view, row)

    def _request_again(self, ahead: Speculation | None) -> None:
        self._retry = None
        self._request(ahead)

    async def _fetch(self, body: dict[str, Any], states: list[str], place: Place, asked_at: float) -> None:
        try:
            answer = await self._post(body)
            if answer is not None:
                self._receive(answer, states, place, asked_at)
        finally:
            self._job = None

    def _receive(self, answer: Answer, states: list[str], place: Place, asked_at: float) -> None:
        self.counts["answered" if answer.text.strip() else "empty"] += 1
        self.counts["wasted"] += not (self._view and place.leads_to(answer.text, self._view.place))
        self._cache.put(states, answer)
        if not self._hint or not self._hint.acceptable:
            self._suggest(asked_at)

    async def _post(self, body: dict[str, Any]) -> Answer | None:
        """None, and a failure for the next `ask` to raise, where no answer comes."""
        try:
            response = await self._client.post(self._url, json=body)
            fields = response.json()
        except (httpx.HTTPError, ValueError) as error:
            self._failure = f"no llama-server answers at {self._url} any more ({type(error).__name__}): start it again"
            return None
        if response.is_error or not isinstance(fields, dict):
            self._failure = f"llama-server at {self._url}: {response.status_code} {response.text[:200]}"
            return None
        return Answer(str(fields.get("content", "")), int(fields.get("timings/predicted_n", 0)))

    # What is shown.

    def _suggest(self, asked_at: float | None = None) -> None:
        """Shows what is remembered for the cursor's place, if anything is, and asks for what would follow it.

        `asked_at`: when the key was typed at which was asked for an answer that came just now.
        """
        view = self._view
        if not view or not self._inserting:
            return
        answer = self._cache.recall(view.window)
        if not answer:
            return
        self._hint = hint = llama_fim.hint(answer.text, view.lines, view.row, view.column)
        self.shown = None
        if hint.acceptable and hint.text:
            since = self._pressed_at if asked_at is None else asked_at
            ms = 1000 * (time.perf_counter() - since)
            self.shown = Shown(hint.text, self._key, ms, asked_at is None, answer.tokens)
        before, after = view.buffer.split_at(view.row, view.column)
        self._request(Speculation(view.row, hint, Place(view.path, before + hint.text, after)))

    # Extra context.

    def _pick_around(self) -> None:
        if self._view and not self._view.changed:
            self._ring.pick(self._view.path, self._view.around, evict=True)

    def _pick_outside(self, view: View, row: int) -> None:
        """Above the window of a request, and below it. Vim's ranges hold their last line, and the buffer's ends."""
        lines = view.lines
        above = lines[max(0, row - SCOPE_LINES) : max(0, row - llama_fim.PREFIX_LINES) + 1]
        below = min(len(lines) - 1, row + llama_fim.SUFFIX_LINES)
        self._ring.pick(view.path, above, evict=False)
        self._ring.pick(view.path, lines[below : below + CHUNK_LINES + 1], evict=False)

    def _update_ring(self) -> None:
        self._ring_timer = self._loop.call_later(RING_S, self._update_ring)
        if not self._views or (self._inserting and self._loop.time() - self._moved_at < STILL_S):
            return
        if self._ring.advance():
            self.counts["prefills"] += 1
            task = self._loop.create_task(self._post(llama_fim.prefill_body(self._ring.chunks)))
            self._prefills.add(task)
            task.add_done_callback(self._prefills.discard)
