"""`foretype eval events`: what the event log costs who types, what a kill loses of it, and how long a report takes.

Logs lives at a steady rate and measures what each event takes of the thread that the event loop runs on; kills a writer
in the middle, again and again, and looks at what is missing; reports over a made-up log in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from foretype.eval.log.synthetic import sessions
from foretype.eval.provenance import revision
from foretype.eval.stats import percentile
from foretype.lsp.documents import Edit
from foretype.lsp.events import Event
from foretype.lsp.log.opportunities import Log
from foretype.lsp.log.schema import Run
from foretype.lsp.log.store import Store, reader
from foretype.lsp.log.writer import Writer
from foretype.lsp.outcome import Figures, Suggestion

_EVENTS_PER_S = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=5_000_000, metavar="N", help="of the log that is reported over")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="of logging (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=50, metavar="N", help="of a writer (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="foretype-events-", ignore_cleanup_errors=True) as folder:
        figures = logging_speed(Path(folder) / "write", args.seconds)
        figures |= kills(Path(folder) / "kill", args.kills, args.seed)
        figures |= report_speed(Path(folder) / "report", args.rows, args.seed)
    figures |= {"seed": args.seed, "revision": revision()}
    if args.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        sys.stdout.write("".join(f"{name:<28}{value}\n" for name, value in figures.items()))
    return 0 if not figures["kill_damaged"] else 1


def logging_speed(folder: Path, seconds: float) -> dict[str, Any]:
    """Lives logged at 10,000 events a second. `event_ms_*` is processor time of the calling thread by event, `wall`
    what went by, which on a busy machine is mostly waiting for a processor."""
    told: list[str] = []
    writer = Writer(folder / "events.sqlite3", told.append)
    log = Log(writer.put)
    log.begin(Run(0, "bench", "bench", 0, 0))
    cpu, wall = list[int](), list[int]()
    started = time.perf_counter()
    life = 0
    while (passed := time.perf_counter() - started) < seconds:
        if len(cpu) > passed * _EVENTS_PER_S:
            time.sleep(0.001)
            continue
        for call in _life(log, life):
            at, of_cpu = time.perf_counter_ns(), time.thread_time_ns()
            call()
            cpu.append(time.thread_time_ns() - of_cpu)
            wall.append(time.perf_counter_ns() - at)
        life += 1
    passed = time.perf_counter() - started
    writer.stop(60.0)
    connection = reader(folder / "events.sqlite3")
    (written,) = connection.execute("SELECT count(*) FROM opportunities").fetchone()
    connection.close()
    return {
        "events": len(cpu),
        "events_per_s": round(len(cpu) / passed),
        **{f"event_ms_p{q}": round(percentile(cpu, q) / 1e6, 4) for q in (50, 99)},
        **{f"event_wall_ms_p{q}": round(percentile(wall, q) / 1e6, 4) for q in (50, 99)},
        "rows_written": written,
        "rows_dropped": writer.dropped,
    }


def kills(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Kills a process in the middle of writing. `kill_lost_s_max`: the age of the oldest row that was handed over and
    is missing; `kill_damaged`: how often the log could not be opened and used."""
    draw = random.Random(seed)
    lost, damaged, written = [0.0], 0, 0
    path = folder / "events.sqlite3"
    for number in tqdm(range(count), desc="killing", unit="kill", file=sys.stderr, disable=None):
        child = subprocess.Popen(
            [sys.executable, "-c", _WRITES, str(path), str(number + 1)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout
        handed: list[tuple[int, float]] = []
        until: float | None = None
        for line in child.stdout:
            seq, at = line.split()
            handed.append((int(seq), float(at)))
            until = until or time.time() + 1.0 + draw.random()  # from the first on: starting takes its time
            if time.time() > until:
                break
        child.kill()
        killed = time.time()
        child.stdout.close()
        child.wait()
        try:
            Store(path).close()
            connection = reader(path)
            query = "SELECT seq, ending FROM opportunities WHERE run = ?"
            rows = dict(connection.execute(query, (number + 1,)).fetchall())
            connection.close()
        except Exception:
            damaged += 1
            continue
        damaged += "" in rows.values()  # open rows of who is dead have expired
        written += len(rows)
        lost += [killed - at for seq, at in handed if seq not in rows]
    return {"kills": count, "kill_damaged": damaged, "kill_rows": written, "kill_lost_s_max": round(max(lost), 3)}


def report_speed(folder: Path, rows: int, seed: int) -> dict[str, Any]:
    """A report over so many rows, two weeks of them, of which every one is looked at."""
    store = Store(folder / "events.sqlite3")
    with tqdm(total=rows, desc="making rows", unit="row", file=sys.stderr, disable=None) as bar:
        for one, opportunities in sessions(rows, 14, seed):
            store.write({"runs": [tuple(vars(one).values())], "opportunities": opportunities})
            bar.update(len(opportunities))
    store.close()
    environment = {**os.environ, "FORETYPE_DATA": str(folder)}
    found = subprocess.run([sys.executable, "-c", _REPORTS], env=environment, stdout=subprocess.PIPE, check=True)
    size = sum(file.stat().st_size for file in folder.iterdir())
    return {"report_rows": rows, "report_log_mib": round(size / 2**20, 1), **json.loads(found.stdout)}


def _life(log: Log, number: int) -> list[Callable[[], object]]:
    """The events of one opportunity: typed, asked, answered, shown, and typed over by the next."""
    uri, name = f"file:///{number % 8}", f"s{number}"
    stages_ms = {"total": 50.0, "context": 5.0, "model": 40.0, "trim": 0.1, "gate": 0.3}
    figures = Figures("single", 200, 190, 150, 50, 8, -0.2, 0.5, {"length": 2.0, "short": 0.0})
    tickets: list[Any] = []
    return [
        lambda: log.changed(uri, "python", [Edit(number // 8, 3, "", "x")]),
        lambda: tickets.append(log.asked(uri, "python", number // 8, 4, False)),
        lambda: log.answered(tickets[0], Suggestion(name, " = compute(a, b)", stages_ms, figures=figures)),
        lambda: log.heard(Event("shown", 0.0, name)),
    ]


_WRITES = """
import sys, time
from pathlib import Path
import psutil
from foretype.lsp.log.schema import Opportunity, Run
from foretype.lsp.log.writer import Writer
path, run = Path(sys.argv[1]), int(sys.argv[2])
writer, here = Writer(path, lambda line: None), psutil.Process()
now = int(time.time() * 1000)
writer.put(Run(run, f"s{run}", "i", now, now, process=here.pid, process_at=here.create_time()))
for seq in range(1_000_000):
    writer.put(Opportunity(run, seq, int(time.time() * 1000)))
    print(seq, time.time(), flush=True)
    time.sleep(0.001)
"""

_REPORTS = """
import contextlib, io, json, time
from foretype.context.machine import peak_mib
begin, cpu = time.perf_counter(), time.process_time()
from foretype.eval import report
import argparse
parser = argparse.ArgumentParser()
report.add_arguments(parser)
with contextlib.redirect_stdout(io.StringIO()) as out:
    status = report.run(parser.parse_args(["--since", "7d", "--json"]))
assert status == 0 and json.loads(out.getvalue())["opportunities"]
took = {"report_s": time.perf_counter() - begin, "report_cpu_s": time.process_time() - cpu}
took["report_peak_mib"] = peak_mib()
print(json.dumps({name: round(value, 2) for name, value in took.items()}))
"""
