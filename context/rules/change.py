"""What edits did to symbols: renamed, given other parameters, added, removed, moved to another file.

Both texts are parsed; what the changed lines declare before and after is paired by kind, by what it is inside of, and
by what is left when the names are taken out. So a definition that was renamed is told from one that went while another
one came, and the renaming of a mere use is none at all. Knows the edited files alone, not who uses the symbols.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tree_sitter import Node

from foretype.context import languages
from foretype.context.next_edit import EditedFile
from foretype.context.rules import declared, scopes, trees
from foretype.context.rules.declared import Parameter, Symbol
from foretype.context.rules.trees import Parsed
from foretype.context.text import split_lines

_MOST_LINES = 600  # changed at once, of either side; beyond, nobody edited that by hand
_MOST_TOKENS = 600  # of a definition, that are compared
_ALIKE = 0.6  # of the lines of a body, for two definitions to be one that was renamed
_WORD = re.compile(rb"[A-Za-z_$#\x80-\xff][\w$\x80-\xff]*")
_MANY = ("function", "method", "class", "type")
_STABLE = ("function", "method", "class", "type", "constant", "field", "member")

Hunk = tuple[int, int, int, int]  # lines from, to of the text before; from, to of the text after


@dataclass(frozen=True)
class ParameterChange:
    """What became of one parameter; the indices are its places in the lists before and after, -1 where it is not."""

    kind: Literal["added", "removed", "renamed", "moved", "changed"]
    before: Parameter | None
    after: Parameter | None
    old_index: int
    new_index: int


@dataclass(frozen=True)
class SymbolChange:
    """`path` is the file that has the symbol now; a moved symbol was in `before.path`. `parameters` are those that are
    not what they were, of a symbol that was resigned."""

    kind: Literal["renamed", "resigned", "added", "removed", "moved"]
    path: str
    language: str
    before: Symbol | None
    after: Symbol | None
    parameters: tuple[ParameterChange, ...] = ()

    @property
    def name(self) -> str:
        """What the symbol was called before, or is now where it was not there."""
        symbol = self.before or self.after
        return symbol.name if symbol else ""


def symbol_changes(edited: Sequence[EditedFile]) -> tuple[SymbolChange, ...]:
    """The changes of all symbols that the edits touched; in each file types first, then in the order of the text."""
    found: list[SymbolChange] = []
    for file in edited:
        before, after = parsed(file, file.before), parsed(file, file.after)
        if before is not None and after is not None and file.before != file.after:
            found += _changes(file, before, after)
    return tuple(_moves(found, {file.path: file for file in edited}))


def parsed(file: EditedFile, text: str) -> Parsed | None:
    """One of the texts of an edited file as a tree, None without a grammar."""
    language = languages.find(file.language, file.path)
    return trees.parse(file.path, text.encode("utf-8", "replace"), language) if language else None


def hunks(before: str, after: str) -> list[Hunk]:
    """The lines that differ."""
    old, new = split_lines(before), split_lines(after)
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    tail = next((at for at in range(shorter - head) if old[-1 - at] != new[-1 - at]), shorter - head)
    middle, other = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(middle), len(other)) > _MOST_LINES:
        return [(head, len(old) - tail, head, len(new) - tail)]
    rows = difflib.SequenceMatcher(None, middle, other, autojunk=False).get_opcodes()
    return [(head + a, head + b, head + c, head + d) for tag, a, b, c, d in rows if tag != "equal"]


def aligned(old: Sequence[Parameter], new: Sequence[Parameter]) -> tuple[ParameterChange, ...]:
    """What became of parameters: those of one name are one; of the others, those are renamed that are at one place and
    alike but for their name, as far as nothing else can have become of them."""
    was = [row.name for row in old]
    pairs = {was.index(row.name): at for at, row in enumerate(new) if row.name and row.name in was}
    gone = [at for at in range(len(old)) if at not in pairs]
    come = [at for at in range(len(new)) if at not in pairs.values()]
    if sorted(pairs.values()) == [pairs[at] for at in sorted(pairs)]:
        for at in gone:
            others = [old[other] for other in gone if other != at]
            if at in come and _alike(old[at], new[at], others, sure=len(old) == len(new)):
                pairs[at] = at
                come.remove(at)
    gone = [at for at in gone if at not in pairs]
    changes = [ParameterChange("removed", old[at], None, at, -1) for at in gone]
    changes += [ParameterChange("added", None, new[at], -1, at) for at in come]
    order = sorted(pairs)
    ranks = {at: rank for rank, at in enumerate(sorted(pairs.values()))}
    for rank, at in enumerate(order):
        one, other = old[at], new[pairs[at]]
        if one.name != other.name:
            changes.append(ParameterChange("renamed", one, other, at, pairs[at]))
        elif one != other:
            changes.append(ParameterChange("changed", one, other, at, pairs[at]))
        if ranks[pairs[at]] != rank:
            changes.append(ParameterChange("moved", one, other, at, pairs[at]))
    return tuple(changes)


def _alike(old: Parameter, new: Parameter, others: Sequence[Parameter], sure: bool) -> bool:
    """Whether two parameters at one place are one: where parameters came or went beside them, or `others` that look the
    same lost their names too, more than the place must say so."""
    if _looks(old) != _looks(new):
        return False
    return (sure and _looks(old) not in map(_looks, others)) or bool(_parts(old.name) & _parts(new.name))


def _looks(parameter: Parameter) -> tuple[str, str, str]:
    return parameter.form, parameter.default, parameter.annotation


def _parts(name: str) -> set[str]:
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)}


def _changes(file: EditedFile, before: Parsed, after: Parsed) -> Iterator[SymbolChange]:
    rows = hunks(file.before, file.after)
    if sum(max(b - a, d - c) for a, b, c, d in rows) > _MOST_LINES:
        return
    sides = [(_declared(before, a, b), _declared(after, c, d)) for a, b, c, d in rows]
    renamed = [pair for old, new in sides for pair in _renamed(before, after, old, new)]
    renamed = [pair for pair in renamed if not _was_there(before, *pair)]
    old = [row for side, _ in sides for row in side]
    new = [row for _, side in sides for row in side]
    resigned = list(_resigned(file, before, after, old, new, renamed))
    renamed = [pair for pair in renamed if not _may_be_new(pair[1], resigned)]
    kept = {other.name for _, other in renamed}
    yield from (SymbolChange("renamed", file.path, after.language.name, *pair) for pair in renamed)
    for change in resigned:
        if change.before and change.after and (change.before.name == change.after.name or change.after.name in kept):
            yield change
            yield from _renamed_parameters(change, before, after)
    taken = {(row.start, row.name) for row, _ in renamed}, {(row.start, row.name) for _, row in renamed}
    for row in old:
        if row.kind in _STABLE and (row.start, row.name) not in taken[0] and _find(after, row) is None:
            yield SymbolChange("removed", file.path, after.language.name, row, None)
    for row in new:
        if row.kind in _STABLE and (row.start, row.name) not in taken[1] and _find(before, row) is None:
            yield SymbolChange("added", file.path, after.language.name, None, row)


def _may_be_new(row: Symbol, resigned: Sequence[SymbolChange]) -> bool:
    """Whether a definition that was renamed, or its constructor, lost a parameter as well: so begins a new one that is
    made out of an old one, whose callers keep what they call."""
    mine = [
        change
        for change in resigned
        if change.after and _dotted(row) in (change.after.container, _dotted(change.after))
    ]
    return any(part.kind == "removed" for change in mine for part in change.parameters)


def _dotted(row: Symbol) -> str:
    return f"{row.container}.{row.name}".strip(".")


def _declared(file: Parsed, first: int, last: int) -> list[Symbol]:
    """What the lines declare."""
    rules = scopes.names_of(file.language.name)
    start, end = file.line_start(first), file.line_start(last)
    found = []
    for word in _WORD.finditer(file.source, start, end) if rules else ():
        spot = file.spot(word.start(), word.end())
        mention = rules.mention(spot) if rules and spot is not None else None
        if mention is not None and (row := declared.symbol(file, mention)) is not None:
            found.append(row)
    return found


def _renamed(
    before: Parsed, after: Parsed, old: Sequence[Symbol], new: Sequence[Symbol]
) -> Iterator[tuple[Symbol, Symbol]]:
    """Pairs of what went and what came in one hunk that are the same but for the name."""
    kept = {(row.kind, row.name) for row in old} & {(row.kind, row.name) for row in new}
    gone = [row for row in old if (row.kind, row.name) not in kept]
    come = [row for row in new if (row.kind, row.name) not in kept]
    functions = {row.name for row in (*old, *new) if row.parameters is not None}
    names: dict[str, str] = {}
    for row in gone:
        if row.kind == "parameter" and row.container.rpartition(".")[2] in functions:
            continue  # of a function with a name: its list is aligned as a whole
        candidates = [other for other in come if other.kind == row.kind and _inside_same(row, other, names)]
        # the nearest by place among those that went and came
        candidates.sort(key=lambda other: abs(_rank(other, new) - _rank(row, old)))
        for other in candidates:
            if names.get(row.name, other.name) == other.name and _same(before, after, row, other, names):
                names[row.name] = other.name
                come.remove(other)
                yield row, other
                break


def _rank(row: Symbol, rows: Sequence[Symbol]) -> int:
    return [other for other in rows if other.kind == row.kind].index(row)


def _inside_same(old: Symbol, new: Symbol, names: dict[str, str]) -> bool:
    return [names.get(part, part) for part in old.container.split(".")] == new.container.split(".")


def _same(before: Parsed, after: Parsed, old: Symbol, new: Symbol, names: dict[str, str]) -> bool:
    """Whether two declarations are one, but for the names."""
    words = {**names, old.name: new.name}
    if old.kind in _MANY:
        other = _whole(after, new, {})
        return any(_are_alike(_whole(before, old, some), other) for some in (words, {old.name: old.name}))
    if old.kind == "parameter":
        return _put(_line(before, old.line), words) == _line(after, new.line)
    one, other = _statement(before, old), _statement(after, new)
    return other.split() in [_put(one, some).split() for some in ({}, names, words)]


def _whole(file: Parsed, row: Symbol, words: dict[str, str]) -> str:
    """All of a declaration without its name, and with other words."""
    source = file.source
    return _put(
        (source[row.first : row.start] + b" \0 " + source[row.end : row.last]).decode("utf-8", "replace"), words
    )


def _are_alike(one: str, other: str) -> bool:
    """Whether two definitions are one, but for their parameters and a few words."""
    if one.split() == other.split():
        return True
    bodies = _body(one), _body(other)
    if not bodies[0].strip() or not bodies[1].strip():
        return False
    ratio = difflib.SequenceMatcher(None, _tokens(bodies[0]), _tokens(bodies[1]), autojunk=False).ratio()
    return ratio >= _ALIKE


def _body(text: str) -> str:
    """The lines of a definition behind its first, or what is behind the header of one that is one line."""
    head, _, rest = text.partition("\n")
    return rest if rest.strip() else head.partition(":")[2] or head.partition("{")[2]


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)[:_MOST_TOKENS]


def _statement(file: Parsed, row: Symbol) -> str:
    """The lines of a declaration, without the block that may follow and without its name."""
    last = row.last if file.source[row.first : row.last].count(b"\n") < 3 else file.line_start(row.line + 1)
    first = min(row.first, file.line_start(row.line))
    return (file.source[first : row.start] + b" \0 " + file.source[row.end : last]).decode("utf-8", "replace")


def _line(file: Parsed, line: int) -> str:
    return file.lines[line].decode("utf-8", "replace").strip()


def _put(text: str, words: dict[str, str]) -> str:
    if not words:
        return text
    pattern = "|".join(map(re.escape, words))
    return re.sub(rf"(?<![\w$])(?:{pattern})(?![\w$])", lambda found: words[found[0]], text)


def _was_there(before: Parsed, old: Symbol, new: Symbol) -> bool:
    """Whether something had the new name already where the old one was declared."""
    return any(
        (row := declared.symbol(before, mention)) is not None
        and row.container == old.container
        and row.kind != "import"
        for mention in scopes.mentions(before, new.name)
    )


def _find(file: Parsed, wanted: Symbol, container: str | None = None, name: str | None = None) -> Symbol | None:
    """The symbol of this kind in another text of its file."""
    around = wanted.container if container is None else container
    for mention in scopes.mentions(file, name or wanted.name):
        if mention.role in ("bind", "declare", "member"):
            row = declared.symbol(file, mention)
            if row is not None and row.container == around and (row.kind == wanted.kind or row.kind in _MANY):
                return row
    return None


def _resigned(
    file: EditedFile,
    before: Parsed,
    after: Parsed,
    old: Sequence[Symbol],
    new: Sequence[Symbol],
    renamed: Sequence[tuple[Symbol, Symbol]],
) -> Iterator[SymbolChange]:
    """The functions, of those that the edits touched, whose parameters are not what they were."""
    names = {row.name: other.name for row, other in renamed if row.kind != "parameter"}
    back = {other: row for row, other in names.items()}
    touched = [(row, before, after, names) for row in old] + [(row, after, before, back) for row in new]
    seen: set[int] = set()
    for row, here, there, words in touched:
        dotted = row.container if row.kind == "parameter" else _dotted(row)
        mine = _functions(here, dotted) if row.kind == "parameter" or row.parameters is not None else []
        at = next((at for at, function in enumerate(mine) if function.first <= row.start < function.last), -1)
        others = _functions(there, ".".join(words.get(part, part) for part in dotted.split("."))) or (
            _functions(there, dotted) if at >= 0 else []
        )
        if at < 0 or len(others) != len(mine):  # one of several of one name came or went
            continue
        was, now = (mine[at], others[at]) if here is before else (others[at], mine[at])
        if now.start in seen or was.parameters is None or now.parameters is None:
            continue
        seen.add(now.start)
        if changes := aligned(was.parameters, now.parameters):
            yield SymbolChange("resigned", file.path, after.language.name, was, now, changes)


def _functions(file: Parsed, dotted: str) -> list[Symbol]:
    around, _, name = dotted.rpartition(".")
    rows = (
        declared.symbol(file, mention) for mention in scopes.mentions(file, name) if mention.role in ("bind", "declare")
    )
    return [row for row in rows if row is not None and row.container == around and row.parameters is not None]


def _renamed_parameters(change: SymbolChange, before: Parsed, after: Parsed) -> Iterator[SymbolChange]:
    for row in change.parameters:
        if row.kind == "renamed" and row.before and row.after and change.before and change.after:
            old, new = _parameter(before, change.before, row.before), _parameter(after, change.after, row.after)
            if old and new and not scopes.bindings(before, new.name, _scope(before, old)):
                yield replace(change, kind="renamed", before=old, after=new, parameters=())


def _parameter(file: Parsed, function: Symbol, wanted: Parameter) -> Symbol | None:
    for mention in scopes.mentions(file, wanted.name):
        if mention.role == "bind" and function.start <= mention.node.start_byte < function.last:
            row = declared.symbol(file, mention)
            if row is not None and row.kind == "parameter":
                return row
    return None


def _scope(file: Parsed, row: Symbol) -> Node:
    found = (mention.scope for mention in scopes.mentions(file, row.name) if mention.node.start_byte == row.start)
    return next(found, None) or file.root


def _moves(changes: list[SymbolChange], files: dict[str, EditedFile]) -> Iterator[SymbolChange]:
    """The changes, what went from one file and came to another as one."""
    gone = {(row.before.kind, row.before.name): row for row in changes if row.kind == "removed" and row.before}
    moved: set[int] = set()
    for at, row in enumerate(changes):
        other = gone.get((row.after.kind, row.after.name)) if row.kind == "added" and row.after else None
        if other is None or other.path == row.path or other.before is None or row.after is None:
            continue
        if row.after.container or other.before.container or not _same_text(files, other.before, row.after):
            continue
        moved |= {at, changes.index(other)}
        yield replace(row, kind="moved", before=other.before)
    yield from (row for at, row in enumerate(changes) if at not in moved)


def _same_text(files: dict[str, EditedFile], old: Symbol, new: Symbol) -> bool:
    one = files[old.path].before.encode("utf-8", "replace")[old.first : old.last].decode("utf-8", "replace")
    other = files[new.path].after.encode("utf-8", "replace")[new.first : new.last].decode("utf-8", "replace")
    return difflib.SequenceMatcher(None, _tokens(one), _tokens(other), autojunk=False).ratio() >= _ALIKE
