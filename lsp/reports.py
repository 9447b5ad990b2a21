"""What the client is told without having asked: log lines, complaints, the model's state, progress.

Everything here runs on the event loop, but for log records, which come from any thread. Logs hold no code, so nothing
here writes messages of pygls' own, which quote requests.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

from foretype.lsp.host import Status

STATUS_CHANGED = "foretype/didChangeStatus"

_TYPES = {
    logging.ERROR: types.MessageType.Error,
    logging.WARNING: types.MessageType.Warning,
    logging.INFO: types.MessageType.Info,
    logging.DEBUG: types.MessageType.Log,
}


def start_logging(server: LanguageServer | None, post: Callable[..., object]) -> None:
    """Sends the records of `foretype` to standard error, and to the client where the process has but one."""
    logger = logging.getLogger("foretype")
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.handlers = [to_stderr, *([_ToClient(server, post)] if server else ())]
    logger.propagate = False
    pygls = logging.getLogger("pygls")
    pygls.handlers, pygls.propagate = [logging.NullHandler()], False
    pygls.setLevel(logging.CRITICAL)


class _ToClient(logging.Handler):
    def __init__(self, server: LanguageServer, post: Callable[..., object]) -> None:
        super().__init__()
        self._server, self._post = server, post

    def emit(self, record: logging.LogRecord) -> None:
        kind = _TYPES.get(record.levelno, types.MessageType.Log)
        self._post(self._server.window_log_message, types.LogMessageParams(kind, self.format(record)))


def complain(server: LanguageServer, line: str, kind: types.MessageType = types.MessageType.Error) -> None:
    server.window_show_message(types.ShowMessageParams(kind, f"Foretype: {line}"))


class StatusReports:
    """Tells the client of each change of the model's state, and shows a progress while a model loads."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._progress: _Progress | None = None

    def tell(self, status: Status) -> None:
        self._server.protocol.notify(STATUS_CHANGED, {"state": status.state, "message": status.message})
        if status.state == "loading":
            if self._progress is None and _shows_progress(self._server):
                self._progress = _Progress(self._server, f"Foretype: {status.model}")
            if self._progress:
                self._progress.report(status)
        elif self._progress:
            self._progress.end(status)
            self._progress = None


class _Progress:
    """One work-done progress. Shown from the client's leave to the end of the work, if the leave comes before it."""

    def __init__(self, server: LanguageServer, title: str) -> None:
        self._server, self._title = server, title
        self._token = secrets.token_hex(6)
        self._latest = Status("loading")
        self._shown = self._over = False
        create = types.WorkDoneProgressCreateParams(self._token)
        leave = server.protocol.send_request(types.WINDOW_WORK_DONE_PROGRESS_CREATE, create)
        leave.add_done_callback(self._begin)

    def report(self, status: Status) -> None:
        self._latest = status
        if self._shown:
            self._send(types.WorkDoneProgressReport(message=status.message, percentage=_percentage(status)))

    def end(self, status: Status) -> None:
        self._over = True
        if self._shown:
            self._send(types.WorkDoneProgressEnd(message=status.message or status.state))

    def _begin(self, leave: Future[Any]) -> None:
        with contextlib.suppress(Exception):  # a refusal
            leave.result()
            if not self._over:
                self._shown = True
                percentage = _percentage(self._latest) or 0
                self._send(
                    types.WorkDoneProgressBegin(self._title, message=self._latest.message, percentage=percentage)
                )

    def _send(self, value: object) -> None:
        self._server.progress(types.ProgressParams(self._token, value))


def _percentage(status: Status) -> int | None:
    return None if status.done is None else min(100, int(status.done * 100))


def _shows_progress(server: LanguageServer) -> bool:
    window = server.client_capabilities.window
    return bool(window and window.work_done_progress)
