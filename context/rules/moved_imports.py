"""A file was moved: the imports of it follow, and its own relative ones.

Only what names its module is rewritten: where a package hands on what it imports, the package's own statement is what
changes. Of definitions that were moved from one file to another, `moved_names.py` knows.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from tree_sitter import Node

from foretype.context.next_edit import EditedFile
from foretype.context.rules import change as changes
from foretype.context.rules import module_names, scopes, uses
from foretype.context.rules.patches import Outcome, Patch
from foretype.context.rules.trees import Parsed
from foretype.context.rules.view import View, family_of
from foretype.context.symbols import Import

REASON = "import"
_ALIKE = 0.7  # of the lines, for a file that went and one that came to be one that was moved


def moved_files(edited: Sequence[EditedFile]) -> dict[str, str]:
    """The paths of files that went, each with that of the file that came in its place."""
    gone = [file for file in edited if file.before.strip() and not file.after.strip()]
    come = [file for file in edited if file.after.strip() and not file.before.strip()]
    moved: dict[str, str] = {}
    for old in gone:
        ratios = [
            (_ratio(old.before, new.after), new.path) for new in come if family_of(old.path) == family_of(new.path)
        ]
        best = max(ratios, default=(0.0, ""))
        if best[0] >= _ALIKE and best[1] not in moved.values():
            moved[old.path] = best[1]
    return moved


def carried(view: View, edited: Sequence[EditedFile]) -> Outcome:
    """What the moves of files call for: in the files that import them, and in their own relative imports."""
    patches: list[Patch] = []
    texts = {file.path: file for file in edited}
    for old, new in moved_files(edited).items():
        before = changes.parsed(texts[old], texts[old].before)
        why = f"{old} was moved to {new}"
        for path in _importers(view, old, before) if before is not None else ():
            file = view.file(path) if path not in (old, new) else None
            if file is not None:
                patches += [Patch(path, *row, REASON, why, 0.98) for row in _of_module(view, file, old, new)]
        own = view.file(new)
        if own is not None:
            patches += [Patch(new, *row, REASON, why, 0.95) for row in _own(view, own, old)]
    return Outcome(tuple(patches))


def module_node(statement: Node) -> Node | None:
    """The name of the module in an import statement, without quotes."""
    if statement.type == "import_from_statement":
        return statement.child_by_field_name("module_name")
    if statement.type == "import_statement" and statement.child_by_field_name("source") is None:
        name = statement.child_by_field_name("name")
        return name.child_by_field_name("name") if name is not None and name.type == "aliased_import" else name
    source = statement.child_by_field_name("source") or statement.child_by_field_name("path")
    if source is None and (value := statement.child_by_field_name("value")) is not None:
        listed = value.child_by_field_name("arguments")
        source = listed.named_children[0] if listed is not None and listed.named_child_count else None
    return source.named_children[0] if source is not None and source.named_child_count else None


def renamed(view: View, file: Parsed, module: str, old: str, new: str) -> str | None:
    """What a file that calls `old` by the name `module` has to call `new`; None where that cannot be told."""
    if family_of(file.path) == "go":
        folder = old.rpartition("/")[0]
        files = (view.file(path) for path in view.layout.folders.get(folder, ()) if path.endswith(".go"))
        kept = any(file is not None and file.source.strip() for file in files)
        return None if kept else module_names.go(view.layout.go_modules, new)
    return _MODULE[family_of(file.path)](module, file.path, old, new) if family_of(file.path) in _MODULE else None


def _importers(view: View, old: str, before: Parsed) -> tuple[str, ...]:
    """Files that may import one: that use its name, its package's or what it defines."""
    stem = old.rpartition("/")[2].partition(".")[0]
    names = {stem} if stem not in ("__init__", "index") else {old.split("/")[-2] if "/" in old else ""}
    for node in before.root.named_children:
        inner = node.child_by_field_name("declaration") or node.child_by_field_name("definition") or node
        for holder in (inner, *inner.named_children):
            if (name := holder.child_by_field_name("name")) is not None:
                names.add(before.text(name))
        if node.type == "package_clause":
            names.add(before.text(node).removeprefix("package").strip())
    users = (path for name in sorted(names - {""}) for path in view.users(name, old))
    return tuple(dict.fromkeys((*users, *view.workspace.graph.importers(old))))


def _of_module(view: View, file: Parsed, old: str, new: str) -> Iterator[tuple[int, int, str]]:
    """What makes the statements of a file import `new` where they imported `old`."""
    done: set[int] = set()
    for statement, rows in view.statements(file):
        for row in rows:
            targets = view.targets(row)
            if old not in targets:
                continue
            if uses.is_module(targets[0], row):  # from package import module
                if targets[0] == old and len(rows) == 1:
                    yield from _python_module(file, statement, row, old, new)
                continue
            module = module_node(statement)
            text = renamed(view, file, row.module, old, new)
            if module is None or text is None or module.start_byte in done:
                continue
            done.add(module.start_byte)
            yield module.start_byte, module.end_byte, text
            if file.language.name == "python" and not row.name and not row.alias:
                for mention in scopes.mentions(file, row.module.rpartition(".")[2]):
                    whole = mention.spot.nodes[1] if mention.role == "member" else None
                    if whole is not None and file.text(whole) == row.module:
                        yield whole.start_byte, whole.end_byte, text


def _python_module(file: Parsed, statement: Node, row: Import, old: str, new: str) -> Iterator[tuple[int, int, str]]:
    """`from package import module`, where the module moved to another package under its name."""
    dotted = f"{row.module}{row.name}" if row.module.endswith(".") else f"{row.module}.{row.name}"
    text = module_names.python(dotted, file.path, old, new)
    module = statement.child_by_field_name("module_name")
    if text is None or module is None or text.rpartition(".")[2] != row.name:
        return
    package = text[: -len(row.name)]
    yield module.start_byte, module.end_byte, package if not package.strip(".") else package.rstrip(".")


def _own(view: View, file: Parsed, old: str) -> Iterator[tuple[int, int, str]]:
    """The relative imports of a file that was moved."""
    family = family_of(file.path)
    for statement, rows in view.statements(file):
        row = rows[0] if rows else None
        module = module_node(statement)
        if row is None or module is None or not row.module.startswith(".") or family not in _MODULE:
            continue
        there = view.targets(Import(old, row.module, row.name, row.alias, row.line))
        if not there or there[0] == file.path or there[0] in view.targets(row):
            continue
        inner = uses.is_module(there[0], row)
        text = None if inner else _MODULE[family](row.module, file.path, there[0], there[0])
        if text is not None and text != row.module:
            yield module.start_byte, module.end_byte, text


def _ratio(one: str, other: str) -> float:
    lines = [[line for line in text.split("\n") if line][:2000] for text in (one, other)]
    return difflib.SequenceMatcher(None, lines[0], lines[1], autojunk=False).ratio()


_MODULE = {"python": module_names.python, "ecmascript": module_names.ecmascript}
