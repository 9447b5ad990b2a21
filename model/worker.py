"""The one thread on which a backend is opened, called and closed.

Knows nothing of backends.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable

from foretype.model.backend import Cancel

log = logging.getLogger(__name__)


class Worker:
    """One daemon thread that skips the jobs whose `Cancel` is set before they start.

    It takes the newest first, as one user wants it; or the oldest, which is fair where several users have one job each.
    """

    def __init__(self, newest_first: bool = True) -> None:
        self._next_job = -1 if newest_first else 0
        self._ready = threading.Condition()
        self._jobs: deque[tuple[Callable[[], None], Cancel]] = deque()
        self._errands: deque[Callable[[], None]] = deque()
        self._running = Cancel()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="foretype-backend", daemon=True)
        self._thread.start()

    def put(self, job: Callable[[], None], cancel: Cancel) -> None:
        with self._ready:
            self._jobs.append((job, cancel))
            self._ready.notify()

    def put_first(self, errand: Callable[[], None]) -> None:
        """Before all jobs, in the order of the calls, and in any case: frees memory before more of it is needed."""
        with self._ready:
            self._errands.append(errand)
            self._ready.notify()

    def stop(self, timeout_s: float) -> bool:
        """Cancels the running job and drops the others; False if the thread has not ended in time."""
        with self._ready:
            self._ended = True
            self._jobs.clear()
            running = self._running
            self._ready.notify()
        running.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while job := self._next():
            try:
                job()
            except Exception as error:  # a thread that dies would leave every later request without an answer
                log.error("%s in the worker\n%s", type(error).__name__, trace(error))

    def _next(self) -> Callable[[], None] | None:
        with self._ready:
            while True:
                while self._jobs and self._jobs[self._next_job][1].is_set():
                    del self._jobs[self._next_job]
                if self._errands:
                    self._running = Cancel()
                    return self._errands.popleft()
                if self._ended:
                    return None
                if self._jobs:
                    job, self._running = self._jobs[self._next_job]
                    del self._jobs[self._next_job]
                    return job
                self._ready.wait()


def trace(error: BaseException) -> str:
    """Where an error came from, without its message, which may quote code."""
    return "".join(traceback.format_tb(error.__traceback__))
