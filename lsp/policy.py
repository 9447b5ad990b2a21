"""When not to suggest: the cheap questions, asked before any work is done, and whether a scope is wanted.

Knows options and text. Who asks explicitly (a key pressed for it) is not told that comments are switched off, but
`enabled` and `disabled_languages` hold for everybody: they keep text away from a model.
"""

from __future__ import annotations

from typing import Literal

from foretype.context.text import Snapshot
from foretype.lsp.options import Options
from foretype.lsp.outcome import Reason

Scope = Literal["code", "comment", "string"]

# A text holds NUL within its first lines if it is none (git looks at 8,000 bytes, xdiff-interface.c).
_LOOKED_AT = 100


def suppressed(snapshot: Snapshot | None, line: int, options: Options) -> Reason | None:
    """Why there should be no attempt, None if there should. `line` is 0-based. Takes microseconds."""
    if not options.completion.enabled:
        return "off"
    if snapshot is None:
        return "unknown_document"
    if snapshot.language in options.completion.disabled_languages:
        return "language"
    if line >= len(snapshot.lines):
        return "outside"
    if any("\0" in text for text in (*snapshot.lines[:_LOOKED_AT], snapshot.lines[line])):
        return "binary"
    return None


def unwanted(scope: Scope, options: Options, explicit: bool) -> bool:
    """Whether comments are off and the cursor is in one, or in a string."""
    return scope != "code" and not options.completion.comments and not explicit
