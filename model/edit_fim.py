"""The fill-in-the-middle format: the lines in question are left out and filled in, recent edits are a file beside.

For `qwen2.5-coder`, a parameter having been added to `log` and the focus being line 2, the prompt is

    <|repo_name|>project
    <|file_sep|>lib/log.py.diff
    -def log(message):
    +def log(message, level):
         print(message)
    <|file_sep|>lib/log.py
    <|fim_prefix|>def log(message, level):
    <|fim_suffix|>

    def main():
    <|fim_middle|>

and its answer

        print(level, message)<|endoftext|>

A model that fills in the middle needs no training for it. Nothing to do is the line as it stands, which the model does
not see; as a draft of the answer it costs one run.
"""

from __future__ import annotations

from foretype.context.rows import Target
from foretype.model import fim
from foretype.model.backend import ContextFile
from foretype.model.edit_format import EditRequest, Format, NoEdit, joined, sections
from foretype.model.fim import Family, Part


def render(family: Family, request: EditRequest) -> tuple[Part, ...]:
    start, end = request.focus
    files = [ContextFile(name, text) for name, text in sections(request)]
    above, below = request.lines(request.window.start, start), request.lines(end, request.window.stop)
    return fim.layout(family, joined(above), "".join(f"\n{line}" for line in below), files, request.path)


def answer(request: EditRequest, target: Target | None) -> str:
    start, stop = request.focus
    if target is None:
        return "\n".join(request.focused)
    if not start <= target.start <= target.stop <= stop:
        raise ValueError(f"lines {target.start}..{target.stop} are not those in question")
    lines = (*request.lines(start, target.start), *target.lines, *request.lines(target.stop, stop))
    if not lines:
        raise ValueError("all lines in question go, which cannot be told from an empty one")
    return "\n".join(lines)


def parse(request: EditRequest, text: str) -> Target | NoEdit:
    lines = tuple(text.split("\n"))
    if lines == request.focused:
        return NoEdit("unchanged")
    return Target(*request.focus, lines)


def reach(request: EditRequest) -> tuple[int, int]:
    return request.focus


FORMAT = Format("fim", render, answer, parse, reach, ended=True, stop=lambda request: ())
