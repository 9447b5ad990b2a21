"""What a model gets to see at a task: the text around the hole, and what each arm adds from the rest of the package.

The workspace is opened anew for every task on files in which the line is already missing, so that neither an index nor
an earlier task can tell what stood there. A package comes without its history of edits. In its place the file counts
as typed from top to bottom up to the hole, one edit for each block at its left edge: an arm of edits cannot show more
than that, and says little about real histories.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from foretype.context.gather import PARTS, Budget, Snippet, Source, gather
from foretype.context.text import Snapshot, split_lines
from foretype.context.workspace import Workspace
from foretype.eval.projects.tasks import Task
from foretype.model.backend import ContextFile, FimRequest

ARMS: dict[str, frozenset[Source]] = {
    "none": frozenset(),
    "similar": frozenset({"similar"}),
    "symbols": frozenset({"symbols"}),
    "edits": frozenset({"edits"}),
    "all": PARTS,
}

PREFIX_TOKENS, SUFFIX_TOKENS, PROMPT_TOKENS = 256, 64, 512
MAX_TOKENS = 64

_PAUSE_S = 60.0  # between two of the edits that count as typed
_EDITS = 8
_MARKERS = 8  # tokens of a prompt that mark its parts, and of the name of the repository
_MARKER = 3  # around the path above a snippet
_ROUNDS = 4  # of asking for less where the paths leave less room
_CHARACTERS = 3  # a token, where the backend cannot count: fewer than code has, to stay below the budget

Count = Callable[[str], int]


@dataclass(frozen=True)
class Typed:
    """An insertion: `context/history.py`'s Edit. Lines and columns count from 0."""

    line: int
    column: int
    removed: str
    inserted: str


def approximate(text: str) -> int:
    """Tokens of a text by its length."""
    return -(-len(text) // _CHARACTERS)


@contextmanager
def at(task: Task, root: Path, cache: Path) -> Iterator[tuple[Workspace, Snapshot]]:
    """The package in `root` as it would be before `task.reference` was written; as it was again afterwards.

    `cache` keeps what the symbol graph knows of the other files from one task to the next.
    """
    file = root / task.path
    whole = file.read_bytes()
    file.write_bytes((task.prefix + task.suffix).encode())
    workspace = Workspace.open(root, cache)
    try:
        workspace.refresh()
        lines = tuple(split_lines(task.prefix + task.suffix))
        snapshot = Snapshot(file.as_uri(), task.path, "python", 1, lines)
        for before, edit, now in typed(snapshot, task.line):
            workspace.edited(before, (edit,), now)
        workspace.opened(snapshot)
        yield workspace, snapshot
    finally:
        workspace.close()
        file.write_bytes(whole)


def snippets(arm: str, task: Task, workspace: Workspace, snapshot: Snapshot, count: Count) -> tuple[Snippet, ...]:
    """What an arm adds, the most relevant last, so that the prompt has at most `PROMPT_TOKENS` with all paths in it."""
    if not ARMS[arm]:
        return ()
    column = len(task.prefix) - (task.prefix.rfind("\n") + 1)
    room = PROMPT_TOKENS - sum(map(count, window(task.prefix, task.suffix, count))) - _MARKERS
    room = budget = max(0, room - _header(task.path, count))
    added: tuple[Snippet, ...] = ()
    for _ in range(_ROUNDS):
        added = gather(workspace, snapshot, task.line, column, Budget(budget), count, ARMS[arm])
        needed = _needed(added, count)
        if needed <= room:
            return added
        budget = budget * room // needed
    while _needed(added, count) > room:
        added = added[1:]
    return added


def _needed(added: Sequence[Snippet], count: Count) -> int:
    return sum(snippet.tokens + _header(snippet.path, count) for snippet in added)


def _header(path: str, count: Count) -> int:
    return count(path) + _MARKER


def request(task: Task, added: Sequence[Snippet], count: Count) -> FimRequest:
    """The text around the hole, cut to its budget in whole lines, beside the snippets."""
    prefix, suffix = window(task.prefix, task.suffix, count)
    return FimRequest(
        prefix,
        suffix,
        path=task.path,
        files=tuple(ContextFile(snippet.path, snippet.text) for snippet in added),
        max_tokens=MAX_TOKENS,
        single_line=True,
        stop=closes if task.kind == "call" else None,
    )


def window(prefix: str, suffix: str, count: Count) -> tuple[str, str]:
    """The whole lines next to the hole that fit the budget; what is left of the hole's own line always stays."""
    before, after = split_lines(prefix), split_lines(suffix)
    first = _fitting(before[::-1], PREFIX_TOKENS, count)
    last = _fitting(after, SUFFIX_TOKENS, count)
    return "".join(before[len(before) - first :]), "".join(after[:last])


def closes(text: str) -> int | None:
    """The length of the arguments in `text` once the parenthesis that closes them is there: a stop predicate."""
    depth = 0
    for token in re.finditer(r"\"(?:\\.|[^\"\\])*\"?|'(?:\\.|[^'\\])*'?|[(\[{]|[)\]}]", text):
        if token[0] in "([{":
            depth += 1
        elif token[0] in ")]}":
            depth -= 1
            if depth < 0:
                return token.start()
    return None


def typed(snapshot: Snapshot, line: int) -> Iterator[tuple[Snapshot, Typed, float]]:
    """The latest edits that would leave `snapshot` when its lines before `line` are typed from top to bottom.

    Each with the text before it, and when it was, in seconds. A block begins at the left edge.
    """
    lines = snapshot.lines
    begins = [
        at for at in range(line) if lines[at].strip() and not lines[at][0].isspace() and lines[at][0] not in ")]}"
    ]
    begins = [at for at in begins if at == 0 or not lines[at - 1].strip() or lines[at - 1][0].isspace()][-_EDITS:]
    for turn, (start, stop) in enumerate(zip(begins, [*begins[1:], line], strict=True)):
        before = replace(snapshot, lines=lines[:start] + lines[line:])
        yield before, Typed(start, 0, "", "".join(lines[start:stop])), turn * _PAUSE_S


def _fitting(lines: Sequence[str], most: int, count: Count) -> int:
    """How many of the first lines, at least one, have at most so many tokens."""
    total = 0
    for at, line in enumerate(lines):
        total += count(line)
        if at and total > most:
            return at
    return len(lines)
