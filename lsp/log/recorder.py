"""What a server needs to keep the event log: the lives of its opportunities, the thread that writes them, and when.

Options say whether, `foretype telemetry off` has the last word. Whatever fails here is told once and costs nobody a
suggestion. Knows no protocol.
"""

from __future__ import annotations

import datetime
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from foretype import __version__
from foretype.context.text import Snapshot
from foretype.lsp.experiments import Unit
from foretype.lsp.log import installation
from foretype.lsp.log.lives import Later
from foretype.lsp.log.opportunities import Log
from foretype.lsp.log.schema import Capture, Opportunity, Run
from foretype.lsp.log.writer import Writer


@dataclass(frozen=True)
class Setting:
    """What holds for the opportunities that follow. `arms`: experiment to arm."""

    enabled: bool = True
    capture: bool = False
    days: float = 90.0
    mib: float = 256.0
    root: Path | None = None
    client: str = ""
    model: str = ""
    engine: str = ""
    arms: Mapping[str, str] = field(default_factory=dict)


class Recorder:
    """`post` calls a function on the event loop from any thread; `tell` shows the user a line. For the rest see
    `Log`."""

    def __init__(
        self,
        documents: Callable[[str], Snapshot | None],
        later: Later,
        post: Callable[..., object],
        tell: Callable[[str], None],
    ) -> None:
        self.log = Log(self._put, documents, later)
        self._post, self._tell = post, tell
        self._writer: Writer | None = None
        self._setting: Setting | None = None
        self._session = secrets.token_hex(8)

    def configure(self, setting: Setting) -> None:
        """From now on this holds. Only the first call that switches the log on reads a file, a small one."""
        if setting == self._setting:
            return
        before, self._setting = self._setting, setting
        self.log.capture = setting.capture
        if not setting.enabled:
            self.log.begin(None)
            return
        if self._writer is None:
            self._writer = Writer(installation.database(), self._complain)
        self._writer.days, self._writer.mib = setting.days, setting.mib
        limits = {"days": 0.0, "mib": 0.0, "capture": False}
        if before is None or replace(before, **limits) != replace(setting, **limits):  # type: ignore[arg-type]
            self.log.begin(self._run(setting))

    def units(self, root: Path | None) -> dict[Unit, str]:
        """What experiments know this session by. Reads a file, a small one."""
        identity = installation.identity()
        own = identity.installation
        return {
            "installation": own,
            "session": self._session,
            "day": f"{own} {datetime.date.today()}",
            "workspace": f"{own} {identity.digest(str(root))}" if root else "",
        }

    def exposed(self, experiment: str, arm: str) -> None:
        """The session meets an option that an experiment is about: what follows is of this arm."""
        if self._setting and self._setting.arms.get(experiment) != arm:
            self.configure(replace(self._setting, arms={**self._setting.arms, experiment: arm}))

    def stop(self) -> None:
        """The session ends: what is open expires, and is written."""
        self.log.stop()
        if self._writer:
            self._writer.stop()

    def _run(self, setting: Setting) -> Run:
        identity, now = installation.identity(), int(time.time() * 1000)
        return Run(
            run=0,
            session=self._session,
            installation=identity.installation,
            started_ms=now,
            seen_ms=now,
            workspace=identity.digest(str(setting.root)) if setting.root else "",
            client=setting.client,
            model=setting.model,
            engine=setting.engine,
            arms=json.dumps(dict(sorted(setting.arms.items()))),
            version=__version__,
            process=os.getpid(),
            process_at=_began(),
        )

    def _put(self, row: Opportunity | Run | Capture) -> None:
        if self._writer:
            self._writer.put(row)

    def _complain(self, message: str) -> None:
        self._post(self._tell, message)


def figures_of_today() -> dict[str, float]:
    """As `event_store.today`; none where there is no log that can be read. Blocks."""
    import sqlite3

    from foretype.lsp.log.store import StoreError, today

    try:
        return today(installation.database())
    except (StoreError, sqlite3.Error):
        return {}


def _began() -> float:
    """When this process began, in Unix seconds."""
    import psutil

    return psutil.Process().create_time()
