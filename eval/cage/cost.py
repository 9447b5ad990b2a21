"""What judging costs in CPU time, beside running the same programs bare.

CPU time of all processes that a run starts, and of this one, so that a busy machine changes little; the arms alternate,
task by task. What the kernel does on its own threads (taking namespaces down) is in nobody's account. Linux alone.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from foretype.eval import sandbox
from foretype.eval.cage import runner
from foretype.eval.cage.planted import Hole

_SET_CHILD_SUBREAPER = 36  # of prctl(2)
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds a task.

    `bare`: an interpreter that runs a file with the program and its tests, with the flags that judging gives it.
    `judged`: a verdict, in the sandbox. `sandbox`, `no_sandbox`: the child processes of a verdict in a sandbox and
    without one. `failed`: ids of tasks that did not pass everywhere; they are in no figure.
    """

    tasks: int
    bare: float
    judged: float
    sandbox: float
    no_sandbox: float
    failed: tuple[str, ...]

    @property
    def judging_ratio(self) -> float:
        return self.judged / self.bare

    @property
    def sandbox_ratio(self) -> float:
        return self.sandbox / self.no_sandbox


def measure(tasks: Sequence[Hole], box: sandbox.Sandbox) -> Cost:
    """The cost of canonical solutions. The code of `tasks` runs bare too: it must be trusted."""
    # bubblewrap leaves before its child does: as its next of kin we are told what that took
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    arms: dict[str, Callable[[Hole], bool]] = {
        "bare": _bare,
        "judged": lambda task: _judged(task, box),
        "uncaged": lambda task: _judged(task, sandbox.BARE),
    }
    children, own, failed, counted = dict.fromkeys(arms, 0.0), dict.fromkeys(arms, 0.0), [], 0
    try:
        for number, task in enumerate(tasks):
            if number == 0:
                for run in arms.values():  # what is read from disk is read now
                    _spent(run, task)
            spent = {name: _spent(run, task) for name, run in arms.items()}
            if not all(passed for passed, _, _ in spent.values()):
                failed.append(task.task_id)
                continue
            counted += 1
            for name, (_, of_children, of_own) in spent.items():
                children[name] += of_children
                own[name] += of_own
    finally:
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    each = 1000 / max(1, counted)
    return Cost(
        tasks=counted,
        bare=(children["bare"] + own["bare"]) * each,
        judged=(children["judged"] + own["judged"]) * each,
        sandbox=children["judged"] * each,
        no_sandbox=children["uncaged"] * each,
        failed=tuple(failed),
    )


def _spent(run: Callable[[Hole], bool], task: Hole) -> tuple[bool, float, float]:
    """Whether it passed, and seconds of CPU: of processes that it started, and of this one."""
    others = {child.pid for child in psutil.Process().children()}
    of_children, of_own = _cpu_s(resource.RUSAGE_CHILDREN), _cpu_s(resource.RUSAGE_SELF)
    passed = run(task)
    of_own = _cpu_s(resource.RUSAGE_SELF) - of_own
    for child in psutil.Process().children():
        if child.pid not in others:
            os.waitpid(child.pid, 0)
    return passed, _cpu_s(resource.RUSAGE_CHILDREN) - of_children, of_own


def _cpu_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _judged(task: Hole, box: sandbox.Sandbox) -> bool:
    program = task.prompt + task.canonical_solution + task.suffix
    return runner.run(program, task.test, task.entry_point, _TIMEOUT_S, box).passed


def _bare(task: Hole) -> bool:
    with tempfile.NamedTemporaryFile("w", suffix=".py", encoding="utf-8") as file:
        file.write(f"{task.prompt}{task.canonical_solution}{task.suffix}\n{task.test}\ncheck({task.entry_point})\n")
        file.flush()
        null = subprocess.DEVNULL
        command = [*sandbox.interpreter(), file.name]
        return subprocess.run(command, stdin=null, stdout=null, stderr=null, env={}).returncode == 0
