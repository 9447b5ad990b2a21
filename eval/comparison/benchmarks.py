"""The benchmarks of a suite: the command that runs each, and what its rows say of every task.

A task's marks are passes and failures or shares in 0..1; the first measure of a benchmark is the one that its verdict
is about. Tasks that a measure does not judge have no mark of it. Knows neither processes nor figures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foretype.eval.infill import SPLITS

CASES = Path(__file__).parents[1] / "cases" / "edits"
LIMIT = 150
ARMS = ("none", "all")
_SPLITS_OF_PAIRS = {"dev": "validation", "test": "test"}


class RowsError(Exception):
    """Rows cannot be read. The message is one line."""


@dataclass(frozen=True)
class Settings:
    """What tasks are asked. `half` is what to choose by ("dev") or to report ("test"); `limits` are tasks by benchmark,
    0 for all."""

    data: Path | None = None
    pairs: Path | None = None
    cases: Path = CASES
    half: str = "dev"
    seed: int = 7
    limits: Mapping[str, int] = field(default_factory=dict)
    judged: int = 10
    work: Path | None = None
    unsafe_exec: bool = False


@dataclass(frozen=True)
class Outcome:
    """How one model did at one task: marks by measure, and milliseconds."""

    task: str
    marks: Mapping[str, bool | float]
    latency_ms: float


Row = Mapping[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """`words` is the command after `foretype eval`, None where the settings lack what `needs` names. `parts` are the
    names under which figures are told, `part_of` and `outcome` read a row. `keeps` says whether the command takes
    `--answers`."""

    name: str
    needs: str
    words: Callable[[Settings], list[str] | None]
    outcome: Callable[[Row], Outcome]
    measures: tuple[str, ...]
    parts: tuple[str, ...] = ()
    part_of: Callable[[Row], str] = lambda row: ""
    keeps: bool = True

    def outcomes(self, path: Path) -> dict[str, dict[str, Outcome]]:
        """By part and task; of a task's rows the last one counts. Raises `RowsError`."""
        found: dict[str, dict[str, Outcome]] = {part: {} for part in self.parts or (self.name,)}
        try:
            for row in _rows(path):
                part, outcome = self.part_of(row) or self.name, self.outcome(row)
                if part in found:
                    found[part][outcome.task] = outcome
        except OSError as error:
            raise RowsError(f"{path} cannot be read: {error.strerror}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise RowsError(f"{path} has rows of another form ({error}): remove it and run again") from error
        return found


def chosen(names: Iterable[str]) -> list[Benchmark]:
    """The benchmarks of these names, or of whose names they are the first part. Raises ValueError."""
    wanted = list(names)
    for name in wanted:
        if not any(covers(name, one.name) for one in BENCHMARKS):
            raise ValueError(f"no benchmark is called {name}; there are {', '.join(one.name for one in BENCHMARKS)}")
    return [one for one in BENCHMARKS if not wanted or any(covers(name, one.name) for name in wanted)]


def covers(name: str, benchmark: str) -> bool:
    """Whether a name is the benchmark's, or of a group that it is in: "infill" is all of its splits."""
    return benchmark == name or benchmark.startswith(f"{name}-")


def _limit(settings: Settings, name: str) -> list[str]:
    return ["--limit", str(settings.limits.get(name, LIMIT)), "--seed", str(settings.seed)]


def _infill(split: str) -> Benchmark:
    name = f"infill-{split}"

    def words(settings: Settings) -> list[str] | None:
        if settings.data is None:
            return None
        unsafe = ["--unsafe-exec"] if settings.unsafe_exec else []
        return ["infill", "--data", str(settings.data), "--split", split, *_limit(settings, name), *unsafe]

    def outcome(row: Row) -> Outcome:
        marks = {"pass_at_1": bool(row["passed"]), "exact_match": bool(row["exact"])}
        return Outcome(row["task_id"], marks, float(row["latency_ms"]))

    return Benchmark(name, "--data", words, outcome, ("pass_at_1", "exact_match"))


def _crossfile() -> Benchmark:
    def words(settings: Settings) -> list[str]:
        asked = ["crossfile", "--split", settings.half, "--arms", ",".join(ARMS), *_limit(settings, "crossfile")]
        asked += ["--judged", str(settings.judged)]
        asked += ["--work", str(settings.work)] if settings.work else []
        return asked + (["--unsafe-exec"] if settings.unsafe_exec else [])

    def outcome(row: Row) -> Outcome:
        marks: dict[str, bool | float] = {
            "exact_match": bool(row["exact"]),
            "identifier_match": float(row["identifier_match"]),
        }
        if row["passed"] is not None:
            marks["pass_at_1"] = bool(row["passed"])
        return Outcome(row["task_id"], marks, float(row["latency_ms"]))

    return Benchmark(
        "crossfile",
        "",
        words,
        outcome,
        ("exact_match", "identifier_match", "pass_at_1"),
        parts=tuple(f"crossfile-{arm}" for arm in ARMS),
        part_of=lambda row: f"crossfile-{row['arm']}",
        keeps=False,
    )


def _edits(name: str, needs: str, asked: Callable[[Settings], list[str] | None]) -> Benchmark:
    def words(settings: Settings) -> list[str] | None:
        what = asked(settings)
        return None if what is None else ["edits", *what, *_limit(settings, name)]

    def outcome(row: Row) -> Outcome:
        verdict = row["verdict"]
        due, shown, exact = (bool(verdict[each]) for each in ("due", "shown", "exact"))
        marks: dict[str, bool | float] = {"right": exact if due else not shown}
        marks |= {"delta_chrf": float(verdict["delta_chrf"]) / 100} if due else {"quiet_rate": not shown}
        return Outcome(row["name"], marks, float(row["all_latency_ms"]))

    return Benchmark(name, needs, words, outcome, ("right", "delta_chrf", "quiet_rate"))


def _pairs(settings: Settings) -> list[str] | None:
    if settings.pairs is None:
        return None
    return ["--pairs", str(settings.pairs), "--split", _SPLITS_OF_PAIRS[settings.half]]


def _rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n") and line.strip():  # a last line without an end was cut off
                yield json.loads(line)


BENCHMARKS: tuple[Benchmark, ...] = (
    *map(_infill, SPLITS),
    _crossfile(),
    _edits("edits-cases", "--cases", lambda settings: ["--cases", str(settings.cases), "--lane", "both"]),
    _edits("edits-pairs", "--pairs", _pairs),
)
