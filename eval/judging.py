"""`foretype eval infill --agree N --judge-cost N`: is the scorer right, and what does it cost?

Right: completions whose verdict is known (`eval/cage/planted.py`) are judged by it and by a stand-in for the
benchmark's own scorer (`eval/cage/reference.py`), both in the sandbox. All canonical ones must pass, all planted wrong
ones fail, and the two must agree; the exit status is 1 otherwise. Cost: CPU time of verdicts beside that of running
the same programs bare (`eval/cage/cost.py`); a figure, not a condition. Asks no model.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tqdm import tqdm

from foretype.eval import infill, sandbox
from foretype.eval.cage import planted
from foretype.eval.cage.planted import Planted
from foretype.eval.cage.pool import in_order

_T = TypeVar("_T")


@dataclass(frozen=True)
class Opinions:
    """Whether a completion passed, in this project's scorer and in the reference."""

    of: Planted
    ours: bool
    reference: bool

    @property
    def sound(self) -> bool:
        """The two agree, and with what is known."""
        return self.ours == self.reference and self.of.right in (None, self.ours)


def run(args: argparse.Namespace) -> int:
    """Judges and measures; the exit status: 1 where a verdict is not what it must be."""
    try:
        if args.agree < 0 or args.judge_cost < 0:
            raise infill.DataError("--agree and --judge-cost must not be negative")
        tasks = infill.choose(infill.read_tasks(args.data, args.split), 0, args.seed)
    except infill.DataError as error:
        return _complain(str(error), 2)
    try:
        box = sandbox.open_sandbox()
    except sandbox.SandboxError as error:
        return _complain(str(error).partition(", or pass --unsafe-exec")[0], 1)

    opinions = compare(planted.plant(tasks, args.agree, args.seed), box)
    figures: dict[str, Any] = {"split": args.split, "seed": args.seed} | agreement(opinions)
    if args.judge_cost:
        figures |= _cost(tasks[: args.judge_cost], box)
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else table(figures, opinions))
    return 0 if all(each.sound for each in opinions) else 1


def compare(
    completions: Sequence[Planted], box: sandbox.Sandbox, timeout_s: float = planted.TIMEOUT_S
) -> list[Opinions]:
    """Each completion's two verdicts, in their order."""

    def opinions(of: Planted) -> Opinions:
        return Opinions(of, planted.judged(of, box, timeout_s), planted.by_reference(of, box, timeout_s))

    judged = in_order(opinions, completions, min(infill.JUDGES, os.cpu_count() or 1))
    return list(_progress(judged, "judging", len(completions)))


def agreement(opinions: Sequence[Opinions]) -> dict[str, Any]:
    canonical = [each for each in opinions if each.of.right]
    wrong = [each for each in opinions if each.of.right is False]
    return {
        "completions": len(opinions),
        "agreed": sum(each.ours == each.reference for each in opinions),
        "canonical": len(canonical),
        "canonical_passed": sum(each.ours for each in canonical),
        "wrong": len(wrong),
        "wrong_passed": sum(each.ours for each in wrong),
        "unsound_ids": [f"{each.of.task.task_id} {each.of.kind}" for each in opinions if not each.sound],
    }


def table(figures: dict[str, Any], opinions: Sequence[Opinions]) -> str:
    """The figures for people, and each verdict that is not what it must be."""
    lines = [f"{'completion':16} {'number':>6} {'passed':>6} {'by the reference':>16}"] if opinions else []
    for kind, number in Counter(each.of.kind for each in opinions).items():
        of_kind = [each for each in opinions if each.of.kind == kind]
        ours, reference = sum(each.ours for each in of_kind), sum(each.reference for each in of_kind)
        lines.append(f"{kind:16} {number:6} {ours:6} {reference:16}")
    if opinions:
        lines += ["", f"The two scorers agree on {figures['agreed']} of {figures['completions']}."]
    for each in opinions:
        if not each.sound:
            said = f"{'passed' if each.ours else 'failed'}, by the reference {'passed' if each.reference else 'failed'}"
            lines.append(f"  {each.of.task.task_id}, {each.of.kind}: {said}: {each.of.completion.strip()!r}")
    if "judging_cpu_ratio" in figures:
        cost = [
            "",
            "CPU time of {cost_tasks} canonical solutions, each: {bare_cpu_ms:.1f} ms bare, {judged_cpu_ms:.1f} judged,"
            " {judging_cpu_ratio:.2f} times.",
            "The child processes of a verdict alone: {sandbox_cpu_ratio:.2f} times what they take without the sandbox.",
        ]
        lines += [line.format(**figures) for line in cost]
    return "\n".join(lines) + "\n"


def _cost(tasks: Sequence[infill.Task], box: sandbox.Sandbox) -> dict[str, Any]:
    from foretype.eval.cage import cost

    found = cost.measure(tasks, box)
    if not found.tasks:
        return {"cost_tasks": 0, "cost_failed_ids": list(found.failed)}
    return {
        "cost_tasks": found.tasks,
        "cost_failed_ids": list(found.failed),
        "bare_cpu_ms": found.bare,
        "judged_cpu_ms": found.judged,
        "judging_cpu_ratio": found.judging_ratio,
        "sandbox_cpu_ratio": found.sandbox_ratio,
    }


def _progress(items: Iterable[_T], what: str, total: int) -> Iterable[_T]:
    return tqdm(items, desc=what, total=total, unit="completion", file=sys.stderr, disable=None)


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval infill: {message}\n")
    return status
