"""The present text of any file of the workspace, as the client would meet it: the open document's, else the disk's.

A file on disk is read again only where its size or time has changed. Says why a text cannot be had or changed, in words
for people.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from foretype.context.next_edit import text_digest
from foretype.context.text import split_lines
from foretype.lsp.documents import Documents, path_inside

_KEPT = 512  # files

_Status = tuple[int, int, int]  # size, time of change in nanoseconds, mode


@dataclass(frozen=True)
class Present:
    """A file's text now; `version` is None where the client has not opened it."""

    path: str
    uri: str
    version: int | None
    lines: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        return text_digest("".join(self.lines))


class Unavailable(Exception):
    """The file cannot be changed; the message says why, as the end of a sentence that begins with its path."""


class Texts:
    """The texts below one folder. For the event loop: a file is read in a few milliseconds, as it is at most 1 MiB."""

    def __init__(self, documents: Documents, root: Path) -> None:
        self._documents, self._root = documents, root
        self._disk: dict[str, tuple[_Status, Present]] = {}
        self._open: dict[str, Present] = {}

    def at(self, path: str) -> Present:
        """Raises `Unavailable`."""
        for snapshot in self._documents.all():
            if snapshot.path == path and path_inside(snapshot.uri, str(self._root)) == path:
                known = self._open.get(path)
                if known is None or known.lines is not snapshot.lines or known.version != snapshot.version:
                    known = self._open[path] = Present(path, snapshot.uri, snapshot.version, snapshot.lines)
                return known
        self._open.pop(path, None)
        return self._on_disk(path)

    def _on_disk(self, path: str) -> Present:
        full = self._root / path
        try:
            found = os.stat(full)
            status = found.st_size, found.st_mtime_ns, found.st_mode
            known = self._disk.get(path)
            if known is None or known[0] != status:
                _check(full, found)
                lines = tuple(split_lines(full.read_bytes().decode("utf-8-sig")))
                known = status, Present(path, full.as_uri(), None, lines)
                while len(self._disk) >= _KEPT:
                    del self._disk[next(iter(self._disk))]
                self._disk[path] = known
        except FileNotFoundError:
            raise Unavailable("is gone") from None
        except OSError as error:
            raise Unavailable(f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise Unavailable("is not UTF-8") from None
        return known[1]


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Unavailable("is no file")
    # The mode's own bits: an administrator may write everything, and is asked not to.
    if not status.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise Unavailable("is read-only")
