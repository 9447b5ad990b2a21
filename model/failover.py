"""A server that answers, and the local model wherever it does not: one backend made of two.

A request goes to the server. If that refuses it, breaks off, is silent for too long or answers with an error, the very
same request goes on in the local model at once, and so does each one after it, until the server passes a check. So it
does where a server says nothing, not even to a check: which of the two was slow is found out afterwards.

Checks are cheap (a GET without text or key, written down as every request is) and run on a thread of their own: one at
the start, one whenever a request has waited for a while, and after a failure with pauses that double, for as long as
somebody types. Where nobody asks, nothing is sent. The local model is loaded beside the server's first answers, and
stays in memory: that is what makes the change quick. Knows neither the protocol nor what a server is.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from foretype.model.backend import (
    Backend,
    BackendError,
    Cancel,
    Cancelled,
    EditQuestion,
    EditResult,
    FimRequest,
    FimResult,
)
from foretype.model.progress import Progress
from foretype.model.worker import trace

log = logging.getLogger(__name__)


class Remote(Protocol):
    """A backend that can be asked whether it is there."""

    name: str

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult: ...

    def check(self, timeout_s: float) -> str:
        """What is wrong, on one line, or "" where the server answers. Blocks for at most `timeout_s`."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Patience:
    """Seconds. After `slow_s` without an answer the server is checked, but not within `again_s` of a check that it
    passed. A check that says nothing for `doubt_s`, or for up to twice that if the quickest one took a third of it, is
    reason enough to answer elsewhere: a request to a server that hangs goes on there after `slow_s` and that. Only
    `check_s` of silence is a failure. A server that failed is checked after `first_pause_s`, then after twice that each
    time up to `last_pause_s`, but not when nobody has asked for `awake_s`."""

    slow_s: float = 0.1
    doubt_s: float = 0.15
    check_s: float = 1.0
    again_s: float = 0.2
    first_pause_s: float = 0.5
    last_pause_s: float = 30.0
    awake_s: float = 60.0


class Failover:
    """Implements `Backend`: `remote` if it answers, else what `open_local` opens, which is called at once, on a thread.

    `name` is that of the one that answers now, and `notice` one line that says why it is not the server, or "".
    Answers of the local model have `lost` among their stages: the milliseconds that the server had cost the request.
    Next edits are the local model's, always: servers do not say how likely a given answer is.
    """

    def __init__(
        self, remote: Remote, open_local: Callable[[Progress], Backend], patience: Patience = Patience()
    ) -> None:
        self._remote, self._open_local, self._patience = remote, open_local, patience
        self._changed = threading.Condition()  # guards the rest
        self._local: Backend | None = None
        self._no_local = "the local model is still loading"
        self._down = ""
        self._checking = self._doubted = False
        self._passed_at = -math.inf
        self._took_s = 0.0  # the quickest check that was passed
        self._flying: set[Cancel] = set()
        self._asked_at = self._check_at = time.monotonic()
        self._pause_s = 0.0
        self._ended = False
        self._watcher = threading.Thread(target=self._watch, name="foretype-health", daemon=True)
        self._watcher.start()
        threading.Thread(target=self._load, name="foretype-fallback", daemon=True).start()

    @property
    def name(self) -> str:
        with self._changed:
            return self._local.name if (self._down or self._doubted) and self._local else self._remote.name

    @property
    def notice(self) -> str:
        with self._changed:
            if not self._down:
                return ""
            return f"{self._down}; {'the local model answers' if self._local else self._no_local}"

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        started = time.monotonic()
        cancel.check()
        if flight := self._board(cancel):
            try:
                result = self._remote.complete(request, flight)
            except Cancelled:
                cancel.check()  # else a check found no server, or none yet
            except BackendError as error:
                cancel.check()
                self._failed(str(error))
            else:
                self._landed(flight)
                return result
            finally:
                self._leave(flight)
        local, lost_ms = self._standby(), 1000 * (time.monotonic() - started)
        result = local.complete(request, cancel)
        return replace(result, stages_ms={"lost": lost_ms, **result.stages_ms})

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        with self._changed:
            local = self._local if self._down or self._doubted else None
        if local:
            local.prepare(request, cancel)

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        return self._standby().edit(question, cancel)

    def close(self) -> None:
        with self._changed:
            if self._ended:
                return
            self._ended = True
            local, self._local = self._local, None
            self._changed.notify_all()
        self._remote.close()
        if local:
            local.close()
        self._watcher.join(timeout=1)

    def _standby(self) -> Backend:
        with self._changed:
            if self._ended:
                raise Cancelled
            if self._local is None:
                raise BackendError("; ".join(filter(None, (self._down, self._no_local))))
            return self._local

    def _board(self, cancel: Cancel) -> Cancel | None:
        """What gives up a request to the server, whoever does; None where the server is down, or may well be."""
        with self._changed:
            now = self._asked_at = time.monotonic()
            if self._down:
                if self._check_at == math.inf:  # it was left in peace while nobody asked
                    self._due(now)
                return None
            if self._doubted and self._local:
                return None
            flight = Cancel()
            self._flying.add(flight)
            soonest = max(now + self._patience.slow_s, self._passed_at + self._patience.again_s)
            self._due(min(self._check_at, soonest))
        cancel.on_set(flight.set)
        return flight

    def _landed(self, flight: Cancel) -> None:
        with self._changed:
            self._pause_s = 0.0
            if self._flying == {flight} and not self._down:
                self._check_at = math.inf

    def _leave(self, flight: Cancel) -> None:
        """Whoever types on gives up one request after the other: none of them is a reason not to look."""
        with self._changed:
            self._flying.discard(flight)

    def _failed(self, line: str) -> None:
        with self._changed:
            if not self._down:
                log.warning("%s; the local model answers until it is back", line)
            self._down = line
            patience = self._patience
            self._pause_s = min(max(2 * self._pause_s, patience.first_pause_s), patience.last_pause_s)
            awake = time.monotonic() - self._asked_at < patience.awake_s
            self._due(time.monotonic() + self._pause_s if awake else math.inf)

    def _due(self, at: float) -> None:
        self._check_at = at
        self._changed.notify_all()

    def _watch(self) -> None:
        while self._wait_for_check():
            doubt = threading.Timer(self._doubt_s(), self._doubt)
            doubt.daemon = True
            doubt.start()
            started = time.monotonic()
            line = self._remote.check(self._patience.check_s)
            doubt.cancel()
            with self._changed:
                self._checking = self._doubted = False
            if line:
                self._failed(line)
                self._turn_back()
            else:
                self._passed(time.monotonic() - started)

    def _doubt_s(self) -> float:
        with self._changed:
            far = 3 * self._took_s
        return min(max(self._patience.doubt_s, far), 2 * self._patience.doubt_s)

    def _doubt(self) -> None:
        """The check has no answer yet: whoever waits need not wait for it, if there is somebody else to ask."""
        with self._changed:
            self._doubted = self._checking and self._local is not None
            if not self._doubted:
                return
        self._turn_back()

    def _turn_back(self) -> None:
        with self._changed:
            flights = set(self._flying)
        for flight in flights:
            flight.set()

    def _wait_for_check(self) -> bool:
        with self._changed:
            while not self._ended and (wait_s := self._check_at - time.monotonic()) > 0:
                self._changed.wait(None if wait_s == math.inf else wait_s)
            self._check_at = math.inf
            self._checking = not self._ended
            return self._checking

    def _passed(self, took_s: float) -> None:
        with self._changed:
            if self._down:
                log.info("%s answers again", self._remote.name)
            self._down = ""
            self._passed_at, self._took_s = time.monotonic(), min(self._took_s or took_s, took_s)
            if self._flying:
                self._due(self._passed_at + self._patience.again_s)

    def _load(self) -> None:
        def progress(stage: str, done: int, total: int) -> None:
            if self._ended:
                raise Cancelled

        try:
            local = self._open_local(progress)
        except Cancelled:
            return
        except BackendError as error:
            line = f"and there is no local model: {error}"
        except Exception as error:
            log.error("%s in loading the local model\n%s", type(error).__name__, trace(error))
            line = f"and the local model cannot be loaded ({type(error).__name__})"
        else:
            with self._changed:
                if not self._ended:
                    self._local = local
                    log.info("%s stands by for %s", local.name, self._remote.name)
                    return
            local.close()
            return
        log.warning("%s", line)
        with self._changed:
            self._no_local = line
