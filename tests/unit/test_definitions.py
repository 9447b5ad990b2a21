import random
from pathlib import Path

import pytest
from tiny_package import write_files

from foretype.context.graph import Graph
from foretype.eval import definitions
from foretype.eval.definitions import Judged, Meaning, Use
from foretype.eval.projects.packages import Package

CODE = """\
import os
from .shapes import Circle


class Sheet:
    def __init__(self):
        self.size = os.sep

    def grow(self, size):
        return Circle(self.size + size)


class Other:
    def grow(self):
        return Sheet().grow(self.grow)
"""


@pytest.fixture
def graph() -> Graph:
    graph = Graph.open("", None)
    graph.index({"a.py": CODE.encode(), "shapes.py": b"class Circle:\n    pass\n"}.items(), children=0)
    return graph


def test_names_of_a_file() -> None:
    found = {(use.name, use.line, use.column, use.kind) for use in definitions.uses("a.py", CODE.encode())}
    assert {("sep", 6, 23, "imported"), ("Circle", 9, 15, "imported"), ("size", 9, 27, "member")} <= found
    assert ("Sheet", 14, 15, "same_file") in found and ("grow", 14, 33, "member") in found
    assert not {name for name, *_ in found} & {"self.size", "__init__"}
    assert not list(definitions.uses("broken.py", b"def ("))


@pytest.mark.parametrize(
    ("name", "line", "kind", "meaning", "right"),
    [
        ("Circle", 9, "imported", Meaning("shapes.py", 0, 6, False), True),
        ("Circle", 9, "imported", Meaning("a.py", 0, 6, False), False),
        ("grow", 14, "member", Meaning("a.py", 13, 8, False), True),
        ("grow", 14, "member", Meaning("a.py", 8, 8, False), False),
        ("size", 9, "member", Meaning("a.py", 6, 13, False), True),
        ("sep", 6, "imported", Meaning("", 0, 0, False), False),
    ],
)
def test_answers_are_judged(graph: Graph, name: str, line: int, kind: str, meaning: Meaning, right: bool) -> None:
    assert definitions.judge(Use("a.py", line, 0, name, kind), (meaning,), graph).right is right  # type: ignore[arg-type]


def test_precision_counts_answers_to_what_is_a_librarys(graph: Graph) -> None:
    inside, outside = (Meaning("shapes.py", 0, 6, False),), (Meaning("", 0, 0, False),)
    answer = graph.definitions("Circle", "a.py")[0]
    use = Use("a.py", 9, 15, "Circle", "imported")
    rows = [
        Judged(use, inside, answer, True),
        Judged(use, inside, None, False),
        Judged(use, outside, answer, False),
        Judged(use, outside, None, False),
    ]
    found = definitions.figures(rows)
    assert (found["names"], found["outside"], found["answered"]) == (2, 2, 2)
    assert found["precision"] == found["recall"] == found["imported_recall"] == 0.5
    assert found["member_precision"] is None
    assert definitions.reference_figures([(1, 2, 4), (2, 2, 2)])["reference_precision"] == 0.75


def test_against_jedi(tmp_path: Path) -> None:
    pytest.importorskip("jedi")
    root = write_files(tmp_path / "demo-1.0")
    package = Package("demo", "1.0", "", "dev", "demo")
    rows, compared = definitions.measure(root.resolve(), package, random.Random(1), 8, 2)
    assert sum(bool(row.meanings[0].path) for row in rows) == 8
    assert all(row.right for row in rows if row.meanings[0].path)
    assert len(compared) == 2 and all(both for both, _, _ in compared)
