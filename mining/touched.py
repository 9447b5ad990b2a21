"""What each hunk of a commit touches: the names it adds and takes away, what it defines, and what it stands in.

Read from the after-texts of the changed files alone, by name; a definition that is gone is known by its name in the
hunks' old lines. Does not know which hunks belong together (`mining/relate.py`) nor in which order they come
(`mining/split.py`).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import tree_sitter

from foretype.context import languages
from foretype.context.index import captures, signatures
from foretype.mining.commit import FileTexts, Hunk

WORD = re.compile(r"[^\W\d]\w*")
TOKEN = re.compile(r"\w+|[^\w\s]")
TEST = re.compile(r"(?:^|[/_.-])(?:tests?|specs?|__tests__)(?=[/_.-])|Tests?\.\w+$")
# Too frequent in any language to say that two hunks are about one thing.
_KEYWORDS = """
abstract and as assert async await bool boolean break byte case catch char class const continue crate def default
defer del do double elif else enum err error except export extends extern false False final finally float fn for
foreach from func function go goto i8 i16 i32 i64 if impl implements import in include instanceof int interface is
let local long loop match mod module move mut namespace new nil None none not null number object of Ok operator or
override package pass private protected pub public raise range ref require return Self self short signed sizeof some
Some static str String string struct super switch template test this throw throws trait true True try type typedef
typeof u8 u16 u32 u64 undefined union unsafe unsigned use using usize var virtual void where while with yield it
describe expect should
"""
KEYWORDS = frozenset(_KEYWORDS.split())
_FUNCTIONS = ("function", "method")


@dataclass(frozen=True)
class Touched:
    """One hunk. `added` and `removed` are names that its new lines have more often than its old ones and the reverse,
    `words` all names in it, none of them keywords. `gone` and `come` count the tokens that the change took away and
    brought. `defined` are names whose definition begins in the new lines or whose signature they change.

    `inside` is the dotted name of the innermost function around it, else of the class, "" at top level; `owner` that
    definition's own name. `body` says that the hunk changes what the function does and not how it is called.
    """

    file: FileTexts
    hunk: Hunk
    added: frozenset[str]
    removed: frozenset[str]
    words: frozenset[str]
    gone: Counter[str]
    come: Counter[str]
    defined: frozenset[str]
    inside: str
    owner: str
    body: bool

    @property
    def changed(self) -> frozenset[str]:
        return self.added | self.removed

    @property
    def is_test(self) -> bool:
        return TEST.search(self.file.path) is not None


Trees = Mapping[str, tree_sitter.Tree]


def touched(files: Sequence[FileTexts], trees: Trees | None = None) -> list[Touched]:
    """All hunks, file by file and top to bottom. `trees` may hold parsed after-texts by path: parsing is most of the
    work."""
    return [item for file in files for item in _of_file(file, (trees or {}).get(file.path))]


def names(text: str) -> Counter[str]:
    """How often each name that is no keyword stands in a text."""
    return Counter(word for word in WORD.findall(text) if word not in KEYWORDS)


def kind(token: str) -> str:
    """A token as itself where it is a keyword or a mark, "w" where it is a name, "0" where it is a number."""
    if token in KEYWORDS or not (token[0].isalnum() or token[0] == "_"):
        return token
    return "0" if token[0].isdigit() else "w"


def _of_file(file: FileTexts, tree: tree_sitter.Tree | None) -> list[Touched]:
    source = file.after.encode("utf-8", "replace")
    parser, query = languages.parser(file.language), captures.query(file.language)
    if parser is None or query is None:
        return [_of_hunk(file, hunk, ()) for hunk in file.hunks]
    root = (tree or parser.parse(source)).root_node
    lines = source.split(b"\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    return [_of_hunk(file, hunk, _definitions(hunk, root, query, source, starts)) for hunk in file.hunks]


@dataclass(frozen=True)
class _Definition:
    """A definition from `line` to `end_line`, whose signature ends in line `head` (0-based, inclusive)."""

    name: str
    kind: captures.Kind
    container: str
    line: int
    head: int
    end_line: int


def _definitions(
    hunk: Hunk, root: tree_sitter.Node, query: tree_sitter.Query, source: bytes, starts: Sequence[int]
) -> list[_Definition]:
    """What is defined in the hunk's new lines and around them. A query sees nothing outside of its range, so that it is
    asked about those lines and about the heads of all that encloses them: far less than the file."""
    first = min(hunk.new_start, len(starts) - 2)
    last = min(first + max(len(hunk.new), 1), len(starts) - 1)
    ranges = [(starts[first], starts[last])]
    node = root.descendant_for_byte_range(starts[first], max(starts[first], starts[last] - 1))
    while node is not None:
        if body := node.child_by_field_name("body"):
            ranges.append((starts[node.start_point[0]], body.start_byte + 1))
        node = node.parent
    seen: dict[str, dict[int, tree_sitter.Node]] = {}
    for start, end in ranges:
        cursor = tree_sitter.QueryCursor(query)
        cursor.set_byte_range(start, end)
        for capture, nodes in cursor.captures(root).items():
            seen.setdefault(capture, {}).update((node.id, node) for node in nodes)
    items, _ = captures.read({capture: list(nodes.values()) for capture, nodes in seen.items()}, source)
    found = []
    for item in items:
        line, end_line = (bisect_right(starts, at) - 1 for at in (item.start, item.end))
        found.append(_Definition(item.name, item.kind, item.container, line, _head(item, source, line), end_line))
    return found


def _head(item: captures.Item, source: bytes, line: int) -> int:
    """The line in which the signature ends: where as many characters as it has, white space aside, have been seen."""
    left = len("".join(signatures.signature(item, source).split()))
    for text in source[item.start : item.end].decode("utf-8", "replace").split("\n"):
        left -= len("".join(text.split()))
        if left <= 0:
            break
        line += 1
    return line


def _of_hunk(file: FileTexts, hunk: Hunk, definitions: Sequence[_Definition]) -> Touched:
    old, new = "\n".join(hunk.old), "\n".join(hunk.new)
    before, after = names(old), names(new)
    old_tokens, new_tokens = Counter(TOKEN.findall(old)), Counter(TOKEN.findall(new))
    first = hunk.new_start
    last = first + max(len(hunk.new), 1) - 1
    defined: set[str] = set()
    inside: _Definition | None = None
    for item in definitions:
        if hunk.new and first <= item.head and item.line <= last:
            defined.add(item.name)
        if not item.line <= first <= last <= item.end_line or item.kind in ("constant", "field"):
            continue
        if inside is None or inside.kind not in _FUNCTIONS or item.kind in _FUNCTIONS:
            inside = item
    around = "" if inside is None else f"{inside.container}.{inside.name}".lstrip(".")
    return Touched(
        file,
        hunk,
        frozenset(after - before),
        frozenset(before - after),
        frozenset(before) | frozenset(after),
        old_tokens - new_tokens,
        new_tokens - old_tokens,
        frozenset(defined),
        around,
        inside.name if inside else "",
        inside is not None and inside.kind in _FUNCTIONS and inside.name not in defined,
    )


def lines_between(one: Hunk, other: Hunk) -> int:
    """Unchanged lines between two hunks of one file."""
    first, second = (one, other) if one.old_start <= other.old_start else (other, one)
    return max(0, second.old_start - first.old_start - len(first.old))
