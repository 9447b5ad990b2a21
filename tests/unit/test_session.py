"""One client's session around a model that answers when it is told to."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

from foretype.lsp.events import Ledger
from foretype.lsp.host import Host
from foretype.lsp.options import Options
from foretype.lsp.outcome import Suggestion
from foretype.lsp.server import poster
from foretype.lsp.session import Session
from foretype.model.backend import Cancel, FimRequest, FimResult

URI = "file:///a.py"
TYPED = replace(Options(), context=replace(Options().context, enabled=False))


class Model:
    """Says at each request the next of its answers, once it may."""

    name = "scripted"

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked, self.may_answer = threading.Event(), threading.Event()

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        self.asked.set()
        self.may_answer.wait(10)
        cancel.check()
        return FimResult(self.answers.pop(0), "stop", 1)

    def close(self) -> None:
        pass


async def serving(model: Model) -> Session:
    host = Host(
        poster(asyncio.get_running_loop()), lambda status: None, lambda line: None, lambda options, progress: model
    )
    session = Session(TYPED, host, Ledger())
    session.configure(TYPED)
    while host.status.state != "ready":
        await asyncio.sleep(0.01)
    session.open(URI, "python", 1, "x = \n")
    return session


def test_what_comes_late_under_other_options_is_neither_shown_nor_kept() -> None:
    async def check() -> None:
        model = Model("under the old options", "under the new ones")
        session = await serving(model)
        first = asyncio.create_task(session.suggest(URI, 0, 4, explicit=True))
        await asyncio.to_thread(model.asked.wait, 10)
        session.configure(replace(TYPED, completion=replace(TYPED.completion, max_tokens_single=8)))
        model.may_answer.set()
        late, second = await first, await session.suggest(URI, 0, 4, explicit=True)
        session.host.stop()
        session.edits.stop(1.0)
        assert late is None
        assert isinstance(second, Suggestion) and not second.recalled

    asyncio.run(check())


def test_a_place_that_is_asked_for_again_costs_the_model_once() -> None:
    async def check() -> None:
        model = Model("", "", "")
        session = await serving(model)
        first = asyncio.create_task(session.suggest(URI, 0, 4, explicit=True))
        await asyncio.to_thread(model.asked.wait, 10)
        again = asyncio.create_task(session.suggest(URI, 0, 4))
        await asyncio.sleep(0)
        model.may_answer.set()
        assert (await first, await again) == (None, None)
        reasons = session.ledger.reasons()
        session.host.stop()
        session.edits.stop(1.0)
        assert len(model.answers) == 2 and reasons == {"superseded": 1, "empty": 1}

    asyncio.run(check())
