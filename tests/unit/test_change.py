"""What edits did to symbols."""

from __future__ import annotations

import pytest
from carrying import edited

from foretype.context.next_edit import EditedFile
from foretype.context.rules.change import aligned, symbol_changes
from foretype.context.rules.declared import Parameter


def changes(path, before, *replacements):
    return symbol_changes([edited(path, before, *replacements)])


def summary(rows):
    return [
        (row.kind, (row.after or row.before).kind, row.before and row.before.name, row.after and row.after.name)
        for row in rows
    ]


PYTHON = """\
    LIMIT = 10

    class Box:
        width: int = 0

        def __init__(self, size):
            self.size = size

        def grow(self, by):
            total = self.size + by
            return total

    def make(size):
        return Box(size)
"""


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [
        (("LIMIT =", "MOST ="), ("renamed", "constant", "LIMIT", "MOST")),
        (("class Box", "class Crate"), ("renamed", "class", "Box", "Crate")),
        (("width: int", "breadth: int"), ("renamed", "field", "width", "breadth")),
        (("self.size = size", "self.extent = size"), ("renamed", "field", "size", "extent")),
        (("def grow", "def enlarge"), ("renamed", "method", "grow", "enlarge")),
        (("total =", "result ="), ("renamed", "variable", "total", "result")),
        (("def make", "def build"), ("renamed", "function", "make", "build")),
    ],
)
def test_a_definition_is_renamed(replacement, expected):
    assert summary(changes("a.py", PYTHON, replacement)) == [expected]


@pytest.mark.parametrize(
    ("path", "before", "replacement", "expected"),
    [
        ("a.ts", "interface A {\n  x: number;\n}\n", ("x:", "y:"), ("field", "x", "y")),
        ("a.ts", "enum E {\n  One,\n  Two,\n}\n", ("Two", "Three"), ("member", "Two", "Three")),
        ("a.ts", "class A {\n  run(a: number) { return a; }\n}\n", ("run", "go"), ("method", "run", "go")),
        ("a.ts", "export const f = (a: A) => a.b;\n", ("f =", "g ="), ("function", "f", "g")),
        ("a.js", "const {a} = b;\nlet c = a;\n", ("let c", "let d"), ("constant", "c", "d")),
        ("a.go", "package p\n\ntype T struct {\n\ta int\n}\n", ("a int", "b int"), ("field", "a", "b")),
        ("a.go", "package p\n\nfunc (t *T) Get() int { return t.a }\n", ("Get", "Take"), ("method", "Get", "Take")),
        ("a.go", "package p\n\nfunc f() {\n\tx := g()\n\th(x)\n}\n", ("x :=", "y :="), ("variable", "x", "y")),
    ],
)
def test_other_languages(path, before, replacement, expected):
    kind, old, new = expected
    assert summary(changes(path, before, replacement)) == [("renamed", kind, old, new)]


def test_a_renamed_use_is_no_rename():
    assert changes("a.py", PYTHON, ("return Box(size)", "return Crate(size)")) == ()
    assert changes("a.py", PYTHON, ("self.size + by", "self.extent + by")) == ()


def test_another_function_in_its_place_is_no_rename():
    before = "def parse(text):\n    return text.split()\n\n\ndef other():\n    pass\n"
    after = "def render(rows):\n    for row in rows:\n        print(row)\n\n\ndef other():\n    pass\n"
    rows = symbol_changes([EditedFile("a.py", "python", before, after)])
    assert summary(rows) == [("removed", "function", "parse", None), ("added", "function", None, "render")]


def test_a_name_that_was_there_already_is_no_rename():
    before = "def one():\n    return 1\n\n\ndef two():\n    return 1\n"
    rows = changes("a.py", before, ("def one", "def two"))
    assert not any(row.kind == "renamed" for row in rows)


def test_a_function_and_its_parameters_at_once():
    rows = changes("a.py", PYTHON, ("def make(size)", "def build(size, color)"))
    assert [row.kind for row in rows] == ["renamed", "resigned"]
    assert [(row.kind, row.new_index) for row in rows[1].parameters] == [("added", 1)]


def test_a_parameter_is_renamed_for_its_callers_and_for_its_body():
    rows = changes("a.py", PYTHON, ("def make(size)", "def make(extent)"))
    assert summary(rows) == [
        ("resigned", "function", "make", "make"),
        ("renamed", "parameter", "size", "extent"),
    ]


def test_a_parameter_in_a_line_of_its_own_goes():
    before = "def f(\n    a,\n    b,\n    c,\n):\n    return a + c\n"
    (row,) = changes("a.py", before, ("    b,\n", ""))
    assert [(part.kind, part.old_index) for part in row.parameters] == [("removed", 1)]


def test_a_definition_moves_to_another_file():
    before = "import os\n\n\ndef clean(path):\n    return os.path.normpath(path)\n"
    rows = symbol_changes(
        [
            EditedFile("a.py", "python", before, "import os\n"),
            EditedFile("b.py", "python", "", before),
        ]
    )
    assert [(row.kind, row.before.path, row.path) for row in rows if row.name == "clean"] == [("moved", "a.py", "b.py")]


def test_broken_text_and_unknown_languages_are_quiet():
    assert symbol_changes([EditedFile("a.txt", "", "def a(): pass", "def b(): pass")]) == ()
    assert changes("a.py", PYTHON, ("def make(size):", "def make(size")) is not None
    assert symbol_changes([EditedFile("a.py", "python", PYTHON, "")]) is not None


def parameters(text):
    """`a b=1 *c` to parameters."""
    return [
        Parameter(word.partition("=")[0].lstrip("*"), "rest" if word[0] == "*" else "plain", word.partition("=")[2], "")
        for word in text.split()
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a", "a b", {("added", -1, 1)}),
        ("a b c", "a c", {("removed", 1, -1)}),
        ("a b", "b a", {("moved", 0, 1), ("moved", 1, 0)}),
        ("a b c", "a x c", {("renamed", 1, 1)}),
        ("a b", "a b=1", {("changed", 1, 1)}),
        ("old_size", "new_size color", {("renamed", 0, 0), ("added", -1, 1)}),
        ("a_b c_d", "b c", {("renamed", 0, 0), ("renamed", 1, 1)}),
        ("a b", "c d", {("removed", 0, -1), ("removed", 1, -1), ("added", -1, 0), ("added", -1, 1)}),
        ("a b=1", "c d=1", {("renamed", 0, 0), ("renamed", 1, 1)}),
        ("a", "b c", {("removed", 0, -1), ("added", -1, 0), ("added", -1, 1)}),
        ("a b *c", "*c", {("removed", 0, -1), ("removed", 1, -1)}),
        ("a b", "a b", set()),
    ],
)
def test_parameters_are_aligned(old, new, expected):
    rows = aligned(parameters(old), parameters(new))
    assert {(row.kind, row.old_index, row.new_index) for row in rows} == expected
