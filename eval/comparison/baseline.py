"""A baseline: what a model did at each task of a suite, in a file small enough to be kept with the code.

    {"format": 1, "label": "mined-v3", "model_sha256": "...", "adapter_sha256": "...", "revision": "...", "half": "dev",
     "seed": 7, "benchmarks": {"infill-single-line": {"measure": "pass_at_1", "tasks": 150, "passed": 108,
     "ids_sha256": "...", "verdicts": "f7e9...", "latency_ms_p50": 512.0}}}

`verdicts` has a bit for each task, hexadecimal, in the order of the tasks' sorted ids, the first one in the highest
bit, zeros at the end; `ids_sha256` is of those ids, each followed by a newline. Of a benchmark's measures only the
first is in it, the one that its verdict is about. Times are for the record: they mean nothing on another machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from foretype.eval import stats
from foretype.eval.comparison.benchmarks import BENCHMARKS, RowsError
from foretype.eval.comparison.figures import LEVEL

FORMAT = 1
_PARTS = {part: one for one in BENCHMARKS for part in one.parts or (one.name,)}


class BaselineError(Exception):
    """A baseline or a suite cannot be used. The message tells a user what to do."""


@dataclass(frozen=True)
class Finding:
    """One benchmark against the baseline. `p` is corrected for how many there are; None, with `problem`, where the two
    cannot be compared."""

    benchmark: str
    tasks: int = 0
    before: float = 0.0
    now: float = 0.0
    lost: int = 0
    won: int = 0
    p: float | None = None
    problem: str = ""

    @property
    def worse(self) -> bool:
        return self.p is not None and self.p < LEVEL and self.now < self.before


def make(suite: Mapping[str, Any], label: str, folder: Path) -> dict[str, Any]:
    """The baseline that one model of a suite sets. Raises `BaselineError`."""
    about = next((model for model in suite["models"] if model["label"] == label), None)
    if about is None:
        known = ", ".join(model["label"] for model in suite["models"])
        raise BaselineError(f"the suite has no model {label}; it has {known or 'none'}")
    benchmarks = {}
    for name, passed, measure in _verdicts(suite, label, folder):
        one = suite["benchmarks"][name]["models"][label]
        benchmarks[name] = {
            "measure": measure,
            "tasks": len(passed),
            "passed": sum(passed.values()),
            "ids_sha256": ids_digest(passed),
            "verdicts": packed(passed),
            "latency_ms_p50": round(one["latency_ms_p50"], 1),
        }
    if not benchmarks:
        raise BaselineError(f"the suite has no figures of {label}; run it again")
    facts = {name: about.get(name, "") for name in ("label", "model_sha256", "adapter_sha256")}
    facts |= {name: suite[name] for name in ("half", "seed")}
    measured = {suite["benchmarks"][name]["models"][label]["revision"] for name in benchmarks}
    facts["revision"] = ", ".join(sorted(filter(None, measured)))
    return {"format": FORMAT, **facts, "benchmarks": benchmarks}


def check(baseline: Mapping[str, Any], suite: Mapping[str, Any], label: str, folder: Path) -> list[Finding]:
    """Each of the baseline's benchmarks, task by task. Raises `BaselineError`."""
    now = {name: (passed, measure) for name, passed, measure in _verdicts(suite, label, folder)}
    found, questions = {}, {}
    for name, before in baseline["benchmarks"].items():
        if name not in now:
            found[name] = Finding(name, problem="the suite has no figures of it")
            continue
        passed, measure = now[name]
        if before["measure"] != measure or before["ids_sha256"] != ids_digest(passed):
            found[name] = Finding(
                name,
                problem=f"the suite has other tasks ({len(passed)}, the baseline {before['tasks']}); use the same "
                f"--half, --seed and --limit {_PARTS[name].name}={before['tasks']}",
            )
            continue
        old = unpacked(before["verdicts"], sorted(passed))
        lost, won = (sum(old[task] != passed[task] == after for task in passed) for after in (False, True))
        was, is_now = (sum(one.values()) / len(passed) for one in (old, passed))
        found[name] = Finding(name, len(passed), was, is_now, lost, won)
        questions[name] = stats.mcnemar(lost, won)
    adjusted = stats.holm(questions)
    return [replace(one, p=adjusted.get(name)) for name, one in found.items()]


def read(path: Path) -> dict[str, Any]:
    """A baseline from a file. Raises `BaselineError`."""
    found = _json(path, "make one with foretype eval check --write")
    if found.get("format") != FORMAT or not isinstance(found.get("benchmarks"), dict):
        raise BaselineError(f"{path} is no baseline of format {FORMAT}: make one with foretype eval check --write")
    needed = ("measure", "tasks", "ids_sha256", "verdicts")
    for name, one in found["benchmarks"].items():
        if not isinstance(one, dict) or any(each not in one for each in needed):
            raise BaselineError(f"{path}: {name} lacks one of {', '.join(needed)}")
    return found


def read_suite(folder: Path) -> dict[str, Any]:
    """What a suite left in its folder. Raises `BaselineError`."""
    found = _json(folder / "suite.json", "give the folder that foretype eval suite --out wrote")
    if not isinstance(found.get("benchmarks"), dict) or not isinstance(found.get("models"), list):
        raise BaselineError(f"{folder / 'suite.json'} is not a suite's: run it again")
    return found


def packed(passed: Mapping[str, bool]) -> str:
    bits = [passed[task] for task in sorted(passed)]
    bits += [False] * (-len(bits) % 8)
    return bytes(sum(bit << (7 - at) for at, bit in enumerate(bits[i : i + 8])) for i in range(0, len(bits), 8)).hex()


def unpacked(verdicts: str, tasks: list[str]) -> dict[str, bool]:
    """Raises `BaselineError` if there are not as many verdicts as tasks."""
    try:
        held = bytes.fromhex(verdicts)
    except ValueError as error:
        raise BaselineError(f"the baseline's verdicts are not hexadecimal ({error})") from error
    if len(held) != (len(tasks) + 7) // 8:
        raise BaselineError(f"the baseline has verdicts for {8 * len(held)} tasks where there are {len(tasks)}")
    return {task: bool(held[at // 8] >> (7 - at % 8) & 1) for at, task in enumerate(tasks)}


def ids_digest(tasks: Mapping[str, bool]) -> str:
    return hashlib.sha256("".join(f"{task}\n" for task in sorted(tasks)).encode()).hexdigest()


def _verdicts(suite: Mapping[str, Any], label: str, folder: Path) -> Iterator[tuple[str, dict[str, bool], str]]:
    """Benchmark, verdict by task, measure: of all that the suite has of a model."""
    for name, told in suite["benchmarks"].items():
        if label not in told["models"] or name not in _PARTS:
            continue
        rows = folder / told["models"][label]["rows"]
        try:
            outcomes = _PARTS[name].outcomes(rows)[name]
        except RowsError as error:
            raise BaselineError(str(error)) from error
        measure = _PARTS[name].measures[0]
        yield name, {task: bool(one.marks[measure]) for task, one in outcomes.items()}, measure


def _json(path: Path, otherwise: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BaselineError(f"{path} cannot be read ({error.strerror}): {otherwise}") from error
    except ValueError as error:
        raise BaselineError(f"{path} is not JSON ({error}): {otherwise}") from error
    if not isinstance(found, dict):
        raise BaselineError(f"{path} holds no object: {otherwise}")
    return found
