"""What a change of a document was: typed or deleted by the user, or something that is no opportunity.

An entry of `contentChanges` is all that a client tells; how the text came in has to be seen from the text, the time and
what went before. What looks the same cannot be told apart: a single name that was pasted counts as typed, as does one
that a completion menu filled in; a deleted word that was typed just before counts as deleted even where it was undone.
Pure functions over values; knows no protocol and no clock.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from foretype.lsp.documents import Edit
from foretype.lsp.log.schema import Origin

# How many edits of a document are looked at for what an entry may undo.
REMEMBERED = 64

# Clients hold changes back for at most so long (Neovim: 150 ms), and nobody types more keys a second for as long as
# that (the fastest of 168,000 people in Dhakal et al., CHI 2018, kept up 17); two more for a client that was busy.
_HELD_BACK_S = 0.2
_KEYS_PER_S = 20.0
_KEYS_MORE = 2

_NAME = re.compile(r"[^\W\d]\w*(?:\(\))?|\d+")
_ONE_WORD = re.compile(r"\s*(?:\w+|[^\w\s]+)\s*")
# One key: a line break with the indentation that the editor puts behind it, or any character.
_KEY = re.compile(r"(?:\r\n|\r|\n)[ \t]*|[\s\S]")
_PAIRS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`"}


@dataclass(frozen=True)
class Group:
    """One group of characters that changed: `edit` without what it left as it was."""

    origin: Origin
    edit: Edit


def groups(
    entries: Sequence[Edit], since_s: float, recent: Sequence[Edit] = (), suggested: tuple[int, int, str] | None = None
) -> list[Group]:
    """What the entries of one notification were, in their order; entries that change nothing are left out.

    `since_s`: seconds since the document's last change; `recent`: the edits before, the last one last; `suggested`:
    line, column and text of the suggestion at the cursor.
    """
    edits = [edit for edit in map(narrowed, entries) if edit.removed or edit.inserted]
    edits = _without_closers(edits)
    if len(edits) > 1 and not _in_one_go(edits):
        origin: Origin = "multi_cursor" if _everywhere_the_same(edits) else "formatter"
        return [Group(origin, edit) for edit in edits]
    found, before = [], list(recent)
    for edit in edits:
        found.append(Group(_origin(edit, since_s, before, suggested), edit))
        before.append(edit)
        suggested = None
    return found


def narrowed(edit: Edit) -> Edit:
    """The edit without the beginning and the end that it puts back, so that a document sent as a whole shows what
    changed in it."""
    removed, inserted = edit.removed, edit.inserted
    if not removed or not inserted:
        return edit
    start = _common(removed, inserted)
    end = _common(removed[start:][::-1], inserted[start:][::-1])
    kept = removed[:start]
    breaks = kept.count("\n")
    column = len(kept.rpartition("\n")[2]) + (0 if breaks else edit.column)
    return Edit(edit.line + breaks, column, removed[start : len(removed) - end], inserted[start : len(inserted) - end])


def keys(text: str) -> int:
    """How many keys it takes to type a text in an editor that indents."""
    return len(_KEY.findall(text))


def behind(edit: Edit) -> tuple[int, int]:
    """The line and column behind what an edit put in."""
    breaks = edit.inserted.count("\n")
    tail = len(edit.inserted.rpartition("\n")[2])
    return edit.line + breaks, tail if breaks else edit.column + tail


def _origin(edit: Edit, since_s: float, recent: Sequence[Edit], suggested: tuple[int, int, str] | None) -> Origin:
    if suggested and _accepts(edit, suggested):
        return "accepted"
    if _undoes(edit, recent):
        return "undo"
    if edit.removed and edit.inserted and "".join(edit.removed.split()) == "".join(edit.inserted.split()):
        return "formatter"
    if not edit.inserted:
        return "deleted"
    if edit.removed.count("\n") > 1 and edit.inserted.count("\n") > 1:
        return "formatter"
    most = _KEYS_MORE + math.floor(_KEYS_PER_S * min(max(since_s, 0.0), _HELD_BACK_S))
    if keys(edit.inserted) <= most or _NAME.fullmatch(edit.inserted):
        return "typed"
    return "paste"


def _accepts(edit: Edit, suggested: tuple[int, int, str]) -> bool:
    """Whether a suggestion, or as much of it as an editor takes in one go, came in at once."""
    line, column, text = suggested
    if edit.removed or (edit.line, edit.column) != (line, column) or not text.startswith(edit.inserted):
        return False
    pressed = keys(edit.inserted)
    return pressed > 1 and (edit.inserted == text or pressed > 1 + _KEYS_MORE)


def _undoes(edit: Edit, recent: Sequence[Edit]) -> bool:
    """Whether the edit takes back what the last ones did together, one key alone excepted."""
    if keys(edit.removed) <= 1 and not edit.inserted:
        return False  # a backspace
    whole: Edit | None = None
    for at in range(len(recent) - 1, max(-1, len(recent) - 1 - REMEMBERED), -1):
        joined = recent[at] if whole is None else _joined(recent[at], whole)
        if joined is None:
            return False
        whole = joined
        same_place = (edit.line, edit.column) == (whole.line, whole.column)
        if same_place and edit.removed == whole.inserted and edit.inserted == whole.removed:
            begun = at == 0 or _joined(recent[at - 1], whole) is None
            return bool(edit.inserted) or begun or _ONE_WORD.fullmatch(edit.removed) is None
    return False


def _joined(first: Edit, second: Edit) -> Edit | None:
    """Two edits as one, where the second goes on where the first ended: typing on, or deleting on."""
    if (second.line, second.column) == behind(first) and not second.removed:
        return replace(first, inserted=first.inserted + second.inserted)
    if (
        not first.inserted
        and not second.inserted
        and behind(replace(second, inserted=second.removed))
        == (
            first.line,
            first.column,
        )
    ):
        return replace(second, removed=second.removed + first.removed)
    return None


def _in_one_go(edits: Sequence[Edit]) -> bool:
    """Whether each edit begins where the one before left the cursor."""
    for first, second in pairwise(edits):
        cursor = behind(first)
        ends = behind(replace(second, inserted=second.removed))
        if cursor not in ((second.line, second.column), ends):
            return False
    return True


def _everywhere_the_same(edits: Sequence[Edit]) -> bool:
    return len({(edit.removed, edit.inserted) for edit in edits}) == 1


def _without_closers(edits: Sequence[Edit]) -> list[Edit]:
    """An editor that closes a bracket may say so in an entry of its own, which nobody typed."""
    kept: list[Edit] = []
    for edit in edits:
        before = kept[-1] if kept else None
        closes = before and edit.inserted and _PAIRS.get(before.inserted) == edit.inserted and not edit.removed
        if not (closes and before and behind(before) == (edit.line, edit.column)):
            kept.append(edit)
    return kept


def _common(first: str, second: str) -> int:
    """How many characters two texts begin with alike."""
    shorter = min(len(first), len(second))
    if first[:shorter] == second[:shorter]:
        return shorter
    low, high = 0, shorter
    while high - low > 1:
        middle = (low + high) // 2
        if first[:middle] == second[:middle]:
            low = middle
        else:
            high = middle
    return low
