"""Whose turn it is at an engine that several clients share: of each its newest job, first of who has had it least.

Counted is the engine's time, not the number of jobs: a client whose job was given up when it had hardly begun keeps its
turn for the one that comes instead, and one with long jobs has fewer of them. This is start-time fair queuing (Goyal,
Vin and Cheng 1996) with costs that are measured afterwards. Holds one job a client, so it cannot grow with what they
ask. Knows no engine; for one lock, its owner's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from foretype.model.backend import Cancel

Job = tuple[Callable[[], None], Cancel]

# Who asked for nothing is not owed the time that the others had meanwhile, but comes before those who have had as much:
# the moment between a key and the next request must not cost a turn. More than a moment would add up over all clients.
CREDIT_S = 0.001


class FairQueue:
    """The jobs that wait, one for each client."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Job] = {}
        self._used: dict[Hashable, float] = {}  # seconds
        self._now = 0.0  # what the client at work had used when its turn began; those who wait have used about as much

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, job: Job, client: Hashable) -> None:
        """Takes the place of an older one of this client."""
        if client not in self._waiting:
            behind = self._now - CREDIT_S
            self._used[client] = max(self._used.get(client, behind), behind)
        self._waiting[client] = job

    def take(self) -> tuple[Job, Hashable] | None:
        """The next job and whose it is; None where nobody waits. Who came first is first among equals."""
        self._waiting = {client: job for client, job in self._waiting.items() if not job[1].is_set()}
        if not self._waiting:
            return None
        client = min(self._waiting, key=self._used.__getitem__)
        self._now = max(self._now, self._used[client])
        return self._waiting.pop(client), client

    def charge(self, client: Hashable, seconds: float) -> None:
        """A client had the engine for so long."""
        if client in self._used:
            self._used[client] += seconds

    def forget(self, client: Hashable) -> None:
        """A client is gone."""
        self._waiting.pop(client, None)
        self._used.pop(client, None)
