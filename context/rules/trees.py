"""Files as syntax trees, parsed once for each text, and the identifiers in them that have one name.

An identifier is found by searching the bytes and going down the tree to them, so that a file costs its parse and no
walk over its nodes: 350 KB parse in 175 ms and are searched in one. Trees are kept by text, the last used the longest.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any

import tree_sitter
from tree_sitter import Node

from foretype.context import languages
from foretype.context.languages import Language
from foretype.context.next_edit import Span
from foretype.context.text import split_lines

# of identifiers; letters that are not of ASCII have bytes above it
_WORD_BYTES = {
    bytes([code]) for code in (*b"_$0123456789", *range(ord("a"), ord("z") + 1), *range(ord("A"), ord("Z") + 1))
}
_WORD_BYTES |= {bytes([code]) for code in range(0x80, 0x100)}
_KEPT_BYTES = 3 << 20  # of source; their trees take some twenty times as much
_VERSIONS = 3  # of one file: what it was, what it is, and one more


@dataclass(frozen=True)
class Spot:
    """A leaf of a tree: it and the nodes around it, innermost first; `fields[i]` is what `nodes[i]` is in
    `nodes[i + 1]`, "" where that has no name."""

    nodes: tuple[Node, ...]
    fields: tuple[str, ...]

    @property
    def node(self) -> Node:
        return self.nodes[0]

    def type(self, height: int) -> str:
        """The type of the node so many levels up, "" above the root."""
        return self.nodes[height].type if height < len(self.nodes) else ""

    def field(self, height: int) -> str:
        return self.fields[height] if height < len(self.fields) else ""


@dataclass(frozen=True, eq=False)
class Parsed:
    """One text with its tree. Offsets are bytes of its UTF-8; what cannot be encoded is a question mark there."""

    path: str
    language: Language
    source: bytes
    tree: tree_sitter.Tree
    notes: dict[object, Any] = field(default_factory=dict)  # what others have found out about this text

    @property
    def root(self) -> Node:
        return self.tree.root_node

    @cached_property
    def lines(self) -> tuple[bytes, ...]:
        return tuple(line.encode("utf-8", "replace") for line in split_lines(self.source.decode("utf-8", "replace")))

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *accumulate(map(len, self.lines))]

    def line(self, offset: int) -> int:
        """The line (0-based) of a byte, lines ending as `context.text` has it."""
        return min(bisect_right(self._starts, offset) - 1, len(self.lines) - 1)

    def line_start(self, line: int) -> int:
        """The byte that a line begins at; the end of the text for one behind the last."""
        return self._starts[min(line, len(self.lines))]

    def line_break(self, offset: int) -> str:
        """What the line of a byte ends with; for the last line, if nothing ends it, what the first one does."""
        line = self.lines[self.line(offset)]
        return "\r\n" if (line if line.endswith(b"\n") else self.lines[0]).endswith(b"\r\n") else "\n"

    def span(self, start: int, end: int) -> Span:
        first, last = self.line(start), self.line(end)
        return Span(first, self._column(first, start), last, self._column(last, end))

    def text(self, node: Node) -> str:
        return self.source[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def spots(self, name: str) -> Iterator[Spot]:
        """The leaves that are this word, in their order; in comments and strings there are none, but for annotations
        of Python in quotes, whose spot is the string."""
        word, source = name.encode("utf-8", "replace"), self.source
        start = source.find(word)
        while word and start >= 0:
            end = start + len(word)
            alone = source[start - 1 : start] not in _WORD_BYTES and source[end : end + 1] not in _WORD_BYTES
            if alone and (spot := self.spot(start, end)):
                yield spot
            start = source.find(word, end)

    def spot(self, start: int, end: int) -> Spot | None:
        """The smallest node around these bytes, where it is an identifier or has a quoted annotation in it."""
        cursor = self.root.walk()
        nodes, fields = [cursor.node], []
        while cursor.goto_first_child_for_byte(start) is not None:
            node = cursor.node
            if node is None or node.start_byte > start or node.end_byte < end:
                break
            nodes.append(node)
            fields.append(cursor.field_name or "")
        leaf = nodes[-1]
        if leaf is None or not _is_name(leaf, start, end):
            return None
        return Spot(tuple(node for node in reversed(nodes) if node is not None), tuple(reversed(fields)))

    def _column(self, line: int, offset: int) -> int:
        return len(self.lines[line][: offset - self._starts[line]].decode("utf-8", "replace"))


def parse(path: str, source: bytes, language: Language) -> Parsed | None:
    """The tree of a text in UTF-8, None for a language without a grammar."""
    return _memory.parsed(path, source, language)


def still_parses(file: Parsed, edits: Sequence[tuple[int, int, bytes]]) -> bool:
    """Whether a text with edits (start, end, bytes; in order, apart from each other) has errors only if it had some."""
    parser = languages.parser(file.language)
    if parser is None or file.root.has_error:
        return True
    tree, source = file.tree.copy(), file.source
    for start, end, text in reversed(edits):
        before, after = _point(source, start), _point(source, end)
        source = source[:start] + text + source[end:]
        tree.edit(start, end, start + len(text), before, after, _point(source, start + len(text)))
    return not parser.parse(source, tree).root_node.has_error


class _Memory:
    def __init__(self) -> None:
        self._files: OrderedDict[tuple[str, str, bytes], Parsed] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def parsed(self, path: str, source: bytes, language: Language) -> Parsed | None:
        key = path, language.name, source
        with self._lock:
            if found := self._files.get(key):
                self._files.move_to_end(key)
                return found
            parser = languages.parser(language)
            if parser is None:
                return None
            file = self._files[key] = Parsed(path, language, source, parser.parse(source))
            self._bytes += len(source)
            versions = [other for other in self._files if other[:2] == key[:2]]
            for other in versions[:-_VERSIONS]:
                self._forget(other)
            while self._bytes > _KEPT_BYTES and len(self._files) > 1:
                self._forget(next(iter(self._files)))
            return file

    def _forget(self, key: tuple[str, str, bytes]) -> None:
        del self._files[key]
        self._bytes -= len(key[2])


_memory = _Memory()


def _is_name(leaf: Node, start: int, end: int) -> bool:
    if leaf.type == "string_content":
        return True
    return leaf.start_byte == start and leaf.end_byte == end and leaf.child_count == 0 and leaf.is_named


def _point(source: bytes, offset: int) -> tuple[int, int]:
    return source.count(b"\n", 0, offset), offset - (source.rfind(b"\n", 0, offset) + 1)
