"""One typing trace, played to one assistant: pauses, keys, a look at the screen, acceptances.

Gives a row for each key of the trace, those that an acceptance saved included. Knows no protocol and no process, and
time only through a `Clock`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from foretype.eval.typing.assistant import Assistant, Shown
from foretype.eval.typing.buffer import behind
from foretype.eval.typing.developer import READING_MS, Developer, keys_within
from foretype.eval.typing.keystrokes import Key
from foretype.eval.typing.traces import Change, Insert, Move, Open, Trace

# Milliseconds that the developer looks at the screen after the last key.
LEAVING_MS = 2000.0

# Where the assistant does not know. CPO does not depend on it.
CHARACTERS_PER_TOKEN = 3.0

_POLL_S = 0.004


class Clock(Protocol):
    def wait(self, ms: float, busy: Callable[[], bool]) -> None:
        """Returns when the developer's pause is over."""


class RealClock:
    """Pauses as long as they are."""

    def wait(self, ms: float, busy: Callable[[], bool]) -> None:
        time.sleep(ms / 1000)


class SkippingClock:
    """Leaves out the part of a pause in which the assistant has nothing under way, so that requests take the time that
    they take and nobody waits for the developer. What an assistant does unasked has less time than in life."""

    def wait(self, ms: float, busy: Callable[[], bool]) -> None:
        until = time.monotonic() + ms / 1000
        while busy() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _POLL_S))


@dataclass(frozen=True)
class Row:
    """What became of one key, an opportunity.

    `saved`: an acceptance made it unnecessary. `on_screen`: there was ghost text when the next key was due, and `new`:
    the developer had not read it before. `ms`: to ghost text that appeared after this key; it and `cached` as in
    `Shown`. `characters`, `tokens` and `keys` are those of the acceptance that followed; `begun` is false where that
    went on with a suggestion that was accepted in part before.
    """

    key: int
    saved: bool = False
    on_screen: bool = False
    new: bool = False
    ms: float | None = None
    cached: bool = False
    characters: int = 0
    tokens: float = 0.0
    keys: int = 0
    begun: bool = False


def play(trace: Trace, assistant: Assistant, clock: Clock, partial: bool = False) -> list[Row]:
    """Opens the trace's files, does its steps, closes the files; `partial`: parts of suggestions may be accepted."""
    player = _Player(assistant, clock, Developer(partial))
    texts = {file.path: file for file in trace.files}
    for step in trace.steps:
        match step:
            case Open():
                player.look(step.pause_ms)
                player.leave()
                assistant.open(step.path, texts[step.path].language, texts[step.path].text)
            case Move():
                player.look(step.pause_ms)
                player.leave()
                assistant.move(step.path, step.line, step.column)
            case Change():
                player.change(step)
            case Insert():
                player.insert(step)
    player.look(LEAVING_MS)
    for file in trace.files:
        assistant.close(file.path)
    return player.rows


class _Player:
    """`rows` are those of the keys so far; the number of a key is its row's place."""

    def __init__(self, assistant: Assistant, clock: Clock, developer: Developer) -> None:
        self.rows: list[Row] = []
        self._assistant, self._clock, self._developer = assistant, clock, developer
        self._accepted_in_part = False

    def look(self, pause_ms: float) -> Shown | None:
        """Waits for the pause's end and looks at the screen; what was there, and still is when it has been read."""
        self._clock.wait(pause_ms, self._assistant.busy)
        shown = self._assistant.shown()
        if not shown or not shown.text or not self.rows:
            return None
        new = self._developer.reads(shown.text)
        self.rows[-1] = replace(self.rows[-1], on_screen=True, new=new)
        if self.rows[shown.key].ms is None:
            self.rows[shown.key] = replace(self.rows[shown.key], ms=shown.ms, cached=shown.cached)
        if not new:
            return shown
        self._accepted_in_part = False
        self._clock.wait(READING_MS, self._assistant.busy)
        still = self._assistant.shown()
        return still if still and still.text == shown.text else None

    def leave(self) -> None:
        self._developer.left()

    def change(self, step: Change) -> None:
        if step.is_key:
            self.look(step.pause_ms)
        self._developer.left()
        self._assistant.edit(step.path, step.line, step.column, step.removed, step.inserted)
        if step.is_key:
            self.rows.append(Row(len(self.rows)))
            self._assistant.ask(step.path, *behind(step.line, step.column, step.inserted), len(self.rows) - 1)

    def insert(self, step: Insert) -> None:
        line, column = step.line, step.column
        keys = deque(step.keys)
        while keys:
            shown = self.look(keys[0].pause_ms)
            characters = self._developer.accepts(shown.text, [key.text for key in keys]) if shown else 0
            if shown and characters:
                text = shown.text[:characters]
                self._accept(shown, characters, keys)
            else:
                text = keys.popleft().text
                self.rows.append(Row(len(self.rows)))
            self._assistant.edit(step.path, line, column, "", text)
            self._developer.wrote(text)
            line, column = behind(line, column, text)
            self._assistant.ask(step.path, line, column, len(self.rows) - 1)

    def _accept(self, shown: Shown, characters: int, keys: deque[Key]) -> None:
        """Notes it, and takes the keys away that it saves; of one that it saves in part, the rest remains."""
        saved = keys_within(characters, [key.text for key in keys])
        self.rows[-1] = replace(
            self.rows[-1],
            characters=characters,
            tokens=(shown.tokens or len(shown.text) / CHARACTERS_PER_TOKEN) * characters / len(shown.text),
            keys=saved,
            begun=not self._accepted_in_part,
        )
        self._accepted_in_part = True
        self._assistant.accepted(characters)
        left = characters
        for _ in range(saved):
            left -= len(keys.popleft().text)
            self.rows.append(Row(len(self.rows), saved=True))
        if left:
            keys[0] = replace(keys[0], text=keys[0].text[left:])
