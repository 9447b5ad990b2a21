"""`foretype complete FILE:LINE:COL`: one ghost-text completion as an editor would get it there, without a server.

Takes the server's own path: its options, its policy, its pipeline and its backends. Differs from it in that it waits
for the model however long that takes, and starts with an empty cache.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from foretype.context import ghost, languages
from foretype.context.text import Snapshot, content
from foretype.lsp import policy
from foretype.lsp.documents import Documents
from foretype.lsp.host import open_backend
from foretype.lsp.options import WORKSPACE_FILE, Options, load
from foretype.lsp.outcome import REASONS, Ask, Nothing, Outcome, Suggestion
from foretype.model.backend import Backend, Cancel
from foretype.model.progress import Progress, terminal_progress

if TYPE_CHECKING:
    from foretype.context.gather import Budget, Snippet

# What makes a folder a workspace for an editor without one.
_ROOT_MARKS = (WORKSPACE_FILE, ".git")

Open = Callable[[Options, Progress], Backend]


class PlaceError(Exception):
    """There is no such place. The message is one line that tells a user what to do."""


@dataclass(frozen=True)
class Place:
    """A place in a file as `FILE:LINE:COL` names it; `line` and `column` count from 1, `column` in characters."""

    path: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "place", metavar="FILE:LINE:COL", help="line and column count from 1; the column is of the cursor"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON value and nothing else on standard output")


def run(args: argparse.Namespace, open_backend: Open = open_backend) -> int:
    """The command: prints the completion; 0 done, also where there is none, 2 no such place. Raises `BackendError`."""
    try:
        place = parse(args.place)
        root = workspace(place.path)
        ask = locate(place, root)
    except PlaceError as error:
        sys.stderr.write(f"foretype: {error}\n")
        return 2
    loaded = load(root)
    for problem in loaded.problems:
        sys.stderr.write(f"foretype: {problem}\n")
    snippets = _snippets(ask, root, loaded.options)
    outcome, model = suggest(ask, loaded.options, open_backend, snippets)
    if args.json:
        text = json.dumps(facts(outcome, model, snippets))
    else:
        text = "\n".join(report(place, ask, outcome, model, snippets))
    ghost.write(f"{text}\n", sys.stdout)
    return 0


def suggest(ask: Ask, options: Options, open_backend: Open, snippets: Sequence[Snippet] = ()) -> tuple[Outcome, str]:
    """What comes of it, and the model's name. What can be told without a model is told without loading one."""
    if reason := policy.suppressed(ask.snapshot, ask.line, options):
        return Nothing(reason), options.model.name
    from foretype.lsp.completion import complete

    with terminal_progress() as progress:
        # for one answer: nothing is to stay behind in memory
        backend = open_backend(replace(options, model=replace(options.model, share=False)), progress)
    try:
        return complete(ask, options, backend, Cancel(), _Given(tuple(snippets))), backend.name
    finally:
        backend.close()


def gathered(ask: Ask, root: Path, budget: Budget) -> tuple[Snippet, ...]:
    """What of the rest of a workspace belongs into the prompt. Brings its symbol graph up to date first, as a server
    does in the background."""
    from foretype.context.gather import gather
    from foretype.context.machine import cache_dir
    from foretype.context.workspace import Workspace
    from foretype.lsp.project import tokens_of

    workspace = Workspace.open(root, cache_dir())
    try:
        workspace.refresh()
        workspace.opened(ask.snapshot)
        return gather(workspace, ask.snapshot, ask.line, ask.column, budget, tokens_of)
    finally:
        workspace.close()


@dataclass(frozen=True)
class _Given:
    """Stands in for a project whose snippets are known."""

    given: tuple[Snippet, ...]

    def snippets(self, snapshot: Snapshot, line: int, column: int, options: Options) -> tuple[Snippet, ...]:
        return self.given


def _snippets(ask: Ask, root: Path | None, options: Options) -> tuple[Snippet, ...]:
    if root is None or not options.context.enabled:
        return ()
    from foretype.context.gather import Budget

    completion = options.completion
    return gathered(ask, root, Budget(options.context.tokens, completion.prefix_tokens, completion.suffix_tokens))


def parse(text: str) -> Place:
    """Raises `PlaceError`. The file's own name may hold colons."""
    match = re.fullmatch(r"(?s)(.+):([0-9]{1,9}):([0-9]{1,9})", text)
    if not match:
        raise PlaceError(f"{text}: expected FILE:LINE:COL, such as main.py:12:5, both counted from 1")
    place = Place(Path(match[1]), int(match[2]), int(match[3]))
    if not place.line or not place.column:
        raise PlaceError(f"{text}: lines and columns count from 1")
    return place


def locate(place: Place, root: Path | None) -> Ask:
    """The file's text and the place in it. Raises `PlaceError`."""
    snapshot = _read(place.path, root)
    if place.line > len(snapshot.lines):
        raise PlaceError(f"{place.path} has {_count(len(snapshot.lines), 'line')}, there is no line {place.line}")
    length = len(content(snapshot.lines[place.line - 1]))
    if place.column > length + 1:
        characters = _count(length, "character")
        raise PlaceError(f"{place.path}:{place.line} has {characters}, so its last column is {length + 1}")
    return Ask(snapshot, place.line - 1, place.column - 1, explicit=True)


def workspace(path: Path) -> Path | None:
    """The nearest folder around the file that an editor would take for its workspace."""
    folders = _absolute(path).parents
    return next((folder for folder in folders if any((folder / mark).exists() for mark in _ROOT_MARKS)), None)


def facts(outcome: Outcome, model: str, snippets: Sequence[Snippet] = ()) -> dict[str, object]:
    """What `--json` prints. `snippets` are the parts of the prompt from other places."""
    figures = outcome.figures
    return {
        "text": outcome.text if isinstance(outcome, Suggestion) else "",
        "suppressed": None if isinstance(outcome, Suggestion) else outcome.reason,
        "stages_ms": dict(outcome.stages_ms),
        "snippets": [
            {"path": one.path, "source": one.source, "score": one.score, "tokens": one.tokens} for one in snippets
        ],
        "mode": figures.mode if figures else None,
        "prompt_tokens": figures.prompt_tokens if figures else 0,
        "cached_tokens": figures.cached_tokens if figures else 0,
        "model": model,
    }


def report(place: Place, ask: Ask, outcome: Outcome, model: str, snippets: Sequence[Snippet] = ()) -> list[str]:
    """What is printed for people: the place with its ghost text, then where the time went."""
    rows = [*_code(ask, outcome.text if isinstance(outcome, Suggestion) else ""), ""]
    if isinstance(outcome, Nothing):
        rows.append(f"nothing   {REASONS[outcome.reason]}")
    elif outcome.trimmed:
        rows.append(f"trimmed   by {', '.join(outcome.trimmed)}")
    if figures := outcome.figures:
        sides = f"{figures.prefix_tokens} before the cursor, {figures.suffix_tokens} after it"
        rows.append(f"context   this file: {_count(figures.prompt_tokens, 'token')}, {sides}")
        rows += [f"          {one.path}:{one.start + 1}, {one.source}, about {one.tokens} tokens" for one in snippets]
        sure = "" if figures.logprob_mean is None else f", mean probability {math.exp(figures.logprob_mean):.2f}"
        lines = "several lines wanted" if figures.mode == "multi" else "one line wanted"
        rows.append(f"answer    {_count(figures.tokens, 'token')}, {lines}{sure}")
    if outcome.stages_ms:
        rows.append(f"time      {_times(outcome)}")
    rows.append(f"model     {model}")
    return [f"{place}", *rows]


def _times(outcome: Outcome) -> str:
    """Stages in the order they ran, those of the model in brackets."""
    stages = outcome.stages_ms
    parts = ", ".join(f"{name.removeprefix('model_')} {ms:.0f}" for name, ms in stages.items() if "model_" in name)
    shown = [f"{name} {ms:.0f}" for name, ms in stages.items() if "model_" not in name]
    return ", ".join(f"{one} ({parts})" if parts and one.startswith("model ") else one for one in shown) + " ms"


def _code(ask: Ask, suggested: str) -> list[str]:
    lines, at = ask.snapshot.lines, ask.line
    here, end = lines[at][: ask.column], lines[at][ask.column :]
    shown = ghost.drawn(here, suggested, end, ghost.has_colours(sys.stdout)) if suggested else [ghost.plain(lines[at])]
    return [*ghost.numbered(lines, at, shown)]


def _read(path: Path, root: Path | None) -> Snapshot:
    """The file as an editor would open it."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise PlaceError(f"there is no file {path}") from None
    except OSError as error:
        raise PlaceError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise PlaceError(f"{path} is not UTF-8; only text in UTF-8 can be completed") from None
    language = languages.find("", path.name)
    documents, uri = Documents(), _absolute(path).as_uri()
    documents.root = str(root) if root else None
    documents.open(uri, language.ids[0] if language else "plaintext", 1, text)
    snapshot = documents.get(uri)
    assert snapshot is not None
    return snapshot


def _absolute(path: Path) -> Path:
    """Without `..`, and with links as they are: what an editor would call the file."""
    return Path(os.path.abspath(path))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
