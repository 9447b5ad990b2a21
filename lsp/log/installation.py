"""Where this user's event log lies, and who is who in it: random ids that say nothing about the machine.

    <data>/events.sqlite3   the log
    <data>/identity.json    {"installation": 16 hex digits, "salt": 32 hex digits}
    <data>/telemetry.off    there where `foretype telemetry off` was said

`<data>` is what `FORETYPE_DATA` says, or the platform's folder for a user's data. Knows nothing of events.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from foretype.context.machine import data_dir


@dataclass(frozen=True)
class Identity:
    """`installation` is a random id, so that the logs of many machines can be told apart; `salt` stays here."""

    installation: str
    salt: str

    def digest(self, text: str) -> str:
        """16 hex digits that stand for a text, such as a workspace's path, on this installation alone."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self.salt.encode(), digest_size=8).hexdigest()


def folder() -> Path:
    """May not exist."""
    return data_dir()


def database() -> Path:
    return folder() / "events.sqlite3"


def switched_off() -> bool:
    """Whether `foretype telemetry off` was said. Servers that run look again and again."""
    return _marker().exists()


def switch(on: bool) -> None:
    """Raises OSError."""
    if on:
        _marker().unlink(missing_ok=True)
    else:
        make_folder(folder())
        _marker().touch(mode=0o600)


def identity() -> Identity:
    """This installation's, made at the first call; where nothing can be written, one for this process alone."""
    path = folder() / "identity.json"
    for _ in range(2):
        try:
            table = json.loads(path.read_text("utf-8"))
            return Identity(str(table["installation"]), str(table["salt"]))
        except (OSError, ValueError, KeyError, TypeError):
            made = Identity(secrets.token_hex(8), secrets.token_hex(16))
        try:
            make_folder(path.parent)
            private = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
            with open(os.open(private, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
                json.dump(vars(made), file)
            # of two that begin at once the last one's stays, and both read it
            os.replace(private, path)
        except OSError:
            return made
    return made


def make_folder(path: Path) -> None:
    """For this user alone, where it does not exist yet."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


def _marker() -> Path:
    return folder() / "telemetry.off"
