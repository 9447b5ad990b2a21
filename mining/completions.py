"""Completion rows: holes in the code that a commit added, for filling in the middle.

Half are in one line: a whole one, its code, or what is left of it from a node or from the middle of a token; a quarter
are several whole lines, cut where syntax nodes begin and end; a quarter are any span, cut inside tokens too (the
mixture of the recipe that taught the first adapter). Where there is no fitting node, and in languages without a
grammar, there are no holes of several lines. Does not know how many tokens a prompt has room for: it keeps more than
fits.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import tree_sitter

from foretype.context import languages
from foretype.context.rows import FimRow, Mode, Origin
from foretype.context.text import content, split_lines
from foretype.mining.commit import FileTexts

PREFIX_CHARS, SUFFIX_CHARS = 3000, 1500
_LINES_A_HOLE = 4  # added lines for each hole
_LEAST_CHARS = 4  # of a line, white space aside
_MOST_CHARS = 200  # of a line; beyond that it is data
_SEVERAL = (2, 8)  # lines
_SPAN = (5, 160)  # characters
_SHARES: dict[Mode, float] = {"single": 0.5, "multi": 0.25, "span": 0.25}


@dataclass(frozen=True)
class _Source:
    """The text after a commit: its lines, and the offset in characters at which each begins (and the last ends)."""

    text: str
    lines: Sequence[str]
    starts: Sequence[int]
    added: Sequence[int]  # lines that the commit added and that say something
    root: tree_sitter.Node | None


def rows(
    file: FileTexts, origin: Origin, key: str, most: int = 4, tree: tree_sitter.Tree | None = None
) -> Iterator[FimRow]:
    """At most `most` rows of one file, by place; the same `key` cuts the same holes. `origin` is completed by path and
    language; `tree` is that of the text after the commit, where it is known."""
    source = _source(file, tree)
    rng = random.Random(key)
    here = replace(origin, path=file.path, language=file.language.name)
    holes: dict[tuple[int, int], Mode] = {}
    for _ in range(min(most, -(-len(source.added) // _LINES_A_HOLE))):
        mode = rng.choices(list(_SHARES), list(_SHARES.values()))[0]
        hole = _CUTS[mode](source, rng)
        # a text is the middle of one row at most
        if hole and all(hole[1] <= start or stop <= hole[0] for start, stop in holes):
            holes[hole] = mode
    for (start, stop), mode in sorted(holes.items()):
        prefix, suffix = around(source.text[:start], source.text[stop:])
        yield FimRow(here, mode, prefix, source.text[start:stop], suffix)


def around(prefix: str, suffix: str) -> tuple[str, str]:
    """What a row keeps of the text on both sides of its hole."""
    return _last(prefix), _first(suffix)


def _one_line(source: _Source, rng: random.Random) -> tuple[int, int] | None:
    """A line with its end, without indentation and end, or from some place in it on."""
    line = rng.choice(source.added)
    start, body = source.starts[line], content(source.lines[line])
    stop, indentation = start + len(body), len(body) - len(body.lstrip())
    kind = rng.random()
    if kind < 1 / 3:
        return start, start + len(source.lines[line])
    if kind < 2 / 3:
        return start + indentation, start + len(body.rstrip())
    nodes = [column for column in _node_starts(source, line) if indentation < column < len(body.rstrip())]
    anywhere = rng.randrange(indentation + 1, len(body.rstrip()))
    begun = rng.choice(nodes) if nodes and rng.random() < 0.5 else anywhere
    return start + begun, stop


def _several_lines(source: _Source, rng: random.Random) -> tuple[int, int] | None:
    """Neighbouring nodes that begin and end with lines, all of them added; with or without the first indentation."""
    runs = _runs(source)
    if not runs:
        return None
    first, last = rng.choice(runs)
    start = source.starts[first]
    if rng.random() < 0.5:
        start += len(source.lines[first]) - len(source.lines[first].lstrip())
    return start, source.starts[last] + len(content(source.lines[last]).rstrip())


def _any_span(source: _Source, rng: random.Random) -> tuple[int, int] | None:
    line = rng.choice(source.added)
    start = rng.randrange(source.starts[line], source.starts[line + 1])
    stop = min(len(source.text), start + rng.randint(*_SPAN))
    return (start, stop) if source.text[start:stop].strip() else None


_CUTS = {"single": _one_line, "multi": _several_lines, "span": _any_span}


def _runs(source: _Source) -> list[tuple[int, int]]:
    """First and last lines of runs of sibling nodes within the added lines, no longer than a hole may be."""
    if source.root is None or not source.added:
        return []
    added, found = set(source.added), set()
    blank = {index for index, line in enumerate(source.lines) if not line.strip()}
    stack = [source.root]
    while stack:
        node = stack.pop()
        if node.end_point[0] < source.added[0] or node.start_point[0] > source.added[-1]:
            continue
        children = node.named_children
        stack += children
        whole = [child for child in children if _is_of_lines(source, child)]
        for index, first in enumerate(whole):
            for last in whole[index:]:
                start, stop = first.start_point[0], last.end_point[0]
                if stop - start + 1 > _SEVERAL[1]:
                    break
                inside = range(start, stop + 1)
                if len(inside) >= _SEVERAL[0] and all(line in added or line in blank for line in inside):
                    found.add((start, stop))
    return sorted(found)


def _is_of_lines(source: _Source, node: tree_sitter.Node) -> bool:
    """Whether a node begins its first line and ends its last one, punctuation aside."""
    (first, column), (last, end) = node.start_point, node.end_point
    if node.has_error or last >= len(source.lines) or not end:
        return False
    head = source.lines[first].encode("utf-8", "replace")[:column]
    tail = source.lines[last].encode("utf-8", "replace")[end:]
    return not head.strip() and not tail.strip(b" \t\r\n,;")


def _node_starts(source: _Source, line: int) -> list[int]:
    """The columns, in characters, at which tokens and nodes begin in a line."""
    if source.root is None:
        return []
    text = source.lines[line].encode("utf-8", "replace")
    columns, stack = set(), [source.root]
    while stack:
        node = stack.pop()
        if node.end_point[0] < line or node.start_point[0] > line:
            continue
        if node.start_point[0] == line:
            columns.add(len(text[: node.start_point[1]].decode("utf-8", "replace")))
        stack += node.children
    return sorted(columns)


def _source(file: FileTexts, tree: tree_sitter.Tree | None) -> _Source:
    lines = split_lines(file.after)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    new = {line for hunk in file.hunks for line in range(hunk.new_start, hunk.new_start + len(hunk.new))}
    said = [
        line for line in sorted(new) if line < len(lines) and _LEAST_CHARS <= len(lines[line].strip()) <= _MOST_CHARS
    ]
    # the parser counts no lone carriage return as the end of a line
    parser = languages.parser(file.language) if said and "\r" not in file.after.replace("\r\n", "") else None
    if parser and tree is None:
        tree = parser.parse(file.after.encode("utf-8", "replace"))
    root = tree.root_node if parser and tree else None
    return _Source(file.after, lines, starts, said, root)


def _last(prefix: str) -> str:
    """The end of a prefix, from the start of a line on."""
    if len(prefix) <= PREFIX_CHARS:
        return prefix
    cut = prefix[-PREFIX_CHARS:]
    return cut[cut.find("\n") + 1 :]


def _first(suffix: str) -> str:
    if len(suffix) <= SUFFIX_CHARS:
        return suffix
    cut = suffix[:SUFFIX_CHARS]
    return cut[: cut.rfind("\n") + 1] or cut
