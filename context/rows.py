"""The rows of training pairs: one edit to make next, or one piece of code to fill in.

A row is one line of JSON, an object with `schema` (the version, 1), `kind` ("edit" or "fim"), `id`, and the fields of
`EditRow` or `FimRow` by their names (`label` is called "class"); a tuple is a list, nothing may be left out and nothing
else may be there. Places are 0-based lines with the end exclusive; lines have no terminators. Reading checks all of
that. Knows neither where rows come from (`mining/`) nor how a prompt spells them (`model/`).
"""

from __future__ import annotations

import hashlib
import json
import types
import typing
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, cached_property
from typing import Any, Literal

SCHEMA = 1

# What an edit row teaches: an edit that follows from the history; that none does; the fix of a diagnostic; one place of
# a rename that a whole commit consists of.
Label = Literal["edit", "no_edit", "lint", "rename"]
# How a hole was cut: in one line (a whole one has its line break), over several whole ones, anywhere.
Mode = Literal["single", "multi", "span"]


class RowError(ValueError):
    """A line is no row of this version of the schema. The message says what is wrong with it."""


@dataclass(frozen=True)
class Diff:
    """A change of `path`: hunks of a unified diff without file names, as `context.history.DiffEvent.diff` has them."""

    path: str
    diff: str


@dataclass(frozen=True)
class Window:
    """Lines of a file's present text, from `start` on."""

    path: str
    start: int
    lines: tuple[str, ...]

    @property
    def stop(self) -> int:
        return self.start + len(self.lines)


@dataclass(frozen=True)
class Target:
    """What should be done: the lines `start` to `stop` of the window's file, none where they are equal, give way to
    `lines`."""

    start: int
    stop: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Diagnostic:
    """What a linter or compiler says of a line of the present text. `source` is its name, `code` the rule's."""

    path: str
    line: int
    source: str
    code: str
    message: str


@dataclass(frozen=True)
class Excerpt:
    """Text of another file that a prompt may show: a signature, a snippet."""

    path: str
    text: str


@dataclass(frozen=True)
class Origin:
    """Where a row comes from. `repository` is a name, `commit` a digest, `time` the author's in seconds since 1970,
    `licence` an SPDX identifier, `path` the file that is edited or filled in, `language` a name of
    `context.languages`. `why` says, for people, how the row came to be kept."""

    repository: str
    commit: str
    time: int
    licence: str
    path: str
    language: str
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class EditRow:
    """What to do next. `history` holds the edits made so far, oldest first; with `half_typed` the last of them has only
    begun and the target goes on with it. The window's text has all of them applied. `target` is None where there is
    nothing to do. `related` are signatures from other files, put in by a second pass.
    """

    origin: Origin
    label: Label
    history: tuple[Diff, ...]
    half_typed: bool
    window: Window
    target: Target | None
    diagnostics: tuple[Diagnostic, ...] = ()
    related: tuple[Excerpt, ...] = ()

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits of what the row says, the same whatever `why` says and a second pass puts in."""
        return _digest("edit", self, ("related",))

    def check(self) -> None:
        """Raises `RowError` where the fields do not fit each other."""
        window, target = self.window, self.target
        if (target is None) != (self.label == "no_edit"):
            raise RowError(f"class {self.label!r} {'without' if target is None else 'with'} a target")
        if target and not window.start <= target.start <= target.stop <= window.stop:
            raise RowError(f"target {target.start}..{target.stop} is not in window {window.start}..{window.stop}")
        if target and window.lines[target.start - window.start : target.stop - window.start] == target.lines:
            raise RowError("the target changes nothing")
        if self.half_typed and not self.history:
            raise RowError("half typed, but without a history")
        if window.path != self.origin.path:
            raise RowError(f"window of {window.path}, row of {self.origin.path}")
        if any("\n" in line for line in (*window.lines, *(target.lines if target else ()))):
            raise RowError("a line with a line break")


@dataclass(frozen=True)
class FimRow:
    """What to fill in: `prefix` + `middle` + `suffix` is a piece of the file's text after the commit. `files` are texts
    from other files, put in by a second pass."""

    origin: Origin
    mode: Mode
    prefix: str
    middle: str
    suffix: str
    files: tuple[Excerpt, ...] = ()

    @cached_property
    def id(self) -> str:
        """As of an `EditRow`."""
        return _digest("fim", self, ("files",))

    def check(self) -> None:
        """Raises `RowError` where the fields do not fit each other."""
        if not self.middle:
            raise RowError("nothing to fill in")
        if self.mode == "single" and "\n" in self.middle[:-1]:
            raise RowError("a single line with a line break in it")


Row = EditRow | FimRow
_KINDS: dict[str, type[EditRow] | type[FimRow]] = {"edit": EditRow, "fim": FimRow}
_JSON_NAMES = {"label": "class"}


def to_json(row: Row) -> str:
    """A row as one line, in ASCII, without its newline; the same row gives the same line."""
    kind = "edit" if isinstance(row, EditRow) else "fim"
    return json.dumps({"schema": SCHEMA, "kind": kind, "id": row.id, **_plain(row)}, separators=(",", ":"))


def from_json(line: str | bytes) -> Row:
    """The row that a line holds. Raises `RowError`."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowError(f"not JSON: {error}") from error
    if not isinstance(data, dict):
        raise RowError("not a JSON object")
    schema, kind, said = (data.pop(name, None) for name in ("schema", "kind", "id"))
    if schema != SCHEMA:
        raise RowError(f"schema {schema!r}; this version reads {SCHEMA}: mine the repositories again")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise RowError(f"kind {kind!r} is none of {', '.join(_KINDS)}")
    row: Row = _read(_KINDS[kind], data, "")
    row.check()
    if row.id != said:
        raise RowError(f"id {said!r}, but what the row says has {row.id!r}: it was changed or cut")
    return row


def _digest(kind: str, row: Row, without: tuple[str, ...]) -> str:
    data = _plain(row)
    data["origin"] = {name: value for name, value in data["origin"].items() if name != "why"}
    said = [kind, *(value for name, value in data.items() if name not in without)]
    return hashlib.sha256(json.dumps(said, separators=(",", ":"), sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        kind: Any = type(value)
        return {_JSON_NAMES.get(name, name): _plain(getattr(value, name)) for name, _ in _fields(kind)}
    return value


def _read(kind: Any, value: Any, where: str) -> Any:
    """A value of JSON as the type `kind`: a dataclass, a tuple of any length, a literal, an optional, a plain type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        return _read_object(typing.cast(type, kind), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise RowError(f"{where} is {_shown(value)}, not a list")
        return tuple(_read(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is Literal:
        if value not in arguments:
            raise RowError(f"{where} is {_shown(value)}, none of {', '.join(map(repr, arguments))}")
        return value
    if origin is types.UnionType:
        return None if value is None else _read(arguments[0], value, where)
    if type(value) is not kind:
        raise RowError(f"{where} is {_shown(value)}, not of type {kind.__name__}")
    return value


def _read_object(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise RowError(f"{where} is {_shown(value)}, not an object")
    dot = f"{where}." if where else ""
    names = {_JSON_NAMES.get(name, name): (name, hint) for name, hint in _fields(kind)}
    if missing := [name for name in names if name not in value]:
        raise RowError(f"{dot}{missing[0]} is missing")
    if unknown := [name for name in value if name not in names]:
        raise RowError(f"{dot}{_shown(unknown[0])[1:-1]} is unknown")
    return kind(**{name: _read(hint, value[said], dot + said) for said, (name, hint) in names.items()})


@cache
def _fields(kind: type) -> tuple[tuple[str, Any], ...]:
    """Names and types of a dataclass's fields."""
    hints = typing.get_type_hints(kind)
    return tuple((field.name, hints[field.name]) for field in fields(kind))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
