"""One benchmark for one model, in a process of its own: what goes wrong there costs this cell of the table alone.

    OUT/models/<model's key>/<benchmark>-<digest of its settings>.jsonl    rows, one a task
                             ... .json                                     figures; written last: the cell is done
                             ... .log                                      what the benchmark said
                             <benchmark>.answers.jsonl                     what the model said, for all settings

A cell that is done is not run again; one that was cut off goes on, since answers are kept. Knows no statistics.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from foretype.eval.comparison.benchmarks import Benchmark, Settings
from foretype.eval.comparison.models import FORETYPE, Model
from foretype.model.digests import write_whole

_LOOK_S = 1.0
_LEAVE_S = 10.0  # for a benchmark that was interrupted to write what it has


@dataclass(frozen=True)
class Cell:
    """One benchmark of one model: where the rows are and what the command printed, or in one line why there is
    nothing."""

    benchmark: Benchmark
    model: Model
    rows: Path
    figures: dict[str, Any]
    error: str = ""


def run(
    benchmark: Benchmark,
    model: Model,
    settings: Settings,
    out: Path,
    command: Sequence[str] = FORETYPE,
    rejudge: bool = False,
) -> Cell:
    """Runs it, unless it is done; with `rejudge` it runs again on the answers that are kept. `command` is what runs
    Foretype. Raises OSError if `out` cannot be written, ValueError if the settings lack what the benchmark needs."""
    words = benchmark.words(settings)
    if words is None:
        raise ValueError(f"{benchmark.name} needs {benchmark.needs}")
    folder = out / "models" / model.key
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{benchmark.name}-{hashlib.sha256(json.dumps(words).encode()).hexdigest()[:8]}"
    rows, done = folder / f"{stem}.jsonl", folder / f"{stem}.json"
    before = _figures(done)
    if before and rows.is_file() and not rejudge:
        return Cell(benchmark, model, rows, before)
    asked = [*command, "eval", *words, *model.options, "--out", str(rows), "--json"]
    answers = folder / f"{benchmark.name}.answers.jsonl"
    asked += ["--answers", str(answers)] if benchmark.keeps else []
    log = folder / f"{stem}.log"
    status, said = _watched(asked, log, answers if benchmark.keeps else rows, f"{benchmark.name}, {model.label}")
    figures = _parsed(said) if status == 0 else None
    if figures is None:
        return Cell(benchmark, model, rows, {}, _reason(status, log))
    # answers that were kept need no memory
    figures["peak_rss_mib"] = max(figures.get("peak_rss_mib") or 0, (before or {}).get("peak_rss_mib") or 0)
    write_whole(done, json.dumps(figures, indent=1) + "\n")
    return Cell(benchmark, model, rows, figures)


def _watched(words: Sequence[str], log: Path, growing: Path, label: str) -> tuple[int, str]:
    """Runs a command with its complaints in `log`: its status and what it printed. A line of `growing` is a step."""
    with (
        log.open("w+b") as complaints,
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints) as process,
        tqdm(desc=label, unit="answer", leave=False, file=sys.stderr, disable=None) as bar,
    ):
        counted: IO[bytes] | None = None
        try:
            while True:
                try:
                    said, _ = process.communicate(timeout=_LOOK_S)
                    return process.returncode, said.decode("utf-8", "replace")
                except subprocess.TimeoutExpired:
                    counted = counted or (growing.open("rb") if growing.is_file() else None)
                    bar.update(counted.read().count(b"\n") if counted else 0)
        finally:
            if counted:
                counted.close()
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """No benchmark outlives its suite."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _figures(path: Path) -> dict[str, Any] | None:
    try:
        return _parsed(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _reason(status: int, log: Path) -> str:
    """The last thing that a benchmark complained of."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    if status < 0:
        return f"it was ended by signal {-status}; see {log}"
    if not lines:
        return f"it ended with status {status} and said nothing"
    _, _, plain = lines[-1].rpartition("foretype eval ")
    return plain.partition(": ")[2] or lines[-1]
