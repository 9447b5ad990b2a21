"""Versions of files: read once and looked at once, however many commits they are in.

A text after one commit is the text before a later one, so the ones met last are kept. Knows nothing of what is left
out because of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from foretype.context import guard
from foretype.mining.git import History

_KEPT_BYTES = 8 << 20  # of source; its text and its lines' places take about as much again


@dataclass(frozen=True)
class Blob:
    """A file's bytes at one time."""

    data: bytes

    @cached_property
    def text(self) -> str:
        """Raises `UnicodeDecodeError`."""
        return self.data.decode()

    @cached_property
    def refusal(self) -> str:
        """Why this is nothing that a person wrote and can read, as in `context/guard.py`; "" where it may be."""
        if reason := guard.content_refusal(self.data):
            return reason
        try:
            self.text  # noqa: B018
        except UnicodeDecodeError:
            return "not UTF-8"
        return ""

    @cached_property
    def has_lone_returns(self) -> bool:
        """Whether there are carriage returns that end no line of git's."""
        return b"\r" in self.data and self.data.count(b"\r") != self.data.count(b"\r\n")

    def line_start(self, line: int) -> int:
        """The byte at which a line begins; of one behind the last, the end of the text and a newline more."""
        return int(self._line_starts[line])

    @property
    def lines(self) -> int:
        """How many lines there are, an empty one behind the last newline counted."""
        return len(self._line_starts) - 1

    @cached_property
    def _line_starts(self) -> npt.NDArray[np.int64]:
        breaks = np.flatnonzero(np.frombuffer(self.data, np.uint8) == ord("\n"))
        return np.concatenate(([0], breaks + 1, [len(self.data) + 1]))


EMPTY = Blob(b"")


class Blobs:
    """Blobs by their ids, the ones met last."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._kept: OrderedDict[str, Blob | None] = OrderedDict()
        self._bytes = 0

    def read(self, ids: Iterable[str]) -> dict[str, Blob | None]:
        """The blobs of these ids, None for one that is missing or corrupt. An id of zeros is the empty text."""
        wanted = dict.fromkeys(ids)
        missing = [name for name in wanted if name not in self._kept and name.strip("0")]
        for name, data in zip(missing, self._history.blobs(missing), strict=True):
            self._kept[name] = None if data is None else Blob(data)
            self._bytes += len(data or b"")
        found: dict[str, Blob | None] = {}
        for name in wanted:
            if name in self._kept:
                self._kept.move_to_end(name)
                found[name] = self._kept[name]
            else:
                found[name] = EMPTY
        while self._bytes > _KEPT_BYTES and self._kept:
            _, blob = self._kept.popitem(last=False)
            self._bytes -= len(blob.data) if blob else 0
        return found
