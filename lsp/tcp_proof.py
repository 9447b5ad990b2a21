"""Who may come in: the first message of a connection is looked at before anything else is.

It has to be `initialize`, and its `initializationOptions` have to hold the `token` of the server's file. That is the
one thing that every editor can send first: none lets a user add headers to the protocol's messages, and a message
before `initialize` is forbidden by it. Whoever speaks HTTP is told apart by the first bytes, since the protocol's
headers are `Content-Length` and `Content-Type` alone (LSP 3.18, "Base Protocol"): a page in a browser can neither
leave out its request line nor its `Origin`. Until then little is read and nothing is kept. Knows no sockets.
"""

from __future__ import annotations

import hmac
import re

from foretype.lsp.stdio import Frames

# Of what comes before the proof; some editors list all they can do in `initialize`, in tens of kilobytes.
LARGEST_FIRST = 1 << 20
_LARGEST_HEADERS = 1024

_HEADERS = re.compile(rb"(?:Content-(?:Length|Type):[^\r\n]*\r\n)+\r\n", re.IGNORECASE)
_BEGINNING = b"content-"


class RefusedError(Exception):
    """Not to be let in. The message is one line that quotes nothing of what came."""


class NotProtocolError(RefusedError):
    """And not to be answered."""


class Proof:
    """Reads up to the first message. `frames` goes on where it ended."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._head = b""  # up to the end of the headers, at least
        self.frames = Frames(LARGEST_FIRST)

    def feed(self, data: bytes) -> dict[str, object] | None:
        """The first message, once it is there; it proves the token, and holds it no more. Raises `RefusedError`."""
        self._check_headers(data)
        for message in self.frames.feed(data):
            if not isinstance(message, dict) or message.get("method") != "initialize":
                raise RefusedError("the first message is not initialize")
            if not self._proves(message.get("params")):
                raise RefusedError("initializationOptions.token is not the one of the server's file")
            return message
        return None

    def _check_headers(self, data: bytes) -> None:
        if len(self._head) <= _LARGEST_HEADERS:
            self._head += data[: _LARGEST_HEADERS + 1]
        if _HEADERS.match(self._head):
            return
        if not self._head[: len(_BEGINNING)].lower() == _BEGINNING[: len(self._head)]:
            raise NotProtocolError("what came is not the language server protocol, but HTTP or another one")
        if b"\r\n\r\n" in self._head or len(self._head) > _LARGEST_HEADERS:
            raise NotProtocolError("headers that are not the language server protocol's")

    def _proves(self, params: object) -> bool:
        options = params.get("initializationOptions") if isinstance(params, dict) else None
        if isinstance(options, dict) and isinstance(section := options.get("foretype", options), dict):
            given = section.pop("token", None)
            return isinstance(given, str) and hmac.compare_digest(
                given.encode("utf-8", "replace"), self._token.encode()
            )
        return False


def prove(message: object, token: str) -> object:
    """The message with the token in its place, if it is one that can be given it."""
    if isinstance(message, dict) and isinstance(params := message.get("params"), dict):
        options = params.get("initializationOptions")
        options = options if isinstance(options, dict) else {}
        section = options.get("foretype", options)
        if isinstance(section, dict):
            section["token"] = token
            params["initializationOptions"] = options
    return message
