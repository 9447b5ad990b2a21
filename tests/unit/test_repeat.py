"""The user's own change at look-alike places: where it is made, and above all where it is not."""

from __future__ import annotations

import time

import pytest
from test_minimal import applied

from foretype.context.next_edit import EditedFile
from foretype.context.repeat import _is_head, repeat
from foretype.context.transfer import transfer
from foretype.context.workspace import Workspace


class Files:
    """Stands for a workspace of which files are read."""

    def __init__(self, **texts: str) -> None:
        self.texts = {f"{name}.py": text for name, text in texts.items()}

    def read(self, path: str) -> list[str] | None:
        return self.texts[path].splitlines(keepends=True) if path in self.texts else None


NOWHERE: Workspace = Files()  # type: ignore[assignment]


def after(before: str, now: str, path: str = "a.py", language: str = "python") -> str:
    """The text once all that is proposed is done."""
    for made in sorted(
        repeat(NOWHERE, (EditedFile(path, language, before, now),)), key=lambda edit: -edit.span.start_line
    ):
        assert (made.lane, made.reason) == ("rule", "similar")
        now = applied(now, made)
    return now


def changed(before: str, *pairs: tuple[str, str]) -> tuple[str, str]:
    now = before
    for old, new in pairs:
        assert now.count(old) == 1
        now = now.replace(old, new)
    return before, now


CELLS = "def row(cells):\n    a = cells['A']\n    b = cells['B']\n    n = int(cells['N'])\n    return a, b, n\n"


def test_a_call_comes_in() -> None:
    before, now = changed(CELLS, ("cells['A']", "cells['A'].strip()"))
    assert after(before, now) == now.replace("cells['B']", "cells['B'].strip()")


def test_names_follow_those_of_the_place() -> None:
    go = (
        "func (d Disk) Put(key string) error {\n\tif err != nil {\n\t\treturn err\n\t}\n}\n\n"
        "func (d Disk) Remove(key string) error {\n\tif err != nil {\n\t\treturn err\n\t}\n}\n\n"
        "func (d Disk) All() error {\n\tif err != nil {\n\t\treturn err\n\t}\n}\n"
    )
    wrapped = go.replace("return err", 'return wrap("put %s", key, err)', 1)
    # a function without a `key` stays alone
    assert after(go, wrapped, "a.go", "go") == wrapped.replace("return err", 'return wrap("remove %s", key, err)', 1)


def test_lines_come_in_between_lines_that_look_the_same() -> None:
    js = "".join(
        f'on("{name}", () => {{\n    send("{name}", state.path);\n}});\n' for name in ("open", "save", "close")
    )
    js += 'on("help", () => {\n    show(help);\n});\n'
    now = js.replace('    send("open"', '    if (state.busy) return;\n    send("open"')
    expected = now
    for name in ("save", "close"):
        expected = expected.replace(f'    send("{name}"', f'    if (state.busy) return;\n    send("{name}"')
    assert after(js, now, "a.js", "javascript") == expected


def test_types_that_differ_are_told_apart() -> None:
    java = (
        "class A {\n    private String name;\n    private String title;\n    private int rank;\n\n"
        "    void set(String name, String title, int rank) {\n        this.name = name;\n"
        "        this.title = title;\n        this.rank = rank;\n    }\n}\n"
    )
    now = java.replace("this.name = name", 'this.name = Objects.requireNonNull(name, "name")')
    expected = now.replace("this.title = title", 'this.title = Objects.requireNonNull(title, "title")')
    assert after(java, now, "A.java", "java") == expected


CALLS = "def f(a, b):\n    send(a, 1)\n    send(b, 1)\n    send(a, 2)\n    send(b, 2)\n"


@pytest.mark.parametrize(
    "pairs",
    [
        [("send(a, 1)", "send(a, 3)")],
        [("send(a, 1)", "post(a, 1)")],
        [("send(a, 1)", "send(a, 1, retry)")],
        [("send(a, 1)", "send(a, 1)  # first (and last)")],
        [("    send(a, 1)\n", "    total = 1\n    send(a, 1)\n")],
        [("    send(a, 1)\n", "")],
        [("send(a, 1)", "post(a, 1)"), ("send(b, 1)", "post(b, 1)")],
    ],
    ids=["value", "name", "argument", "comment", "assignment", "deletion", "renaming twice"],
)
def test_what_may_be_meant_for_one_place_alone_stays_there(pairs: list[tuple[str, str]]) -> None:
    before, now = changed(CALLS, *pairs)
    assert after(before, now) == now


def test_what_the_user_did_twice_is_meant() -> None:
    before, now = changed(CALLS, ("send(a, 1)", "send(a, 1, retry)"), ("send(b, 1)", "send(b, 1, retry)"))
    assert after(before, now) == now.replace("send(a, 2)", "send(a, 2, retry)").replace(
        "send(b, 2)", "send(b, 2, retry)"
    )


def test_heads_of_definitions_do_not_follow_each_other() -> None:
    before = "def get(key):\n    return 1\n\n\ndef put(key):\n    return 1\n"
    now = before.replace("def get(key):", "def get(key=make()):")
    assert after(before, now) == now


def test_a_file_of_one_shape_takes_no_longer() -> None:
    before = "def f(cells):\n" + "".join(f"    a{at} = cells['{at}']\n" for at in range(3000))
    now = before.replace("cells['1500']", "cells['1500'].strip()")
    started = time.process_time()
    made = repeat(NOWHERE, (EditedFile("a.py", "python", before, now),))
    assert time.process_time() - started < 2
    assert 10 < len(made) <= 40


def test_what_is_done_already_stays() -> None:
    before, now = changed(CELLS, ("cells['A']", "cells['A'].strip()"), ("cells['B']", "cells['B'].strip()"))
    assert after(before, now) == now


@pytest.mark.parametrize("text", ["", "\n", "x", "a = f(1)\r\nb = f(2)\r\n", "\ufeff(\n(\n", "def f(\n"])
def test_any_text(text: str) -> None:
    for now in (text + "a = g(f(3))\n", text.replace("f(1)", "g(f(1))"), ""):
        after(text, now)


@pytest.mark.parametrize(
    ("old", "new", "there", "expected"),
    [
        (["a = f(x)"], ["a = g(f(x))"], ["b = f(y)"], ["b = g(f(y))"]),
        (["return err"], ["return wrap(err)"], ["return nil, err"], ["return nil, wrap(err)"]),
        (["return err"], ["return err, 1"], ["return nil, err"], ["return nil, err, 1"]),
        (["    a(x)"], ["    if x:", "        a(x)"], ["  a(y)"], ["  if y:", "      a(y)"]),
        (["f(a, a)"], ["f(b(a), a)"], ["f(x, y)"], None),
        (["a"], ["b"], ["c", "d"], None),
        (["read_users(users)"], ["try_users(users)"], ["read_groups(groups)"], None),
        ([], ["x"], [], None),
    ],
)
def test_transfer(old: list[str], new: list[str], there: list[str], expected: list[str] | None) -> None:
    made = transfer(old, new, there)
    assert (list(made.lines) if made else None) == expected


@pytest.mark.parametrize(
    "line", ["x('" + "a1b2c3d4" * 3000 + "')\n", "a({" + "var a=function(b,c){return b+c};" * 2500 + "\n"]
)
def test_a_line_that_is_very_long_is_no_head_and_costs_little(line: str) -> None:
    before = line + "def f():\n    a = one(1)\n    b = one(2)\n" + line + "    c = one(3)\n"
    began = time.process_time()
    after(before, before.replace("one(1)", "two(1)"))
    assert not _is_head(line)
    assert time.process_time() - began < 1.5
