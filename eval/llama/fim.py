"""What llama.vim asks for at a cursor, and what it shows of an answer there. Functions of lines and places.

The facts are those of llama.vim, revision a1c8e6e40cb45df59b78add5b65d575386832465 (2026-01-31),
`autoload/llama.vim`, with its default configuration; the code is not. Rows and columns are 0-based, columns in
characters where Vim counts bytes, lines without terminators. Knows no editor and sends nothing.

What it asks is left as it is where it is odd: a speculative request puts a suggestion behind the whole line, not at the
cursor, and of a line of white space the white space is asked for again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from foretype.eval.llama.ring import Chunk

PREFIX_LINES = 256  # n_prefix
SUFFIX_LINES = 64  # n_suffix
MAX_TOKENS = 128  # n_predict
LINE_SUFFIX_CHARS = 8  # max_line_suffix: nothing is asked for with more than this behind the cursor on its line
FIRST_PREDICT_MS = 250
PREDICT_MS = 1000  # t_max_predict_ms, of speculative requests
PROMPT_MS = 500  # t_max_prompt_ms; llama-server has not implemented it

_TIMINGS = [
    f"timings/{part}_{figure}"
    for part in ("prompt", "predicted")
    for figure in ("n", "ms", "per_token_ms", "per_second")
]
_FIELDS = ["content", *_TIMINGS, "truncated", "tokens_cached"]


@dataclass(frozen=True)
class Window:
    """The text around a cursor as a request has it: lines above, the line up to the cursor, all that follows.

    `indent` is in characters; `line_suffix` is the part of `suffix` that is on the cursor's line.
    """

    prefix: str
    middle: str
    suffix: str
    indent: int
    line_suffix: str

    @property
    def states(self) -> list[str]:
        """The keys an answer is remembered under: as asked, and without the first one, two and three lines, as the
        window may have moved down by the time that the state comes again."""
        states = [state(self.prefix + self.middle, self.suffix)]
        prefix = self.prefix
        for _ in range(3):
            prefix = prefix.partition("\n")[2]
            if not prefix:
                break
            states.append(state(prefix + self.middle, self.suffix))
        return states


@dataclass(frozen=True)
class Hint:
    """A suggestion on screen. `lines` is what the cursor's line ends in and what follows it once accepted, the rest of
    the line included; `text` is what accepting inserts at the cursor. Not `acceptable`: blank."""

    lines: tuple[str, ...]
    text: str
    acceptable: bool


def state(before: str, suffix: str) -> str:
    """The key of a cursor between two texts."""
    return hashlib.sha256(f"{before}\0{suffix}".encode("utf-8", "surrogatepass")).hexdigest()


def window(lines: Sequence[str], row: int, column: int) -> Window:
    line = line_at(lines, row)
    blank = is_blank(line)
    rest = "" if blank else line[column:]
    return Window(
        prefix="\n".join(lines[max(0, row - PREFIX_LINES) : row]) + "\n",
        middle="" if blank else line[:column],
        suffix=_suffix(rest, lines, row),
        indent=0 if blank else len(line) - len(line.lstrip(" \t")),
        line_suffix=rest,
    )


def window_after(lines: Sequence[str], row: int, shown: Sequence[str], indent: int) -> Window:
    """The window once a hint with the lines `shown`, one at least, was accepted in row `row`."""
    above = lines[max(0, row - PREFIX_LINES + len(shown) - 1) : row]
    *new, last = line_at(lines, row) + shown[0], *shown[1:]
    return Window("\n".join([*above, *new]) + "\n", last, _suffix("", lines, row), indent, "")


def body(window: Window, extra: Iterable[Chunk], speculative: bool) -> dict[str, Any]:
    """The body of `POST /infill`. The chunks' time stamps, which llama-server does not read, are left out."""
    return _shared(extra) | {
        "input_prefix": window.prefix,
        "input_suffix": window.suffix,
        "prompt": window.middle,
        "n_predict": MAX_TOKENS,
        "stop": [],
        "n_indent": window.indent,
        "top_k": 40,
        "top_p": 0.9,
        "samplers": ["top_k", "top_p", "infill"],
        "t_max_prompt_ms": PROMPT_MS,
        "t_max_predict_ms": PREDICT_MS if speculative else FIRST_PREDICT_MS,
        "response_fields": _FIELDS,
    }


def prefill_body(extra: Iterable[Chunk]) -> dict[str, Any]:
    """The body that only brings the extra context into the server's KV cache."""
    return _shared(extra) | {
        "input_prefix": "",
        "input_suffix": "",
        "prompt": "",
        "n_predict": 0,
        "temperature": 0.0,
        "samplers": [],
        "t_max_prompt_ms": 1,
        "t_max_predict_ms": 1,
        "response_fields": [""],
    }


def hint(answer: str, lines: Sequence[str], row: int, column: int) -> Hint:
    """What is shown of an answer at a cursor: nothing where it repeats what stands there."""
    parts = answer.split("\n")
    while parts and not parts[-1]:
        parts.pop()
    answered = bool(parts)
    parts = parts or [""]
    line = line_at(lines, row)
    if is_blank(line):
        # the answer to a blank line begins at the line's start
        lead = min(len(parts[0]) - len(parts[0].lstrip(" \t")), len(line))
        line, parts[0] = parts[0][:lead], parts[0][lead:]
    before, rest = line[:column], line[column:]
    if _repeats(parts, before, rest, lines, row):
        parts = [""]
    shown = (*parts[:-1], parts[-1] + rest)
    return Hint(shown, "\n".join(parts), answered and not is_blank("\n".join(shown)))


def line_at(lines: Sequence[str], row: int) -> str:
    """As Vim: "" for a row outside of the buffer."""
    return lines[row] if 0 <= row < len(lines) else ""


def is_blank(text: str) -> bool:
    return not text.strip(" \t")


def _repeats(parts: Sequence[str], before: str, rest: str, lines: Sequence[str], row: int) -> bool:
    first, *more = parts
    if more and not first and more == list(lines[row + 1 : row + 1 + len(more)]):
        return True
    if not more and first == rest:
        return True
    below = row + 1
    while below < len(lines) - 1 and is_blank(lines[below]):
        below += 1
    if before + first != line_at(lines, below):
        return False
    if len(more) == 1:
        return line_at(lines, below + 1).startswith(more[0])
    return more == list(lines[below + 1 : below + 1 + len(more)])


def _suffix(rest: str, lines: Sequence[str], row: int) -> str:
    return f"{rest}\n" + "\n".join(lines[row + 1 : row + 1 + SUFFIX_LINES]) + "\n"


def _shared(extra: Iterable[Chunk]) -> dict[str, Any]:
    return {
        "id_slot": 0,
        "model": "",
        "input_extra": [{"text": chunk.text, "filename": chunk.filename} for chunk in extra],
        "stream": False,
        "cache_prompt": True,
    }
