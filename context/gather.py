"""What a completion gets to see of the rest of the workspace: the best snippets that fit a budget of tokens.

Definitions that the cursor needs, windows that look like the lines around it, edits just made. Each has a guessed
benefit, and those with the most benefit for each token of prompt are taken. Does not know how a prompt spells them, nor
how tokens are counted; says nothing that the prompt says already, and nothing that looks like a secret.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from foretype.context import languages, needs, secrets, similar, skeleton
from foretype.context.graph import Graph
from foretype.context.history import DiffEvent
from foretype.context.index import environments
from foretype.context.similar import SimilarIndex
from foretype.context.symbols import Definition
from foretype.context.text import Snapshot

_log = logging.getLogger(__name__)

Source = Literal["symbols", "similar", "edits"]
PARTS: frozenset[Source] = frozenset(("symbols", "similar", "edits"))

_CHARS_PER_TOKEN = 3.5  # of code, to guess how far the prompt reaches
_OVERHEAD_TOKENS = 16  # what a snippet costs beside its text, so that a short one is not taken for being short alone
_QUERY_ABOVE, _QUERY_BELOW = 5, 2  # lines that similar windows are searched by
_DOCUMENTED = 0.8  # benefit of a definition from which on its doc line is worth its tokens
_SIMILAR, _EDITS = 3, 6  # of each that are considered
_SIMILAR_BENEFIT, _EDIT_BENEFIT = 0.6, 0.6  # of one that is wholly like the cursor's lines, of the latest
_SIMILAR_SHARE = 0.5  # of the budget, for one window
_NEAR = 1.25  # how much more a window of an open or imported file is worth
_REPEATED = 0.7  # share of lines said already that makes a snippet no news
_DIFF_LINES = 16
_SECRET_LINES = 100  # a private key of 4096 bits has 52
# Looked for from the beginnings of words alone: from each of their letters, a line that is one long word would take
# minutes.
_WORD_BEFORE, _WORD_AFTER = re.compile(r"(?<!\w)\w+\Z"), re.compile(r"\A\w+")


class Known(Protocol):
    """What is known of the files around a document, as a `Workspace` knows it."""

    @property
    def graph(self) -> Graph: ...
    @property
    def similar(self) -> SimilarIndex: ...
    def read(self, path: str) -> Sequence[str] | None: ...
    def open_documents(self) -> tuple[Snapshot, ...]: ...
    def recent_edits(self, limit: int) -> tuple[DiffEvent, ...]: ...


@dataclass(frozen=True)
class Budget:
    """The most tokens of all snippets together; `prefix_tokens` and `suffix_tokens` are those of the file itself that
    the prompt will hold on either side of the cursor."""

    tokens: int = 192
    prefix_tokens: int = 256
    suffix_tokens: int = 64


@dataclass(frozen=True)
class Snippet:
    """A text, ending in a newline, said of the lines `start` to `stop` (0-based, end exclusive) of a file.

    `score` is the guessed benefit, 0 to 1; `tokens` are those of the text alone.
    """

    path: str
    source: Source
    start: int
    stop: int
    text: str
    score: float
    tokens: int


@dataclass(frozen=True)
class _Candidate:
    """A snippet to be; `texts` from the longest to the shortest."""

    path: str
    source: Source
    start: int
    stop: int
    texts: tuple[str, ...]
    benefit: float


@dataclass(frozen=True)
class _Cursor:
    """A place in a document, and the lines and the text of it that the prompt shows."""

    snapshot: Snapshot
    line: int
    column: int
    shown: tuple[int, int]
    prompt: str


def gather(
    workspace: Known,
    snapshot: Snapshot,
    line: int,
    column: int,
    budget: Budget,
    count: Callable[[str], int],
    parts: Iterable[Source] = PARTS,
) -> tuple[Snippet, ...]:
    """The snippets for a completion at a place (0-based, `column` in characters), the most useful one last.

    `count` gives the number of tokens of a text. The same workspace gives the same answer, typing a word seldom changes
    it, and typing on in a line changes its end most. Never raises: what cannot be had is left out.
    """
    try:
        cursor = _cursor(snapshot, line, column, budget)
        candidates: list[_Candidate] = []
        for part, look in _LOOKS.items():
            if part in parts:
                candidates += _surely(part, look, workspace, cursor)
        chosen = _choose(candidates, cursor, budget.tokens, count)
    except Exception as error:  # a completion without context is better than none
        _log.warning("no context: %s", type(error).__name__)
        return ()
    return tuple(sorted(chosen, key=lambda one: (round(one.score, 1), one.path, one.start)))


def _surely(part: Source, look: _Look, workspace: Known, cursor: _Cursor) -> list[_Candidate]:
    try:
        return list(look(workspace, cursor))
    except Exception as error:
        _log.warning("no %s in the context: %s", part, type(error).__name__)
        return []


def _cursor(snapshot: Snapshot, line: int, column: int, budget: Budget) -> _Cursor:
    lines = snapshot.lines
    first, left = line, budget.prefix_tokens * _CHARS_PER_TOKEN - column
    while first > 0 and left > 0:
        first -= 1
        left -= len(lines[first])
    last, left = line + 1, budget.suffix_tokens * _CHARS_PER_TOKEN - (len(lines[line]) - column)
    while last < len(lines) and left > 0:
        left -= len(lines[last])
        last += 1
    return _Cursor(snapshot, line, column, (first, last), "".join(lines[first:last]))


def _symbols(workspace: Known, cursor: _Cursor) -> Iterator[_Candidate]:
    language = languages.find(cursor.snapshot.language, cursor.snapshot.path)
    texts: dict[str, Sequence[str] | None] = {}
    found = needs.find(workspace.graph, cursor.snapshot, cursor.line, cursor.column, language, cursor.shown)
    for need in found:
        row = need.definition
        if row.path not in texts and _may_be_whole(row):
            texts[row.path] = workspace.read(row.path)
        spelled = languages.find("", row.path)
        yield _Candidate(
            *(environments.shown(row.path), "symbols", row.line, row.end_line + 1),
            tuple(skeleton.variants(row, need.members, spelled, texts.get(row.path), need.weight >= _DOCUMENTED)),
            need.weight,
        )


def _may_be_whole(row: Definition) -> bool:
    return row.kind in ("function", "method") and row.end_line - row.line < skeleton.WHOLE_LINES


def _similar(workspace: Known, cursor: _Cursor) -> Iterator[_Candidate]:
    lines, line, path = cursor.snapshot.lines, cursor.line, cursor.snapshot.path
    head, tail = lines[line][: cursor.column], lines[line][cursor.column :]
    # Without the word that is being typed, so that every key of it has the same answer.
    around = [
        *lines[max(0, line - _QUERY_ABOVE) : line],
        _WORD_BEFORE.sub("", head) + " " + _WORD_AFTER.sub("", tail),
        *lines[line + 1 : line + 1 + _QUERY_BELOW],
    ]
    near = {document.path for document in workspace.open_documents()} | set(_surely_imports(workspace, path))

    def read(other: str) -> Sequence[str] | None:
        return lines if other == path else workspace.read(other)

    found = workspace.similar.search(
        around,
        read,
        limit=_SIMILAR,
        shown={path: [cursor.shown]},
        prompt=cursor.prompt,
        boosts=dict.fromkeys(near - {path}, _NEAR),
    )
    words = similar.words_in("".join(around))
    for one in found:
        if _in_secret(read(one.path) or (), one.start, one.stop):
            continue
        texts = tuple(_cuts(one.text.splitlines(keepends=True), words))
        yield _Candidate(one.path, "similar", one.start, one.stop, texts, min(1.0, one.score) * _SIMILAR_BENEFIT)


def _surely_imports(workspace: Known, path: str) -> tuple[str, ...]:
    try:
        return workspace.graph.imports(path)
    except Exception as error:  # windows are of use without it
        _log.warning("no imports of %s: %s", path, type(error).__name__)
        return ()


def _cuts(lines: Sequence[str], words: set[str]) -> Iterator[str]:
    """A window, then the half and the quarter of its lines that have the most of the words together."""
    size = len(lines)
    while size >= 3:
        first = max(
            range(len(lines) - size + 1), key=lambda at: len(similar.words_in("".join(lines[at : at + size])) & words)
        )
        yield _ended("".join(lines[first : first + size]))
        size //= 2


def _edits(workspace: Known, cursor: _Cursor) -> Iterator[_Candidate]:
    for age, event in enumerate(workspace.recent_edits(_EDITS)):
        first, last = cursor.shown
        in_prompt = (
            event.path == cursor.snapshot.path and first <= event.start and event.start + len(event.added) <= last
        )
        if not event.diff or (in_prompt and not any(line.strip() for line in event.removed)):
            continue  # what was only added stands in the prompt
        stop = event.start + len(event.added)
        if _in_secret(workspace.read(event.path) or (), event.start, stop):
            continue
        lines = [line for line in event.diff.splitlines(keepends=True) if not line.startswith("@@")]
        changed = [line for line in lines if line[0] in "+-"]
        texts = tuple("".join(some) for some in (lines, changed) if len(some) <= _DIFF_LINES)
        yield _Candidate(event.path, "edits", event.start, stop, texts, _EDIT_BENEFIT * 0.7**age)


def _in_secret(lines: Sequence[str], start: int, stop: int) -> bool:
    """Whether lines hold a part of a secret, which may begin above them, as a key of many lines does."""
    above = "".join(lines[max(0, start - _SECRET_LINES) : start])
    return any(end > len(above) for _, end, _ in secrets.spans(above + "".join(lines[start:stop])))


_Look = Callable[[Known, _Cursor], Iterator[_Candidate]]
_LOOKS: dict[Source, _Look] = {"symbols": _symbols, "similar": _similar, "edits": _edits}


def _choose(candidates: Iterable[_Candidate], cursor: _Cursor, room: int, count: Callable[[str], int]) -> list[Snippet]:
    """The candidates with the most benefit for each token, each in the longest text that fits and is news."""
    sized: list[tuple[float, _Candidate, list[tuple[str, int]]]] = []
    for one in candidates:
        limit = room if one.source == "symbols" else int(room * _SIMILAR_SHARE)
        texts = [(text, tokens) for text in one.texts if text.strip() and (tokens := count(text)) <= limit]
        if texts:
            sized.append((one.benefit / (_OVERHEAD_TOKENS + texts[0][1]), one, texts))
    said = set(_bare(cursor.prompt))
    chosen: list[Snippet] = []
    for _, one, texts in sorted(sized, key=lambda row: (-row[0], row[1].path, row[1].start)):
        fitting = next(((text, tokens) for text, tokens in texts if tokens <= room), None)
        if fitting is None:
            continue
        text, tokens = fitting
        lines = _bare(text)
        if sum(line in said for line in lines) >= _REPEATED * len(lines) or secrets.secret(text):
            continue
        chosen.append(Snippet(one.path, one.source, one.start, one.stop, text, round(one.benefit, 3), tokens))
        said.update(lines)
        room -= tokens
    return chosen


def _bare(text: str) -> list[str]:
    """The lines that say something, without what stands for a body."""
    lines = (line.strip().removesuffix(" ...").removesuffix(" { ... }") for line in text.splitlines())
    return [line for line in lines if line]


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
