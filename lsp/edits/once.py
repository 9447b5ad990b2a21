"""`foretype edits FILE:LINE:COL --since REV`: what the changes since a commit call for, without a server.

Takes the server's own search over the workspace of the file; the rules, and with `--model`, or where `edits.model` is
"likely", the model: it would have to be loaded for this one answer, so "due" does not ask it here. Applies nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from foretype.context import ghost
from foretype.context.next_edit import EditedFile, NextEdit
from foretype.context.text import content, split_lines
from foretype.lsp.edits import search as edit_search
from foretype.lsp.edits.rebase import Standing, applied, text_at
from foretype.lsp.edits.search import Search
from foretype.lsp.edits.since import SinceError, edited_since
from foretype.lsp.host import open_backend
from foretype.lsp.once import Open, PlaceError, locate, parse, workspace
from foretype.lsp.options import Options, load
from foretype.model.backend import Cancel
from foretype.model.progress import terminal_progress

if TYPE_CHECKING:
    from foretype.context.workspace import Workspace
    from foretype.model.next_edits import Found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("place", metavar="FILE:LINE:COL", help="where the cursor is; both count from 1")
    parser.add_argument("--since", metavar="REV", default="HEAD", help="the commit before the changes (default: HEAD)")
    parser.add_argument("--model", action="store_true", help="ask the model about places where no rule can tell")
    parser.add_argument("--json", action="store_true", help="print one JSON value and nothing else on standard output")


def run(args: argparse.Namespace, open_backend: Open = open_backend) -> int:
    """The command: prints the next edits; 0 done, also where there are none, 2 no such place or commit. Raises
    `BackendError`."""
    try:
        place = parse(args.place)
        root = workspace(place.path)
        if root is None:
            raise PlaceError(f"{place.path} is in no workspace: no folder around it has a .git or a .foretype.toml")
        ask = locate(place, root)
        edited = edited_since(root, args.since)
    except (PlaceError, SinceError) as error:
        sys.stderr.write(f"foretype: {error}\n")
        return 2
    loaded = load(root)
    for problem in loaded.problems:
        sys.stderr.write(f"foretype: {problem}\n")
    here = ask.snapshot.path
    edited = tuple(sorted(edited, key=lambda file: (file.path != here, file.path)))
    found, texts = search(root, edited, (here, ask.line), loaded.options, args.model, open_backend)
    lines = [json.dumps(facts(found, edited, texts))] if args.json else report(found, edited, texts, args.since)
    ghost.write("\n".join(lines) + "\n", sys.stdout)
    return 0


def search(
    root: Path, edited: Sequence[EditedFile], cursor: tuple[str, int], options: Options, model: bool, open_backend: Open
) -> tuple[Found, dict[str, Sequence[str]]]:
    """What is found, and the lines of the files that it is about. Brings the symbol graph up to date first."""
    from foretype.context.machine import cache_dir
    from foretype.context.workspace import Workspace

    known = Workspace.open(root, cache_dir(), options.context.include)
    try:
        known.refresh()
        likely = model or options.edits.model == "likely"
        wanted = Search(known, tuple(edited), cursor, (), lambda edit: False, options.edits.most, likely)
        found = _asked(wanted, options, open_backend) if likely else _ruled(wanted)
        return found, _texts(known, found.edits)
    finally:
        known.close()


def facts(found: Found, edited: Sequence[EditedFile], texts: dict[str, Sequence[str]]) -> dict[str, object]:
    """What `--json` prints; lines and columns count from 1, as in the argument."""
    return {
        "edits": [
            {
                "path": edit.path,
                "line": edit.span.start_line + 1,
                "column": edit.span.start_column + 1,
                "end_line": edit.span.end_line + 1,
                "end_column": edit.span.end_column + 1,
                "old_text": text_at(texts[edit.path], edit.span) or "",
                "text": edit.text,
                "lane": edit.lane,
                "reason": edit.reason,
                "why": edit.why,
                "confidence": round(edit.confidence, 4),
            }
            for edit in found.edits
        ],
        "edited": [file.path for file in edited],
        "places": found.places,
        "capped": found.capped,
        "withheld": dict(Counter(one.reason for one in found.withheld)),
        "problem": found.problem,
        "stages_ms": {stage: round(ms, 2) for stage, ms in found.stages_ms.items()},
    }


def report(found: Found, edited: Sequence[EditedFile], texts: dict[str, Sequence[str]], revision: str) -> Iterator[str]:
    """What is printed for people: each edit with its lines before and after, then what there was to look at."""
    for edit in found.edits:
        place = f"{edit.path}:{edit.span.start_line + 1}:{edit.span.start_column + 1}"
        yield f"{place}  {edit.why} ({edit.lane}, {edit.confidence:.2f})"
        yield from _difference(edit, texts[edit.path])
        yield ""
    files = ", ".join(file.path for file in edited[:5]) + (" ..." if len(edited) > 5 else "")
    yield f"edited    {files or 'nothing'} since {revision}"
    yield f"found     {len(found.edits)} edits, {found.places} more places looked at" + (
        f"; {found.capped} edits were too many" if found.capped else ""
    )
    for reason, count in Counter(one.reason for one in found.withheld).most_common():
        yield f"withheld  {count} ({reason})"
    if found.problem:
        yield f"problem   {found.problem}"
    yield f"time      {', '.join(f'{stage} {ms:.0f}' for stage, ms in found.stages_ms.items())} ms"


def _ruled(wanted: Search) -> Found:
    return edit_search.find(wanted, None, Cancel(), lambda edit: None)


def _asked(wanted: Search, options: Options, open_backend: Open) -> Found:
    with terminal_progress() as progress:
        # for one answer: nothing is to stay behind in memory
        backend = open_backend(replace(options, model=replace(options.model, share=False)), progress)
    try:
        return edit_search.find(wanted, backend, Cancel(), lambda edit: None)
    finally:
        backend.close()


def _texts(known: Workspace, edits: Sequence[NextEdit]) -> dict[str, Sequence[str]]:
    return {path: known.read(path) or ("",) for path in {edit.path for edit in edits}}


def _difference(edit: NextEdit, lines: Sequence[str]) -> Iterator[str]:
    """The lines that an edit is on, before and after it."""
    first, last = edit.span.start_line, edit.span.end_line
    standing = Standing(edit.span, text_at(lines, edit.span) or "", edit.text)
    after = split_lines(applied(lines, [standing]))
    grown = len(after) - len(lines)
    yield from (f"    - {ghost.plain(content(line))}" for line in lines[first : last + 1])
    yield from (f"    + {ghost.plain(content(line))}" for line in after[first : last + 1 + grown])
