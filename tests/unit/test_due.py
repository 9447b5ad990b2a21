"""What is known to be due: uses of what is gone, missing cases, calls with too much; and what only looks like it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from foretype.context import due
from foretype.context.hunks import hunks, lines_of
from foretype.context.languages import find
from foretype.context.next_edit import EditedFile
from foretype.context.symbols import Definition, extract
from foretype.context.workspace import Workspace


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


def opened(root: Path, files: dict[str, str]) -> Workspace:
    for name, text in files.items():
        (root / name).write_text(text, "utf-8")
    workspace = Workspace.open(root, None)
    workspace.refresh(children=0)
    return workspace


def gone(root: Path, before: str, after: str, **others: str) -> dict[str, due.Form]:
    workspace = opened(root, {"a.py": after, **{f"{name}.py": text for name, text in others.items()}})
    try:
        return due.dangling(workspace, (EditedFile("a.py", "python", before, after),), {"log", "size", "x"})
    finally:
        workspace.close()


def test_a_name_that_nothing_is_called_any_more(root: Path) -> None:
    assert gone(root, "def log():\n    x = 1\n", "def record():\n    y = 1\n") == {"log": "any"}


def test_a_name_that_another_thing_of_its_kind_has(root: Path) -> None:
    assert gone(root, "def log():\n    pass\n", "def record():\n    pass\n", b="def log():\n    pass\n") == {}


def test_a_name_that_a_thing_of_another_kind_has(root: Path) -> None:
    before, after = "def size():\n    pass\n", "def count():\n    pass\n"
    assert gone(root, before, after, b="class B:\n    size = 1\n") == {"size": "called"}


@pytest.mark.parametrize(
    ("form", "line", "expected"),
    [
        ("any", "x = size", True),
        ("called", "x = size(1)", True),
        ("called", "x.size = 1", False),
        ("called", "use crate::sum::size;", True),
        ("bare", "x.size = 1", True),
        ("bare", "x.size()", False),
        ("bare", "x.size() + y.size", True),
    ],
)
def test_what_a_use_is_told_by(form: due.Form, line: str, expected: bool) -> None:
    assert due.dangles("size", form, line) is expected


SHAPES = """\
export enum Shape {
  Triangle = "triangle",
  Square = "square",
  Pentagon = "pentagon",
}

export const ICONS: Record<Shape, string> = {
  [Shape.Square]: "square.svg",
  [Shape.Pentagon]: "pentagon.svg",
};

export function sides(shape: Shape): number {
  switch (shape) {
    case Shape.Square:
      return 4;
    case Shape.Pentagon:
      return 5;
  }
}

export function isDefault(shape: Shape): boolean {
  return shape === Shape.Square;
}
"""


def missing(root: Path, text: str, line: str) -> list[tuple[int, str]]:
    workspace = opened(root, {"a.ts": text})
    (hunk,) = hunks((EditedFile("a.ts", "typescript", text.replace(line, "", 1), text),))
    try:
        return [(at, name) for _, at, name in due.unhandled(workspace, hunk, lambda path: lines_of(text))]
    finally:
        workspace.close()


NEW = '  Triangle = "triangle",\n'


def test_a_new_member_without_a_case(root: Path) -> None:
    assert missing(root, SHAPES, NEW) == [(7, "Square"), (13, "Square")]


def test_a_new_member_that_has_its_case(root: Path) -> None:
    text = SHAPES.replace(
        "    case Shape.Square:\n", "    case Shape.Triangle:\n      return 3;\n    case Shape.Square:\n"
    )
    assert missing(root, text, NEW) == [(7, "Square")]


def test_a_member_that_alone_is_named_is_no_case(root: Path) -> None:
    text = SHAPES.partition("export const")[0] + SHAPES[SHAPES.index("export function isDefault") :]
    assert missing(root, text, NEW) == []


def definition(text: str) -> Definition:
    language = find("", "a.py")
    assert language is not None
    return next(
        row for row in extract("a.py", text.encode(), language).definitions if row.kind in ("function", "method")
    )


@pytest.mark.parametrize(
    ("head", "old", "new", "expected"),
    [
        ("def sync(url, folder):", "sync(u, f)", "sync(u, f, args.timeout)", True),
        ("def sync(url: dict[str, int], folder):", "sync(u, f)", "sync(u, f, t)", True),
        ("def sync(url, folder, timeout):", "sync(u, f)", "sync(u, f, t)", False),
        ("def sync(url, *rest):", "sync(u, f)", "sync(u, f, t)", False),
        ("def sync(url, folder):", "sync(u, f, t)", "sync(u, f, t, x)", False),
        ("def sync(url, folder):", "sync(u, f)", "sync(u, g(f, t))", False),
        ("def sync(url, folder):", "sync(u, f)", "sync(u, 'f, t')", False),
        ("def sync(url, folder):", "sync(u, f)", "sync(u,", False),
        ("def sync():", "sync()", "sync(1)", True),
    ],
)
def test_a_call_with_more_than_is_taken(head: str, old: str, new: str, expected: bool) -> None:
    assert due.short(old, new, definition(f"{head}\n    pass\n")) is expected


def test_what_a_method_is_called_on_is_no_argument() -> None:
    method = definition("class A:\n    def get(self, key):\n        pass\n")
    assert due.short("a.get(k)", "a.get(k, d)", method)
    assert not due.short("a.get()", "a.get(k)", method)
