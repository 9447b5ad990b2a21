"""`foretype eval check`: whether a suite's model is significantly worse than the baseline, task by task.

    foretype eval check --suite DIR
    foretype eval check --suite DIR --write

Exit status 0 nothing is worse, 1 something is (it says which benchmark), 2 nothing can be compared, or bad input. With
`--write` the suite becomes the baseline (`eval/comparison/baseline.py` has the format).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from foretype.eval.comparison import baseline as suite_baseline
from foretype.eval.comparison.baseline import BaselineError, Finding
from foretype.model.digests import write_whole

BASELINE = Path(__file__).parent / "baseline.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", type=Path, required=True, metavar="DIR", help="what foretype eval suite --out wrote")
    parser.add_argument("--baseline", type=Path, default=BASELINE, metavar="FILE", help="default: the project's own")
    parser.add_argument("--model", default="", metavar="LABEL", help="of the suite's (default: its first)")
    parser.add_argument("--write", action="store_true", help="make the suite's figures the baseline")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Checks, or writes; the exit status."""
    try:
        suite = suite_baseline.read_suite(args.suite)
        label = args.model or suite.get("first") or ""
        if args.write:
            return _write(args, suite_baseline.make(suite, label, args.suite))
        findings = suite_baseline.check(suite_baseline.read(args.baseline), suite, label, args.suite)
    except BaselineError as error:
        return _complain(str(error), 2)
    worse = [one.benchmark for one in findings if one.worse]
    known = [one for one in findings if one.p is not None]
    if args.json:
        told = {"worse": worse, "label": label, "benchmarks": {one.benchmark: asdict(one) for one in findings}}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.write("".join(f"{_line(one)}\n" for one in findings))
    if worse:
        return _complain(f"{label} is significantly worse than the baseline in {', '.join(worse)}", 1)
    return 0 if known else _complain("nothing could be compared", 2)


def _write(args: argparse.Namespace, made: dict) -> int:
    try:
        write_whole(args.baseline, json.dumps(made, indent=1) + "\n")
    except OSError as error:
        return _complain(f"{args.baseline} cannot be written: {error.strerror}", 1)
    if args.json:
        sys.stdout.write(json.dumps(made) + "\n")
    else:
        sys.stdout.write(f"{made['label']}, {len(made['benchmarks'])} benchmarks: {args.baseline}\n")
    return 0


def _line(one: Finding) -> str:
    if one.p is None:
        return f"{one.benchmark:<24} not compared: {one.problem}"
    told = "WORSE" if one.worse else "better" if one.p < suite_baseline.LEVEL and one.now > one.before else "as it was"
    return (
        f"{one.benchmark:<24} {one.before:.3f} -> {one.now:.3f}  {one.tasks:>5} tasks, {one.lost} lost, {one.won} won  "
        f"p {one.p:.3f}  {told}"
    )


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval check: {message}\n")
    return status
