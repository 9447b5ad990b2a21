"""The language server of one client, on standard input and output: the process is there for it, and ends with it.

That is at `exit`, at the end of input, on SIGTERM, and when the client's process is gone.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable

from foretype.lsp.reports import start_logging
from foretype.lsp.server import Server, begin, end, new_server, poster
from foretype.lsp.stdio import messages, take_streams
from foretype.lsp.watch import LoopWatch

_END = object()


def serve_stdio() -> int:
    """Serves one client; returns the exit status. From here on standard output is the protocol's alone."""
    server = new_server()
    gc.freeze()  # the protocol's classes stay for ever, and a full collection over them takes 40 ms
    server.loop_watch = LoopWatch()
    with asyncio.Runner(loop_factory=server.loop_watch.loop) as runner:
        return runner.run(_serve(server, *take_streams()))


async def _serve(server: Server, read: Callable[[], bytes], write: Callable[[bytes], None]) -> int:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()
    post = poster(loop)

    def stop(code: int) -> None:
        post(_settle, stopped, code)

    begin(server, _Pipe(write, stop), stop, post)
    start_logging(server, post)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop(0))

    inbox: asyncio.Queue[object] = asyncio.Queue()
    threading.Thread(target=_pump, args=(read, post, inbox), name="foretype-stdin", daemon=True).start()
    dispatch = asyncio.create_task(_dispatch(server, inbox, stop))
    code = await stopped
    dispatch.cancel()
    if not end(server):
        logging.shutdown()
        os._exit(code)  # an interpreter that finishes under a thread in native code may hang or crash
    return code


def _settle(stopped: asyncio.Future[int], code: int) -> None:
    if not stopped.done():
        stopped.set_result(code)


def _pump(read: Callable[[], bytes], post: Callable[..., None], inbox: asyncio.Queue[object]) -> None:
    for message in messages(read):
        post(inbox.put_nowait, message)
    post(inbox.put_nowait, _END)


async def _dispatch(server: Server, inbox: asyncio.Queue[object], stop: Callable[[int], None]) -> None:
    while (message := await inbox.get()) is not _END:
        server.protocol.receive(message)
        await asyncio.sleep(0)  # a request freezes its document here, before the next message changes it
    stop(0)


class _Pipe:
    """The way to the client; when it is broken there is nobody left to serve."""

    def __init__(self, write: Callable[[bytes], None], stop: Callable[[int], None]) -> None:
        self._write, self._stop = write, stop

    def write(self, data: bytes) -> None:
        try:
            self._write(data)
        except OSError:
            self._stop(0)

    def close(self) -> None:
        """Nothing to close: the descriptor is the process's."""
