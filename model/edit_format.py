"""What a model is told when it is asked for the next edit, and what a format of doing so consists of.

A format spells a request as a prompt and an answer as text; each is one file (`model/edit_*.py`), `model/edits.py` has
them all. What they share is here: the request, how recent edits, diagnostics and other files are written, in this order
and before the window, so that the prompts for several places begin alike and the cache survives. Knows neither
tokenizers nor engines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

from foretype.context.rows import Diagnostic, Diff, Excerpt, Target, Window
from foretype.model.fim import Family, Part, Sentinel, Text

_CONTEXT_LINES = 1  # of a diff, on either side: where the edit is, in the fewest tokens
_HUNK_LINES = 14
_MESSAGE_CHARS = 120

# What an answer can say instead of an edit: that there is none; nothing that the format knows; an edit of lines that it
# was not asked about; the text as it stands.
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


@dataclass(frozen=True)
class Format:
    """One way to ask a model for the next edit.

    `render` is the prompt, `answer` what should be written after it (of no target: that nothing is to be done; raises
    ValueError for a target that the format cannot say), `parse` what was meant by an answer. `reach` are the lines
    (start, stop) of the file that an answer can change. `ended` says whether the answer for nothing has to be the whole
    answer, or its beginning tells it from all others. `stop` are strings that end the answer of a model that was not
    trained for the format.
    """

    name: str
    render: Callable[[Family, EditRequest], tuple[Part, ...]]
    answer: Callable[[EditRequest, Target | None], str]
    parse: Callable[[EditRequest, str], Target | NoEdit]
    reach: Callable[[EditRequest], tuple[int, int]]
    ended: bool
    stop: Callable[[EditRequest], tuple[str, ...]]


def told(family: Family, request: EditRequest, history: bool = True) -> tuple[Part, ...]:
    """What precedes the window in all formats: recent edits, signatures, diagnostics."""
    return tuple(part for name, text in sections(request, history) for part in section(family, name, text))


def sections(request: EditRequest, history: bool = True) -> Iterator[tuple[str, str]]:
    """The same as pairs of a file's name and its text; those that hold for all places first."""
    for path, diffs in groupby(request.history if history else (), key=lambda diff: diff.path):
        yield f"{path}.diff", "@@\n".join(diff.diff for diff in diffs)
    for excerpt in request.related:
        yield excerpt.path, _ended(excerpt.text)
    if request.diagnostics:
        yield "diagnostics", "".join(_diagnostic(one, request.window) for one in request.diagnostics)


def section(family: Family, name: str, text: str) -> tuple[Part, ...]:
    """A file of its own in the family's spelling, or under a comment where the family knows one file alone."""
    mark = Text(f"{name}\n{text}", "context")
    return (
        (family.files.file, mark)
        if family.files.file
        else (Text(f"{family.files.mark or '# '}{mark.text}", "context"),)
    )


def asked(family: Family) -> tuple[Sentinel, ...]:
    """The token after which an answer comes."""
    return (family.middle,) if family.middle else ()


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


def _near_changes(hunk: Sequence[str], context: int) -> list[str]:
    changed = [at for at, line in enumerate(hunk) if line[0] in "+-"]
    return [line for at, line in enumerate(hunk) if any(abs(at - other) <= context for other in changed)]


def _diagnostic(one: Diagnostic, window: Window) -> str:
    """The line is counted as the window's are: from 1 at its first."""
    message = " ".join(one.message.split())[:_MESSAGE_CHARS]
    return f"{one.line - window.start + 1} {' '.join(filter(None, (one.code, message)))}\n"


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
