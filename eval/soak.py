"""`foretype eval soak`: whether the server stays what it was after minutes of typing.

Plays typing traces, one after another and at their own pace or faster, to one real server, and watches its processes
from outside: resident memory, threads, open descriptors. How long its event loop was away is the server's own figure
(`lsp/watch.py`). Each request is followed by a question that the server answers at once: when that answer is here, the
server has read the request, and no text for an older one may come any more. Next edits are on, and so is the event log,
in a folder of its own, in which each change of a document has to be found again afterwards.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from foretype.eval import replay
from foretype.eval.log import accounts
from foretype.eval.log.accounts import Accounts
from foretype.eval.provenance import revision
from foretype.eval.typing import traces
from foretype.eval.typing.checkout import Checkout
from foretype.eval.typing.foretype_server import SERVE, ForetypeServer, ServerError
from foretype.eval.typing.play import play
from foretype.eval.typing.traces import HistoryError, Trace
from foretype.lsp.wire import Client, ServerEnded

MOST_GROWTH = 0.05
# Seconds between two looks at the processes, and how many there are at least.
_LOOK_S = 5.0
_LOOKS = 40
# Traces of one repository before its history is gone through again, and keys of one trace.
_COMMITS = 50
_KEYS = 400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repositories", nargs="+", type=Path, metavar="REPO", help="a clone, bare or not")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="M", help="default: %(default)s")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="of the typist: 10 types tenfold fast")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of commits and pauses (default: %(default)s)")
    replay.add_server_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, serve: Sequence[str | Path] = SERVE) -> int:
    """Types for so long and prints what was seen; the exit status, 1 if a bound does not hold."""
    try:
        if args.minutes <= 0 or args.speed <= 0:
            raise replay.UsageError("--minutes and --speed must be positive")
        options = replay.server_options(args)
        options.setdefault("model", {}).setdefault("share", False)  # else the engine is nobody's child
        for section in ("telemetry", "edits"):
            options.setdefault(section, {}).setdefault("enabled", True)
        figures = soak(args.repositories, 60 * args.minutes, args.speed, args.seed, options, serve)
    except (replay.UsageError, HistoryError) as error:
        return _complain(str(error), 2)
    except (ServerError, ServerEnded, TimeoutError, OSError, KeyboardInterrupt) as error:
        return _complain(str(error) or "interrupted", 1)
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else table(figures))
    return 1 if figures["broken"] else 0


def soak(
    repositories: Sequence[Path],
    seconds: float,
    speed: float,
    seed: int,
    options: dict[str, Any],
    serve: Sequence[str | Path],
) -> dict[str, Any]:
    """Figures of one server after so many seconds of typing. Raises `HistoryError`, `ServerError`, `ServerEnded`."""
    with tempfile.TemporaryDirectory(prefix="foretype-soak-", ignore_cleanup_errors=True) as folder, ExitStack() as end:
        root = Path(folder).resolve() / "workspace"
        root.mkdir()
        checkouts = [
            end.enter_context(closing(Checkout(path, root / str(number), Path(folder) / f"index{number}")))
            for number, path in enumerate(repositories)
        ]
        data = Path(folder) / "data"
        client = OrderedClient.start(serve, env={"FORETYPE_DATA": str(data)})
        server = ForetypeServer(root, options, client=client)
        stop = end.enter_context(ExitStack())
        stop.callback(server.stop)
        clock = _Clock(time.monotonic() + seconds, speed)
        looks = _Looks(client.process.pid, min(_LOOK_S, seconds / _LOOKS))
        end.callback(looks.stop)
        try:
            for number, trace in _endless(repositories, seed):
                changed = tuple(f"{number}/{path}" for path in checkouts[number].to(trace.parent))
                server.workspace(root, changed)
                play(_below(trace, str(number)), server, clock)
        except _OverError:
            pass
        looks.stop()
        status, counts = client.request("foretype/status", timeout=60), server.counts()
        stop.close()
        log = accounts.read(data / "events.sqlite3") if options["telemetry"]["enabled"] else None
        return _figures(looks.seen, status, counts, client, log, seconds) | {
            "speed": speed,
            "model": server.model,
            "seed": seed,
            "options": options,
            "revision": revision(),
        }


class OrderedClient(Client):
    """Counts as `stale` the texts for a request that came after the server had read a newer one, by their numbers."""

    asked = stale = changes = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._fences: dict[int, int] = {}  # the question behind a request, to the request
        self._read_up_to = 0

    def send_request(self, method: str, params: Any = None) -> int:
        number = super().send_request(method, params)
        if method == "textDocument/inlineCompletion":
            self.asked += 1
            fence = super().send_request("foretype/status")
            with self._changed:
                self._fences[fence] = number
                if self._responses.pop(fence, None):  # it was quicker than this
                    self._passed(fence)
        return number

    def change(self, uri: str, *changes: dict[str, Any]) -> int:
        self.changes += 1
        return super().change(uri, *changes)

    def _receive(self, message: dict[str, Any]) -> None:
        number, result = message.get("id"), message.get("result")
        if "method" not in message and number is not None:
            with self._changed:
                if number in self._fences:
                    return self._passed(number)
                self.stale += isinstance(result, dict) and bool(result.get("items")) and number < self._read_up_to
        return super()._receive(message)

    def _passed(self, fence: int) -> None:
        self._read_up_to = max(self._read_up_to, self._fences.pop(fence))


@dataclass(frozen=True)
class Look:
    """The server's process and its children, summed."""

    resident_mib: float
    threads: int
    descriptors: int


class _Looks:
    """Looks at a process and its children every `every_s` seconds until it is stopped."""

    def __init__(self, pid: int, every_s: float) -> None:
        self.seen: list[Look] = []
        self._process, self._every_s = psutil.Process(pid), every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="soak-looks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(self._every_s):
            if look := _look(self._process):
                self.seen.append(look)


def _look(process: psutil.Process) -> Look | None:
    try:
        rows = [
            (one.memory_info().rss, one.num_threads(), one.num_handles() if sys.platform == "win32" else one.num_fds())
            for one in (process, *process.children(recursive=True))
        ]
    except psutil.Error:  # one of them just ended
        return None
    resident, threads, descriptors = (sum(column) for column in zip(*rows, strict=True))
    return Look(resident / 2**20, threads, descriptors)


class _OverError(Exception):
    """The time for typing is over."""


class _Clock:
    """Pauses until the end, shorter than they are by the factor `speed`."""

    def __init__(self, end: float, speed: float) -> None:
        self._end, self._speed = end, speed

    def wait(self, ms: float, busy: Callable[[], bool]) -> None:
        left, seconds = self._end - time.monotonic(), ms / 1000 / self._speed
        time.sleep(max(0.0, min(seconds, left)))
        if seconds >= left:
            raise _OverError


def _endless(repositories: Sequence[Path], seed: int) -> Iterator[tuple[int, Trace]]:
    """Traces of each repository in turn, by the repository's number. Raises `HistoryError` where none has any."""
    while True:
        turns = [iter(traces.traces(path, _COMMITS, seed, max_keys=_KEYS)) for path in repositories]
        left = dict(enumerate(turns))
        found = False
        while left:
            for number, turn in list(left.items()):
                if trace := next(turn, None):
                    found = True
                    yield number, trace
                else:
                    del left[number]
        if not found:
            raise HistoryError("no commit of these repositories has enough typing in languages with a grammar")
        seed += 1


def _below(trace: Trace, folder: str) -> Trace:
    """The trace with its files in a folder of the workspace."""
    files = tuple(replace(file, path=f"{folder}/{file.path}") for file in trace.files)
    return replace(trace, files=files, steps=tuple(replace(step, path=f"{folder}/{step.path}") for step in trace.steps))


def _figures(
    seen: Sequence[Look],
    status: dict[str, Any],
    counts: dict[str, int],
    client: OrderedClient,
    log: Accounts | None,
    seconds: float,
) -> dict[str, Any]:
    """Before and after are the second tenth and the last; `resident_mib` are looks at even distances."""
    tenth = max(1, len(seen) // 10)
    early, late = seen[tenth : 2 * tenth], seen[-tenth:]
    if not early:
        raise ServerError("too short to compare memory: give more --minutes")
    before, after = (statistics.median(look.resident_mib for look in part) for part in (early, late))
    growth, loop = after / before - 1, status["loop"]
    log = log or Accounts(client.changes, 0, 0, 0)
    unaccounted = abs(client.changes - log.changes) + log.open + log.missing + log.dropped
    bounds = {
        "resident_growth": growth > MOST_GROWTH,
        "stale_answers": client.stale > 0,
        "unaccounted": unaccounted > 0,
    }
    return {
        "seconds": seconds,
        "resident_mib_early": round(before, 1),
        "resident_mib_late": round(after, 1),
        "resident_growth": round(growth, 4),
        "resident_mib": [round(look.resident_mib) for look in seen[:: max(1, len(seen) // _LOOKS)]],
        "threads_early": early[0].threads,
        "threads_late": late[-1].threads,
        "descriptors_early": early[0].descriptors,
        "descriptors_late": late[-1].descriptors,
        **{f"loop_{name}": value for name, value in loop.items()},
        "keys": client.asked,
        "requests": counts["requests"],
        "shown": status["counts"].get("shown", 0),
        "stale_answers": client.stale,
        "changes": client.changes,
        "unaccounted": unaccounted,
        **{f"logged_{name}": value for name, value in asdict(log).items()},
        "broken": [name for name, is_broken in bounds.items() if is_broken],
    }


def table(figures: dict[str, Any]) -> str:
    rows = (
        "resident memory  {resident_mib_early:.0f} MiB, {resident_mib_late:.0f} at the end ({resident_growth:+.1%})",
        "threads          {threads_early}, {threads_late} at the end",
        "descriptors      {descriptors_early}, {descriptors_late} at the end",
        "event loop       late by {loop_late_ms_max:.0f} ms at most, {loop_over_20_ms} times over 20 ms;"
        " at work for {loop_busy_ms_max:.0f} ms, {loop_busy_over_20_ms} times",
        "keys             {keys}; {requests} requests, {shown} shown, {stale_answers} answered for an older request",
        "event log        {changes} changes of documents, {logged_changes} logged; {logged_open} rows left open,"
        " {logged_missing} missing, {logged_dropped} dropped",
    )
    lines = [row.format(**figures) for row in rows]
    if figures["loop_over_20_ms"] > figures["loop_busy_over_20_ms"]:
        lines.append("late without work: the loop waited for a processor or for another thread")
    lines += [f"BROKEN: {name}" for name in figures["broken"]]
    return "\n".join(lines) + "\n"


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval soak: {message}\n")
    return status
