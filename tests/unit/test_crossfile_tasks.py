from pathlib import Path

import pytest
from tiny_package import DRAW, write_files

from foretype.eval.projects.tasks import Task, make


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path)


def everything(root: Path) -> dict[tuple[str, str], Task]:
    """All tasks that any seed chooses, by kind and what is taken out."""
    tasks = [task for seed in range(30) for task in make("demo-1.0", root, seed, 0)]
    return {(task.kind, task.reference): task for task in tasks}


def test_holes_are_where_another_files_definitions_are_used(root: Path) -> None:
    tasks = everything(root)
    assert set(tasks) == {
        ("line", "circle = Circle(größe)"),
        ("call", "größe"),
        ("line", "area = canvas.sector_area(path)"),
        ("call", "path"),
        ("line", "canvas.put(größe, scale(circle, 3, origin=canvas))"),
        ("call", "circle, 3, origin=canvas"),
        ("line", "factor = shapes.DEFAULT_FACTOR"),
    }
    assert {task.path for task in tasks.values()} == {"demo/draw.py"}
    assert {task.origin for task in tasks.values()} == {"demo/shapes.py"}
    assert {task.symbol for task in tasks.values()} == {"Circle", "sector_area", "scale", "DEFAULT_FACTOR"}


def test_prefix_reference_and_suffix_are_the_file(root: Path) -> None:
    for task in everything(root).values():
        assert task.prefix + task.reference + task.suffix == DRAW
        assert task.prefix.count("\n") == task.line
        head, tail = task.prefix.rpartition("\n")[2], task.suffix.partition("\n")[0]
        assert (head.strip(), tail) == ("", "") if task.kind == "line" else (head[-1], tail[0]) == ("(", ")")


def test_the_seed_decides_and_few_are_spread(root: Path) -> None:
    assert make("demo-1.0", root, 7, 0) == make("demo-1.0", root, 7, 0)
    assert len({make("demo-1.0", root, seed, 1)[0].task_id for seed in range(30)}) > 3
    drawn = [make("demo-1.0", root, seed, 0) for seed in range(30)]
    both = next(tasks for tasks in drawn if len({task.kind for task in tasks}) == 2)
    assert both[0].kind != both[1].kind


def test_one_hole_a_line(root: Path) -> None:
    tasks = make("demo-1.0", root, 1, 0)
    assert len({task.line for task in tasks}) == len(tasks) == 4
    assert len(make("demo-1.0", root, 1, 3)) == 3


def test_names_are_followed_through_files_that_export_them_again(tmp_path: Path) -> None:
    files = {
        "demo/__init__.py": "from .api import *\nfrom .inner.deep import helper as assist\n",
        "demo/inner/__init__.py": "",
        "demo/inner/deep.py": "def helper(one):\n    return one\n",
        "demo/use.py": "import demo\nfrom demo import assist\n\nvalue = assist(first)\nother = demo.assist(second)\n",
        "demo/loop.py": "from demo.loop import loop\nfrom elsewhere import thing\n\nvalue = loop(thing(1))\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert {(task.line, task.symbol, task.origin) for task in everything(tmp_path).values()} == {
        (3, "assist", "demo/inner/deep.py"),
        (4, "assist", "demo/inner/deep.py"),
    }
