"""Child processes: results, and children that die."""

from __future__ import annotations

import math
import subprocess
import sys

import psutil

from foretype.context.index import workers


def test_each_piece_is_done_once() -> None:
    pieces = [float(at) for at in range(20)]
    assert dict(workers.each(math.sqrt, pieces, 2)) == {at: math.sqrt(at) for at in pieces}


def test_a_child_that_dies_costs_its_piece_alone() -> None:
    pieces = ["1 + 1", "__import__('os')._exit(3)", "2 + 2", "3 + 3"]
    assert dict(workers.each(eval, pieces, 1)) == {"1 + 1": 2, pieces[1]: None, "2 + 2": 4, "3 + 3": 6}


def test_pieces_are_drawn_as_children_are_free_and_none_is_fine() -> None:
    drawn = []

    def pieces():
        for at in range(6):
            drawn.append(at)
            yield float(at)

    results = workers.each(math.sqrt, pieces(), 1)
    next(results)
    assert len(drawn) <= 3
    results.close()  # ends the children
    assert list(workers.each(math.sqrt, [], 4)) == []


def test_children_end_with_a_parent_that_is_killed_in_the_middle_of_a_piece() -> None:
    piece = "print('begun', flush=True) or __import__('time').sleep(600)"
    program = f"from foretype.context.index import workers; list(workers.each(eval, [{piece!r}] * 2, 2))"
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout and [parent.stdout.readline() for _ in range(2)] == ["begun\n"] * 2
    children = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.communicate(timeout=60)  # ends when nobody holds its output any more
    assert len(children) >= 2 and psutil.wait_procs(children, 60)[1] == []
