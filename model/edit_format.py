"""How a model is asked for the next edit, and how it answers: with the numbers of lines, and what they become.

For `qwen2.5-coder`, a parameter having been added to `log`, the prompt is

    <|file_sep|>lib/log.py.diff
    -def log(message):
    +def log(message, level):
         print(message)
    <|file_sep|>lib/log.py
    1 def log(message, level):
    2     print(message)
    3
    4
    5 def main():
    6     log("ready")
    <|fim_middle|>

and its answer

    2
        print(level, message)<|endoftext|>

`2-4` and no line after it deletes lines 2 to 4, `2+` puts lines in before line 2, `7+` after the last of six. Nothing
to do is `0`, a single token: its probability as the first one is the gate. Recent edits, diagnostics and other files
come in this order before the window, so that the prompts for several places begin alike and the cache survives. Knows
neither tokenizers nor engines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

from foretype.context.rows import Diagnostic, Diff, Excerpt, Target, Window
from foretype.model.fim import Family, Part, Text

NAME = "lines"  # under which what is trained says that it was trained in it
NOTHING = "0"
_RANGE = re.compile(r"([1-9]\d{0,2})(?:-([1-9]\d{0,2})|(\+))?")
_CONTEXT_LINES = 1  # of a diff, on either side: where the edit is, in the fewest tokens
_HUNK_LINES = 14
_MESSAGE_CHARS = 120

# What an answer can say instead of an edit: that there is none; nothing that can be read; an edit of lines that were
# not shown; the text as it stands.
Nothing = Literal["none", "unreadable", "outside", "unchanged"]


@dataclass(frozen=True)
class EditRequest:
    """Whether something is to be done in a window, and what. `history` are the edits made so far, oldest first;
    `focus` are the lines (start, stop) of the file that the question is about, within the window."""

    path: str
    history: tuple[Diff, ...]
    window: Window
    diagnostics: tuple[Diagnostic, ...] = ()
    related: tuple[Excerpt, ...] = ()
    focus: tuple[int, int] = (0, 0)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> EditRequest:
        """A request that `dataclasses.asdict` and JSON have taken apart."""
        window = plain["window"]
        return cls(
            path=plain["path"],
            history=tuple(Diff(**diff) for diff in plain["history"]),
            window=Window(window["path"], window["start"], tuple(window["lines"])),
            diagnostics=tuple(Diagnostic(**one) for one in plain["diagnostics"]),
            related=tuple(Excerpt(**one) for one in plain["related"]),
            focus=(plain["focus"][0], plain["focus"][1]),
        )

    @property
    def focused(self) -> tuple[str, ...]:
        """The lines of the focus."""
        return self.lines(*self.focus)

    def shown(self, start: int, stop: int) -> EditRequest:
        """The request with these lines of its window alone."""
        return replace(self, window=Window(self.window.path, start, self.lines(start, stop)))

    def lines(self, start: int, stop: int) -> tuple[str, ...]:
        """Lines of the file, as far as the window has them."""
        first = self.window.start
        return self.window.lines[max(0, start - first) : max(0, stop - first)]


@dataclass(frozen=True)
class NoEdit:
    """Why an answer is no edit."""

    reason: Nothing


def render(family: Family, request: EditRequest) -> tuple[Part, ...]:
    """The prompt."""
    numbered = _joined(f"{number} {line}".rstrip() for number, line in enumerate(request.window.lines, 1))
    sections = [*_told(request), (request.path, numbered)]
    written = (part for name, text in sections for part in _section(family, name, text))
    return (*written, *((family.middle,) if family.middle else ()))


def answer(request: EditRequest, target: Target | None) -> str:
    """What should be written after it; of no target: that nothing is to be done. Raises ValueError for a target that is
    not in the window."""
    if target is None:
        return NOTHING
    first, last = target.start - request.window.start + 1, target.stop - request.window.start
    if not 1 <= first <= last + 1 <= len(request.window.lines) + 1:
        raise ValueError(f"lines {target.start}..{target.stop} are not in the window")
    place = f"{first}+" if last < first else str(first) if last == first else f"{first}-{last}"
    return "\n".join((place, *target.lines))


def parse(request: EditRequest, text: str) -> Target | NoEdit:
    """What was meant by an answer."""
    place, *lines = text.split("\n")
    if place.strip() == NOTHING:
        return NoEdit("none")
    found = _RANGE.fullmatch(place.strip())
    if found is None:
        return NoEdit("unreadable")
    first = int(found[1])
    last = first - 1 if found[3] else int(found[2] or first)
    if first > last + 1 or (found[3] and not lines):
        return NoEdit("unreadable")
    if last > len(request.window.lines):
        return NoEdit("outside")
    start, stop = request.window.start + first - 1, request.window.start + last
    lines = _stopped(lines, request.window.lines[last:])
    if request.lines(start, stop) == tuple(lines):
        return NoEdit("unchanged")
    return Target(start, stop, tuple(lines))


def compact(diff: str, context: int = _CONTEXT_LINES, most: int = _HUNK_LINES) -> str:
    """Hunks of a unified diff with less around them and without numbers of lines, "@@" between them; a diff that is so
    already stays what it is."""
    hunks: list[list[str]] = [[]]
    for line in diff.split("\n"):
        if line.startswith("@@"):
            hunks.append([])
        elif line:
            hunks[-1].append(line)
    short = ["".join(f"{line}\n" for line in _near_changes(hunk, context)[:most]) for hunk in hunks]
    return "@@\n".join(filter(None, short))


def _told(request: EditRequest) -> Iterator[tuple[str, str]]:
    """What precedes the window: recent edits, signatures, diagnostics, each as a file's name and its text."""
    for path, diffs in groupby(request.history, key=lambda diff: diff.path):
        yield f"{path}.diff", "@@\n".join(diff.diff for diff in diffs)
    for excerpt in request.related:
        yield excerpt.path, _ended(excerpt.text)
    if request.diagnostics:
        yield "diagnostics", "".join(_diagnostic(one, request.window) for one in request.diagnostics)


def _section(family: Family, name: str, text: str) -> tuple[Part, ...]:
    """A file of its own in the family's spelling, or under a comment where the family knows one file alone."""
    mark = Text(f"{name}\n{text}", "context")
    return (
        (family.files.file, mark)
        if family.files.file
        else (Text(f"{family.files.mark or '# '}{mark.text}", "context"),)
    )


def _near_changes(hunk: Sequence[str], context: int) -> list[str]:
    changed = [at for at, line in enumerate(hunk) if line[0] in "+-"]
    return [line for at, line in enumerate(hunk) if any(abs(at - other) <= context for other in changed)]


def _diagnostic(one: Diagnostic, window: Window) -> str:
    """The line is counted as the window's are: from 1 at its first."""
    message = " ".join(one.message.split())[:_MESSAGE_CHARS]
    return f"{one.line - window.start + 1} {' '.join(filter(None, (one.code, message)))}\n"


def _stopped(lines: list[str], below: Sequence[str]) -> list[str]:
    """Without the brackets at the end that stand below already: a model that wrote on. It takes two lines of them,
    since one may be the end of what is new."""
    for at in range(1, len(lines) - 1):
        rest = "".join(lines[at:])
        if lines[at : at + 2] == list(below[:2]) and rest.strip() and not any(map(str.isalnum, rest)):
            return lines[:at]
    return lines


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
