"""A document's text, frozen: lines, positions and their encodings.

Knows nothing of the protocol's messages; `lsp/documents.py` feeds it. A line ends at `\\n`, `\\r\\n` or a lone `\\r`
and nowhere else (LSP 3.18, "Text Documents"): form feeds and U+2028 are ordinary characters, unlike in
`str.splitlines`.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")


@dataclass(frozen=True)
class Snapshot:
    """One version of one document.

    `lines` keep their terminators, and the last line has none (it is "" where the text ends in a terminator), so that
    `"".join(lines)` is the text and `lines` is never empty. `path` is what a person would call the file: relative to
    the workspace, with forward slashes. `language` is the client's language identifier.
    """

    uri: str
    path: str
    language: str
    version: int
    lines: tuple[str, ...]

    @cached_property
    def text(self) -> str:
        return "".join(self.lines)

    def split_at(self, line: int, column: int) -> tuple[str, str]:
        """The text before and after a place; `line` and `column` are 0-based, `column` in characters (code points)."""
        here = self.lines[line]
        before = "".join(self.lines[:line]) + here[:column]
        return before, here[column:] + "".join(self.lines[line + 1 :])


def inserted(snapshot: Snapshot, line: int, column: int, text: str) -> tuple[Snapshot, int, int]:
    """The snapshot with a text put in at a place, and the place behind it."""
    here = snapshot.lines[line]
    lines = split_lines(here[:column] + text + here[column:])
    if line + 1 < len(snapshot.lines):
        lines.pop()  # the empty line behind the terminator: the next line is there already
    after = replace(snapshot, lines=(*snapshot.lines[:line], *lines, *snapshot.lines[line + 1 :]))
    head = split_lines(here[:column] + text)
    return after, line + len(head) - 1, len(head[-1])


def unmarked(source: bytes) -> bytes:
    """A file's bytes without the mark that UTF-8 may begin with (U+FEFF): editors do not show it, count no column for
    it, and write it again."""
    return source.removeprefix(codecs.BOM_UTF8)


def split_lines(text: str) -> list[str]:
    """The lines of a text, with terminators; always at least one, and the last has no terminator."""
    lines = _LINE.findall(text)
    if not lines or lines[-1][-1] in "\r\n":
        lines.append("")
    return lines


def content(line: str) -> str:
    """A line without its terminator."""
    return line.rstrip("\r\n")


def column_from_units(line: str, units: int, encoding: Encoding) -> int:
    """The column in characters of a column given in the encoding's code units.

    Past the end means the end of the line, before its terminator (LSP 3.18, "Position"). Inside a character
    (half a surrogate pair, a continuation byte) means before that character.
    """
    body = content(line)
    units = max(0, units)
    if encoding == "utf-32" or body[:units].isascii():
        return min(units, len(body))
    seen = 0
    for column, char in enumerate(body):
        width = _width(char, encoding)
        if seen + width > units:
            return column
        seen += width
    return len(body)


def units_from_column(line: str, column: int, encoding: Encoding) -> int:
    """The reverse of `column_from_units`, for a column inside the line."""
    head = content(line)[:column]
    if encoding == "utf-32" or head.isascii():
        return len(head)
    return sum(_width(char, encoding) for char in head)


def _width(char: str, encoding: Encoding) -> int:
    point = ord(char)
    if encoding == "utf-16":
        return 2 if point > 0xFFFF else 1
    return 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4
