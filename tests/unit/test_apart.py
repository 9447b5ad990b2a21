"""Large files are read in a child process, which comes and goes; meanwhile what was read moves with the text."""

import os
import threading
from pathlib import Path

import pytest
from answering import answer

from foretype.context.index import symbol_rows
from foretype.context.index.apart import Reader
from foretype.context.index.moves import Move, between
from foretype.context.index.workers import Helper
from foretype.context.text import Snapshot, split_lines
from foretype.context.workspace import Workspace

SOURCE = """from shop import Cart as C


class Till:
    '''Takes \u00e9uros.'''

    def pay(self): return C().total
""".encode()


def test_the_child_reads_what_is_read_here() -> None:
    reader = Reader(large=100)
    assert reader.rows("a.py", SOURCE[:99]) == symbol_rows.rows("a.py", SOURCE[:99]) and not reader.running
    assert reader.rows("gr\u00fcn a.py", SOURCE) == symbol_rows.rows("gr\u00fcn a.py", SOURCE) and reader.running
    reader.close()
    assert not reader.running


def test_one_child_answers_until_it_dies_and_then_another_does() -> None:
    helper = Helper(answer)
    first, second = helper.ask(b"x"), helper.ask(b"x")
    assert first == second and first and int(first.split()[-1]) != os.getpid()
    assert helper.ask(b"die") is None and not helper.running
    third = helper.ask(b"x")
    assert third and third != first
    helper.close()


def test_a_child_that_hangs_is_given_up() -> None:
    helper = Helper(answer, longest_s=0.2)
    assert helper.ask(b"hang") is None and not helper.running


def test_a_child_without_work_ends() -> None:
    helper = Helper(answer, idle_s=0.05)
    assert helper.ask(b"x")
    rest = helper._rest
    assert rest is not None
    rest.join(timeout=10)
    assert not helper.running and helper.ask(b"y")
    helper.close()


def test_threads_go_on_while_the_child_works() -> None:
    helper = Helper(answer, longest_s=30)
    asking = threading.Thread(target=helper.ask, args=(b"hang",), daemon=True)
    asking.start()
    assert sum(range(1000)) == 499_500 and asking.is_alive()
    child = None
    while child is None or not child.is_alive():
        child = helper._child
        asking.join(timeout=0.01)
    child.kill()
    asking.join(timeout=10)
    assert not asking.is_alive()


@pytest.mark.parametrize(
    ("old", "new", "move"),
    [
        ("a\nb\nc\n", "a\nb\nc\n", None),
        ("a\nb\nc\n", "a\nx\u00e9\ny\nb\nc\n", Move(1, 2, 6)),
        ("a\nb\nc\n", "a\nc\n", Move(2, -1, -2)),
        ("a\nb\nc\n", "", Move(3, -3, -6)),
        ("a\n" * 2000 + "b\n", "a\n" * 1999 + "b\n", Move(2000, -1, -2)),
        ("a\na\na\n", "a\na\na\na\n", Move(3, 1, 2)),
    ],
)
def test_the_move_between_two_texts(old: str, new: str, move: Move | None) -> None:
    assert between(tuple(split_lines(old)), tuple(split_lines(new))) == move


def test_a_large_document_keeps_its_symbols_in_place_while_it_is_edited(tmp_path: Path) -> None:
    functions = "".join(f"def pay_{n}(cart, till_{n}):\n    return cart.total_{n}\n\n\n" for n in range(2500))
    lines = tuple(split_lines(functions))
    workspace = Workspace.open(tmp_path, None)
    before = Snapshot("file:///a.py", "a.py", "python", 1, lines)
    workspace.opened(before)
    workspace.changed("a.py")
    graph = workspace.graph
    assert len(functions) > 100_000 and graph._reader.running
    (asked,) = graph.definitions("pay_2000", "a.py")
    assert before.lines[asked.line].startswith("def pay_2000(")

    after = Snapshot("file:///a.py", "a.py", "python", 2, (*lines[:4000], "added = 1\n", "more = 2\n", *lines[4000:]))
    workspace.edited(before, (), 0.0, after)
    for name, moved in (("pay_2000", 2), ("pay_10", 0)):
        (row,) = graph.definitions(name, "a.py")
        assert after.lines[row.line].startswith(f"def {name}(") and "total" in after.lines[row.end_line]
        assert after.text.encode()[row.start : row.end].startswith(f"def {name}(".encode())
        (use,) = graph.references(name.replace("pay", "total"), "a.py")
        assert f"cart.{use.name}" in after.lines[use.line] and moved in (0, row.line - asked.line)
    workspace.changed("a.py")
    assert graph.definitions("added") and after.lines[graph.definitions("pay_2000")[0].line].startswith("def pay_2000(")
    workspace.close()
    assert not graph._reader.running
