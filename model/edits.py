"""How a request for the next edit is made of a row, and cut so that prompt and answer fit.

Training and serving ask in the same way: a row becomes a request (`request_of`), a request is cut to size (`fit`),
`model/edit_format.py` writes it. Knows no engine; how tokens are counted is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from foretype.context.rows import Diff, EditRow, Window
from foretype.model.edit_format import EditRequest, compact, render
from foretype.model.fim import Family, Part, Sentinel

# Tokens of prompt and answer together, of the answer alone, and of what tells of other edits and of other files.
TOKENS, ANSWER_TOKENS = 512, 96
HISTORY_TOKENS, RELATED_TOKENS = 160, 64
WINDOW_LINES = 16
_HISTORY, _DIAGNOSTICS = 6, 3
_AROUND_TARGET = 6  # lines at most between the focus that a row asks about and its target, on either side

Count = Callable[[str], int]


def request_of(row: EditRow) -> EditRequest:
    """What a row asks. The lines in question hold its target, at a place in them that the row's id draws, so that they
    do not tell it; of a row without a target they are any."""
    draw, first = int(row.id, 16), row.window.start
    above, draw = draw % (_AROUND_TARGET + 1), draw // (_AROUND_TARGET + 1)
    below, draw = draw % (_AROUND_TARGET + 1), draw // (_AROUND_TARGET + 1)
    if row.target:
        start, stop = row.target.start, row.target.stop
    else:
        start = stop = first + draw % max(1, len(row.window.lines))
    focus = max(first, start - above), min(row.window.stop, max(stop + below, start + 1))
    return EditRequest(row.origin.path, row.history, row.window, row.diagnostics, row.related, focus)


def fit(family: Family, request: EditRequest, count: Count, most: int = TOKENS) -> EditRequest | None:
    """The request with as much around the lines in question as leaves room for an answer of `ANSWER_TOKENS`; None where
    not even those fit.

    The history is cut without regard to the rest, so that the prompts of several places begin with the same one.
    """
    window = _around(request.window, request.focus, WINDOW_LINES)
    history = _latest([Diff(diff.path, compact(diff.diff)) for diff in request.history[-_HISTORY:]], count)
    related, room = [], RELATED_TOKENS
    for excerpt in request.related:
        if (room := room - count(excerpt.text)) < 0:
            break
        related.append(excerpt)
    diagnostics = [one for one in request.diagnostics if window.start <= one.line < window.stop][:_DIAGNOSTICS]
    cut = replace(
        request, history=tuple(history), related=tuple(related), diagnostics=tuple(diagnostics), window=window
    )
    lines, least = len(window.lines), request.focus[1] - request.focus[0]
    while (surplus := size(render(family, cut), count) + ANSWER_TOKENS - most) > 0:
        if lines <= least and not cut.related:
            return None
        # first what is farthest from the question
        lines = max(least, lines - max(1, surplus // 16))
        cut = replace(cut, related=cut.related[:-1], window=_around(window, request.focus, lines))
    return cut


def size(parts: Iterable[Part], count: Count) -> int:
    """The tokens of a prompt."""
    return sum(1 if isinstance(part, Sentinel) else count(part.text) for part in parts)


def _around(window: Window, focus: tuple[int, int], lines: int) -> Window:
    """At most so many lines of the window, and all of the focus, which is in the middle as far as there are lines."""
    start, stop = focus
    lines = min(len(window.lines), max(lines, stop - start))
    first = max(window.start, min(start - (lines - (stop - start)) // 2, window.stop - lines))
    return Window(window.path, first, window.lines[first - window.start : first - window.start + lines])


def _latest(history: Sequence[Diff], count: Count) -> list[Diff]:
    """The latest edits that fit, oldest first; the last one is cut where it does not by itself."""
    kept: list[Diff] = []
    room = HISTORY_TOKENS
    for diff in reversed(history):
        text = diff.diff
        while not kept and text and count(text) > room:
            text = "".join(text.splitlines(keepends=True)[:-1])
        if not text or (room := room - count(text)) < 0:
            break
        kept.append(Diff(diff.path, text))
    return kept[::-1]
