"""The line-range format: the answer names lines of the window by their numbers and says what they become.

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
to do is `0`, a single token: its probability as the first one is the gate.
"""

from __future__ import annotations

import re

from foretype.context.rows import Target
from foretype.model.edit_format import EditRequest, Format, NoEdit, asked, joined, section, told
from foretype.model.fim import Family, Part

NOTHING = "0"
_RANGE = re.compile(r"([1-9]\d{0,2})(?:-([1-9]\d{0,2})|(\+))?")


def render(family: Family, request: EditRequest) -> tuple[Part, ...]:
    numbered = joined(f"{number} {line}".rstrip() for number, line in enumerate(request.window.lines, 1))
    return (*told(family, request), *section(family, request.path, numbered), *asked(family))


def answer(request: EditRequest, target: Target | None) -> str:
    if target is None:
        return NOTHING
    first, last = target.start - request.window.start + 1, target.stop - request.window.start
    if not 1 <= first <= last + 1 <= len(request.window.lines) + 1:
        raise ValueError(f"lines {target.start}..{target.stop} are not in the window")
    place = f"{first}+" if last < first else str(first) if last == first else f"{first}-{last}"
    return "\n".join((place, *target.lines))


def parse(request: EditRequest, text: str) -> Target | NoEdit:
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
    if request.lines(start, stop) == tuple(lines):
        return NoEdit("unchanged")
    return Target(start, stop, tuple(lines))


def reach(request: EditRequest) -> tuple[int, int]:
    return request.window.start, request.window.stop


FORMAT = Format("lines", render, answer, parse, reach, ended=False, stop=lambda request: ())
