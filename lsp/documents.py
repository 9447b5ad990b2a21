"""The open documents: what didOpen, didChange and didClose say, applied, and frozen on demand.

Kept apart from pygls' store, which splits lines as `str.splitlines` does and so loses its place after a form feed or
U+2028. An incremental change touches the lines of its range and no others. Does not know why text changed, nor what is
done with it, nor who calls: all calls come from one thread, in the order of the client's messages.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Literal
from urllib.parse import unquote

from foretype.context.text import Encoding, Snapshot, column_from_units, content, split_lines

log = logging.getLogger(__name__)

# "unknown": the document is not open, nothing was done. "backwards": applied, though the version did not increase.
Status = Literal["applied", "backwards", "unknown"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_FILE_URI = re.compile(r"file:(?://(?P<host>[^/]*))?(?P<path>/.*)", re.IGNORECASE | re.DOTALL)
# Two letters at least: "C:" is a drive.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@dataclass(frozen=True)
class Edit:
    """One entry of `contentChanges`, as it was applied: at a place (0-based, `column` in characters), `removed` gave
    way to `inserted`. Full synchronisation removes everything at (0, 0)."""

    line: int
    column: int
    removed: str
    inserted: str


@dataclass(frozen=True)
class Change:
    """What became of a didChange; `edits` in the order of its entries, empty where the document is unknown."""

    status: Status
    edits: tuple[Edit, ...] = ()


class Documents:
    """The documents that the client has open.

    `encoding` is what `initialize` agreed on, the protocol's default until then. `root` is the workspace's folder, a
    path or a file URI; it is looked at when a document is opened.
    """

    def __init__(self, root: str | None = None) -> None:
        self.encoding: Encoding = "utf-16"
        self.root = root
        self._documents: dict[str, _Document] = {}

    def open(self, uri: str, language: str, version: int, text: str) -> None:
        """Opens a document; one that is open already begins anew."""
        document = _Document(path_from_uri(uri, self.root), language, version)
        document.replace(text)
        self._documents[uri] = document

    def change(self, uri: str, version: int, changes: Iterable[Any]) -> Change:
        """Applies `contentChanges` one after another, each to the text that the one before it left.

        An entry has `text` and may have a `range` with `start` and `end`, each with `line` and `character`, as
        lsprotocol's have; without a range it is the whole text. Positions outside of the text mean the nearest one in
        it, and a range with its ends swapped the range between them. A version that does not increase breaks the
        protocol, but the client's text has changed all the same, so the change is applied and the version taken over.
        """
        document = self._documents.get(uri)
        if document is None:
            log.warning("ignored a change of a document that is not open: %s", uri)
            return Change("unknown")
        status: Status = "applied" if version > document.version else "backwards"
        if status == "backwards":
            log.warning("version %s of %s does not follow version %s", version, uri, document.version)
        edits = tuple(document.apply(change, self.encoding) for change in changes)
        document.version = version
        document.frozen = None
        return Change(status, edits)

    def close(self, uri: str) -> bool:
        """Forgets a document; False if it was not open."""
        return self._documents.pop(uri, None) is not None

    def all(self) -> list[Snapshot]:
        """The documents that are open, as they are now."""
        return [snapshot for uri in self._documents if (snapshot := self.get(uri))]

    def language(self, uri: str) -> str:
        """The client's language identifier; "" for a document that is not open."""
        document = self._documents.get(uri)
        return document.language if document else ""

    def get(self, uri: str) -> Snapshot | None:
        """The document as it is now, the same object until it changes; None if it is not open.

        Its text can always be encoded: halves of a surrogate pair that JSON carried one by one are one character, and a
        half that is alone is U+FFFD, which is as wide in every encoding.
        """
        document = self._documents.get(uri)
        if document is None:
            return None
        if document.frozen is None:
            document.frozen = document.freeze(uri)
        return document.frozen


@dataclass
class _Document:
    """`lines` hold what the client holds, surrogates included: `damaged` says that there may be some."""

    path: str
    language: str
    version: int
    lines: list[str] = field(default_factory=lambda: [""])
    damaged: bool = False
    frozen: Snapshot | None = None

    def apply(self, change: Any, encoding: Encoding) -> Edit:
        where = getattr(change, "range", None)
        if where is None:
            return self.replace(change.text)
        start = self._place(where.start, encoding)
        end = self._place(where.end, encoding)
        return self._splice(min(start, end), max(start, end), change.text)

    def replace(self, text: str) -> Edit:
        removed = "".join(self.lines)
        edit = Edit(0, 0, self._mended(removed), _mended(text))
        self.lines = split_lines(text)
        self.damaged = _SURROGATE.search(text) is not None
        return edit

    def freeze(self, uri: str) -> Snapshot:
        lines = tuple(map(_mended, self.lines)) if self.damaged else tuple(self.lines)
        return Snapshot(uri, self.path, self.language, self.version, lines)

    def _splice(self, start: tuple[int, int], end: tuple[int, int], text: str) -> Edit:
        (first, column), (last, end_column) = start, end
        head, tail = self.lines[first][:column], self.lines[last][end_column:]
        removed = "".join(self.lines[first : last + 1])[column:]
        removed = removed[: len(removed) - len(tail)]
        edit = Edit(first, column, self._mended(removed), _mended(text))
        # A lone CR above may become half of a CRLF. The end needs no such care: it never lies behind a terminator.
        if first and not column and self.lines[first - 1].endswith("\r"):
            first -= 1
            head = self.lines[first]
        lines = split_lines(head + text + tail)
        if last + 1 < len(self.lines):
            lines.pop()  # the empty line behind the terminator of `last`: the next line is there already
        self.lines[first : last + 1] = lines
        self.damaged = self.damaged or _SURROGATE.search(text) is not None
        return edit

    def _place(self, position: Any, encoding: Encoding) -> tuple[int, int]:
        """The line and the column in characters that a position means in this text."""
        if position.line < 0:
            return 0, 0
        if position.line >= len(self.lines):
            return len(self.lines) - 1, len(content(self.lines[-1]))
        return position.line, column_from_units(self.lines[position.line], position.character, encoding)

    def _mended(self, text: str) -> str:
        return _mended(text) if self.damaged else text


def _mended(text: str) -> str:
    """The text with surrogates joined to characters, or U+FFFD where one is alone."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def path_from_uri(uri: str, root: str | None = None) -> str:
    """What a person would call the document, with forward slashes: its path below `root` if it is a file there, else
    its file name. Never empty for a URI that is not, whatever its scheme."""
    path = _file_path(uri)
    if path is None:
        rest = re.split("[?#]", _SCHEME.sub("", uri, count=1), maxsplit=1)[0]
        return re.split(r"[/\\]", unquote(rest).rstrip("/\\"))[-1] or uri
    return path_inside(uri, root) or path.name or uri


def path_inside(uri: str, root: str | None) -> str | None:
    """The document's path below `root`, with forward slashes; None if it is no file there, or climbs with `..`."""
    path, folder = _file_path(uri), _pure(root) if root else None
    if path is None or folder is None or path == folder or type(path) is not type(folder) or ".." in path.parts:
        return None
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else None


def _pure(root: str) -> PurePath:
    """A path or file URI of this or another platform; Windows paths compare without regard to case."""
    path = _file_path(root)
    if path is not None:
        return path
    windows = re.match(r"[A-Za-z]:|\\\\", root) is not None
    return PureWindowsPath(root) if windows else PurePosixPath(root)


def _file_path(uri: str) -> PurePath | None:
    """The path of a file URI (RFC 8089); None for another scheme. `?` and `#` belong to the name, as in editors that do
    not encode them."""
    match = _FILE_URI.fullmatch(uri)
    if match is None:
        return None
    host, path = match["host"] or "", unquote(match["path"])
    if re.match(r"/[A-Za-z]:", path):
        return PureWindowsPath(path[1:])
    if host and host.lower() != "localhost":
        return PureWindowsPath(f"//{host}{path}")
    return PurePosixPath(path)
