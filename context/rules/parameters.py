"""The parameters of a function changed: its calls follow.

An argument whose parameter went goes, arguments follow the order and the names of their parameters, and what came and
must be given is given where the caller has a parameter or a variable of that name. Other calls, calls that spread a
list, functions that are passed on as values and overriding methods are left: what they need is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from foretype.context.rules import calls, member_uses, scopes, uses
from foretype.context.rules.calls import Call
from foretype.context.rules.change import SymbolChange
from foretype.context.rules.declared import Parameter, Symbol
from foretype.context.rules.former import former
from foretype.context.rules.mentions import Mention
from foretype.context.rules.patches import Outcome, Patch
from foretype.context.rules.receivers import Types
from foretype.context.rules.trees import Parsed
from foretype.context.rules.uses import Use
from foretype.context.rules.view import View

_CONSTRUCTORS = ("__init__", "constructor")
_HARMLESS = ("import", "bind", "declare", "quoted", "key", "keyword")
_NO_TYPES = Types({}, {})


def carried(view: View, change: SymbolChange, before: Parsed) -> Outcome:
    """What other parameters of a function call for."""
    old, new = change.before, change.after
    if old is None or new is None or old.parameters is None or new.parameters is None or not _matters(change):
        return Outcome()
    then = former(view, old, new) if new.name != old.name else None
    patches: list[Patch] = []
    left: list[tuple[str, int]] = []
    doubtful: list[tuple[str, int]] = []
    for look, symbol in ((view, new), (then.view, replace(old, start=new.start)) if then else (None, old)):
        if look is None:
            continue
        found, types, others = _uses(look, new.path, symbol)
        doubtful += others
        if _is_one_of_many(found, symbol):
            left += [(use.file.path, _line(use)) for use in found]
            continue
        for use in found:
            outcome = _carried(look, use, change, old, new, types)
            left += outcome.left
            for row in outcome.patches:
                places = row.start, row.end, row.whole
                start, end, whole = (then.present(use.file, at) for at in places) if then else places
                patches.append(replace(row, start=start, end=end, whole=whole))
    return Outcome(tuple(patches), tuple(dict.fromkeys(left)), doubtful=tuple(dict.fromkeys(doubtful)))


def _matters(change: SymbolChange) -> bool:
    """Whether there is a call that other parameters could make wrong."""
    for row in change.parameters:
        if row.kind == "changed" and row.before and row.after:
            if row.before.form != row.after.form or (row.after.needed and not row.before.needed):
                return True
        else:
            return True
    return False


def _is_one_of_many(found: Iterable[Use], new: Symbol) -> bool:
    """Whether the name is defined again in the same place, so that a call may mean either."""
    others = [
        use.mention
        for use in found
        if use.file.path == new.path
        and use.mention.role in ("bind", "declare")
        and use.mention.node.start_byte != new.start
    ]
    if new.kind == "method":
        own = [use.mention for use in found if use.file.path == new.path and use.mention.node.start_byte == new.start]
        return any(row.scope == mention.scope for row in others for mention in own if mention.role == "bind")
    return bool(others)


def _line(use: Use) -> int:
    return use.file.line(use.mention.node.start_byte)


def _uses(view: View, path: str, symbol: Symbol) -> tuple[tuple[Use, ...], Types, tuple[tuple[str, int], ...]]:
    """The uses of a function, the types that it is a member of, and what may be uses."""
    file = view.file(path)
    if file is None:
        return (), _NO_TYPES, ()
    if symbol.kind == "method":
        found = member_uses.members(view, path, symbol.container, symbol.name)
        if symbol.name in _CONSTRUCTORS:
            made = member_uses.constructed(view, path, symbol.container, symbol.name)
            return (*found.uses, *made), found.types, ()
        return found.uses, found.types, found.doubtful
    rows = [row for row in scopes.mentions(file, symbol.name) if row.node.start_byte == symbol.start]
    scope = rows[0].scope if rows else file.root
    if scope is None or scope == file.root:
        return uses.top_level(view, path, symbol.name), _NO_TYPES, ()
    return uses.local(file, symbol.name, scope), _NO_TYPES, ()


def _carried(view: View, use: Use, change: SymbolChange, old: Symbol, new: Symbol, types: Types) -> Outcome:
    file, mention = use.file, use.mention
    here = (file.path, _line(use))
    if file.path == new.path and new.start == mention.node.start_byte:
        return Outcome()
    call = calls.call_of(file, mention.spot)
    if call is None:
        return Outcome() if _is_harmless(mention, new) else Outcome(left=(here,))
    was, now = _given(old, use, types), _given(new, use, types)
    touched = view.is_touched(file, call.node.start_byte, call.node.end_byte)
    fits_new = calls.bound(call, now) is not None
    if (fits_new and touched) or calls.bound(call, was) is None:
        return Outcome() if fits_new else Outcome(left=(here,))
    if _is_replaced(change, call, was):
        return Outcome(left=(here,))
    pairs = _pairs(change, len(old.parameters or ()) - len(was))
    texts = calls.written(
        call, was, now, pairs, lambda row: _in_scope(file, mention, call, row), file.language.name == "python"
    )
    if texts is None or calls.drops_code(call, texts):
        return Outcome(left=(here,))
    why = f"{new.name} takes other arguments"
    rows = calls.edits(file, call, texts)
    whole = mention.node.start_byte
    return Outcome(tuple(Patch(file.path, *row, "parameter", why, 0.97, whole) for row in rows))


def _is_replaced(change: SymbolChange, call: Call, was: Sequence[Parameter]) -> bool:
    """Whether a call gives what went while something else came: that may be the same in another form."""
    gone = {row.before.name for row in change.parameters if row.kind == "removed" and row.before}
    come = any(row.kind == "added" for row in change.parameters)
    given = calls.bound(call, was) or {}
    return come and any(at < len(was) and was[at].name in gone for at in given)


def _is_harmless(mention: Mention, new: Symbol) -> bool:
    """Whether a use that is no call needs nothing: an import, an export, a type."""
    if new.kind == "method" and mention.role in ("bind", "declare"):
        return False  # an override
    kinds = {node.type for node in mention.spot.nodes[1:6]}
    listed = kinds & {"export_specifier", "export_statement", "type", "type_annotation", "decorator", "class_heritage"}
    return mention.role in _HARMLESS or bool(listed) or new.name in _CONSTRUCTORS


def _given(symbol: Symbol, use: Use, types: Types) -> Sequence[Parameter]:
    """The parameters that the call of a use gives: without `self`, unless the method is taken from its class."""
    rows = symbol.parameters or ()
    if symbol.kind != "method" or use.file.language.name != "python" or not rows or rows[0].name not in ("self", "cls"):
        return rows
    receiver = use.mention.other if use.mention.role == "member" else None
    of_class = (
        receiver is not None and use.mention.node.text == symbol.name.encode() and types.means(use.file, receiver)
    )
    return rows if of_class and rows[0].name == "self" else rows[1:]


def _pairs(change: SymbolChange, dropped: int) -> dict[int, int]:
    """Which parameter before is which one after, `dropped` of both not counted."""
    old, new = change.before, change.after
    before = old.parameters or () if old else ()
    after = new.parameters or () if new else ()
    places = {row.name: at for at, row in enumerate(after)}
    pairs = {at: places[row.name] for at, row in enumerate(before) if row.name in places}
    for row in change.parameters:
        if row.kind == "renamed":
            pairs[row.old_index] = row.new_index
    nameless = [at for at, row in enumerate(before) if not row.name]
    pairs |= {at: at for at in nameless if at < len(after)}
    return {a - dropped: b - dropped for a, b in pairs.items() if a >= dropped and b >= dropped}


def _in_scope(file: Parsed, mention: Mention, call: Call, parameter: Parameter) -> str:
    """The name of a parameter, where the caller has bound it as a parameter or a variable before; else ""."""
    rules = scopes.names_of(file.language.name)
    if rules is None or not parameter.name:
        return ""
    around = [
        node
        for node in rules.around(mention.spot)
        if node != file.root and (node.type not in rules.CLASSES or file.language.name == "go")
    ]
    for scope in around:
        rows = [
            row
            for row in scopes.bindings(file, parameter.name, scope)
            if row.node.start_byte < call.node.start_byte and row.since <= call.node.start_byte
        ]
        if rows:
            return parameter.name if all(_agrees(file, row, parameter) for row in rows) else ""
    return ""


def _agrees(file: Parsed, row: Mention, parameter: Parameter) -> bool:
    """Whether a binding is a value that could be the parameter's: no function or class, of no other type."""
    holder = row.other
    if holder is None or holder.type in ("function_definition", "class_definition", "function_declaration"):
        return False
    note = holder.child_by_field_name("type")
    if note is None or not parameter.annotation:
        return True
    text = file.text(note).removeprefix(":").strip()
    return "".join(text.split()) == "".join(parameter.annotation.split())
