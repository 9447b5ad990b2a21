"""`foretype serve --connect`: what an editor starts that speaks with its servers on standard input and output alone.

Finds the server of `foretype serve --tcp`, puts its token into the first message, and from there on carries bytes. The
token is in no configuration and in no log of the editor's.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable

from foretype.lsp.stdio import Frames, take_streams
from foretype.lsp.tcp_address import NoServerError, find
from foretype.lsp.tcp_proof import prove

_CONNECT_S = 5.0
_READ = 1 << 16
# The last message of an editor that has nothing more to say is shorter than this.
_TAIL = 200


def serve_bridge() -> int:
    """Carries one editor's bytes to the server and back; returns the exit status, 1 if the server ended first."""
    read, write = take_streams()
    try:
        address = find()
        server = socket.create_connection((address.host, address.port), _CONNECT_S)
    except (NoServerError, OSError) as error:
        sys.stderr.write(f"foretype serve --connect: {error}\n")
        return 1
    with server:
        server.settimeout(None)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        away = _Away(server)
        threading.Thread(target=away.carry, args=(read, address.token), name="foretype-away", daemon=True).start()
        try:
            while data := server.recv(_READ):
                write(data)
        except OSError:  # either end broke off
            pass
    if away.over:
        return 0
    sys.stderr.write("foretype serve --connect: the server ended, or let go of this editor; see its log\n")
    return 1


class _Away:
    """From the editor to the server. `over`: the editor has said goodbye, or is gone."""

    def __init__(self, server: socket.socket) -> None:
        self.over = False
        self._server = server

    def carry(self, read: Callable[[], bytes], token: str) -> None:
        try:
            tail = self._greet(read, token)
            while data := read():
                tail = (tail + data)[-_TAIL:]
                self.over = self.over or b'"exit"' in tail
                self._server.sendall(data)
            self.over = True
            self._server.shutdown(socket.SHUT_WR)
        except OSError:  # which the other direction tells
            pass

    def _greet(self, read: Callable[[], bytes], token: str) -> bytes:
        """Sends the first message with the token; returns what was read after it."""
        frames = Frames()
        while data := read():
            for message in frames.feed(data):
                body = json.dumps(prove(message, token)).encode() if isinstance(message, dict) else b"null"
                rest = bytes(frames.rest)
                self._server.sendall(b"Content-Length: %d\r\n\r\n%s%s" % (len(body), body, rest))
                return rest[-_TAIL:]
        return b""
