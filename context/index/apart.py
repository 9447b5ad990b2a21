"""Reads the symbols of a large file in a child process, so that no other thread waits for the parser.

The parser holds the interpreter lock: a file of 400 KB would stop the event loop for a fifth of a second. The child is
started with the first such file and ends when none has come for a minute. Knows nothing of documents.
"""

from __future__ import annotations

import base64
import json
import logging

from foretype.context.index import symbol_rows
from foretype.context.index.symbol_rows import Rows
from foretype.context.index.workers import Helper

_log = logging.getLogger(__name__)

LARGE_BYTES = 100_000  # parsed here, a file of so many takes some 50 ms
_TOGETHER = 200  # rows in one line of an answer


class Reader:
    """Reads files, large ones in a child of its own. Any thread may call."""

    def __init__(self, large: int = LARGE_BYTES) -> None:
        self._large = large
        self._helper = Helper(_read)

    @property
    def running(self) -> bool:
        """Whether there is a child process now."""
        return self._helper.running

    def rows(self, path: str, source: bytes) -> Rows:
        """As `symbol_rows.rows`."""
        return symbol_rows.rows(path, source) if len(source) < self._large else self.apart(path, source)

    def apart(self, path: str, source: bytes) -> Rows:
        """As `symbol_rows.rows`, in the child process; a file that the child died of has no symbols."""
        answer = self._helper.ask(path.encode() + b"\0" + source)
        if answer is None:
            _log.warning("%s could not be parsed; it has no symbols until it changes", path)
            return symbol_rows.rows(path, b"")
        return _decoded(answer)

    def close(self) -> None:
        self._helper.close()


def _read(piece: bytes) -> bytes:
    """The rows of a file as JSON Lines: what they all share, then some rows of one table in each line."""
    path, _, source = piece.partition(b"\0")
    found = symbol_rows.rows(path.decode(), source)
    tables = {"definitions": found.definitions, "imports": found.imports, "import_words": found.import_words}
    places = base64.b64encode(found.places).decode()
    lines: list[object] = [(found.path, found.language, found.references, found.uses), places]
    lines += [
        (table, rows[at : at + _TOGETHER]) for table, rows in tables.items() for at in range(0, len(rows), _TOGETHER)
    ]
    return "\n".join(map(json.dumps, lines)).encode()


def _decoded(answer: bytes) -> Rows:
    head, places, *lines = answer.split(b"\n")
    tables: dict[str, list] = {"definitions": [], "imports": [], "import_words": []}
    for line in lines:  # one at a time: the decoder, too, lets no other thread run
        table, rows = json.loads(line)
        tables[table] += map(tuple, rows)
    path, language, references, uses = json.loads(head)
    columns = base64.b64decode(json.loads(places))
    return Rows(path, language, references, uses=tuple(uses), places=columns, **tables)
