"""The real engine process around a model that takes its time: `python stand_in_engine.py MODEL MS`.

A server whose option `model.name` is MODEL finds it where it would look for the process of such a model. A request
takes MS milliseconds, at the end of which the model has said one thing. It ends with who started it.
"""

from __future__ import annotations

import os
import sys
import time

from foretype.lsp.options import Options
from foretype.model import engine_process
from foretype.model.backend import Cancel, FimRequest, FimResult
from foretype.model.progress import Progress
from foretype.model.shared import Settings

TEXT = "answer(1)"


class StandIn:
    name = "stand-in"
    cost_s = 0.0

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        end = time.monotonic() + self.cost_s
        while (left := end - time.monotonic()) > 0:
            cancel.check()
            time.sleep(min(left, 0.005))
        if request.stop:
            request.stop(TEXT)
        cancel.check()
        return FimResult(TEXT, "stop", 3)

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        """There is nothing to read ahead."""

    def close(self) -> None:
        """There is nothing to close."""


def load(settings: Settings, progress: Progress) -> StandIn:
    return StandIn()


def settings(name: str) -> Settings:
    """Those of a server with the default options, but for the model."""
    chosen = Options()
    return Settings(
        name=name,
        adapter=chosen.model.adapter,
        threads=chosen.model.threads,
        context_tokens=chosen.model.context_tokens,
        prefix_tokens=chosen.completion.prefix_tokens,
        suffix_tokens=chosen.completion.suffix_tokens,
        engine=chosen.model.engine,
        deadline_ms=chosen.completion.deadline_ms,
    )


if __name__ == "__main__":
    StandIn.cost_s = float(sys.argv[2]) / 1000
    Settings.load = load  # type: ignore[method-assign, assignment]
    parent = os.getppid()
    engine_process.EngineProcess.needed = lambda process, settings: os.getppid() == parent  # type: ignore[method-assign]
    mine = settings(sys.argv[1])
    mine.folder.mkdir(mode=0o700, parents=True)
    sys.exit(engine_process.main(mine))
