"""The arguments of a call, bound to the parameters of a function as it was, and written for it as it is.

What is not changed keeps its text, place and style: an argument given by name stays so, and a list of one argument a
line stays one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tree_sitter import Node

from foretype.context.rules.declared import Parameter
from foretype.context.rules.trees import Parsed, Spot

_CALLS = {
    "call": "function",
    "call_expression": "function",
    "new_expression": "constructor",
    "method_invocation": "name",
    "object_creation_expression": "type",
}
_SPREADS = ("list_splat", "dictionary_splat", "spread_element", "variadic_argument")


@dataclass(frozen=True)
class Argument:
    """Bytes `start` to `end`; `name` is "" for one given by its place, `value` the text without the name."""

    start: int
    end: int
    name: str
    value: str
    holds_code: bool = False

    @property
    def text(self) -> str:
        return f"{self.name}={self.value}" if self.name else self.value


@dataclass(frozen=True)
class Call:
    """A call with its arguments in order; `start` and `end` are the bytes within its parentheses."""

    node: Node
    start: int
    end: int
    arguments: tuple[Argument, ...]


def call_of(file: Parsed, spot: Spot) -> Call | None:
    """The call of what a name stands for, None where it is not called or its arguments are not to be told apart."""
    height = 1
    while spot.field(height - 1) in ("attribute", "property", "field") and height + 1 < len(spot.nodes):
        height += 1
    node = spot.nodes[height] if height < len(spot.nodes) else None
    if node is None or spot.field(height - 1) != _CALLS.get(node.type):
        return None
    listed = node.child_by_field_name("arguments")
    if listed is None or listed.type not in ("argument_list", "arguments"):
        return None
    found = []
    for child in listed.named_children:
        if child.type in _SPREADS:
            return None
        if child.type == "comment":
            continue
        name, value = child.child_by_field_name("name"), child.child_by_field_name("value")
        if child.type == "keyword_argument" and name is not None and value is not None:
            found.append(Argument(child.start_byte, child.end_byte, file.text(name), file.text(value), _is_code(value)))
        else:
            found.append(Argument(child.start_byte, child.end_byte, "", file.text(child), _is_code(child)))
    if any(child.type == "..." for child in listed.children):
        return None
    return Call(node, listed.start_byte + 1, listed.end_byte - 1, tuple(found))


def bound(call: Call, parameters: Sequence[Parameter]) -> dict[int, Argument] | None:
    """The arguments by the indices of their parameters, those that a rest takes by indices from the number of
    parameters on; None where the call does not fit."""
    found: dict[int, Argument] = {}
    by_place = [at for at, row in enumerate(parameters) if row.form in ("plain", "positional", "pattern")]
    by_name = {row.name: at for at, row in enumerate(parameters) if row.form in ("plain", "keyword")}
    forms = [row.form for row in parameters]
    extra = len(parameters)
    for at, argument in enumerate(row for row in call.arguments if not row.name):
        if at < len(by_place):
            found[by_place[at]] = argument
        elif "rest" in forms:
            found[extra] = argument
            extra += 1
        else:
            return None
    for argument in (row for row in call.arguments if row.name):
        place = by_name.get(argument.name)
        if place is not None and place not in found:
            found[place] = argument
        elif "keywords" in forms and place is None:
            found[extra] = argument
            extra += 1
        else:
            return None
    missing = any(row.needed and at not in found for at, row in enumerate(parameters))
    return None if missing else found


def written(
    call: Call,
    old: Sequence[Parameter],
    new: Sequence[Parameter],
    pairs: Mapping[int, int],
    known: Callable[[Parameter], str],
    by_name: bool,
) -> list[str] | None:
    """The texts of the arguments for `new`, of a call that fits `old`; `pairs` are the indices of what stayed.

    `known` gives the text for a parameter that came and must be given, "" if there is none. None where something is not
    known, or cannot be said because the language has no arguments `by_name`.
    """
    given = bound(call, old)
    if given is None:
        return None
    came_from = {after: before for before, after in pairs.items()}
    places: list[str] = []
    named: dict[str, str] = {}
    open_ended = True  # whether the next one may be given by its place
    prefers_names = bool(call.arguments) and all(row.name for row in call.arguments)
    added: list[str] = []
    for at, parameter in enumerate(new):
        if parameter.form in ("rest", "keywords"):
            continue
        argument = given.get(came_from[at]) if at in came_from else None
        if argument is None:
            if at in came_from and not parameter.needed:
                open_ended = False
                continue
            if at not in came_from and not parameter.needed:
                open_ended = False
                continue
            text = known(parameter) if at not in came_from else ""
            if not text:
                return None
            named_style = prefers_names or parameter.form == "keyword" or not open_ended
        else:
            text = argument.value
            named_style = bool(argument.name) or parameter.form == "keyword" or not open_ended
        if parameter.form in ("positional", "pattern"):
            if not open_ended:
                return None
            named_style = False
        if named_style:
            if not by_name:
                return None
            named[parameter.name] = text
            open_ended = False
            added += [parameter.name] if argument is None or not argument.name else []
        else:
            places.append(text)
    rest = [row for at, row in sorted(given.items()) if at >= len(old)]
    extra = [row.text for row in rest if not row.name]
    if extra and (not open_ended or not any(row.form == "rest" for row in new)):
        return None
    return [*places, *extra, *_by_name(call, old, new, pairs, named, added, rest)]


def _by_name(
    call: Call,
    old: Sequence[Parameter],
    new: Sequence[Parameter],
    pairs: Mapping[int, int],
    named: Mapping[str, str],
    added: Sequence[str],
    rest: Sequence[Argument],
) -> Iterator[str]:
    """The arguments by name: those that were by place, those that had a name as they stand, those that came."""
    names = {row.name: at for at, row in enumerate(old)}
    were_places = [name for name in added if any(row.name == name for row in (old[at] for at in pairs))]
    yield from (f"{name}={named[name]}" for name in were_places if name in named)
    for argument in (row for row in call.arguments if row.name):
        at = names.get(argument.name)
        if at is None:
            if argument in rest:
                yield argument.text
        elif at in pairs and new[pairs[at]].name in named:
            yield f"{new[pairs[at]].name}={named[new[pairs[at]].name]}"
    yield from (f"{name}={named[name]}" for name in added if name not in were_places)


def drops_code(call: Call, texts: Sequence[str]) -> bool:
    """Whether an argument that is not among the new texts holds a function, of which more than the place is lost."""
    gone = [row for row in call.arguments if row.holds_code]
    return any(not any(text.endswith(row.value) for text in texts) for row in gone)


def edits(file: Parsed, call: Call, texts: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """What makes the arguments of a call those texts: (start, end, text)."""
    rows = call.arguments
    if not rows:
        if texts:
            yield call.start, call.start, ", ".join(texts)
        return
    if not texts:
        around = file.source[call.start : rows[0].start] + file.source[rows[-1].end : call.end]
        alone = not around.replace(b",", b"").strip()  # no comments
        yield (call.start, call.end, "") if alone else (rows[0].start, rows[-1].end, "")
        return
    between = _separator(file, call)
    old = [row.text for row in rows]
    matcher = difflib.SequenceMatcher(None, old, list(texts), autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        shared = min(b - a, d - c)
        for at in range(shared):
            yield rows[a + at].start, rows[a + at].end, texts[c + at]
        if b - a > shared:
            first = a + shared
            if b < len(rows):
                yield rows[first].start, rows[b].start, ""
            else:
                yield (rows[first - 1].end if first else rows[0].start), rows[b - 1].end, ""
        elif d - c > shared:
            more = texts[c + shared : d]
            if b:
                yield rows[b - 1].end, rows[b - 1].end, "".join(between + text for text in more)
            else:
                yield rows[0].start, rows[0].start, "".join(text + between for text in more)


def _is_code(node: Node) -> bool:
    return node.type in ("arrow_function", "function_expression", "func_literal", "lambda")


def _separator(file: Parsed, call: Call) -> str:
    rows = call.arguments
    if len(rows) > 1:
        between = file.source[rows[-2].end : rows[-1].start]
        return between.decode("utf-8", "replace") if between.strip() == b"," else ", "
    lead = file.source[call.start : rows[0].start]
    return "," + lead.decode("utf-8", "replace") if not lead.strip() and b"\n" in lead else ", "
