"""The queries of each language, and how what they capture nests.

`context/queries/<language>/*.scm` say which nodes of a syntax tree matter, by these names of captures:

- `@definition.KIND` a whole definition and `@name.KIND` its name, KIND being `function`, `class`, `type`, `module`,
  `constant`, `field`, `method`, or one of three more: `scope` only encloses (Rust's `impl`), `lambda` is a function
  without a name, and `member` the assignment to an attribute, which defines a field where it is of `self` or `this`.
  A function in a class is a method, a constant in it a field, and a constant in a function is local. Where two
  patterns name one place, the constant gives way.
- `@receiver` what a method written outside of its class belongs to.
- `@outer` a node around a definition that belongs to it: decorators, `export`, `template <...>`.
- `@local` a name bound by the function around it, `@reference` any identifier, `@import` an import statement.

A first line `; inherits: a,b` puts the queries of other languages before a file's own. Knows byte offsets and names,
not the text of signatures.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import compress, count
from operator import itemgetter
from typing import Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import tree_sitter

from foretype.context import languages
from foretype.context.languages import Language

_log = logging.getLogger(__name__)

Kind = Literal["function", "method", "class", "field", "constant", "type", "module"]
Captures = Mapping[str, Sequence[tree_sitter.Node]]

_OUTER, _DEFINITION, _RECEIVER, _NAME = range(4)
_RANKS = {"outer": _OUTER, "definition": _DEFINITION, "receiver": _RECEIVER, "name": _NAME}
_CLASSES = ("class", "type", "scope")
_FUNCTIONS = ("function", "method", "lambda")
_VALUES = ("constant", "field", "member")
# What a reference is said to be in; a constant or a field is too small to be of interest.
_ENCLOSING = (*_CLASSES, *_FUNCTIONS, "module")
_WITHIN_CLASS = {"function": "method", "constant": "field", "member": "field"}
_OUTSIDE = {"method": "function", "member": "field"}
_SELF = (b"self.", b"this.", b"this->")
# Bytes before a name that make it a member of something: a local name cannot be meant.
_ACCESS = b".>:"
# Definitions in more than so many others are no human's; dotted names and sets of local names would grow as the square.
_DEEPEST = 64
_INHERITS = re.compile(r"; inherits: ([\w,]+)\n")


class Item(NamedTuple):
    """A definition: its node, the byte `start` and `end` of all that belongs to it, and where its name begins."""

    name: str
    kind: Kind
    node: tree_sitter.Node
    start: int
    end: int
    name_start: int
    container: str


@dataclass(frozen=True)
class Used:
    """The references of a file by columns, by place: index of the name, byte offset, index of the item around or -1."""

    names: tuple[str, ...]
    name: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    owner: npt.NDArray[np.int32]


@cache
def query(language: Language) -> tree_sitter.Query | None:
    """The queries of a language as one, or None where it has none or they do not fit the installed grammar."""
    parser, text = languages.parser(language), _text(language.name)
    if parser is None or parser.language is None or not text:
        return None
    try:
        return tree_sitter.Query(parser.language, text)
    except tree_sitter.QueryError as error:
        _log.warning("no symbols for %s: its queries do not fit the installed grammar (%s)", language.name, error)
        return None


def read(captures: Captures, source: bytes) -> tuple[list[Item], Used]:
    """The definitions among the captures of one file, in the order of their names, and the references."""
    nesting = _Nesting(source)
    outer = (0, 0)
    for start, minus_end, rank, _, kind, node in _events(captures):
        if start >= nesting.next_end:
            nesting.close(start)
        if rank == _OUTER:
            outer = (start, -minus_end)
        elif rank == _NAME and start == nesting.named_at:
            continue
        elif kind == "constant" and (bound := nesting.bound[nesting.spaces[-1]]) is not None:
            if rank == _NAME:
                bound.add(source[start:-minus_end])
        elif rank == _DEFINITION:
            # of the node around it is the first that ends with it, but for a semicolon
            nesting.open(kind, node, start, -minus_end, outer[0] if 0 <= outer[1] + minus_end <= 1 else start)
            outer = (0, 0)
        elif rank == _RECEIVER:
            nesting.receive(source[start:-minus_end].decode(errors="replace"))
        else:
            nesting.name(kind, source[start:-minus_end].decode(errors="replace"), start)
    nesting.close(len(source) + 1)
    return nesting.items, _references(captures, source, nesting)


@dataclass(slots=True)
class _Open:
    """A definition that is not at its end yet. `space` is the index of its own space, or of the one around it; `around`
    the definition that it is in."""

    kind: str
    node: tree_sitter.Node
    start: int
    end: int
    space: int
    around: _Open | None
    name: str = ""
    path: str = ""
    receiver: str = ""


class _Nesting:
    """A sweep over definitions and names by place.

    A space is what a definition encloses, numbered from 1; 0 is the top level. Space `spaces[i]` holds from byte
    `breaks[i]` to the next break. Of each space are known the item it is of (-1: none), the space around it, and the
    names a function binds in it. Nothing that is open ends before byte `next_end`.
    """

    def __init__(self, source: bytes) -> None:
        self.source = source
        self.items: list[Item] = []
        self.breaks, self.spaces = [0], [0]
        self.item_of, self.around = [-1], [0]
        self.bound: list[set[bytes] | None] = [None]
        self.named_at = -1
        self.next_end = len(source) + 1
        self._stack: list[_Open] = []
        self._seen: set[tuple[str, str]] = set()

    def open(self, kind: str, node: tree_sitter.Node, inner: int, end: int, start: int) -> None:
        stack = self._stack
        if len(stack) >= _DEEPEST:
            return
        space = self.spaces[-1]
        if kind in _ENCLOSING:
            self.item_of.append(self.item_of[space])
            self.around.append(space)
            self.bound.append(set() if kind in _FUNCTIONS else None)
            space = len(self.around) - 1
            self.breaks.append(inner)
            self.spaces.append(space)
        if self.source[end - 1 : end] == b"\n":  # of a preprocessor line
            end -= 1
        stack.append(_Open(kind, node, start, end, space, stack[-1] if stack else None))
        self.next_end = end

    def close(self, at: int) -> None:
        """Leaves what ends at or before byte `at`."""
        stack = self._stack
        while stack and stack[-1].end <= at:
            closed = stack.pop()
            if closed.kind in _ENCLOSING:
                self.breaks.append(closed.end)
                self.spaces.append(self.around[closed.space])
        self.next_end = stack[-1].end if stack else len(self.source) + 1

    def receive(self, text: str) -> None:
        text = text.removesuffix(".prototype")
        if self._stack and text not in ("exports", "module.exports"):
            this = self._stack[-1]
            this.receiver = f"{this.receiver}.{text}" if this.receiver else text

    def name(self, kind: str, text: str, at: int) -> None:
        """Gives the innermost open definition of a kind its name, or a value another one (`a, b = 1, 2`)."""
        this = self._find(kind)
        if this is None or not text:  # the parser puts a name of no length where one is missing
            return
        if ":" in text:
            text = text.replace("::", ".")
        home = this.around
        while home is not None and not (home.name and (kind != "member" or home.kind in _CLASSES)):
            home = home.around
        if kind == "member" and (home is None or not self.source[max(0, at - 6) : at].endswith(_SELF)):
            return
        inside, container = (home.kind, home.path) if home else ("", "")
        if this.receiver:
            container = f"{container}.{this.receiver}" if container else this.receiver
        this.name, this.path = text, f"{container}.{text}" if container else text
        if kind == "scope":
            return
        self.named_at = at
        if kind in _VALUES:
            if (container, text) in self._seen:
                return
            self._seen.add((container, text))
        if this.kind in _ENCLOSING:
            self.item_of[this.space] = len(self.items)
        inside = "class" if this.receiver else inside
        resolved = cast(Kind, _WITHIN_CLASS.get(kind, kind) if inside in _CLASSES else _OUTSIDE.get(kind, kind))
        self.items.append(Item(text, resolved, this.node, this.start, this.end, at, container))

    def _find(self, kind: str) -> _Open | None:
        """The innermost open definition of a kind, rather one without a name."""
        named = None  # only a value may have several names
        this = self._stack[-1] if self._stack else None
        while this is not None:
            if this.kind == kind:
                if not this.name:
                    return this
                if kind in _VALUES:
                    named = named or this
            this = this.around
        return named


def _references(captures: Captures, source: bytes, nesting: _Nesting) -> Used:
    breaks, spaces = np.array(nesting.breaks), np.array(nesting.spaces)

    def spaces_at(starts: npt.ArrayLike) -> npt.NDArray[np.int64]:
        return spaces[breaks.searchsorted(starts, side="right") - 1]

    local = captures.get("local", ())
    for node, space in zip(local, spaces_at([node.start_byte for node in local]).tolist(), strict=True):
        bound = nesting.bound[space]
        if bound is not None:
            bound.add(source[node.start_byte : node.end_byte])
    hidden: list[frozenset[bytes]] = [frozenset()]
    for space in range(1, len(nesting.around)):
        around, own = hidden[nesting.around[space]], nesting.bound[space]
        hidden.append(around | own if own else around)

    # Captures come in no order, but identifiers do not overlap: their starts and ends in order belong together.
    nodes = captures.get("reference", ())
    at = np.sort(np.array([node.start_byte for node in nodes], np.int32))
    ends = np.sort(np.array([node.end_byte for node in nodes], np.int32)).tolist()
    starts, inside = at.tolist(), spaces_at(at)
    defined = {item.name_start for item in nesting.items}
    texts = [source[start:end] for start, end in zip(starts, ends, strict=True)]
    kept = [
        text != b"" and (text not in hidden[space] or source[start - 1] in _ACCESS) and start not in defined
        for text, start, space in zip(texts, starts, inside.tolist(), strict=True)
    ]
    texts = list(compress(texts, kept))
    numbers = dict(zip(dict.fromkeys(texts), count()))
    chosen = np.array(kept, bool)
    return Used(
        tuple(b"\n".join(numbers).decode(errors="replace").split("\n")) if numbers else (),
        np.array([numbers[text] for text in texts], np.int32),
        at[chosen],
        np.array(nesting.item_of, np.int32)[inside[chosen]],
    )


def _events(captures: Captures) -> list[tuple[int, int, int, bool, str, tree_sitter.Node]]:
    """Nodes by place, those around others first: (start, -end, rank, late, kind, node)."""
    events = []
    for capture, nodes in captures.items():
        role, _, kind = capture.partition(".")
        if role in _RANKS:
            rank = _RANKS[role]
            late = kind == "constant"
            events += [(node.start_byte, -node.end_byte, rank, late, kind, node) for node in nodes]
    events.sort(key=itemgetter(0, 1, 2, 3))
    return events


def _text(name: str) -> str:
    """The queries in the folder of a language, after those that they inherit."""
    folder = resources.files("foretype.context") / "queries" / name
    if not folder.is_dir():
        return ""
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".scm")), key=lambda file: file.name)
    text = "\n".join(file.read_text("utf-8") for file in files)
    inherited = _INHERITS.match(text)
    return "\n".join((*map(_text, inherited[1].split(",") if inherited else ()), text))
