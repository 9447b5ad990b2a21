"""A document as whoever types into it sees it: lines, places, one change at a time.

Lines end in "\\n" and nothing else; `line` and `column` are 0-based, `column` in characters. Knows no protocol.
"""

from __future__ import annotations


class Buffer:
    """`lines` are without their terminators; there is always at least one."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def change(self, line: int, column: int, removed: str, inserted: str) -> None:
        """At a place, `removed` gives way to `inserted`. Raises ValueError where something else stands there."""
        gone = removed.split("\n")
        last = line + len(gone) - 1
        old = "\n".join(self.lines[line : last + 1])
        if old[column : column + len(removed)] != removed or column > len(self.lines[line]):
            raise ValueError(f"what is to be removed is not at line {line}, column {column}")
        new = old[:column] + inserted + old[column + len(removed) :]
        self.lines[line : last + 1] = new.split("\n")

    def split_at(self, line: int, column: int) -> tuple[str, str]:
        """The text before and after a place."""
        here = self.lines[line]
        return "\n".join([*self.lines[:line], here[:column]]), "\n".join([here[column:], *self.lines[line + 1 :]])


def behind(line: int, column: int, text: str) -> tuple[int, int]:
    """The place at the end of `text`, which begins at a place."""
    newlines = text.count("\n")
    return line + newlines, len(text) - text.rfind("\n") - 1 if newlines else column + len(text)
