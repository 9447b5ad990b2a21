"""The format that writes lines anew: each edit is told as what a piece of a file was and became, as is the question.

For `qwen2.5-coder`, a parameter having been added to `log` and the focus being line 2, the prompt is

    <|file_sep|>original/lib/log.py
    def log(message):
        print(message)
    <|file_sep|>updated/lib/log.py
    def log(message, level):
        print(message)
    <|file_sep|>original/lib/log.py
    def log(message, level):
        print(message)

    <|file_sep|>updated/lib/log.py
    def log(message, level):

and its answer

        print(level, message)
    <|file_sep|>

A model that was not trained for it sees how it goes from the history, and copies but for what changes. Nothing to do is
the lines in question as they stand; as a draft of the answer they cost one run.
"""

from __future__ import annotations

from collections.abc import Iterator

from foretype.context.rows import Target
from foretype.model.edit_format import EditRequest, Format, NoEdit, joined, section, told
from foretype.model.fim import Family, Part

_ABOVE, _BELOW = 6, 2  # lines that are shown beside those in question


def render(family: Family, request: EditRequest) -> tuple[Part, ...]:
    start, stop = request.focus
    above = request.lines(start - _ABOVE, start)
    shown = (*above, *request.focused, *request.lines(stop, stop + _BELOW))
    return (
        *(
            part
            for diff in request.history
            for hunk in diff.diff.split("@@\n")
            for part in _edit(family, diff.path, hunk)
        ),
        *told(family, request, history=False),
        *section(family, f"original/{request.path}", joined(shown)),
        *section(family, f"updated/{request.path}", joined(above)),
    )


def answer(request: EditRequest, target: Target | None) -> str:
    start, stop = request.focus
    if target is None:
        return joined(request.focused)
    if not start <= target.start <= target.stop <= stop:
        raise ValueError(f"lines {target.start}..{target.stop} are not those in question")
    return joined((*request.lines(start, target.start), *target.lines, *request.lines(target.stop, stop)))


def parse(request: EditRequest, text: str) -> Target | NoEdit:
    start, stop = request.focus
    old, new = list(request.focused), text.removesuffix("\n").split("\n") if text else []
    if old == new:
        return NoEdit("unchanged")
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    return Target(start + head, stop - tail, tuple(new[head : len(new) - tail]))


def reach(request: EditRequest) -> tuple[int, int]:
    return request.focus


def stop(request: EditRequest) -> tuple[str, ...]:
    """Where the copy goes on below, with all up to the first line that says something; and where a model that was tuned
    for chat begins to explain what it did."""
    below = request.lines(request.focus[1], request.window.stop)
    last = next((at for at, line in enumerate(below) if line.strip()), None)
    return ("\n```",) if last is None else ("\n" + joined(below[: last + 1]), "\n```")


def _edit(family: Family, path: str, hunk: str) -> Iterator[Part]:
    """A hunk of the history as the piece that it changed, before and after."""
    lines = [line for line in hunk.split("\n") if line]
    for name, without in (("original", "+"), ("updated", "-")):
        yield from section(family, f"{name}/{path}", joined(line[1:] for line in lines if line[0] != without))


FORMAT = Format("window", render, answer, parse, reach, ended=False, stop=stop)
