"""A request for ghost text and what comes of it: a suggestion, or one of the documented reasons why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from foretype.context.text import Snapshot

Reason = Literal[
    "off",
    "language",
    "unknown_document",
    "outside",
    "binary",
    "comment",
    "loading",
    "failed",
    "paused",
    "superseded",
    "cancelled",
    "stale",
    "rejected",
    "empty",
    "trimmed",
    "unsure",
    "gated",
]

# Why a request had no suggestion, for people.
REASONS: dict[Reason, str] = {
    "off": "completion.enabled is false",
    "language": "the document's language is in completion.disabled_languages",
    "unknown_document": "the document is not open here, or its text was lost",
    "outside": "the position lies after the last line",
    "binary": "the document holds NUL characters, so it is not text",
    "comment": "the cursor is in a comment or a string, and completion.comments is false",
    "loading": "the model is not loaded yet",
    "failed": "the model failed while it answered",
    "paused": "the model failed a moment ago and has not been tried again yet",
    "superseded": "a newer request for the same document took its place",
    "cancelled": "the client took the request back",
    "stale": "the document changed or closed before there was an answer",
    "rejected": "it was rejected here, and has only been typed on since",
    "empty": "the model proposed nothing",
    "trimmed": "nothing was left of the model's proposal once what must not be shown was cut off",
    "unsure": "the model is not sure of the next few characters",
    "gated": "the suggestion was less likely to be taken than completion.gate asks for",
}


@dataclass(frozen=True)
class Ask:
    """Where text is wanted: `line` and `column` are 0-based and inside the snapshot, `column` in characters.
    `explicit` when the user asked for it rather than typed."""

    snapshot: Snapshot
    line: int
    column: int
    explicit: bool = False


@dataclass(frozen=True)
class Figures:
    """What the model was given and what it gave, in tokens; 0 where a backend does not tell.

    `prompt_tokens` are all of the prompt's, `cached_tokens` those of them that were there from before, `prefix_tokens`
    and `suffix_tokens` the document's own on each side of the cursor; `snippets` counts the parts of other files that
    were handed to it. `tokens` are the answer's before it was trimmed, `logprob_mean` is the natural logarithm of their
    geometric mean probability. `confidence` is how likely the gate holds the suggestion to be taken, 0..1, and
    `evidence` what it looked at, by the names of `gate.FEATURES`; there is neither where nothing was left to gate, or
    where the backend tells no probabilities.
    """

    mode: str
    prompt_tokens: int
    cached_tokens: int
    prefix_tokens: int
    suffix_tokens: int
    tokens: int
    logprob_mean: float | None
    confidence: float | None = None
    evidence: Mapping[str, float] = field(default_factory=dict)
    snippets: int = 0


@dataclass(frozen=True)
class Suggestion:
    """Text to insert at the place that was asked for. `stages_ms` is milliseconds by stage; `trimmed` names the rules
    that cut the model's text. `recalled` is the rest of an earlier suggestion, of which the beginning was typed;
    `asked_at` is when that was asked for, in seconds of `time.perf_counter`. `confidence` is that of its figures, and
    stays with the rest: what has passed the gate once passes."""

    id: str
    text: str
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    trimmed: tuple[str, ...] = ()
    figures: Figures | None = None
    recalled: bool = False
    asked_at: float = 0.0
    confidence: float | None = None


@dataclass(frozen=True)
class Nothing:
    """No suggestion, and why. `figures` are there where the model was asked, `trimmed` as of a suggestion."""

    reason: Reason
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    figures: Figures | None = None
    trimmed: tuple[str, ...] = ()


Outcome = Suggestion | Nothing
