"""What the lines of a window are about in other files: signatures, for a prompt that asks for the next edit.

The definitions that the names in the window need, and those that the last edit's do, which count for half. Most useful
first, each as short as it can be said. Does not know which edit is due, nor how a prompt spells what it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from foretype.context import languages, needs, secrets, skeleton
from foretype.context.graph import Graph
from foretype.context.index import environments
from foretype.context.needs import Need
from foretype.context.rows import Excerpt
from foretype.context.symbols import Definition
from foretype.context.text import Snapshot, content

TOKENS = 96
_STEP = 10  # lines between two places that needs are asked for; each sees about as many lines
_ABOVE = 8
_SHARE = 0.5  # of the room, for one signature
_LEAST = 0.2  # weight of a need that is worth showing
_EDITED = 0.5  # of the weights, for what the last edit needs


def related(
    graph: Graph,
    window: tuple[Snapshot, int, int],
    edited: tuple[Snapshot, int, int] | None,
    count: Callable[[str], int],
    room: int = TOKENS,
) -> tuple[Excerpt, ...]:
    """Signatures from other files, of at most `room` tokens together.

    `window` and `edited` are documents and lines of them (0-based, end exclusive): those in question, and those of the
    last edit. The same graph gives the same answer.
    """
    found = dict[Definition, Need]()
    for (snapshot, start, stop), share in ((window, 1.0), *(((edited, _EDITED),) if edited else ())):
        for need in _needs(graph, snapshot, start, stop):
            weight = max(need.weight * share, found[need.definition].weight if need.definition in found else 0.0)
            found[need.definition] = replace(need, weight=weight)
    shown = {content(line).strip() for line in window[0].lines[window[1] : window[2]]}
    most, excerpts = int(room * _SHARE), list[Excerpt]()
    for need in sorted(found.values(), key=lambda one: (-one.weight, one.definition.path, one.definition.line)):
        row = need.definition
        if need.weight < _LEAST or row.path == window[0].path or row.kind == "module":
            continue
        texts = skeleton.variants(row, need.members, languages.find("", row.path), None, doc=False)
        text = next((text for text in texts if count(text) <= min(room, most)), "")
        if text and not secrets.secret(text) and not _is_said(text, shown):
            excerpts.append(Excerpt(environments.shown(row.path), text))
            room -= count(text)
    return tuple(excerpts)


def _needs(graph: Graph, snapshot: Snapshot, start: int, stop: int) -> Iterator[Need]:
    """What is needed at the ends of lines that together see all of them."""
    last = min(stop, len(snapshot.lines)) - 1
    if last < start:
        return
    language = languages.find(snapshot.language, snapshot.path)
    for line in sorted({*range(min(start + _ABOVE, last), last, _STEP), last}):
        column = len(content(snapshot.lines[line]).rstrip())
        yield from needs.find(graph, snapshot, line, column, language, (start, stop))


def _is_said(text: str, shown: set[str]) -> bool:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return all(line in shown for line in lines)
