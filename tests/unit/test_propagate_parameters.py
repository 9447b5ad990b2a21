"""Changed parameters carried to the calls."""

from __future__ import annotations

import pytest
from carrying import carried

from foretype.context.languages import find
from foretype.context.rules import calls, trees


def calls_after(tmp_path, old, new, *lines, before="", path="a.py"):
    """The lines of calls of `f` once its parameters `old` became `new`, and which of them are left."""
    definition = f"def f({old}):\n    pass\n\n\n"
    body = "".join(f"{line}\n" for line in lines)
    result = carried(tmp_path, {path: definition + before + body}, {path: [(f"f({old})", f"f({new})")]})
    start = definition.count("\n") + before.count("\n")
    return result.lines(path)[-len(lines) :], {line - start for _, line in result.left}


@pytest.mark.parametrize(
    ("old", "new", "call", "expected"),
    [
        ("a, b", "a", "f(1, 2)", "f(1)"),
        ("a, b", "b", "f(1, 2)", "f(2)"),
        ("a, b, c", "a, c", "f(1, 2, 3)", "f(1, 3)"),
        ("a, b, c", "a, c", "f(1, c=3, b=2)", "f(1, c=3)"),
        ("a, b=1", "a", "f(1)", "f(1)"),
        ("a", "", "f(1)", "f()"),
        ("a", "", "f(\n    1,\n)", "f()"),
        ("a, b", "b, a", "f(1, 2)", "f(2, 1)"),
        ("a, b", "b, a", "f(1, b=2)", "f(a=1, b=2)"),
        ("a, b", "b, a", "f(b=1, a=2)", "f(b=1, a=2)"),
        ("a, b=1", "a, c=1", "f(0, b=2)", "f(0, c=2)"),
        ("a, b", "a, *, b", "f(1, 2)", "f(1, b=2)"),
        ("a, b=1", "a, c=0, b=1", "f(1, 2)", "f(1, b=2)"),
        ("a, b=1", "a, c=0, b=1", "f(1)", "f(1)"),
        ("a, *rest", "*rest", "f(1, 2, 3)", "f(2, 3)"),
        ("a, b, **rest", "a, **rest", "f(1, 2, x=3)", "f(1, x=3)"),
        ("a, b: int = 1", "a, b: str = 1", "f(1, b=2)", "f(1, b=2)"),
        ("a, b", "a", "f(f(1, 2), 3)", "f(f(1))"),
        ("a, b", "a", "f(1, g(b=2, a=1))", "f(1)"),
    ],
)
def test_calls_follow(tmp_path, old, new, call, expected):
    result = carried(
        tmp_path, {"b.py": f"def f({old}):\n    pass\n\n\n{call}\n"}, {"b.py": [(f"f({old})", f"f({new})")]}
    )
    assert result.texts["b.py"].split("\n\n\n")[1] == expected + "\n"
    assert not result.left


@pytest.mark.parametrize("call", ["f(*xs)", "f(1, **more)", "g(f)", "map(f, xs)"])
def test_what_is_not_known_is_left(tmp_path, call):
    lines, left = calls_after(tmp_path, "a, b", "a", call)
    assert lines == [call]
    assert left == {0}


def test_what_may_be_given_in_another_form_is_left(tmp_path):
    lines, left = calls_after(tmp_path, "a, path=None", "a, is_folder=False", "f(1)", "f(1, 'x')", "f(1, path='x')")
    assert lines == ["f(1)", "f(1, 'x')", "f(1, path='x')"]
    assert left == {1, 2}


@pytest.mark.parametrize(
    ("old", "new", "call"),
    [
        ("a, b", "b, a", "f(1, f(2, 3))"),
        ("a, b", "a", "f(1, f(2, 3))"),
        ("a, b", "a", "f(1, g(f(2, 3), f(4, 5)))"),
        ("a, b, c", "c, a, b", "f(1, 2, f(3, 4, 5))"),
    ],
)
def test_calls_that_overlap_are_left_as_they_are(tmp_path, old, new, call):
    lines, left = calls_after(tmp_path, old, new, call)
    assert lines == [call]
    assert left == {0}


def test_a_call_with_a_name_that_changes_too_is_left_as_it_is(tmp_path):
    before = "def f(a, b):\n    return a - b\n\n\ndef k(val):\n    g(val)\n    return val, f(val, 1)\n"
    edits = [("def f(a, b)", "def f(b, a)"), ("def k(val)", "def k(value)")]
    result = carried(tmp_path, {"a.py": before}, {"a.py": edits})
    assert result.lines("a.py")[-2:] == ["g(value)", "return value, f(val, 1)"]
    assert result.left == {("a.py", 6)}


def test_a_renamed_function_keeps_its_name_where_a_call_is_left(tmp_path):
    before = "def former(a, b):\n    return a - b\n\n\nx = former(1, former(2, 3))\ny = former(1, 2)\n"
    result = carried(tmp_path, {"a.py": before}, {"a.py": [("def former(a, b)", "def latter(b, a)")]})
    assert result.lines("a.py")[-2:] == ["x = former(1, former(2, 3))", "y = latter(2, 1)"]
    assert result.left == {("a.py", 4)}


def test_no_edit_is_cut_by_the_limit(tmp_path):
    before = "def f(a, b):\n    return a - b\n\n\nx = f(1, 2)\ny = f(3, 4)\n"
    result = carried(tmp_path, {"a.py": before}, {"a.py": [("def f(a, b)", "def f(b, a)")]}, limit=3)
    assert result.lines("a.py")[-2:] == ["x = f(2, 1)", "y = f(3, 4)"]
    assert result.carried.capped == 2


def test_a_call_that_fits_already_stays(tmp_path):
    definition = "def f(a, b):\n    pass\n\n\nf(1, 2)\nf(1, 3)\n"
    result = carried(tmp_path, {"a.py": definition}, {"a.py": [("f(a, b)", "f(a)"), ("f(1, 2)", "f(1)")]})
    assert result.texts["a.py"].endswith("f(1)\nf(1)\n")
    assert len(result.carried.edits) == 1


SCOPES = """\
def log(message):
    print(message)


level = "module"
log("at module")


def one(level, out):
    log("both")


def two(level):
    log("one")


def three():
    log("before")
    level = out = 1
    log("after")
    return lambda: log("within")


class A:
    level = out = 2

    def four(self):
        log("class")


def five(level: int, out):
    def inner(message=log("default")):
        log("nested")
"""


def test_a_name_is_given_where_the_caller_has_it(tmp_path):
    result = carried(tmp_path, {"a.py": SCOPES}, {"a.py": [("log(message)", "log(message, level, out)")]})
    assert [line for line in result.lines("a.py") if "log(" in line] == [
        "def log(message, level, out):",
        'log("at module")',
        'log("both", level, out)',
        'log("one")',
        'log("before")',
        'log("after", level, out)',
        'return lambda: log("within", level, out)',
        'log("class")',
        'def inner(message=log("default", level, out)):',
        'log("nested", level, out)',
    ]
    lines = SCOPES.splitlines()
    assert {lines[line].strip() for _, line in result.left} == {
        'log("at module")',
        'log("one")',
        'log("before")',
        'log("class")',
    }


def test_a_name_of_another_type_is_not_given(tmp_path):
    result = carried(tmp_path, {"a.py": SCOPES}, {"a.py": [("log(message)", "log(message, level: str, out)")]})
    assert 'log("nested")' in result.lines("a.py")
    assert 'log("both", level, out)' in result.lines("a.py")


def test_lists_of_one_argument_a_line(tmp_path):
    text = "def f(a, b, c):\n    pass\n\n\ndef g(d):\n    f(\n        1,\n        2,\n        3,\n    )\n"
    added = carried(tmp_path, {"a.py": text}, {"a.py": [("f(a, b, c)", "f(a, b, c, d)")]})
    assert "f(\n        1,\n        2,\n        3,\n        d,\n    )" in added.texts["a.py"]
    gone = carried(tmp_path, {"a.py": text}, {"a.py": [("f(a, b, c)", "f(a, c)")]})
    assert "f(\n        1,\n        3,\n    )" in gone.texts["a.py"]
    last = carried(tmp_path, {"a.py": text}, {"a.py": [("f(a, b, c)", "f(a, b)")]})
    assert "f(\n        1,\n        2,\n    )" in last.texts["a.py"]


METHODS = {
    "base.py": """\
        class Base:
            def __init__(self, name, size):
                self.name = name

            def run(self, speed, times):
                self.run(1, 2)

            @staticmethod
            def make(name, size):
                return Base(name, size)

        class Sub(Base):
            def run(self, speed, times):
                super().run(speed, times)

        class Own(Base):
            def __init__(self, path):
                super().__init__(path, 1)
    """,
    "use.py": """\
        from base import Base, Own, Sub

        def use(base: Base, thing):
            base.run(1, times=2)
            thing.run(1, 2)
            Base.run(base, 1, 2)
            Sub("a", 2).run(3, 4)
            Own("path")
            Base.make("a", 1)
    """,
}


def test_methods(tmp_path):
    result = carried(tmp_path, METHODS, {"base.py": [("run(self, speed, times)", "run(self, times)")]})
    assert result.lines("use.py")[2:6] == [
        "base.run(times=2)",
        "thing.run(1, 2)",
        "Base.run(base, 2)",
        'Sub("a", 2).run(4)',
    ]
    assert "self.run(2)" in result.lines("base.py")
    assert "super().run(times)" in result.lines("base.py")
    assert {("use.py", 4), ("base.py", 12)} <= result.left


def test_constructors(tmp_path):
    result = carried(tmp_path, METHODS, {"base.py": [("__init__(self, name, size)", "__init__(self, name)")]})
    assert "return Base(name)" in result.lines("base.py")
    assert "super().__init__(path)" in result.lines("base.py")
    assert 'Sub("a").run(3, 4)' in result.lines("use.py")
    assert 'Own("path")' in result.lines("use.py")


def test_static_methods(tmp_path):
    result = carried(tmp_path, METHODS, {"base.py": [("make(name, size)", "make(size)")]})
    assert "Base.make(1)" in result.lines("use.py")


def test_a_renamed_function_with_other_parameters(tmp_path):
    files = {
        "a.py": "def f(a, b):\n    return [a, b, a]\n\n\nf(1, 2)\n",
        "b.py": "from a import f\n\nf(1, b=2)\n",
    }
    result = carried(tmp_path, files, {"a.py": [("def f(a, b)", "def g(b, a)")]})
    assert result.texts["b.py"] == "from a import g\n\ng(a=1, b=2)\n"
    assert result.texts["a.py"].endswith("g(2, 1)\n")


def test_a_function_that_may_be_taken_out_of_another_one(tmp_path):
    files = {"a.py": "def f(a, b):\n    return [a, b, a]\n\n\nf(1, 2)\n"}
    result = carried(tmp_path, files, {"a.py": [("def f(a, b)", "def g(b)")]})
    assert result.carried.edits == ()


def test_typescript(tmp_path):
    files = {
        "a.ts": "export function f(a: number, b: string, c = 1) {\n  return a;\n}\n",
        "b.ts": """\
            import { f } from "./a";
            const g = (b: string, signal: AbortSignal) => {
              f(1, b);
              f(1, b, 2);
              f(...xs);
              return f;
            };
            f(0, "");
        """,
    }
    removed = carried(tmp_path, files, {"a.ts": [("a: number, b: string", "a: number")]})
    assert removed.lines("b.ts")[2:] == ["f(1);", "f(1, 2);", "f(...xs);", "return f;", "};", "f(0);"]
    assert removed.left == {("b.ts", 4), ("b.ts", 5)}
    added = carried(tmp_path, files, {"a.ts": [("a: number, b: string", "signal: AbortSignal, a: number, b: string")]})
    assert added.lines("b.ts")[2:4] == ["f(signal, 1, b);", "f(signal, 1, b, 2);"]
    assert ("b.ts", 7) in added.left
    other = carried(tmp_path, files, {"a.ts": [("a: number, b: string", "signal: number, a: number, b: string")]})
    assert other.lines("b.ts")[2] == "f(1, b);"


def test_go(tmp_path):
    files = {
        "go.mod": "module m\n",
        "p/p.go": "package p\n\nfunc F(a, b int) int { return a }\n",
        "p/q.go": (
            "package p\n\nfunc g(ctx context.Context) int { return F(1, 2) }\n\nfunc h() int { return F(3, 4) }\n"
        ),
        "main.go": 'package main\n\nimport "m/p"\n\nfunc main() { p.F(1, 2) }\n',
    }
    added = carried(tmp_path, files, {"p/p.go": [("F(a, b int)", "F(ctx context.Context, a, b int)")]})
    assert "return F(ctx, 1, 2)" in added.texts["p/q.go"]
    assert "return F(3, 4)" in added.texts["p/q.go"]
    assert added.left == {("p/q.go", 4), ("main.go", 4)}
    removed = carried(tmp_path, files, {"p/p.go": [("F(a, b int)", "F(a int)")]})
    assert "p.F(1)" in removed.texts["main.go"]


def test_arguments_are_bound_as_they_are_written():
    file = trees.parse("a.py", b"f(1, # one\n  x=2, y=[3])\n", find("python"))
    call = calls.call_of(file, next(file.spots("f")))
    assert [(row.name, row.value) for row in call.arguments] == [("", "1"), ("x", "2"), ("y", "[3]")]
