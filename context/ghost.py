"""Ghost text on a terminal: a line of code, and in it, set apart, what is suggested at the cursor.

Where a terminal shows colours the suggestion is dim, elsewhere it stands between `⟨` and `⟩`. Knows text only.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO

_TAB = 4


def drawn(before: str, suggested: str, after: str = "", colours: bool = False) -> list[str]:
    """The lines that an editor would show; `before` and `after` are the parts of the cursor's line around it."""
    ghost = [plain(line) for line in suggested.splitlines() or [""]]
    if colours:
        ghost = [dim(line) for line in ghost]
    else:
        ghost[0] = f"⟨{ghost[0]}"
        ghost[-1] = f"{ghost[-1]}⟩"
    ghost[0] = plain(before) + ghost[0]
    ghost[-1] += plain(after)
    return ghost


def numbered(lines: Sequence[str], at: int, here: Sequence[str], above: int = 2, below: int = 1) -> list[str]:
    """Lines of a file with their numbers, `here` in the place of `lines[at]`; what `here` has more has no number."""
    rows = [(str(n + 1), plain(lines[n])) for n in range(max(0, at - above), at)]
    rows += [(str(at + 1), here[0]), *(("", line) for line in here[1:])]
    rows += [(str(n + 1), plain(lines[n])) for n in range(at + 1, min(len(lines), at + 1 + below))]
    return [f"{number:>5} │ {text}".rstrip() for number, text in rows]


def dim(text: str) -> str:
    return f"\x1b[2;3m{text}\x1b[0m" if text else ""


def bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m"


def plain(text: str) -> str:
    """What a terminal may be given: tabs as spaces, no line break, and control characters, which could be commands to
    it, as `�`."""
    return "".join(char if char.isprintable() else "�" for char in text.rstrip("\r\n").expandtabs(_TAB))


def has_colours(stream: TextIO) -> bool:
    """Whether the stream is a terminal that shows colours, and its user wants them (https://no-color.org)."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return os.name != "nt" or bool(os.environ.get("WT_SESSION") or os.environ.get("TERM_PROGRAM"))


def write(text: str, stream: TextIO) -> None:
    """Writes text, `?` for each character that the stream cannot encode."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()
