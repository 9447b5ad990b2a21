"""The one thread on which a backend is opened, called and closed.

Knows nothing of backends, and leaves it to a queue which job is next.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Hashable

from foretype.model.backend import Cancel
from foretype.model.fair import FairQueue, Job

log = logging.getLogger(__name__)


class Newest:
    """The jobs of one user, who wants the newest first."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []

    def put(self, job: Job, client: Hashable) -> None:
        self._drop()
        self._jobs.append(job)

    def take(self) -> tuple[Job, Hashable] | None:
        self._drop()
        return (self._jobs.pop(), None) if self._jobs else None

    def charge(self, client: Hashable, seconds: float) -> None:
        """There is one user."""

    def forget(self, client: Hashable) -> None:
        """Who is gone has taken back what it wanted."""

    def _drop(self) -> None:
        """What is not wanted any more need not wait for its turn to be forgotten."""
        while self._jobs and self._jobs[-1][1].is_set():
            self._jobs.pop()


class Worker:
    """One daemon thread that skips the jobs whose `Cancel` is set before they start.

    Which one is next, the queue decides: the newest, as one user wants it, or a `FairQueue` of several clients.
    """

    def __init__(self, queue: Newest | FairQueue | None = None) -> None:
        self._ready = threading.Condition()
        self._queue = Newest() if queue is None else queue  # guarded by `_ready`, as is all that follows
        self._errands: deque[Callable[[], None]] = deque()
        self._running = Cancel()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="foretype-backend", daemon=True)
        self._thread.start()

    def put(self, job: Callable[[], None], cancel: Cancel, client: Hashable = None) -> None:
        with self._ready:
            self._queue.put((job, cancel), client)
            self._ready.notify()

    def forget(self, client: Hashable) -> None:
        """A client is gone."""
        with self._ready:
            self._queue.forget(client)

    def put_first(self, errand: Callable[[], None]) -> None:
        """Before all jobs, in the order of the calls, and in any case: frees memory before more of it is needed."""
        with self._ready:
            self._errands.append(errand)
            self._ready.notify()

    def stop(self, timeout_s: float) -> bool:
        """Cancels the running job and drops the others; False if the thread has not ended in time."""
        with self._ready:
            self._ended = True
            running = self._running
            self._ready.notify()
        running.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while found := self._next():
            job, client = found
            began = time.monotonic()
            try:
                job()
            except Exception as error:  # a thread that dies would leave every later request without an answer
                log.error("%s in the worker\n%s", type(error).__name__, trace(error))
            with self._ready:
                self._queue.charge(client, time.monotonic() - began)

    def _next(self) -> tuple[Callable[[], None], Hashable] | None:
        with self._ready:
            while True:
                if self._errands:
                    self._running = Cancel()
                    return self._errands.popleft(), None
                if self._ended:
                    return None
                if found := self._queue.take():
                    (job, self._running), client = found
                    return job, client
                self._ready.wait()


def trace(error: BaseException) -> str:
    """Where an error came from, without its message, which may quote code."""
    return "".join(traceback.format_tb(error.__traceback__))
