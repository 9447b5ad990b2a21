"""JSON-RPC as pygls does it, minus its text documents, plus an answer to every request that deserves one.

pygls drops a request whose parameters do not fit (the client waits for ever), answers before `initialize`, and keeps
documents that lose their place (see `lsp/documents.py`). Knows messages, not what they are for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from cattrs import Converter
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import JsonRPCNotification, JsonRPCRequestMessage, LanguageServerProtocol, lsp_method
from pygls.protocol import default_converter as pygls_converter

from foretype.lsp.stdio import Malformed

log = logging.getLogger(__name__)


class Protocol(LanguageServerProtocol):
    """Without built-in handlers for documents, those of the server are called instead."""

    lsp_text_document__did_open: Any = None
    lsp_text_document__did_change: Any = None
    lsp_text_document__did_close: Any = None
    lsp_notebook_document__did_open: Any = None
    lsp_notebook_document__did_change: Any = None
    lsp_notebook_document__did_close: Any = None

    on_exit: Callable[[int], None]
    on_unreadable: Callable[[str, object], None]
    _greeted = False

    @lsp_method(types.EXIT)
    def lsp_exit(self, *args: object) -> None:  # type: ignore[override]
        """Status 0 after `shutdown`, 1 without (LSP 3.18, "Exit Notification")."""
        self.on_exit(0 if self._shutdown else 1)

    def receive(self, message: object) -> None:
        """Handles one message of any kind, well or not. Raises nothing."""
        if isinstance(message, Malformed):
            return self._refuse(None, types.ErrorCodes.ParseError, message.reason)
        if not isinstance(message, dict) or message.get("jsonrpc") != self.VERSION:
            return self._refuse(None, types.ErrorCodes.InvalidRequest, "not a JSON-RPC 2.0 message")
        method, msg_id = message.get("method"), message.get("id")
        has_id = isinstance(msg_id, int | str) or "id" not in message
        if not isinstance(method, str | None) or not has_id:
            return self._refuse(None, types.ErrorCodes.InvalidRequest, "methods are strings, ids strings or integers")
        if problem := self._out_of_turn(method):
            if method and msg_id is not None:
                self._refuse(msg_id, *problem)
            return None
        try:
            structured = self.structure_message(message)
            self._greeted = self._greeted or method == types.INITIALIZE
            self.handle_message(structured)
        except JsonRpcException:
            log.warning("the parameters of %s are not what the protocol says", method or "a response")
            if method and msg_id is not None:
                self._refuse(msg_id, types.ErrorCodes.InvalidParams, f"invalid parameters of {method}")
            elif method:
                self.on_unreadable(method, message.get("params"))
        except Exception as error:
            log.error("%s while handling %s", type(error).__name__, method or "a response")
        return None

    def under_way(self) -> list[asyncio.Future[Any]]:
        """The handlers that have not ended. What pygls keeps beside them are its own requests to the client."""
        futures: tuple[Any, ...] = tuple(self._request_futures.values())
        return [one for one in futures if isinstance(one, asyncio.Future) and not one.done()]

    def _out_of_turn(self, method: str | None) -> tuple[int, str] | None:
        if method == types.EXIT:
            return None
        if self._shutdown:
            return types.ErrorCodes.InvalidRequest, "the server has been shut down"
        if self._greeted and method == types.INITIALIZE:
            return types.ErrorCodes.InvalidRequest, "the server is initialized already"
        if not self._greeted and method != types.INITIALIZE:
            return types.ErrorCodes.ServerNotInitialized, "the server is not initialized"
        return None

    def _refuse(self, msg_id: int | str | None, code: int, message: str) -> None:
        self._send_data({"jsonrpc": self.VERSION, "id": msg_id, "error": {"code": int(code), "message": message}})


def converter() -> Converter:
    """pygls' converter, but with the parameters of unknown methods as plain JSON, and optional."""
    converter = pygls_converter()
    converter.register_structure_hook(
        JsonRPCRequestMessage,
        lambda data, cls: cls(data["id"], data["method"], data["jsonrpc"], data.get("params")),
    )
    converter.register_structure_hook(
        JsonRPCNotification, lambda data, cls: cls(data["method"], data["jsonrpc"], data.get("params"))
    )
    return converter
