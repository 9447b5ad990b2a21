"""Holes in a package's files at places that use what another of its files defines.

A use is, by name: a name that an import of the file binds to something defined elsewhere in the package; an attribute
of a module of the package; or a method (`x.name`) that just one other file's classes define and that this file and
Python's own types do not have. Headers of functions and classes, imports and annotations are no uses: nobody could
guess the rest of such a line. Names are resolved here from Python's own syntax tree, apart from the symbol graph that
the benchmark is to judge. Local names that shadow an import are not told apart.
"""

from __future__ import annotations

import ast
import io
import random
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from foretype.context.text import content, split_lines
from foretype.eval.projects.matching import identifiers

Kind = Literal["line", "call"]
_LINE: Kind = "line"
_CALL: Kind = "call"

_LEAST_CHARS, _MOST_CHARS = 8, 120  # of a line that is taken out
_METHOD_CHARS = 4  # shorter names mean something everywhere
_DEPTH = 6  # of names that are imported to be exported again
_NO_SOURCE = re.compile(r"(?:^|/)(?:tests?|testing|examples?|_?vendor(?:ed)?|_?compat)(?:/|\.py$)|\.dist-info/|\.data/")
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_TYPES = (str, bytes, list, dict, set, tuple, int, float, type, property, Exception, Path, io.StringIO)
_PYTHONS_OWN = frozenset(name for kind in (*_TYPES, re.Pattern, re.Match) for name in dir(kind))


@dataclass(frozen=True)
class Task:
    """What `reference` is taken out of: `path` (relative, forward slashes) is `prefix + reference + suffix`.

    A "line" goes from its first character that is not blank to its end; of a "call" the arguments are taken, so that
    `suffix` begins with the parenthesis that closes them. `line` counts from 0. `symbol` is defined in `origin`.
    """

    task_id: str
    package: str
    path: str
    line: int
    kind: Kind
    symbol: str
    origin: str
    prefix: str
    suffix: str
    reference: str


def make(package: str, root: Path, seed: int, most: int, code: str = "") -> list[Task]:
    """At most `most` tasks of the package unpacked in `root` (0: all), spread over its files and the kinds.

    `code` is the folder in it that is imported, "" for all of it. The choice depends on `seed` and the package alone,
    and on Python's version where that changes its own types.
    """
    modules = _read(root, code)
    methods = _methods(modules.values())
    chance = random.Random(f"{seed}:{package}")
    groups: defaultdict[tuple[str, Kind], list[Task]] = defaultdict(list)
    for name in sorted(modules):
        for task in _of_file(package, modules[name], modules, methods, chance):
            groups[task.path, task.kind].append(task)
    order = list(groups)
    chance.shuffle(order)
    for group in order:
        chance.shuffle(groups[group])
    # one of each group, then a second one of each, and so on
    turns = sorted((turn, at) for at, group in enumerate(order) for turn in range(len(groups[group])))
    return [groups[order[at]][turn] for turn, at in turns][: most or None]


@dataclass(frozen=True)
class _Module:
    """One file. `tops` are the names at its top level, `own` all that it defines anywhere, `members` the methods
    of its classes; `bound` says which module and which name of it ("": the module itself) a name is imported from."""

    name: str
    path: str
    text: str
    tree: ast.Module
    tops: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    bound: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Use:
    symbol: str
    origin: str
    node: ast.expr
    call: ast.Call | None


def _read(root: Path, code: str) -> dict[str, _Module]:
    modules = {}
    source_root = (root / code).parent if code else root
    for file in sorted((root / code).rglob("*.py")):
        path, inner = file.relative_to(root).as_posix(), file.relative_to(source_root)
        if _NO_SOURCE.search(inner.as_posix()):
            continue
        try:
            text = file.read_bytes().decode()
            tree = ast.parse(text)
        except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError):
            continue
        parts = inner.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        module = modules[name] = _Module(name, path, text, tree)
        module.tops.update(_names(tree.body))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                module.members.update(one.name for one in node.body if isinstance(one, _FUNCTION))
                module.own.update(_names(node.body))
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                module.bound.update(_bindings(node, module))
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                module.own.add(node.attr)
        module.own.update(module.tops)
    return modules


def _names(body: list[ast.stmt]) -> Iterator[str]:
    """What statements define, also below an `if` or a `try`."""
    for node in body:
        if isinstance(node, (*_FUNCTION, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, (ast.If, ast.Try)):
            yield from _names([*node.body, *node.orelse])


def _bindings(node: ast.Import | ast.ImportFrom, module: _Module) -> Iterator[tuple[str, tuple[str, str]]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            yield (alias.asname, (alias.name, "")) if alias.asname else (top, (top, ""))
        return
    source = node.module or ""
    if node.level:
        package = module.name.split(".")
        up = node.level - module.path.endswith("__init__.py")
        package = package[: len(package) - up] if up else package
        source = ".".join([*package, source] if source else package)
    yield from ((alias.asname or alias.name, (source, alias.name)) for alias in node.names)


def _methods(modules: Iterable[_Module]) -> dict[str, str]:
    """The names of the methods that the classes of just one file have, and that file."""
    homes: defaultdict[str, set[str]] = defaultdict(set)
    for module in modules:
        for name in module.members:
            homes[name].add(module.path)
    return {
        name: min(paths)
        for name, paths in homes.items()
        if len(paths) == 1 and len(name) >= _METHOD_CHARS and name not in _PYTHONS_OWN
    }


def _origin(name: str, module: str, modules: Mapping[str, _Module], depth: int = 0) -> tuple[_Module | None, bool]:
    """The module that defines a module's `name` ("": that module), None if none does, and if it is itself meant."""
    found = modules.get(module)
    if not name:
        return found, True
    if found and name in found.tops:
        return found, False
    if found and name in found.bound and depth < _DEPTH:
        source, original = found.bound[name]
        home, is_module = _origin(original, source, modules, depth + 1)
        if home:
            return home, is_module
    return modules.get(f"{module}.{name}"), True


def _uses(module: _Module, modules: Mapping[str, _Module], methods: Mapping[str, str]) -> Iterator[_Use]:
    calls: dict[int, ast.Call] = {}
    annotations: set[int] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            calls[id(node.func)] = node
        elif isinstance(node, ast.AnnAssign):
            annotations.update(map(id, ast.walk(node.annotation)))
    for node in ast.walk(module.tree):
        if id(node) in annotations or not isinstance(node, (ast.Name, ast.Attribute)):
            continue
        symbol = node.id if isinstance(node, ast.Name) else node.attr
        origin = _meant(node, module, modules, methods)
        if origin and origin != module.path:
            yield _Use(symbol, origin, node, calls.get(id(node)))


def _meant(
    node: ast.Name | ast.Attribute, module: _Module, modules: Mapping[str, _Module], methods: Mapping[str, str]
) -> str:
    """The path of the file that defines what a node names, "" if that is not known."""
    name = node if isinstance(node, ast.Name) else node.value
    bound = module.bound.get(name.id) if isinstance(name, ast.Name) and name.id not in module.tops else None
    home, is_module = _origin(bound[1], bound[0], modules) if bound else (None, False)
    if isinstance(node, ast.Name):
        return home.path if home and not is_module else ""
    if home and is_module:
        inner, inner_is_module = _origin(node.attr, home.name, modules)
        return inner.path if inner and not inner_is_module else ""
    root = node.value
    while isinstance(root, ast.Attribute):
        root = root.value
    foreign = isinstance(root, ast.Name) and root.id in module.bound  # a module or a name of another package
    return methods.get(node.attr, "") if not foreign and node.attr not in module.own else ""


def _of_file(
    package: str, module: _Module, modules: Mapping[str, _Module], methods: Mapping[str, str], chance: random.Random
) -> Iterator[Task]:
    lines = split_lines(module.text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    closed = _unusable(module)
    by_line: defaultdict[int, list[_Use]] = defaultdict(list)
    for use in _uses(module, modules, methods):
        by_line[(use.node.end_lineno or 0) - 1].append(use)
    for number in sorted(by_line):
        body = content(lines[number])
        indent = len(body) - len(body.lstrip())
        use = chance.choice(sorted(by_line[number], key=lambda one: (one.node.col_offset, one.symbol)))
        if number in closed or not _LEAST_CHARS <= len(body.strip()) <= _MOST_CHARS:
            continue
        begin, end, kind = indent, len(body.rstrip()), _LINE
        arguments = _arguments(use, number, body)
        if arguments and chance.random() < 0.5:
            (begin, end), kind = arguments, _CALL
        reference = body[begin:end]
        if not identifiers(reference):
            continue
        place = starts[number] + begin
        yield Task(
            f"{package}/{module.path}:{number + 1}:{kind}",
            *(package, module.path, number, kind, use.symbol, use.origin),
            *(module.text[:place], module.text[place + len(reference) :], reference),
        )


def _arguments(use: _Use, number: int, body: str) -> tuple[int, int] | None:
    """Where the arguments of a call that ends on the line of its function's name begin and end, if it has any."""
    call = use.call
    if call is None or not (call.args or call.keywords) or call.end_lineno != number + 1:
        return None
    raw = body.encode()
    begin = len(raw[: use.node.end_col_offset].decode())
    end = len(raw[: call.end_col_offset].decode()) - 1
    return (begin + 1, end) if body[begin : begin + 1] == "(" and body[begin + 1 : end].strip() else None


def _unusable(module: _Module) -> set[int]:
    """The lines with imports, headers, comments and strings of several lines."""
    found: set[int] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(range(node.lineno - 1, node.end_lineno or node.lineno))
        elif isinstance(node, (*_FUNCTION, ast.ClassDef)):
            found.update(range(node.lineno - 1, max(node.lineno, node.body[0].lineno - 1)))
    try:
        for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
            several = token.type == tokenize.STRING and token.end[0] > token.start[0]
            if token.type == tokenize.COMMENT or several:
                found.update(range(token.start[0] - 1, token.end[0]))
    except (tokenize.TokenError, SyntaxError):
        return set(range(module.text.count("\n") + 1))
    return found
