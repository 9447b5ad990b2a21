"""The one backend of a server: opened in the background, given up on when it fails, and tried again.

Lives on the event loop and never blocks it; what blocks runs on the worker. Knows neither documents nor the protocol.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from foretype.lsp.options import Options
from foretype.lsp.outcome import Reason
from foretype.model.backend import Backend, BackendError, Cancel, Cancelled
from foretype.model.progress import Progress
from foretype.model.worker import Worker, trace

log = logging.getLogger(__name__)

T = TypeVar("T")
State = Literal["off", "loading", "ready", "error"]
Post = Callable[..., object]

# After a failure requests go unanswered for this many seconds, twice as many each time up to the last.
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 60.0
# What stands by for a server is not asked for days, and must be in memory on the day that it is.
_STANDBY_S = 30 * 86_400.0
# The same complaint is repeated to the user after this many seconds.
_SAY_AGAIN = 600.0


@dataclass(frozen=True)
class Status:
    """What a status line shows. `message` is one line, "" when there is nothing to say; `done` is the part of the
    loading that is over, 0..1, None when unknown."""

    state: State
    message: str = ""
    model: str = ""
    done: float | None = None


def open_backend(options: Options, progress: Progress, own: bool = True) -> Backend:
    """The backend that the options choose; pulls and builds what is not there yet. `own`: whether a model may be loaded
    into this process, where it serves one client alone.

    Raises `BackendError`, and whatever `progress` raises.
    """
    model, openai = options.model, options.openai
    if model.backend == "openai":
        from foretype.model.openai import OpenAIBackend

        alone = model.fallback == "none"
        remote = OpenAIBackend(
            url=openai.url,
            model=openai.model,
            family=openai.family,
            api_key_env=openai.api_key_env,
            timeout_s=openai.timeout_s,
            retries=openai.retries if alone else 0,
            concurrent=openai.concurrent,
        )
        if alone:
            return remote
        from foretype.model.failover import Failover

        return Failover(remote, partial(_open_local, options, idle_s=_STANDBY_S, own=own))
    if model.backend == "hf":
        if not own:
            raise BackendError("several editors cannot share transformers; start foretype serve for this one alone")
        from foretype.model.hf import HfBackend

        return HfBackend(model.name)
    return _open_local(options, progress, own=own)


def _open_local(options: Options, progress: Progress, idle_s: float = 900.0, own: bool = True) -> Backend:
    from foretype.model.shared import EngineUnreachable, Settings, SharedBackend

    model = options.model
    settings = Settings(
        name=model.name,
        adapter=model.adapter,
        threads=model.threads,
        context_tokens=model.context_tokens,
        prefix_tokens=options.completion.prefix_tokens,
        suffix_tokens=options.completion.suffix_tokens,
        engine=model.engine,
        deadline_ms=options.completion.deadline_ms,
        idle_s=idle_s,
    )
    if model.share or not own:
        try:
            return SharedBackend(settings, progress)
        except EngineUnreachable as error:
            if not own:
                raise BackendError(f"there is no engine to share: {error}") from error
            log.warning("the model is loaded for this window alone: %s", error)
    return settings.load(progress)


class Host:
    """The backend that the options ask for, if it can be had.

    `post(f, *args)` runs a function on the event loop, from any thread. `tell` gets every change of the status and
    `complain` one line for the user for each failure that is news; both are called on the event loop.
    """

    def __init__(
        self,
        post: Post,
        tell: Callable[[Status], None],
        complain: Callable[[str], None],
        open_backend: Callable[[Options, Progress], Backend] = open_backend,
    ) -> None:
        self.status = Status("loading")
        self.post = post
        self._tell, self._complain, self._open_backend = tell, complain, open_backend
        self._worker = Worker()
        self._options: Options | None = None
        self._backend: Backend | None = None
        self._opening: Cancel | None = None
        self._pause = 0.0
        self._retry_at = 0.0
        self._said: dict[str, float] = {}

    def configure(self, options: Options) -> bool:
        """Opens another backend if these options need one; True if the one there was is gone."""
        before, self._options = self._options, options
        if before is not None and _choice(before) == _choice(options):
            return False
        self._pause = self._retry_at = 0.0
        self._said.clear()
        if options.completion.enabled:
            self._open()
        else:
            self._retire()
            self._set(Status("off", "ghost text is switched off", options.model.name))
        return True

    def unavailable(self, explicit: bool = False) -> Reason | None:
        """Why no request can be answered now, None if it can be tried. After a pause, the asking itself is what makes
        the host try again; who asks explicitly need not wait for that."""
        if self.status.state in ("off", "loading"):
            return self.status.state
        if self.status.state == "error":
            if time.monotonic() < self._retry_at and not explicit:
                return "paused"
            if self._backend is None:
                self._open()
                return "loading"
        return None

    def submit(self, work: Callable[[Backend, Cancel], T], cancel: Cancel, done: Callable[[T | None], None]) -> None:
        """Runs `work` on the worker unless `cancel` is set by then. `done`, on the event loop, gets its result, or
        None where the backend failed; it is not called where `work` was cancelled."""
        if self._backend is None:
            done(None)
        else:
            self._worker.put(partial(self._run, self._backend, work, cancel, done), cancel)

    def stop(self, timeout_s: float = 1.0) -> bool:
        """Ends the worker; False if it is stuck in foreign code, which is no reason to stay."""
        if self._opening:
            self._opening.set()
        if self._backend:
            self._worker.put_first(self._backend.close)
        return self._worker.stop(timeout_s)

    def _open(self) -> None:
        assert self._options is not None
        self._retire()
        self._opening = cancel = Cancel()
        self._set(Status("loading", "loading the model", self._options.model.name))
        self._worker.put(partial(self._run_open, self._options, cancel), cancel)

    def _retire(self) -> None:
        """Lets go of the backend, or of the one that is being opened."""
        if self._opening:
            self._opening.set()
        if self._backend:
            self._worker.put_first(self._backend.close)
        self._backend = self._opening = None

    # The next two run on the worker and touch nothing of the host but by posting.

    def _run_open(self, options: Options, cancel: Cancel) -> None:
        said = (-1.0, "")

        def progress(stage: str, done: int, total: int) -> None:
            nonlocal said
            cancel.check()
            now = time.monotonic()
            if stage != said[1] or now - said[0] >= 0.2:
                said = (now, stage)
                part = done / total if total else None
                self.post(self._progressed, cancel, stage, part)

        try:
            backend = self._open_backend(options, progress)
        except Cancelled:
            return
        except Exception as error:
            self.post(self._open_failed, cancel, _line(error))
            return
        if cancel.is_set():  # there may be no other job for this worker
            backend.close()
            return
        self.post(self._opened, cancel, backend)

    def _run(
        self,
        backend: Backend,
        work: Callable[[Backend, Cancel], T],
        cancel: Cancel,
        done: Callable[[T | None], None],
    ) -> None:
        try:
            result = work(backend, cancel)
        except Cancelled:
            return
        except Exception as error:
            self.post(self._failed, backend, _line(error), isinstance(error, BackendError))
            self.post(done, None)
            return
        self.post(self._worked, backend)
        self.post(done, result)

    # The rest runs on the event loop.

    def _progressed(self, cancel: Cancel, stage: str, part: float | None) -> None:
        if cancel is self._opening:
            self._set(Status("loading", stage, self.status.model, part))

    def _opened(self, cancel: Cancel, backend: Backend) -> None:
        if cancel is not self._opening:  # other options came in between
            self._worker.put_first(backend.close)
            return
        self._opening, self._backend = None, backend
        self._set(_ready(backend))

    def _open_failed(self, cancel: Cancel, line: str) -> None:
        if cancel is self._opening:
            self._opening = None
            self._give_up(line)

    def _failed(self, backend: Backend, line: str, usable: bool) -> None:
        if backend is self._backend:
            if not usable:
                self._retire()
            self._give_up(line)

    def _worked(self, backend: Backend) -> None:
        if backend is self._backend:
            self._pause = 0.0
            self._set(_ready(backend))

    def _give_up(self, line: str) -> None:
        self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LAST_PAUSE)
        self._retry_at = time.monotonic() + self._pause
        self._set(Status("error", line, self.status.model))
        now = time.monotonic()
        if now - self._said.get(line, -_SAY_AGAIN) >= _SAY_AGAIN:
            self._said[line] = now
            self._complain(line)

    def _set(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self._tell(status)


def _choice(options: Options) -> tuple[object, ...]:
    """The part of the options that another backend would be needed for."""
    completion, model = options.completion, options.model
    openai = options.openai if model.backend == "openai" else None
    if openai and model.fallback == "none":
        return completion.enabled, model.backend, openai
    local = completion.prefix_tokens, completion.suffix_tokens, completion.deadline_ms
    return completion.enabled, model, openai, *local


def _ready(backend: Backend) -> Status:
    """Of a backend made of several, which of them answers, and why."""
    return Status("ready", getattr(backend, "notice", ""), backend.name)


def _line(error: Exception) -> str:
    """One line for the user. Only a `BackendError` is written for people; others may quote code, and stay unquoted."""
    if isinstance(error, BackendError):
        return str(error) or "the model failed and gave no reason"
    log.error("%s in the backend\n%s", type(error).__name__, trace(error))
    return f"the model failed ({type(error).__name__}); it is tried again at a later request"
