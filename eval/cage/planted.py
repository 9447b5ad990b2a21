"""Completions whose verdict is known, made of a benchmark's canonical ones, and the same judged by two scorers.

"canonical" must pass. What is planted in a function's first line must fail, whatever it is: an exception, an exit
before the tests have run, an endless loop, output without end. A "changed" line (an operator, a constant, or nothing
left of it) may be right or wrong: there only the two scorers' agreement counts. Planted code is put where it is sure to
run, so it needs tasks whose hole is the first line of the function (ids that end in `L0`).
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from foretype.eval import sandbox
from foretype.eval.cage import runner

TIMEOUT_S = 5.0
_GRACE_S = 1.0  # beyond the reference's own limit, before it is killed
_REFERENCE = Path(__file__).with_name("reference.py")

# Each takes the place of a function's first line. Those that only time ends are dear: few are made of them.
WRONG = {
    "exception": "raise ValueError('planted')",
    "no answer": "return NotImplemented",
    "sys.exit(0)": "import sys; sys.exit(0)",
    "os._exit(0)": "import os; os._exit(0)",
    "SystemExit": "raise SystemExit",
    "quit()": "quit()",
    "syntax error": ")",
    "unclosed string": "'''",
}
ENDLESS = {"endless loop": "while True: pass", "endless output": "while True: print('x' * 65536)"}
_EACH_ENDLESS = 4
_CHANGES = (
    *((" == ", " != "), (" < ", " <= "), (" > ", " >= "), (" + ", " - "), (" * ", " + "), ("True", "False")),
    *((" and ", " or "), ("0", "1"), ("1", "2"), ("False", "True"), ("not ", ""), ("return ", "return None or ")),
)


class Hole(Protocol):
    """A row of the benchmark."""

    @property
    def task_id(self) -> str: ...
    @property
    def entry_point(self) -> str: ...
    @property
    def prompt(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    @property
    def canonical_solution(self) -> str: ...
    @property
    def test(self) -> str: ...


@dataclass(frozen=True)
class Planted:
    """A task with an answer, and whether that must pass; None where it is not known."""

    task: Hole
    kind: str
    completion: str
    right: bool | None

    @property
    def program(self) -> str:
        return self.task.prompt + self.completion + self.task.suffix


def plant(tasks: Sequence[Hole], count: int, seed: int) -> list[Planted]:
    """`count` completions: a third canonical ones, a third wrong ones, the rest changed lines. The same for a seed."""
    draw = random.Random(seed)
    first = [task for task in tasks if task.task_id.endswith("L0")] or list(tasks)
    canonical = [Planted(task, "canonical", task.canonical_solution, True) for task in _drawn(draw, tasks, count // 3)]
    endless = [kind for kind in ENDLESS for _ in range(_EACH_ENDLESS)][: count // 12]
    kinds = endless + [list(WRONG)[n % len(WRONG)] for n in range(count // 3 - len(endless))]
    wrong = [
        Planted(task, kind, _indent(task) + (WRONG | ENDLESS)[kind] + "\n", False)
        for kind, task in zip(kinds, _drawn(draw, first, len(kinds)), strict=True)
    ]
    changed = [
        Planted(task, "changed", _changed(draw, task), None)
        for task in _drawn(draw, tasks, count - len(canonical) - len(wrong))
    ]
    return canonical + wrong + changed


def judged(planted: Planted, box: sandbox.Sandbox, timeout_s: float = TIMEOUT_S) -> bool:
    """The verdict of this project's scorer."""
    task = planted.task
    return runner.run(planted.program, task.test, task.entry_point, timeout_s, box).passed


def by_reference(planted: Planted, box: sandbox.Sandbox, timeout_s: float = TIMEOUT_S) -> bool:
    """The verdict of the stand-in for the benchmark's scorer (`reference`)."""
    task = planted.task
    source = f"{planted.program}\n{task.test}\ncheck({task.entry_point})\n"
    command = box.command([*sandbox.interpreter(), _REFERENCE], readable=[_REFERENCE])
    try:
        done = subprocess.run(
            command if box.bwrap else [sys.executable, str(_REFERENCE)],
            input=f"{timeout_s}\n{source}".encode("utf-8", "surrogatepass"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONHASHSEED": "0"} if box.bwrap else None,
            timeout=timeout_s + _GRACE_S,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.stdout == b"passed"


def _drawn(draw: random.Random, tasks: Sequence[Hole], count: int) -> list[Hole]:
    """`count` of the tasks, all of them before any a second time."""
    drawn: list[Hole] = []
    while len(drawn) < count:
        drawn += draw.sample(tasks, min(len(tasks), count - len(drawn)))
    return drawn


def _indent(task: Hole) -> str:
    line = task.canonical_solution
    return line[: len(line) - len(line.lstrip())]


def _changed(draw: random.Random, task: Hole) -> str:
    line = task.canonical_solution
    changes = [line.replace(old, new, 1) for old, new in _CHANGES if old in line]
    return draw.choice([*changes, _indent(task) + "pass\n"])
