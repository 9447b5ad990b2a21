"""Definitions and uses of names in source files, by regular expressions and the leaves of syntax trees.

Good enough to tell what a commit is about, and nothing that the rules of next edits use themselves: what they do not
see is not missing here. Knows heads of definitions, not scopes: two things of one name are one thing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import tree_sitter

from foretype.context import languages

LANGUAGES = ("python", "typescript", "tsx", "javascript", "go")
HEAD_LINES = 40

_ECMASCRIPT = (
    r"\s*(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?"
    r"(?:function\s*\*?|class|interface|type|enum)\s+([A-Za-z_$][\w$]*)",
    r"(?:export\s+)?(?:const|let|var)\s+([A-Za-z_$][\w$]*)\s*(?::[^=]+)?=",
    r"\s+(?:(?:public|private|protected|static|async|override|readonly|get|set)\s+)*"
    r"(?!if\b|for\b|while\b|switch\b|catch\b|return\b|function\b|await\b|new\b|super\b)"
    r"([A-Za-z_$][\w$]*)\s*(?:<[^>]*>)?\((?=.*\{\s*\Z|[^)]*\Z|[^)]*\)\s*:[^;]*;\s*\Z)",
)
_DEFINITIONS: Mapping[str, tuple[str, ...]] = {
    "python": (
        r"\s*(?:async\s+)?def\s+(\w+)",
        r"\s*class\s+(\w+)",
        r"([A-Z_][A-Z0-9_]+)\s*(?::[^=]+)?=(?!=)",
    ),
    "typescript": _ECMASCRIPT,
    "tsx": _ECMASCRIPT,
    "javascript": _ECMASCRIPT,
    "go": (
        r"func\s+(?:\([^)]*\)\s*)?(\w+)\s*[\[(]",
        r"type\s+(\w+)",
        r"(?:const|var)\s+(\w+)",
    ),
}
_PATTERNS = {name: tuple(map(re.compile, patterns)) for name, patterns in _DEFINITIONS.items()}
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True)
class Definition:
    """A definition's head: lines `start` to `stop` of the text. `parameters` are what its first brackets hold, None
    where it has none; `name` is how it is called (a class, where it is a constructor)."""

    name: str
    own_name: str
    start: int
    stop: int
    head: str
    parameters: str | None


@lru_cache(maxsize=128)
def definitions(path: str, text: str) -> tuple[Definition, ...]:
    """The definitions in a text, by their first lines."""
    spoken, found = language(path), []
    lines = text.split("\n")
    holder = ""
    for at, line in enumerate(lines):
        match = next((m for pattern in _PATTERNS[spoken] if (m := pattern.match(line))), None)
        if match is None:
            continue
        name = match[1]
        if re.match(r"\s*(?:export\s+)?(?:default\s+)?(?:abstract\s+)?class\b", line):
            holder = name
        stop, parameters = _head(lines, at, match.end(1))
        head = "\n".join(lines[at:stop])
        called = holder if name in ("__init__", "constructor") and holder else name
        found.append(Definition(called, name, at, stop, head, parameters))
    return tuple(found)


def _head(lines: Sequence[str], at: int, column: int) -> tuple[int, str | None]:
    """The line behind the brackets that follow a name, and what is in them."""
    text = "\n".join(lines[at : at + HEAD_LINES])
    start = column
    if text[start : start + 1] == "<":
        start = text.find(">", start) + 1
    if text[start:].lstrip()[:1] != "(":
        return at + 1, None
    start = text.index("(", start)
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] in _OPEN) - (text[place] in _CLOSE)
        if depth == 0:
            return at + text.count("\n", 0, place) + 1, text[start + 1 : place]
    return at + 1, None


def defines(path: str, lines: Iterable[str]) -> bool:
    """Whether one of the lines begins a definition, or a part of one."""
    patterns = _PATTERNS[language(path)]
    return any(pattern.match(line) for line in lines for pattern in patterns)


def uses(path: str, text: str, name: str) -> list[int]:
    """The lines, from 0, in which code (neither a string nor a comment) has a name, one for each time."""
    known = languages.find("", path)
    parser = languages.parser(known) if known else None
    if parser is None:
        return []
    wanted = name.encode()
    return [node.start_point.row for node in _leaves(parser.parse(text.encode()).root_node) if node.text == wanted]


def given(path: str, lines: Sequence[str], name: str) -> Counter[str]:
    """What is between the brackets of calls of a function, as far as the lines go; a definition is no call."""
    text, found = "\n".join(line for line in lines if not defines(path, [line])), Counter[str]()
    for call in re.finditer(rf"(?<![\w$]){re.escape(name)}\s*\(", text):
        depth, stop = 1, call.end()
        while stop < len(text) and depth:
            depth += (text[stop] in _OPEN) - (text[stop] in _CLOSE)
            stop += 1
        found[squeezed(text[call.end() : stop]) or ""] += 1
    return found


def language(path: str) -> str:
    """The name of a file's language if it is one of `LANGUAGES`, else ""."""
    known = languages.find("", path) if path else None
    return known.name if known and known.name in LANGUAGES else ""


def has(lines: Iterable[str], name: str) -> bool:
    """Whether a word is in one of the lines."""
    return any(re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", line) for line in lines)


def squeezed(text: str | None) -> str | None:
    """A text without white space and a comma at its end."""
    return None if text is None else re.sub(r",(?=\Z)", "", "".join(text.split()))


def _leaves(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """The identifiers below a node."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.type == "comment":
            continue
        if one.child_count:
            waiting += reversed(one.children)
        elif one.type.endswith("identifier") or one.type.endswith("identifier_pattern"):
            yield one
