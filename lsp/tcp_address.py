"""Where the server of several editors is to be found, and the secret that opens it: one file that its user alone reads.

`<data>/serve.json` is an object with `host`, `port`, `token` (32 random bytes in hexadecimal, new at each start) and
`pid`. It holds while the lock beside it is held, which the system lets go of when a process ends, however it does: a
file that was left behind names a port at which by now somebody else may listen. Knows no sockets.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from foretype.context.machine import data_dir
from foretype.model.shared import read_private

HOST = "127.0.0.1"
# Who looks whether a server is there holds the lock for a moment, in seconds.
_MOMENT_S = 2.0


class NoServerError(Exception):
    """There is no server to be had, or already one. The message is one line that says what to do."""


@dataclass(frozen=True)
class Address:
    port: int
    host: str = HOST
    token: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    pid: int = field(default_factory=os.getpid)


def address_file() -> Path:
    return data_dir() / "serve.json"


@contextlib.contextmanager
def only_server() -> Iterator[None]:
    """Holds what says that this process is the user's server. Raises `NoServerError` if there is one, OSError."""
    file = address_file()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _lock()
    try:
        lock.acquire(timeout=_MOMENT_S)
    except Timeout:
        raise NoServerError(f"a server is running already; {file} says where") from None
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        lock.release()


def publish(address: Address) -> None:
    """Writes the file in one step, for its user alone from its making on. Raises OSError."""
    file = address_file()
    new = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(json.dumps(asdict(address)))
    new.replace(file)


def find() -> Address:
    """Where the server that runs can be reached. Raises `NoServerError`."""
    file = address_file()
    try:
        text = read_private(file)
        with _lock().acquire(timeout=0):
            pass
    except Timeout:
        try:
            return Address(**json.loads(text))
        except (ValueError, TypeError):
            raise NoServerError(f"{file} is damaged; start foretype serve --tcp again") from None
    except FileNotFoundError:
        pass
    except OSError as error:
        raise NoServerError(str(error)) from error
    raise NoServerError("no server is running; start one with foretype serve --tcp")


def _lock() -> FileLock:
    return FileLock(address_file().with_suffix(".lock"))
