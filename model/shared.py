"""One engine process for all windows of a user: how it is found, started and spoken to.

Weights and key-value cache are in memory once, however many editors are open. The process listens on a Unix socket (a
named pipe on Windows) below a folder that only its user can enter, and lets in who knows the token of that folder, both
by `multiprocessing.connection`; messages are JSON. It belongs to one choice of model, budgets and version, so that
windows that want something else get another. `model/engine_process.py` is the other end.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from foretype import __version__
from foretype.context.machine import cache_dir
from foretype.model.backend import BackendError, Cancel, EditQuestion, EditResult, FimRequest, FimResult
from foretype.model.progress import Progress, silent

if TYPE_CHECKING:
    from foretype.model.local import LocalBackend

# Seconds: for a new process to listen (its imports, on a machine that starts up), and between looks at `cancel`.
_START_S = 60.0
_LOOK_S = 0.02
LARGEST_MESSAGE = 64 * 2**20

Message = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """The model, as `model.local.open_backend` takes it, and when its process ends by itself: after `idle_s` seconds
    without a request, and after `alone_s` without a window."""

    name: str
    adapter: str = "default"
    threads: int = 0
    context_tokens: int = 2048
    prefix_tokens: int = 256
    suffix_tokens: int = 64
    engine: str = "auto"
    deadline_ms: int = 0
    idle_s: float = 900.0
    alone_s: float = 30.0

    def load(self, progress: Progress) -> LocalBackend:
        """The model, in this process. Raises `BackendError`, and whatever `progress` raises."""
        from foretype.model import local

        return local.open_backend(
            name=self.name,
            adapter=self.adapter,
            threads=self.threads,
            context_tokens=self.context_tokens,
            prefix_tokens=self.prefix_tokens,
            suffix_tokens=self.suffix_tokens,
            engine=self.engine,
            deadline_ms=self.deadline_ms,
            progress=progress,
        )

    @property
    def folder(self) -> Path:
        """Where such a process says how it can be reached."""
        key = hashlib.sha256(json.dumps([__version__, sys.executable, asdict(self)]).encode()).hexdigest()
        return cache_dir() / "engines" / key[:16]


class EngineUnreachable(Exception):
    """There is no engine process, and none can be started."""


class SharedBackend:
    """Implements `Backend` over the engine process, which is started again when it ended. For one thread.

    Raises `EngineUnreachable` where processes or sockets cannot be had, `BackendError` if the model cannot be loaded.
    """

    def __init__(self, settings: Settings, progress: Progress = silent) -> None:
        self._settings = settings
        self._number = 0
        self._open(progress)

    def complete(self, request: FimRequest, cancel: Cancel) -> FimResult:
        def hear(said: str) -> int | None:
            return request.stop(said) if request.stop else None

        answer = self._ask({"do": "complete", "request": _plain(request)}, cancel, hear)
        return FimResult(**_tuples(answer["result"]))

    def edit(self, question: EditQuestion, cancel: Cancel) -> EditResult:
        answer = self._ask({"do": "edit", "question": asdict(question)}, cancel, lambda said: None)
        return EditResult(**_tuples(answer["result"]))

    def prepare(self, request: FimRequest, cancel: Cancel) -> None:
        self._ask({"do": "prepare", "request": _plain(request)}, cancel, lambda said: None)

    def close(self) -> None:
        self._connection.close()

    def _open(self, progress: Progress = silent) -> None:
        self._connection = connect(self._settings)
        try:
            answer = self._exchange({"do": "open"}, Cancel(), lambda said: None, progress)
        except (OSError, EOFError) as error:
            raise EngineUnreachable(f"the engine process ended ({error or type(error).__name__})") from error
        self.name: str = answer["name"]
        self.model_sha256: str = answer["model_sha256"]

    def _ask(self, message: Message, cancel: Cancel, hear: Any) -> Message:
        cancel.check()
        try:
            return self._exchange(message, cancel, hear)
        except (OSError, EOFError):
            # It ended: after a time without requests it does so by itself, to give the memory back.
            self._connection.close()
        try:
            self._open()
            return self._exchange(message, cancel, hear)
        except (EngineUnreachable, OSError, EOFError) as error:
            raise BackendError(f"the engine process cannot be reached ({error or type(error).__name__})") from error

    def _exchange(self, message: Message, cancel: Cancel, hear: Any, progress: Progress = silent) -> Message:
        """Sends a message and hears of it until it is done. Raises `Cancelled`, `BackendError`, OSError, EOFError."""
        self._number += 1
        number, connection = self._number, self._connection
        _send(connection, {**message, "number": number})
        try:
            while True:
                while not connection.poll(_LOOK_S):
                    cancel.check()
                heard = receive(connection)
                if heard.get("number") != number:
                    continue  # of one that was given up
                cancel.check()
                match heard["what"]:
                    case "said":
                        _send(connection, {"do": "go on", "number": number, "keep": hear(heard["text"])})
                    case "progress":
                        progress(heard["stage"], heard["done"], heard["total"])
                    case "late":  # this process was suspended, and others wanted the engine
                        return self._exchange(message, cancel, hear, progress)
                    case "failed":
                        raise BackendError(heard["line"])
                    case _:
                        return heard
        except BaseException:
            if cancel.is_set():
                _send(connection, {"do": "cancel", "number": number})
            raise


def connect(settings: Settings) -> Connection:
    """A connection to the engine process of these settings, which is started if there is none.

    Raises `EngineUnreachable`.
    """
    folder = settings.folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(folder / "lock", timeout=2 * _START_S):
            return _reach(folder) or _start(settings)
    except (OSError, EOFError, Timeout, ValueError) as error:
        raise EngineUnreachable(str(error) or type(error).__name__) from error


def token(folder: Path) -> bytes:
    """The secret of a folder, made if need be: 32 random bytes in a file that only its owner can read. Raises OSError,
    also where the file is another user's: whoever laid it there could answer in the engine's place."""
    path = folder / "token"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
    return read_private(path)


def read_private(path: Path) -> bytes:
    """What a file says that nobody else can have written or read. Raises OSError."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if os.name != "nt" and (status.st_uid != os.getuid() or status.st_mode & 0o077):
            raise OSError(f"{path} is not this user's alone; delete it")
        return file.read()


def receive(connection: Connection) -> Message:
    """The next message. Raises EOFError, OSError, ValueError."""
    message = json.loads(connection.recv_bytes(LARGEST_MESSAGE))
    if not isinstance(message, dict):
        raise ValueError("a message is not an object")
    return message


def _send(connection: Connection, message: Mapping[str, Any]) -> None:
    connection.send_bytes(json.dumps(message).encode())


def _plain(request: FimRequest) -> Message:
    return asdict(replace(request, stop=None))


def _tuples(plain: Message) -> Message:
    """Fields of a dataclass that went through JSON."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}


def _reach(folder: Path) -> Connection | None:
    try:
        address = json.loads((folder / "address.json").read_text("utf-8"))["address"]
        return Client(address, authkey=token(folder))
    except (OSError, EOFError, ValueError, KeyError):  # none yet, or one that has ended
        return None


def _start(settings: Settings) -> Connection:
    folder = settings.folder
    token(folder)
    apart: dict[str, Any] = {"start_new_session": True}
    if os.name == "nt":
        apart = {"creationflags": 0x00000208}  # DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP
    with (folder / "log").open("wb") as errors:
        command = [sys.executable, "-P", "-m", "foretype.model.engine_process", json.dumps(asdict(settings))]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=folder, **apart
        )
    assert process.stdout is not None
    with process.stdout as out:
        ready = out.readline()  # empty when it ended without a word
    connection = _reach(folder) if ready else None
    if connection is None:
        raise OSError(f"the engine process does not start; see {folder / 'log'}")
    return connection
