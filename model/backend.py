"""The completion interface: what every backend (local engine, transformers, a remote server) offers the server.

A backend gets text and gives text. It blocks, is called from one worker thread at a time, and looks at `cancel`
often enough to stop within 50 ms. How the text is cut, tokenized and laid out is the backend's own business.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from foretype.model.edit_format import EditRequest

# Given the text generated so far, the length of it to keep once it is complete, or None to go on.
Stop = Callable[[str], int | None]


class Cancelled(Exception):
    """The request was cancelled before it had an answer."""


class ModelError(Exception):
    """A model cannot be had or used. The message is one line that tells a user what to do."""


class BackendError(ModelError):
    """The backend cannot answer."""


class Cancel:
    """A flag that one thread sets and another looks at; what was registered with `on_set` runs when it is set."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    def set(self) -> None:
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_set(self, callback: Callable[[], None]) -> None:
        """Calls `callback` when the flag is set, at once if it is set already."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def is_set(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raises `Cancelled` if the flag is set."""
        if self._event.is_set():
            raise Cancelled


@dataclass(frozen=True)
class ContextFile:
    """Text of another file that the prompt should hold; `path` as a person would write it."""

    path: str
    text: str


@dataclass(frozen=True)
class FimRequest:
    """What to fill in. `prefix` and `suffix` are the whole text around the cursor; the backend cuts them.

    `single_line` ends the answer at the first newline; `stop` can end it earlier or, for several lines, at all.
    `confident` lets it end where what follows would be too unlikely to be worth suggesting (`model/confident.py`).
    """

    prefix: str
    suffix: str
    path: str = ""
    files: tuple[ContextFile, ...] = ()
    max_tokens: int = 64
    single_line: bool = False
    stop: Stop | None = None
    confident: bool = False


@dataclass(frozen=True)
class FimResult:
    """The answer, without the text that the prompt already held. `logprobs` has one natural logarithm per token,
    `margins` how far each is above that of the second best, and `ends` the characters of `text` up to its end.

    `finish` is "stop" (a stop token, newline or `stop`) or "length". Tokens are counts, 0 where unknown: of the answer,
    of the prompt, of those in it that were cached, and of the request's own text in it on each side of the cursor.
    Times are milliseconds.
    """

    text: str
    finish: str
    tokens: int
    logprobs: tuple[float, ...] = ()
    prompt_tokens: int = 0
    cached_tokens: int = 0
    prefix_tokens: int = 0
    suffix_tokens: int = 0
    stages_ms: dict[str, float] = field(default_factory=dict)
    margins: tuple[float, ...] = ()
    ends: tuple[int, ...] = ()


@dataclass(frozen=True)
class EditQuestion:
    """Whether something is to be done in a window, and what: asked as `model/edit_format.py` has it.

    How likely the answer is that nothing is to be done is measured in the run that reads the prompt. Another one is
    written if some other token is by `least_gap` (natural logarithm) likelier than the one that says so. That may be
    negative: then it is what the model would write if it had to do something. It has at most `max_tokens`.
    """

    request: EditRequest
    least_gap: float = 0.0
    max_tokens: int = 96


@dataclass(frozen=True)
class EditResult:
    """What was written, for the format to parse; `finish` is "" where nothing was, else as in `FimResult`.

    `window` are the lines (start, stop) of the file that were shown, None where not even those in question fit. `gap`
    is by how much (natural logarithm) another first token is likelier than the one that says that nothing is to be
    done: negative where the model would do nothing. The rest is as in `FimResult`.
    """

    text: str = ""
    finish: str = ""
    tokens: int = 0
    window: tuple[int, int] | None = None
    logprobs: tuple[float, ...] = ()
    gap: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    stages_ms: dict[str, float] = field(default_factory=dict)


class Backend(Protocol):
    """Raises `Cancelled` or `BackendError`; anything else is a bug. Stays usable after either."""

    @property
    def name(self) -> str:
        """Which model answers; of several, the one that does now."""
        ...

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult: ...

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        """Does ahead what makes a request like this one faster, if there is such a thing."""
        ...

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        """Says how likely it is that nothing is to be done, and what is to be done otherwise; `BackendError` where the
        backend can do neither."""
        ...

    def close(self) -> None: ...


def no_edits(name: str) -> BackendError:
    """What a backend raises that cannot tell how likely a given answer is."""
    return BackendError(f"{name} completes, but cannot propose next edits; set model.backend to local for those")
