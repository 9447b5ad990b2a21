"""Syntax trees of a file before and after a commit, one parsed incrementally from the other.

Histories are read in order, so that a file's text before one commit is its text after another: trees are kept by the
blob's id, for as long as they fit. Knows tokens, not languages: what a comment is, the grammars name alike enough.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import tree_sitter

from foretype.context import languages
from foretype.context.languages import Language
from foretype.mining.blobs import Blob
from foretype.mining.commit import Hunk

_KEPT_BYTES = 4 << 20  # of source whose trees are kept; a tree takes ten to twenty times as much
_SHORT_BYTES = 2000  # of source are parsed as soon as compared
_MOST_LINES_AROUND = 16
_WHOLE = frozenset({"string", "string_literal", "interpreted_string_literal", "raw_string_literal", "template_string"})
_BLOCKS = frozenset({"block", "suite"})  # where indentation is syntax, blocks have no brackets to show them


@dataclass(frozen=True)
class Trees:
    """The trees of the two texts, and the byte ranges that the hunks take in each."""

    before: tree_sitter.Tree | None
    after: tree_sitter.Tree
    old_spans: tuple[tuple[int, int], ...]
    new_spans: tuple[tuple[int, int], ...]

    @cached_property
    def old_tokens(self) -> list[Token]:
        return tokens(self.before, self.old_spans)

    @cached_property
    def new_tokens(self) -> list[Token]:
        return tokens(self.after, self.new_spans)


class Token(NamedTuple):
    text: bytes
    comment: bool


class TreeCache:
    """Trees by blob id, the ones used last. Not for use by several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[tree_sitter.Tree, Blob]] = OrderedDict()
        self._latest: dict[str, str] = {}  # of each path, the key of the tree made last
        self._bytes = 0

    def trees(
        self,
        language: Language,
        paths: tuple[str, str],
        ids: tuple[str, str],
        blobs: tuple[Blob, Blob],
        hunks: Sequence[Hunk],
    ) -> Trees:
        """The trees of a file before and after; `ids` are the blobs' own. A file that was added has none before it.

        Raises `ValueError` where the language has no grammar.
        """
        parser = languages.parser(language)
        if parser is None:
            raise ValueError(f"no grammar for {language.name}")
        old = _Side(blobs[0], [(hunk.old_start, len(hunk.old)) for hunk in hunks])
        new = _Side(blobs[1], [(hunk.new_start, len(hunk.new)) for hunk in hunks])
        old_key, new_key = (f"{language.name}:{blob}" for blob in ids)
        before, after = self._get(old_key), self._get(new_key)
        if before is None and after is None:
            key = self._latest.get(f"{language.name}:{paths[1]}", "")
            near = self._kept.get(key)
            edited = _edited(*near, _differences(near[1].data, new.blob.data)) if near else None
            after = self._keep(new_key, new.blob, _parse(parser, new.blob, edited))
        if before is None and after is not None and old.blob.data:
            before = self._keep(old_key, old.blob, _parse(parser, old.blob, _edited(after, new.blob, _edits(new, old))))
        if after is None and before is not None:
            after = self._keep(new_key, new.blob, _parse(parser, new.blob, _edited(before, old.blob, _edits(old, new))))
        assert after is not None
        self._latest[f"{language.name}:{paths[0]}"] = old_key if before else new_key
        return Trees(before if old.blob.data else None, after, old.spans, new.spans)

    def _get(self, key: str) -> tree_sitter.Tree | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def _keep(self, key: str, blob: Blob, tree: tree_sitter.Tree) -> tree_sitter.Tree:
        self._kept[key] = (tree, blob)
        self._bytes += len(blob.data)
        while self._bytes > _KEPT_BYTES and len(self._kept) > 2:
            _, (_, oldest) = self._kept.popitem(last=False)
            self._bytes -= len(oldest.data)
        return tree


def tokens(tree: tree_sitter.Tree | None, spans: Sequence[tuple[int, int]]) -> list[Token]:
    """The tokens that touch the byte ranges, with a pair of brackets for each block that only indentation shows."""
    found: list[Token] = []
    if tree is not None:
        cursor = tree.walk()
        root = tree.root_node
        for start, end in spans:
            if end > start:
                _within(cursor, root, start, end, found)
    return found


def _within(cursor: tree_sitter.TreeCursor, node: tree_sitter.Node, start: int, end: int, found: list[Token]) -> None:
    """Adds the tokens of the node that the cursor is at and left at."""
    kind = node.type
    if "comment" in kind or (kind == "expression_statement" and _is_docstring(node)):
        found.append(Token(b" ".join((node.text or b"").split()), True))
        return
    # the short way does not find a child at the start of a hidden node
    if kind in _WHOLE or not (cursor.goto_first_child_for_byte(start) is not None or cursor.goto_first_child()):
        if text := node.text:
            found.append(Token(text, False))
        return
    if kind in _BLOCKS:
        found.append(Token(b"{", False))
    while (child := cursor.node) and child.start_byte < end:
        if child.end_byte > start:
            _within(cursor, child, start, end, found)
        if not cursor.goto_next_sibling():
            break
    cursor.goto_parent()
    if kind in _BLOCKS:
        found.append(Token(b"}", False))


def _is_docstring(node: tree_sitter.Node) -> bool:
    return node.child_count == 1 and node.children[0].type == "string"


def _parse(parser: tree_sitter.Parser, blob: Blob, edited: tree_sitter.Tree | None) -> tree_sitter.Tree:
    return parser.parse(blob.data, edited) if edited else parser.parse(blob.data)


class _Side:
    """One text, and the lines that the hunks take in it: the first and how many."""

    def __init__(self, blob: Blob, rows: Sequence[tuple[int, int]]) -> None:
        self.blob = blob
        self.rows = rows
        self.spans = tuple(_span(blob, first, count) for first, count in rows)


def _span(blob: Blob, line: int, count: int) -> tuple[int, int]:
    """The bytes of some lines, with their ends; the text may end before the last line does."""
    last = blob.lines
    end = blob.line_start(min(line + count, last))
    return min(blob.line_start(min(line, last)), blob.line_start(last) - 1), end - (line + count >= last)


class _Edit(NamedTuple):
    """Whole lines that became others: bytes in the old text and in the new one, the row of the first, how many."""

    start: int
    end: int
    new_end: int
    row: int
    rows: int
    new_rows: int


def _edits(old: _Side, new: _Side) -> list[_Edit]:
    grown = sum(end - start for start, end in new.spans) - sum(end - start for start, end in old.spans)
    if len(new.blob.data) - len(old.blob.data) != grown:  # line ends changed as well, of which hunks do not tell
        return _differences(old.blob.data, new.blob.data)
    return [
        _Edit(start, end, start + new_end - new_start, row, rows, new_rows)
        for (start, end), (new_start, new_end), (row, rows), (_, new_rows) in zip(
            old.spans, new.spans, old.rows, new.rows, strict=True
        )
    ]


def _differences(old: bytes, new: bytes) -> list[_Edit]:
    """What became of one text where nobody tells: all that lies between paragraphs that each has once, in one order."""
    whole = _between(old, new)
    sides = old[whole.start : whole.end], new[whole.start : whole.new_end]
    if min(map(len, sides)) < _SHORT_BYTES:
        return [whole]
    paragraphs = [side.split(b"\n\n") for side in sides]
    at, new_at = (list(accumulate((len(part) + 2 for part in parts), initial=0)) for parts in paragraphs)
    at[-1], new_at[-1] = map(len, sides)
    edits, start, new_start, row = [], 0, 0, whole.row
    for index, new_index in [*_anchors(paragraphs[0][:-1], paragraphs[1][:-1]), (len(at) - 1, len(new_at) - 1)]:
        end, new_end = at[index], new_at[new_index]
        rows, new_rows = sides[0].count(b"\n", start, end), sides[1].count(b"\n", new_start, new_end)
        if end > start or new_end > new_start:
            first = whole.start + start
            edits.append(_Edit(first, whole.start + end, first + new_end - new_start, row, rows, new_rows))
        if index + 1 < len(at):
            start, new_start = at[index + 1], new_at[new_index + 1]
            row += rows + sides[0].count(b"\n", end, start)
    return edits


def _anchors(old: list[bytes], new: list[bytes]) -> list[tuple[int, int]]:
    """The places of what both have once: the longest run of them that is in the same order in both (patience sorting,
    C. L. Mallows, 1963)."""
    once = [{part: index for index, part in enumerate(parts)} for parts in (old, new)]
    counts = Counter(old), Counter(new)
    ends: list[int] = []  # of the runs of each length, the least old place that one ends with
    last: list[tuple[int, int]] = []
    before: dict[tuple[int, int], tuple[int, int] | None] = {}
    for part, new_index in once[1].items():
        if counts[0][part] == counts[1][part] == 1:
            pair = once[0][part], new_index
            length = bisect_left(ends, pair[0])
            before[pair] = last[length - 1] if length else None
            ends[length : length + 1], last[length : length + 1] = [pair[0]], [pair]
    found = []
    pair_or_none = last[-1] if last else None
    while pair_or_none:
        found.append(pair_or_none)
        pair_or_none = before[pair_or_none]
    return found[::-1]


def _between(old: bytes, new: bytes) -> _Edit:
    """All lines between those that two texts have in common at their starts and at their ends."""
    start = old.rfind(b"\n", 0, _common(old, new)) + 1
    alike = _common(old[start:][::-1], new[start:][::-1])
    end = old.find(b"\n", len(old) - alike) + 1 or len(old)
    new_end = len(new) - (len(old) - end)
    row = old.count(b"\n", 0, start)
    return _Edit(start, end, new_end, row, old.count(b"\n", start, end), new.count(b"\n", start, new_end))


def _common(one: bytes, other: bytes) -> int:
    """How many bytes are the same at the start of both, by halving."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def _edited(tree: tree_sitter.Tree, blob: Blob, edits: Sequence[_Edit]) -> tree_sitter.Tree:
    """A copy of a blob's tree that knows what of its text has changed, the last edit first so that places stay true."""
    copy = tree.copy()
    for edit in reversed(_with_lines_around(edits, blob.data)):
        copy.edit(
            start_byte=edit.start,
            old_end_byte=edit.end,
            new_end_byte=edit.new_end,
            start_point=(edit.row, 0),
            old_end_point=(edit.row + edit.rows, 0),
            new_end_point=(edit.row + edit.new_rows, 0),
        )
    return copy


def _with_lines_around(edits: Sequence[_Edit], text: bytes) -> list[_Edit]:
    """The edits, each with the lines of code before and behind it as if they had changed, too: before it so many that
    no block ends right where it begins.

    Where indentation is syntax, the token for the end of a block stands before the blank lines that were looked past to
    see it. A tree that is told of a change behind them alone is at times parsed anew from there to its end: measured on
    test files of 60 to 150 KB, thirty times as slowly.
    """
    wider = []
    done = 0
    for number, edit in enumerate(edits):
        start, end = edit.start, edit.end
        following = edits[number + 1].start if number + 1 < len(edits) else len(text)
        before, after, depth = 0, 0, -1
        while start > done and before < _MOST_LINES_AROUND:
            line = text.rfind(b"\n", 0, start - 1) + 1
            code = text[line:start].lstrip()
            if code and 0 <= start - line - len(code) <= depth:
                break
            if code:
                depth = start - line - len(code)
            start, before = line, before + 1
        while end < following:
            line = text.find(b"\n", end) + 1
            if not line:  # the last one, without its end
                break
            is_code = not text[end:line].isspace()
            end, after = line, after + 1
            if is_code:
                break
        new_end, more = edit.new_end + end - edit.end, before + after
        wider.append(_Edit(start, end, new_end, edit.row - before, edit.rows + more, edit.new_rows + more))
        done = end
    return wider
