"""The uses of a symbol that can be proven to be its uses, over a whole workspace.

Of a local name, those in its scope; of a name at the top level of a file, those and what other files import, also
through files that export it again, under an alias or as a part of the module. Members are `member_uses.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tree_sitter import Node

from foretype.context.rules import scopes
from foretype.context.rules.mentions import Mention
from foretype.context.rules.trees import Parsed, Spot
from foretype.context.rules.view import View, family_of
from foretype.context.symbols import Import

_ROUNDS = 8  # of files that export again what they import


@dataclass(frozen=True)
class Use:
    """`mention` in the file means the symbol, by its own name or by an `alias` that the file gave it; `key`: it is a
    key and a variable at once (`{name}`), of which the key is the symbol."""

    file: Parsed
    mention: Mention
    alias: bool = False
    key: bool = False


@dataclass
class _Exports:
    """Which files have the symbol as a part of their own, and the uses found so far."""

    files: set[str]
    without: set[str] = field(default_factory=set)  # files that take all names of others, and not those of `files`
    found: dict[tuple[str, int], Use] = field(default_factory=dict)

    def add(self, file: Parsed, mention: Mention, alias: bool = False) -> None:
        self.found.setdefault((file.path, mention.node.start_byte), Use(file, mention, alias))


def local(file: Parsed, name: str, scope: Node) -> tuple[Use, ...]:
    """The uses of a name that is bound in a scope of a file, its bindings among them."""
    rows = scopes.mentions(file, name)
    return tuple(Use(file, row) for row in rows if row.role in ("bind", "read", "import") and row.scope == scope)


def top_level(view: View, path: str, name: str, wanted: Callable[[str], bool] = lambda path: True) -> tuple[Use, ...]:
    """The uses, in all files, of what is defined by a name at the top level of the file at `path`.

    Other files are read where their paths are `wanted`.
    """
    file = view.file(path)
    if file is None:
        return ()
    exports = _Exports({path})
    _own(view, file, name, exports)
    if family_of(path) in ("go", "java"):
        _package(view, file, name, exports)
    others = (other for other in view.users(name, path) if other != path and other not in exports.files)
    waiting = [other for other in others if wanted(other)]
    for _ in range(_ROUNDS):
        before = len(exports.files)
        exports.without.clear()
        for other in waiting:
            if (user := view.file(other)) is not None:
                _imported(view, user, name, exports)
        if len(exports.files) == before:
            break
    return tuple(exports.found.values())


def _own(view: View, file: Parsed, name: str, exports: _Exports) -> None:
    """The uses in the file itself, and in a class or function body at its top level."""
    for row in scopes.mentions(file, name):
        bare = row.role in ("bind", "read", "import") and row.scope == file.root
        if bare or (row.role == "quoted" and _quotes(file, row)):
            exports.add(file, row)


def _package(view: View, file: Parsed, name: str, exports: _Exports) -> None:
    """In Go and Java, the other files of the package, which see it without an import."""
    folder, package = file.path.rpartition("/")[0], _package_name(file)
    for path in view.users(name, file.path):
        near = path != file.path and path.rpartition("/")[0] == folder
        other = view.file(path) if near else None
        if other is None or _package_name(other) != package:
            continue
        exports.files.add(path)
        for row in scopes.mentions(other, name):
            if row.role == "read" and row.scope is None:
                exports.add(other, row)


def _imported(view: View, file: Parsed, name: str, exports: _Exports) -> None:
    """The uses in a file that imports the symbol. What an import means is asked only where it could be of use."""
    found = scopes.mentions(file, name)
    holders = {file.text(row.other) for row in found if row.role == "member" and row.other is not None}
    free = [row for row in found if row.role == "read" and row.scope is None]
    for path in holders:
        if path.startswith(("crate::", "super::", "self::")) and _has(
            view, Import(file.path, path, name, "", 0), exports
        ):
            for mention in found:
                if mention.role == "member" and mention.other is not None and file.text(mention.other) == path:
                    exports.add(file, mention)
    for statement, rows in view.statements(file):
        for row in rows:
            called = row.alias or row.name or _module_name(view, row)
            if row.name == name and _has(view, row, exports):
                _by_name(file, statement, name, row.alias, exports)
            elif row.name == "*" and (free or statement.type == "export_statement") and _has(view, row, exports):
                exports.files.add(file.path)
                for mention in free:
                    exports.add(file, mention)
            elif called in holders and _has(view, row, exports):
                _by_module(file, called, name, exports)


def _has(view: View, row: Import, exports: _Exports) -> bool:
    """Whether what an import takes names from has the symbol: by itself, or since it takes all names of such a file."""
    targets = view.targets(row)
    if targets and row.name and is_module(targets[0], row):
        return _hands_on(view, targets[0], exports)
    return any(_hands_on(view, target, exports) for target in targets)


def _hands_on(view: View, path: str, exports: _Exports, depth: int = _ROUNDS) -> bool:
    if path in exports.files:
        return True
    if path in exports.without or not depth:
        return False
    exports.without.add(path)
    file = view.file(path)
    for _, rows in view.statements(file) if file is not None else ():
        for row in rows:
            if row.name == "*" and any(_hands_on(view, target, exports, depth - 1) for target in view.targets(row)):
                exports.files.add(path)
                return True
    return False


def _by_name(file: Parsed, statement: Node, name: str, alias: str, exports: _Exports) -> None:
    """`from module import name`, or the like."""
    for row in scopes.mentions(file, name):
        if row.role == "import" and row.other == statement:
            exports.add(file, row)
            for use in local(file, name, row.scope) if row.scope is not None else ():
                exports.add(file, use.mention)
            if row.scope == file.root or (statement.type == "export_statement" and not alias):
                exports.files.add(file.path)
        elif row.role == "quoted" and not alias and _quotes(file, row):
            exports.add(file, row)
    for row in scopes.mentions(file, alias) if alias not in ("", name) else ():
        if row.role == "bind" and row.scope is not None and _inside(row.node, statement):
            for use in local(file, alias, row.scope):
                exports.add(file, use.mention, alias=True)


def _by_module(file: Parsed, module: str, name: str, exports: _Exports) -> None:
    """`module.name`, where an import binds the module."""
    for row in scopes.mentions(file, name):
        if row.role == "member" and row.other is not None and file.text(row.other) == module:
            start = row.other.start_byte
            first = file.spot(start, start + len(module.partition(".")[0].encode()))
            if first is not None and _is_imported(file, first):
                exports.add(file, row)


def _is_imported(file: Parsed, spot: Spot) -> bool:
    scope, rules = scopes.home(file, spot), scopes.names_of(file.language.name)
    if file.language.name == "go" and scope is None:
        return True  # no identifier binds a package that is imported by its own name
    if scope is None or rules is None:
        return False
    rows = scopes.bindings(file, file.text(spot.node), scope)
    return any(row.role == "import" or any(node.type in rules.IMPORTS for node in row.spot.nodes[:5]) for row in rows)


def exported_in_list(view: View, use_files: set[str], name: str) -> Iterator[tuple[Parsed, int, int]]:
    """In Python, where `__all__` of these files names it: the bytes within the quotes."""
    for path in use_files:
        file = view.file(path)
        if file is None or file.language.name != "python" or b"__all__" not in file.source:
            continue
        for row in scopes.mentions(file, "__all__"):
            if row.role == "bind" and row.other is not None and row.scope == file.root:
                yield from ((file, *span) for span in _strings(file, row.other, name))


def _strings(file: Parsed, node: Node, name: str) -> Iterator[tuple[int, int]]:
    for child in node.named_children:
        if child.type == "string_content" and file.text(child) == name:
            yield child.start_byte, child.end_byte
        else:
            yield from _strings(file, child, name)


def _quotes(file: Parsed, row: Mention) -> bool:
    """Whether an annotation in quotes is looked up like one without, and not a `Literal`."""
    kinds = [node for node in row.spot.nodes if node.type in ("generic_type", "subscript")]
    return not any(file.text(node).partition("[")[0].endswith(("Literal", "Annotated")) for node in kinds)


def is_module(path: str, row: Import) -> bool:
    """Whether the file at `path` is what `from package import module` of Python means by the module."""
    package = row.module.rpartition(".")[2]
    inner = f"/{package}/{row.name}" if package else f"/{row.name}"
    return bool(row.name) and f"/{path}".endswith((f"{inner}.py", f"{inner}.pyi", f"{inner}/__init__.py"))


def _module_name(view: View, row: Import) -> str:
    """What a file calls a module that it imports without an alias."""
    if family_of(row.path) == "rust":
        return row.module.rpartition("::")[2]  # mod name;
    if family_of(row.path) != "go":
        return row.module
    targets = view.targets(row)
    file = view.file(targets[0]) if targets else None
    return _package_name(file) if file is not None else row.module.rpartition("/")[2]


def _package_name(file: Parsed) -> str:
    kinds = ("package_clause", "package_declaration")
    clause = next((node for node in file.root.named_children if node.type in kinds), None)
    return file.text(clause).removeprefix("package").strip("; ") if clause is not None else ""


def _inside(node: Node, around: Node) -> bool:
    return around.start_byte <= node.start_byte and node.end_byte <= around.end_byte
