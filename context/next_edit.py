"""Next edits as they cross modules: what was edited, where something may be due, and what should be done there.

Lines and columns are 0-based and ends exclusive; columns count characters (code points), as `context.text` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# Why a place is looked at: it refers to a symbol that was edited, it looks like what the text was before the edit, a
# diagnostic speaks of it, the cursor is near, its file changes together with the edited one in git.
PlaceSource = Literal["reference", "similar", "diagnostic", "cursor", "together"]
Lane = Literal["rule", "model"]


@dataclass(frozen=True)
class EditedFile:
    """A file that the user has just changed: its text before those changes ("" where it was not there), and its text
    now. `path` is relative to the workspace, `language` a name of `context.languages` or ""."""

    path: str
    language: str
    before: str
    after: str


@dataclass(frozen=True)
class Diagnostic:
    """What a linter or compiler says of the lines `start` to `stop` of the present text."""

    path: str
    start: int
    stop: int
    message: str
    source: str = ""
    code: str = ""


@dataclass(frozen=True)
class Place:
    """Lines `start` to `stop` of a file's present text at which an edit may be due. `symbol` is the edited name that
    they are about, "" where there is none; `features` are what `score` was computed from, for the log."""

    path: str
    start: int
    stop: int
    sources: tuple[PlaceSource, ...]
    score: float
    symbol: str = ""
    features: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    start_line: int
    start_column: int
    end_line: int
    end_column: int


@dataclass(frozen=True)
class NextEdit:
    """In the text of `path` whose `digest` is that of `text_digest`, `span` gives way to `text`.

    `reason` is a stable word for the log ("rename", "parameter", "import", "field", "member", "similar", "model", ...);
    `why` is one line for people, without a full stop; `confidence` lies in 0..1.
    """

    path: str
    span: Span
    text: str
    digest: str
    lane: Lane
    reason: str
    why: str
    confidence: float


def text_digest(text: str) -> str:
    """16 hexadecimal digits of a text, by which an edit knows the text that it was computed for."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
