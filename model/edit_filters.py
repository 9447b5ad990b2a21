"""What keeps a proposed edit from being shown: one function a reason, in `FILTERS`, the cheap ones first.

Restraint is worth more than reach: an edit that undoes what the user just did, or rewrites more than was asked for,
costs the trust that a hundred right ones have earned. A filter sees the text, the lines that would give way to others,
and what the user did; it knows no model. Adding one is writing a function and a row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import tree_sitter

from foretype.context import languages, visible
from foretype.context.hunks import TOKEN
from foretype.context.rows import Diff, Target

# Why an edit is not shown, for the log.
Reason = Literal[
    "outside",
    "no_change",
    "white_space",
    "invisible",
    "repeats",
    "unrelated",
    "reversal",
    "replaces",
    "over_editing",
    "parse_error",
    "still_used",
    "rejected",
]

_REVERSED = 0.6  # share of an edit's changed words that go back to what the history changed
# An edit may change so many tokens, and so many for each token of the largest change that the user made.
_FREE_TOKENS, _PER_TOKEN = 12, 1.5
_IMPORTED, _WORD = re.compile(r"\bimport\b(.*?)(?:\bfrom\b|$)"), re.compile(r"\w+")
_REPEATED_LINES = 1  # that say something, at the end of an edit and right below it


@dataclass(frozen=True)
class Proposal:
    """An edit to be judged: in the file `lines`, without terminators, `target` is to be done. It was asked for in the
    lines `window` (start, stop). `history` are the user's own edits, oldest first; `complaint` is what diagnostics say
    of these lines; `wording` tells that the user changed no code, but strings or documentation; `sure` that the model
    is sure of the edit."""

    path: str
    language: str
    lines: Sequence[str]
    target: Target
    window: tuple[int, int]
    history: tuple[Diff, ...] = ()
    complaint: str = ""
    wording: bool = False
    sure: bool = False

    @property
    def old(self) -> tuple[str, ...]:
        return tuple(self.lines[self.target.start : self.target.stop])

    @cached_property
    def gone(self) -> Counter[str]:
        return _tokens(self.old) - _tokens(self.target.lines)

    @cached_property
    def come(self) -> Counter[str]:
        return _tokens(self.target.lines) - _tokens(self.old)


def refusal(proposal: Proposal) -> Reason | None:
    """The first reason not to show an edit, None where there is none. Whether it was rejected is not asked here."""
    return next((reason for reason, holds in FILTERS if holds(proposal)), None)


def beside(proposal: Proposal) -> Proposal | None:
    """What was meant where `replaces` refuses: the lines below those that were to give way, which stay. None where
    they are not as many, since they are no case of the same kind then."""
    target = proposal.target
    if len(target.lines) != len(proposal.old):
        return None
    return replace(proposal, target=Target(target.stop, target.stop, target.lines))


def outside(proposal: Proposal) -> bool:
    first, last = proposal.window
    return not first <= proposal.target.start <= proposal.target.stop <= min(last, len(proposal.lines))


def no_change(proposal: Proposal) -> bool:
    return proposal.old == proposal.target.lines


def white_space(proposal: Proposal) -> bool:
    """Nothing but white space changes: indentation too, as an edit that only moves a block is a formatter's work."""
    return _squeezed(proposal.old) == _squeezed(proposal.target.lines)


def invisible(proposal: Proposal) -> bool:
    """Brings characters that nobody sees, and that can make code say something else than it seems to (CVE-2021-42574).

    What `visible.hidden` tells, and what the lines had before may stay. An edit is refused, not cut like ghost text: a
    model that writes such a thing into lines that it was to copy has not understood them.
    """
    target, lines = proposal.target, proposal.lines
    above, below = "\n".join([*lines[: target.start], ""]), "\n".join(["", *lines[target.stop :]])
    brought = visible.hidden("\n".join(target.lines), above, below)
    return bool(brought - Counter("".join(proposal.old)))


def repeats(proposal: Proposal) -> bool:
    """Ends in the very lines that follow it, or begins with those above: a model that did not stop in time."""
    target, lines = proposal.target, proposal.lines
    new, old = target.lines, proposal.old
    for size in range(1, len(new) + 1):
        below = tuple(lines[target.stop : target.stop + size])
        above = tuple(lines[max(0, target.start - size) : target.start])
        for said, had, there in ((new[-size:], old[-size:], below), (new[:size], old[:size], above)):
            if said == there and said != had and sum(_says(line) for line in said) >= _REPEATED_LINES:
                return True
    return False


def unrelated(proposal: Proposal) -> bool:
    """Neither brings a word that the user brought nor takes one away that the user took away: it may be right, but it
    does not follow from the edits. What a diagnostic asks for need not, nor what the model is sure of; where the user
    changed wording alone, it has to be the same words that go."""
    if not proposal.history or proposal.complaint or (proposal.sure and not proposal.wording):
        return False
    change = Counter[str]()
    for removed, added in map(_sides, proposal.history):
        change.update(added)
        change.subtract(removed)
    if _words(proposal.gone) & _words(-change):
        return False
    return proposal.wording or not _words(proposal.come) & _words(+change)


def reversal(proposal: Proposal) -> bool:
    """Takes back what the user has just done: brings the words that the history took away, takes away those that it
    brought. What only comes may have been moved here from another file."""
    words_gone, words_come = _words(proposal.gone), _words(proposal.come)
    changed = sum(words_gone.values()) + sum(words_come.values())
    if not changed:
        return False
    for diff in proposal.history:
        if not words_gone and diff.path != proposal.path:
            continue
        removed, added = _sides(diff)
        back = sum((words_gone & _words(added - removed)).values()) + sum(
            (words_come & _words(removed - added)).values()
        )
        if back >= _REVERSED * changed:
            return True
    return False


def replaces(proposal: Proposal) -> bool:
    """Takes words away where all that the user did was to add others: a model that writes the new case over its
    neighbour instead of beside it. What is taken out into a definition that was added may go, and what a diagnostic
    asks for."""
    if not proposal.history or proposal.complaint:
        return False
    sides = list(map(_sides, proposal.history))
    if any(_words(removed - added) for removed, added in sides):
        return False
    return not _words(proposal.gone).keys() <= {word for _, added in sides for word in added}


def over_editing(proposal: Proposal) -> bool:
    """Changes far more than any of the user's own edits did."""
    if not proposal.history:
        return False
    sizes = [sum((b - a).values()) + sum((a - b).values()) for a, b in map(_sides, proposal.history)]
    changed = sum(proposal.gone.values()) + sum(proposal.come.values())
    return changed > _FREE_TOKENS + _PER_TOKEN * max(sizes)


def still_used(proposal: Proposal) -> bool:
    """Takes an import away of whose names a linter has found only some without use."""
    if proposal.target.lines or not proposal.complaint:
        return False
    imported = (part for line in proposal.old for names in _IMPORTED.findall(line) for part in names.split(","))
    found = set(_WORD.findall(proposal.complaint))
    return any(words and found.isdisjoint(words) for words in map(_WORD.findall, imported))


def parse_error(proposal: Proposal) -> bool:
    """Breaks a file, whole as it was or broken elsewhere already."""
    target, lines = proposal.target, proposal.lines
    after = [*lines[: target.start], *target.lines, *lines[target.stop :]]
    return breaks_parsing(proposal.language, proposal.path, "\n".join(lines), "\n".join(after))


def breaks_parsing(language_id: str, path: str, before: str, after: str) -> bool:
    """Whether a text has more syntax errors than it had; never of a language without a grammar."""
    language = languages.find(language_id, path)
    parser = languages.parser(language) if language else None
    return parser is not None and _errors(parser, after) > _errors(parser, before)


def _errors(parser: tree_sitter.Parser, text: str) -> int:
    """Places at which a text does not parse."""
    found, stack = 0, [parser.parse(text.encode("utf-8", "replace")).root_node]
    while stack:
        node = stack.pop()
        found += node.is_error or node.is_missing
        if node.has_error:
            stack += node.children
    return found


FILTERS: tuple[tuple[Reason, Callable[[Proposal], bool]], ...] = (
    ("outside", outside),
    ("no_change", no_change),
    ("white_space", white_space),
    ("invisible", invisible),
    ("repeats", repeats),
    ("reversal", reversal),
    ("unrelated", unrelated),
    ("replaces", replaces),
    ("over_editing", over_editing),
    ("still_used", still_used),
    ("parse_error", parse_error),
)


def _sides(diff: Diff) -> tuple[Counter[str], Counter[str]]:
    """The tokens of the lines that a diff removes, and of those that it adds."""
    lines = diff.diff.split("\n")
    return _tokens(line[1:] for line in lines if line[:1] == "-"), _tokens(
        line[1:] for line in lines if line[:1] == "+"
    )


def _tokens(lines: Iterable[str]) -> Counter[str]:
    return Counter(TOKEN.findall("\n".join(lines)))


def _words(tokens: Counter[str]) -> Counter[str]:
    return Counter({token: count for token, count in tokens.items() if token[0].isalnum() or token[0] == "_"})


def _squeezed(lines: Sequence[str]) -> str:
    return "".join("".join(lines).split())


def _says(line: str) -> bool:
    return any(char.isalnum() for char in line)
