"""A symbol was renamed: its uses follow.

The uses are looked for in the text with the former name at the definition, so that they are bound as they were before
the edit. Where the new name would mean something else, or something else would come to mean the symbol, nothing is
proposed. A use that was renamed already has the new name, and is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from foretype.context.rules import member_uses, scopes, uses
from foretype.context.rules.change import SymbolChange
from foretype.context.rules.declared import Symbol
from foretype.context.rules.former import Former, former
from foretype.context.rules.mentions import Mention
from foretype.context.rules.patches import Outcome, Patch
from foretype.context.rules.trees import Parsed
from foretype.context.rules.uses import Use
from foretype.context.rules.view import View

_MEMBERS = ("field", "method", "member")


def carried(view: View, change: SymbolChange, before: Parsed) -> Outcome:
    """What the rename of a symbol calls for; `before` is its file before the edits."""
    old, new = change.before, change.after
    then = former(view, old, new) if old is not None and new is not None else None
    mention = _at(then.file, old.name, new.start) if then is not None and old is not None and new is not None else None
    if old is None or new is None or then is None or mention is None:
        return Outcome()
    if new.kind in _MEMBERS:
        return _member(then, before, old, new)
    if mention.scope is None or _taken(before, old, new.name):
        return Outcome()
    if mention.scope == then.file.root and new.kind != "import":
        found = uses.top_level(then.view, new.path, old.name)
        lists = uses.exported_in_list(then.view, {use.file.path for use in found}, old.name)
    else:
        rust = then.file.language.name == "rust"
        if rust and f"{{{old.name}".encode() in then.file.source:  # a string of `format!` may hold it
            return Outcome()
        if new.kind == "variable" and not _reads_first(then.file, mention):
            return Outcome()
        found, lists = uses.local(then.file, old.name, mention.scope), iter(())
        if _is_property(mention):
            found += member_uses.members(then.view, new.path, new.container.rpartition(".")[0], old.name).uses
    clashing = {
        use.file.path
        for use in found
        if use.file is not then.file and (_clashes(use, new.name) or _is_out_of_sight(use, new))
    }
    left = [(use.file.path, use.file.line(use.mention.node.start_byte)) for use in found if use.file.path in clashing]
    patches = (*_written(found, then, old, new), *_listed(lists, then, new))
    return Outcome(tuple(patch for patch in patches if patch.path not in clashing), tuple(left))


def _member(then: Former, before: Parsed, old: Symbol, new: Symbol) -> Outcome:
    node = member_uses.class_node(then.file, new.container)
    if node is not None and member_uses.inherited(then.view, then.file, node, old.name):
        return Outcome()
    taken = member_uses.members(then.view.with_instead(before), new.path, old.container, new.name)
    if any(use.file is before for use in taken.uses):
        return Outcome()
    found = member_uses.members(then.view, new.path, new.container, old.name)
    own = [use for use in found.uses if use.file is then.file and use.mention.role == "declare"]
    if (
        then.file.language.name == "java"
        and len({use.mention.node.start_byte for use in own}) > 1
        and new.kind == "method"
    ):
        return Outcome()  # overloads: which of them a call means is not known
    seen = [use for use in found.uses if not _is_out_of_sight(use, new)]
    hidden = [(use.file.path, use.file.line(use.mention.node.start_byte)) for use in found.uses if use not in seen]
    return Outcome(tuple(_written(seen, then, old, new)), tuple(hidden), doubtful=found.doubtful)


def _at(file: Parsed, name: str, start: int) -> Mention | None:
    return next((row for row in scopes.mentions(file, name) if row.node.start_byte == start), None)


def _written(found: Iterable[Use], then: Former, old: Symbol, new: Symbol) -> Iterator[Patch]:
    why = f"{old.name} was renamed to {new.name}"
    for use in found:
        if use.alias or (use.file is then.file and use.mention.node.start_byte == then.at):
            continue
        for start, end, text in (*_texts(use, old.name, new.name), *_with_key(use, old.name, new.name)):
            places = then.present(use.file, start), then.present(use.file, end)
            whole = then.present(use.file, use.mention.node.start_byte)
            yield Patch(use.file.path, *places, text, "rename", why, 0.99, whole)


def _texts(use: Use, old: str, new: str) -> Iterator[tuple[int, int, str]]:
    node = use.mention.node
    if use.mention.role == "quoted":
        word = re.compile(rb"(?<![\w.])" + re.escape(old.encode()) + rb"(?!\w)")
        for found in word.finditer(use.file.source, node.start_byte, node.end_byte):
            yield found.start(), found.end(), new
    elif use.key and not _is_free(use, new):
        yield node.start_byte, node.end_byte, f"{new}: {old}"
    elif not use.key and _is_short(use) and use.mention.role != "import" and not _is_exported(use):
        yield node.start_byte, node.end_byte, f"{old}: {new}"
    else:
        yield node.start_byte, node.end_byte, new


def _with_key(use: Use, old: str, new: str) -> Iterator[tuple[int, int, str]]:
    """The variable that a pattern takes a renamed key into: it is called like the key, before and after."""
    if use.key and use.mention.scope is not None and _is_free(use, new):
        for other in uses.local(use.file, old, use.mention.scope):
            if other.mention.node != use.mention.node:
                yield from _texts(other, old, new)


def _is_free(use: Use, new: str) -> bool:
    """Whether the variable of a pattern `{name}` can take the new name in its scope."""
    scope = use.mention.scope
    if use.mention.role != "bind" or scope is None:
        return False
    rows = scopes.mentions(use.file, new)
    bare = [row for row in rows if row.role in ("bind", "read", "import")]
    return not any(scope.start_byte <= row.node.start_byte < scope.end_byte for row in bare)


def _is_short(use: Use) -> bool:
    kinds = use.mention.spot.nodes[:2]
    return any(node.type.startswith("shorthand_") for node in kinds)


def _is_exported(use: Use) -> bool:
    """Whether it is in `module.exports = {...}`, which importers know it by."""
    holder = use.mention.spot.nodes[2] if len(use.mention.spot.nodes) > 2 else None
    left = holder.child_by_field_name("left") if holder is not None and holder.type == "assignment_expression" else None
    return left is not None and left.text == b"module.exports"


def _listed(lists: Iterable[tuple[Parsed, int, int]], then: Former, new: Symbol) -> Iterator[Patch]:
    for file, start, end in lists:
        places = then.present(file, start), then.present(file, end)
        yield Patch(file.path, *places, new.name, "rename", f"exported as {new.name} now", 0.95)


def _taken(before: Parsed, old: Symbol, name: str) -> bool:
    """Whether the new name meant something, before the edit, where the old one was in scope."""
    mention = _at(before, old.name, old.start)
    if mention is None or mention.scope is None:
        return True
    start, end = mention.scope.start_byte, mention.scope.end_byte
    return any(
        row.role in ("bind", "read", "import") and start <= row.node.start_byte < end
        for row in scopes.mentions(before, name)
    )


def _clashes(use: Use, name: str) -> bool:
    """Whether a file that imports the symbol uses the new name for something already."""
    bare = use.mention.role in ("import", "bind", "read") and not use.alias
    return bare and any(row.role in ("bind", "read", "import") for row in scopes.mentions(use.file, name))


def _is_out_of_sight(use: Use, new: Symbol) -> bool:
    """Whether it is in another package of Go, and the new name is not exported."""
    elsewhere = use.file.path.rpartition("/")[0] != new.path.rpartition("/")[0]
    return use.file.language.name == "go" and elsewhere and not new.name[:1].isupper()


def _reads_first(file: Parsed, definition: Mention) -> bool:
    """Whether a variable has one binding, or is read before it gets its next, so that the first must be the same."""
    if definition.scope is None:
        return False
    rows = uses.local(file, file.text(definition.node), definition.scope)
    binds = [use.mention for use in rows if use.mention.role == "bind"]
    if len(binds) == 1:
        return True
    if binds[0].node != definition.node:
        return False
    following = binds[1]
    last = following.other.end_byte if following.other is not None else following.node.end_byte
    return any(
        use.mention.role == "read" and definition.node.start_byte < use.mention.node.start_byte < last for use in rows
    ) or (following.other is not None and following.other.type == "augmented_assignment")


def _is_property(mention: Mention) -> bool:
    """Whether it is a parameter of a constructor in TypeScript that declares a field."""
    return mention.other is not None and any(
        child.type in ("accessibility_modifier", "readonly") for child in mention.other.children
    )
