"""A rename carried through a file against one by Python's own scopes (`symtable`), on generated programs."""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Iterator

import pytest
from carrying import applied
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from foretype.context.next_edit import EditedFile
from foretype.context.propagate import carry
from foretype.context.text import Snapshot, split_lines
from foretype.context.workspace import Workspace

NAMES = ("aa", "bb", "cc")
PATH = "program.py"

name = st.sampled_from(NAMES)
atom = st.one_of(
    name,
    st.builds("{}.{}".format, name, name),
    st.builds("{}({}={})".format, name, name, name),
    st.builds("'{} in a string'".format, name),
    st.builds("f'{{{}}} {}'".format, name, name),
    st.builds("[{} for {} in {}]".format, name, name, name),
    st.builds("[{} for {} in {} for {} in {}]".format, name, name, name, name, name),
    st.builds("(lambda {}, *{}: {})".format, st.just("aa"), st.just("bb"), name),
    st.builds("{{'{}': {}}}".format, name, name),
    st.builds("({} := {})".format, name, st.just("1")),
)
simple = st.one_of(
    st.builds("{} = {}".format, name, atom),
    st.builds("{} += {}".format, name, name),
    st.builds("print({})  # {}".format, atom, name),
    st.builds("self.{} = {}".format, name, atom),
    st.builds("{}, (dd, *{}) = {}".format, name, name, atom),
    st.builds("import {}".format, name),
    st.builds("from m import {} as {}".format, name, name),
    st.builds("del {}".format, name),
)


def indented(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


def block(children: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    body = st.lists(children, min_size=1, max_size=3).map(
        lambda parts: indented([row for part in parts for row in part])
    )
    parameters = st.lists(name, unique=True, max_size=2).map(", ".join)
    return st.one_of(
        st.builds(lambda a, b, c: [f"def {a}({b}):", *c], name, parameters, body),
        st.builds(lambda a, b, c, d: [f"def {a}({b}=1, *, dd={c}):", *d], name, name, name, body),
        st.builds(lambda a, b: [f"class {a}:", *b], name, body),
        st.builds(lambda a, b, c: [f"for {a} in {b}:", *c], name, atom, body),
        st.builds(lambda a, b, c: [f"with {a} as {b}:", *c], atom, name, body),
        st.builds(lambda a, b, c: [f"if {a}:", *b, "else:", *c], atom, body, body),
        st.builds(lambda a, b, c: ["try:", *b, f"except {a} as {c}:", *b], name, body, name),
    )


statement = st.recursive(simple.map(lambda line: [line]), block, max_leaves=12)
program = st.lists(statement, min_size=1, max_size=5).map(
    lambda parts: "\n".join(row for part in parts for row in part)
)


def scoped(source: str) -> Iterator[tuple[int, int, str, int]]:
    """Each bare name of a program: line, column, name, and the scope that binds it, by a number (-1: none)."""
    numbers: dict[int, int] = {}

    def number(table: symtable.SymbolTable) -> int:
        return numbers.setdefault(table.get_id(), len(numbers))

    def home(stack: list[symtable.SymbolTable], text: str) -> int:
        table = stack[-1]
        symbol = table.lookup(text)
        if symbol.is_global() or (table.get_type() == "module"):
            module = stack[0]
            found = text in module.get_identifiers() and (
                module.lookup(text).is_assigned() or module.lookup(text).is_imported()
            )
            return number(module) if found else -1
        if symbol.is_local():
            return number(table)
        for outer in reversed(stack[:-1]):
            if outer.get_type() == "function" and text in outer.get_identifiers() and outer.lookup(text).is_local():
                return number(outer)
        return -1

    def visit(node: ast.AST, stack: list[symtable.SymbolTable]) -> Iterator[tuple[int, int, str, int]]:
        table = stack[-1]
        children = table_children[table.get_id()]
        if isinstance(node, ast.Name) and node.id in NAMES:
            yield node.lineno, node.col_offset, node.id, home(stack, node.id)
        elif isinstance(node, ast.arg):
            if node.arg in NAMES:
                yield node.lineno, node.col_offset, node.arg, home(stack, node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            at = node.col_offset + (4 if isinstance(node, ast.FunctionDef) else 6)
            yield node.lineno, at, node.name, home(stack, node.name)
            inner = [*stack, children.pop(0)]
            if isinstance(node, ast.FunctionDef):
                for default in (*node.args.defaults, *(row for row in node.args.kw_defaults if row)):
                    yield from visit(default, stack)
                for parameter in (*node.args.args, *node.args.kwonlyargs):
                    yield from visit(parameter, inner)
            for child in node.body:
                yield from visit(child, inner)
        elif isinstance(node, ast.Lambda):
            inner = [*stack, children.pop(0)]
            for parameter in (*node.args.args, *([node.args.vararg] if node.args.vararg else ())):
                yield from visit(parameter, inner)
            yield from visit(node.body, inner)
        elif isinstance(node, ast.ListComp):
            yield from visit(node.generators[0].iter, stack)
            inner = [*stack, children.pop(0)]
            for at, generator in enumerate(node.generators):
                yield from visit(generator.target, inner)
                if at:
                    yield from visit(generator.iter, inner)
            yield from visit(node.elt, inner)
        elif isinstance(node, ast.alias):
            bound, at = node.asname or node.name, node.end_col_offset or 0
            yield node.lineno, at - len(bound), bound, home(stack, bound)
        elif isinstance(node, ast.ExceptHandler) and node.type and node.name:
            yield from visit(node.type, stack)
            yield node.lineno, (node.type.end_col_offset or 0) + len(" as "), node.name, home(stack, node.name)
            for child in node.body:
                yield from visit(child, stack)
        else:
            for child in ast.iter_child_nodes(node):
                yield from visit(child, stack)

    table_children: dict[int, list[symtable.SymbolTable]] = {}

    def index(table: symtable.SymbolTable) -> None:
        table_children[table.get_id()] = list(table.get_children())
        for child in table.get_children():
            index(child)

    top = symtable.symtable(source, PATH, "exec")
    index(top)
    yield from visit(ast.parse(source), [top])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    found = Workspace.open(tmp_path_factory.mktemp("programs"), None)
    yield found
    found.close()


def renamed(source: str, places: set[tuple[int, int]], old: str, new: str) -> str:
    lines = source.split("\n")
    for line, column in sorted(places, reverse=True):
        text = lines[line - 1]
        assert text[column : column + len(old)] == old, (line, column, text)
        lines[line - 1] = text[:column] + new + text[column + len(old) :]
    return "\n".join(lines)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(source=program, choice=st.integers(0, 50))
def test_a_rename_is_that_of_python_itself(workspace, source, choice):
    try:
        rows = list(scoped(source))
    except SyntaxError:  # a name that is a parameter and global, say
        return
    classes = re.findall(r"class (\w+)", source)
    assume(len(classes) == len(set(classes)))  # members are told apart by the names of their classes
    lines = source.split("\n")
    headers = [row for row in rows if lines[row[0] - 1].lstrip().startswith("def ") and row[3] >= 0]
    bound = [row for row in headers if is_binding(lines[row[0] - 1], row[1])]
    if not bound:
        return
    line, column, old, scope = bound[choice % len(bound)]
    assume(f".{old}" not in source or not lines[line - 1].startswith("    "))  # of a method, what its class is known by
    # a keyword is no name to the symbol tables of Python itself
    function = lines[line - 1].split("(")[0].strip().removeprefix("def ")
    assume(not any(f"{function}({old}=" in row for row in lines[: line - 1] + lines[line:]))
    after = renamed(source, {(line, column)}, old, "fresh")
    workspace.opened(Snapshot("file:///program.py", PATH, "python", 1, tuple(split_lines(after))))
    found = carry(workspace, [EditedFile(PATH, "python", source, after)])
    places = {(at, to) for at, to, text, home in rows if (text, home) == (old, scope)}
    assert applied(PATH, after, found.edits) == renamed(source, places, old, "fresh")


def is_binding(text: str, column: int) -> bool:
    """Whether a name in the header of a function is its own or a parameter's."""
    return text[:column].endswith(("def ", "(", ", ")) and "=" not in text[:column]
