"""What each occurrence of a name in a file is: a binding, a use and of which binding, a member of something, a keyword.

Since only occurrences of a name can bind it, one name is resolved without a look at any other: its spots
(`trees.py`) are read by the rules of their language, and each bare use goes to the innermost scope around it
that binds the name. What comes in unnamed (`from m import *`, inheritance, a global of another file) is bound nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol, cast

from tree_sitter import Node

from foretype.context.rules import ecmascript_names, go_names, java_names, python_names, rust_names
from foretype.context.rules.mentions import Mention
from foretype.context.rules.trees import Parsed, Spot


class Names(Protocol):
    """How a language names things. `CLASSES` hold members, `FUNCTIONS` have parameters, `IMPORTS` are statements."""

    CLASSES: tuple[str, ...]
    FUNCTIONS: tuple[str, ...]
    IMPORTS: tuple[str, ...]

    def mention(self, spot: Spot) -> Mention | None: ...
    def around(self, spot: Spot) -> Iterator[Node]: ...


_NAMES: dict[str, Names] = {
    "python": cast(Names, python_names),
    "javascript": cast(Names, ecmascript_names),
    "typescript": cast(Names, ecmascript_names),
    "tsx": cast(Names, ecmascript_names),
    "go": cast(Names, go_names),
    "java": cast(Names, java_names),
    "rust": cast(Names, rust_names),
}


def names_of(language: str) -> Names | None:
    """The rules of a language, None where there are none."""
    return _NAMES.get(language)


def mentions(file: Parsed, name: str) -> tuple[Mention, ...]:
    """All occurrences of a name in the code of a file, in order, the bare ones with the scope that binds them."""
    key = "mentions", name
    if key not in file.notes:
        file.notes[key] = _mentions(file, name)
    found: tuple[Mention, ...] = file.notes[key]
    return found


def _mentions(file: Parsed, name: str) -> tuple[Mention, ...]:
    rules = names_of(file.language.name)
    if rules is None:
        return ()
    found = [read for spot in file.spots(name) if (read := rules.mention(spot)) is not None]
    bound: dict[int, list[Mention]] = {}
    for row in found:
        if row.role in ("bind", "import") and row.scope is not None:
            bound.setdefault(row.scope.id, []).append(row)
    if any(python_names.redirected(row.spot) for row in found):
        found = _redirected(found, bound)
    return tuple(_resolved(row, rules, bound) if row.role == "read" else row for row in found)


def home(file: Parsed, spot: Spot) -> Node | None:
    """The scope that binds the bare name at a spot, None if nothing in the file does."""
    found = (row for row in mentions(file, file.text(spot.node)) if row.node.start_byte == spot.node.start_byte)
    return next((row.scope for row in found), None)


def bindings(file: Parsed, name: str, scope: Node) -> tuple[Mention, ...]:
    """The occurrences that bind a name in a scope."""
    rows = mentions(file, name)
    return tuple(row for row in rows if row.role in ("bind", "import") and row.scope == scope)


def _resolved(row: Mention, rules: Names, bound: dict[int, list[Mention]]) -> Mention:
    start = row.node.start_byte
    for scope in rules.around(row.spot):
        if any(binding.since <= start for binding in bound.get(scope.id, ())):
            return replace(row, scope=scope)
    return row


def _redirected(found: list[Mention], bound: dict[int, list[Mention]]) -> list[Mention]:
    """With `global` and `nonlocal`, what their function binds is of the scope that they speak of."""
    elsewhere: dict[int, Node] = {}
    for row in found:
        if python_names.redirected(row.spot):
            scopes = list(python_names.around(row.spot))
            outer = scopes[-1:] if row.spot.type(1) == "global_statement" else scopes[1:]
            if scopes and (to := next((at for at in outer if at.id in bound), None)):
                elsewhere[scopes[0].id] = to
    for here, to in elsewhere.items():
        bound.setdefault(to.id, []).extend(bound.pop(here, []))
    return [
        replace(row, scope=elsewhere[row.scope.id])
        if row.role in ("bind", "import") and row.scope is not None and row.scope.id in elsewhere
        else row
        for row in found
    ]
