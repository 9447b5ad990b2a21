"""`foretype serve --tcp`: several editors of one user on one machine, one process, one model.

Each connection has a `Server` of its own, with its own documents, workspace, options and rows in the event log, on one
event loop; what they share is the engine process (`model/shared.py`), whose queue holds one job a connection and is
fair between them (`model/fair.py`), and between them and editors that run a server of their own. That is less than a
second queue in this process, which could only be fair among its own, and it keeps the model's work out of this
interpreter; a process for each connection would need no less, and sixty megabytes more for each.

Nothing grows with what a client sends: it is not read from while it has too many requests under way, a newer request
ends the older one for its document, and who does not read its answers is let go of. Listens on the loopback interface
alone; who may come in is `lsp/tcp_proof.py`'s to say. On the loop, nothing here waits for a disk or a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable

from foretype.lsp.host import open_backend
from foretype.lsp.options import Options, load
from foretype.lsp.reports import start_logging
from foretype.lsp.server import begin, end, new_server, poster
from foretype.lsp.stdio import Frames
from foretype.lsp.tcp_address import HOST, Address, NoServerError, address_file, only_server, publish
from foretype.lsp.tcp_proof import NotProtocolError, Proof, RefusedError
from foretype.lsp.watch import LoopWatch
from foretype.model.backend import Backend
from foretype.model.progress import Progress

log = logging.getLogger(__name__)

MOST_CLIENTS = 64
# Who has not proven itself yet: so many at once, of which the oldest makes way, and so long.
MOST_STRANGERS = 8
STRANGER_S = 5.0
# Of a client: bytes of a message, handlers under way, and bytes that it has not read.
LARGEST_MESSAGE = 8 << 20
MOST_UNDER_WAY = 32
MOST_UNREAD = 4 << 20

_READ = 1 << 18
_PATIENCE_S = 1.0


def serve_tcp(port: int = 0) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit status. `port` 0 is any that is free."""
    gc.freeze()
    watch = LoopWatch()
    try:
        with only_server(), asyncio.Runner(loop_factory=watch.loop) as runner:
            clean = runner.run(_serve(port, watch))
            address_file().unlink(missing_ok=True)
    except (NoServerError, OSError) as error:
        sys.stderr.write(f"foretype serve --tcp: {error}\n")
        return 1
    if not clean:
        logging.shutdown()
        os._exit(0)  # as a server on standard output does
    return 0


async def _serve(port: int, watch: LoopWatch) -> bool:
    """Whether all threads have ended."""
    loop = asyncio.get_running_loop()
    post = poster(loop)
    start_logging(None, post)
    logging.getLogger("foretype").setLevel(load(None).options.log.level.upper())
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: post(stopped.set))
    new_server()  # makes what all servers share, before anybody waits
    with _listen(port) as listening:
        address = Address(listening.getsockname()[1])
        door = Door(address.token, post, watch)
        server = await asyncio.start_server(door.open, sock=listening, limit=_READ)
        publish(address)
        log.info("listening on %s, port %d; %s says so", HOST, address.port, address_file())
        await stopped.wait()
        server.close()
        return await door.close()


def _listen(port: int) -> socket.socket:
    """Raises OSError."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":  # where SO_REUSEADDR lets another program take the port over
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
    except (OSError, OverflowError) as error:
        listening.close()
        raise OSError(f"port {port} cannot be listened at: {error}") from error
    return listening


class Door:
    """Lets in who proves the token, and knows who is in."""

    def __init__(self, token: str, post: Callable[..., None], watch: LoopWatch) -> None:
        self._token, self._post, self._watch = token, post, watch
        self._strangers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._clients: dict[asyncio.Task[None], Client] = {}
        self._refused: set[str] = set()
        self._number = 0
        self._clean = True

    async def open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first byte to its last."""
        task = asyncio.current_task()
        assert task
        if len(self._strangers) >= MOST_STRANGERS:  # who has the token is through in no time
            self._strangers.pop(next(iter(self._strangers))).transport.abort()
        self._strangers[task] = writer
        try:
            first, proof = await self._proven(reader)
            self._strangers.pop(task, None)
            await self._serve(task, reader, writer, first, proof.frames)
        except RefusedError as refusal:
            self._refuse(str(refusal))
            if not isinstance(refusal, NotProtocolError):
                writer.write(_answer(str(refusal)))
        except (OSError, EOFError, TimeoutError):  # it went, or had nothing to say
            pass
        finally:
            self._strangers.pop(task, None)
            await _close(writer)

    async def close(self) -> bool:
        """Lets go of everybody; whether all threads have ended."""
        for writer in self._strangers.values():
            writer.transport.abort()
        for client in self._clients.values():
            client.stop(0)
        if tasks := [*self._strangers, *self._clients]:
            await asyncio.wait(tasks, timeout=4 * _PATIENCE_S)
        return self._clean and not self._clients

    async def _proven(self, reader: asyncio.StreamReader) -> tuple[dict[str, object], Proof]:
        proof = Proof(self._token)
        async with asyncio.timeout(STRANGER_S):
            while data := await reader.read(_READ):
                if (first := proof.feed(data)) is not None:
                    if len(self._clients) >= MOST_CLIENTS:
                        raise RefusedError(f"{MOST_CLIENTS} editors are connected; close one")
                    return first, proof
        raise EOFError

    async def _serve(
        self,
        task: asyncio.Task[None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        first: dict[str, object],
        frames: Frames,
    ) -> None:
        self._number += 1
        client = self._clients[task] = Client(self._number, writer, self._post, self._watch)
        log.info("editor %d came; %d are connected", self._number, len(self._clients))
        try:
            await client.converse(reader, first, frames)
        finally:
            self._clean &= await client.leave()
            del self._clients[task]
            log.info("editor %d went; %d are connected", client.number, len(self._clients))

    def _refuse(self, reason: str) -> None:
        """Each reason once: who is refused may come again and again, and the log is not theirs to fill."""
        if reason not in self._refused:
            self._refused.add(reason)
            log.warning("a connection was refused: %s; further ones are not logged", reason)


class Client:
    """One editor that is in."""

    def __init__(self, number: int, writer: asyncio.StreamWriter, post: Callable[..., None], watch: LoopWatch) -> None:
        self.number = number
        self._outgoing = _Outgoing(number, writer, self.stop)
        self._over = asyncio.Event()
        self._server = new_server()
        self._server.alone = False
        self._server.loop_watch = watch
        begin(self._server, self._outgoing, lambda code: post(self.stop, code), post, _open)

    def stop(self, code: int) -> None:
        self._over.set()

    async def converse(self, reader: asyncio.StreamReader, first: object, frames: Frames) -> None:
        """Until either end has enough."""
        reading = asyncio.create_task(self._read(reader, first, frames))
        over = asyncio.create_task(self._over.wait())
        await asyncio.wait([reading, over], return_when=asyncio.FIRST_COMPLETED)
        for task in (reading, over):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await reading

    async def leave(self) -> bool:
        """Writes what there is to write and frees what it had; whether its threads have ended."""
        server = self._server
        for handler in server.protocol.under_way():
            handler.cancel()
        server.recorder.log.stop()  # before the documents go: nothing was closed by the user
        for snapshot in tuple(server.session.documents.all()):
            server.session.close(snapshot.uri)
        if server.session.project:
            server.session.project.stop()
        server.session.edits.stop(0)
        return await asyncio.to_thread(end, server, _PATIENCE_S)

    async def _read(self, reader: asyncio.StreamReader, first: object, frames: Frames) -> None:
        await self._receive(first)
        frames.largest = LARGEST_MESSAGE
        data = b""
        while True:
            for message in frames.feed(data):
                await self._receive(message)
            if not (data := await reader.read(_READ)):
                return

    async def _receive(self, message: object) -> None:
        self._server.protocol.receive(message)
        await asyncio.sleep(0)  # others have their turn, and a request freezes its document before the next message
        while len(busy := self._server.protocol.under_way()) >= MOST_UNDER_WAY:
            await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)


class _Outgoing:
    """The way to a client, with a bounded place for what it has not read. Implements `Writer`."""

    def __init__(self, number: int, writer: asyncio.StreamWriter, stop: Callable[[int], None]) -> None:
        self._number, self._writer, self._stop = number, writer, stop
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        transport = self._writer.transport
        if transport.is_closing():
            return
        if (unread := transport.get_write_buffer_size()) > MOST_UNREAD:
            log.warning("editor %d does not read, and is let go of with %d bytes unread", self._number, unread)
            transport.abort()
            self._stop(1)
            return
        transport.write(data)

    def close(self) -> None:
        """The connection is closed where it was opened."""


async def _close(writer: asyncio.StreamWriter) -> None:
    """Lets what is written arrive, if it is read soon."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), _PATIENCE_S)
    writer.transport.abort()


def _open(options: Options, progress: Progress) -> Backend:
    """What a client's options choose, and what its first request would otherwise have to import."""
    from foretype.lsp import completion  # noqa: F401

    return open_backend(options, progress, own=False)


def _answer(reason: str) -> bytes:
    """To who was refused, in case it is an editor: a response without an id (JSON-RPC 2.0, "Response object")."""
    error = {"code": -32600, "message": f"foretype: {reason}"}
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
