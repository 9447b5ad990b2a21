"""The file of a renamed definition with the former name at it, so that its uses are bound as before the rename."""

from __future__ import annotations

from dataclasses import dataclass

from foretype.context import languages
from foretype.context.rules import trees
from foretype.context.rules.declared import Symbol
from foretype.context.rules.trees import Parsed
from foretype.context.rules.view import View


@dataclass(frozen=True)
class Former:
    """`view` is the workspace with `file` in it; what lies behind byte `at` of it is `shift` bytes on at present."""

    view: View
    file: Parsed
    at: int
    shift: int

    def present(self, file: Parsed, offset: int) -> int:
        """Where a byte of a file is in its present text."""
        return offset + self.shift if file is self.file and offset > self.at else offset


def former(view: View, old: Symbol, new: Symbol) -> Former | None:
    """The workspace before `old` became `new`, but for whatever else was edited."""
    present = view.file(new.path)
    language = languages.find("", new.path)
    if present is None or language is None:
        return None
    name = old.name.encode("utf-8", "replace")
    file = trees.parse(new.path, present.source[: new.start] + name + present.source[new.end :], language)
    if file is None:
        return None
    return Former(view.with_instead(file), file, new.start, new.end - new.start - len(name))
