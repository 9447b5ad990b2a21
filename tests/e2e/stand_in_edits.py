"""The real server around a search for next edits that a test can see through: `python stand_in_edits.py`.

Where a name became another in a changed line, that is proposed wherever else the workspace has the name. A backend is
asked about nothing in particular, and its answer is let go.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator

from foretype.context.next_edit import NextEdit, Span, text_digest
from foretype.context.text import content, split_lines
from foretype.lsp.edits import search as edit_search
from foretype.lsp.edits.search import Search
from foretype.lsp.serve import serve_stdio
from foretype.model.backend import Backend, Cancel, FimRequest
from foretype.model.next_edits import Found

NAME = re.compile(r"[^\W\d]\w*")


def renamed(search: Search) -> Iterator[tuple[str, str]]:
    """Names that are gone from changed lines, with the one new name there that begins as they do."""
    for file in search.edited:
        before, after = split_lines(file.before), split_lines(file.after)
        old = {name for line in before if line not in after for name in NAME.findall(line)}
        new = {name for line in after if line not in before for name in NAME.findall(line)}
        for name in old - new:
            others = [other for other in new - old if other[:2] == name[:2]]
            if len(others) == 1:
                yield name, others[0]


def find(search: Search, backend: Backend | None, cancel: Cancel, on_edit: Callable[[NextEdit], None]) -> Found:
    pairs = dict(renamed(search))
    found: list[NextEdit] = []
    files = [file.path for file in search.edited]
    files += sorted(path for path, _ in search.workspace.guard.files(lambda path: path.endswith(".py")))
    files += [one.path for one in search.workspace.open_documents()]
    time.sleep(float(os.environ.get("STAND_IN_S", "0")))
    for path in dict.fromkeys(files):
        lines = search.workspace.read(path) or ()
        digest = text_digest("".join(lines))
        for number, line in enumerate(lines):
            for match in NAME.finditer(content(line)):
                cancel.check()
                if match[0] in pairs:
                    span = Span(number, match.start(), number, match.end())
                    why = f"{match[0]} is now {pairs[match[0]]}"
                    edit = NextEdit(path, span, pairs[match[0]], digest, "rule", "rename", why, 1.0)
                    if not search.turned_down(edit):
                        found.append(edit)
                        on_edit(edit)
    if backend:
        backend.complete(FimRequest("next edit", "", "a.py"), cancel)
    said = [one.message for one in search.diagnostics]
    return Found(tuple(found), places=len(found), problem="; ".join(said))


edit_search.find = find
sys.exit(serve_stdio())
