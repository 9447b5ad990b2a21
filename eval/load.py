"""`foretype eval load`: whether many editors at one server get their fair share of it.

Starts `foretype serve --tcp` with a data folder of its own and types into it from that many connections at once. Each
editor types a few characters, waits for the answer to the last one, and goes on; what it asked before that is
superseded. The fair share is what each would wait if all waited alike: the mean of all waits. What the same editor
waits when it types alone is told beside it; all together cannot wait less than that many times as long, and wait longer
where the model knows by heart what one types, but not what they type in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from foretype.eval import replay
from foretype.eval.provenance import revision
from foretype.eval.stats import percentile
from foretype.eval.typing.foretype_server import SERVE, ServerError

# The p95 of each editor's waits, in fair shares, and its part of the answers, against the mean.
MOST_SHARES = 3.0
LEAST_PART = 1 / 3
# Who waits for so long, in seconds, and three times longer than all need in turns at the pace of one alone, is starved.
_LONGEST_S = 60.0
_LOADING_S = 600.0
_KEYS = 4
_LOOK_S = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clients", type=int, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="default: %(default)s")
    parser.add_argument("--key-ms", type=float, default=150.0, metavar="MS", help="between keys (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the pauses (default: %(default)s)")
    replay.add_server_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace, serve: Sequence[str | Path] = SERVE) -> int:
    """Types for so long and prints what each had of it; the exit status, 1 if somebody had too little."""
    try:
        if args.clients < 1 or args.seconds <= 0 or args.key_ms < 0:
            raise replay.UsageError("--clients and --seconds must be positive, and --key-ms not negative")
        load = Load(args.clients, args.seconds, args.key_ms, args.seed, replay.server_options(args))
        figures = measure(load, serve)
    except replay.UsageError as error:
        return _complain(str(error), 2)
    except (ServerError, OSError, EOFError, TimeoutError, KeyboardInterrupt) as error:
        return _complain(str(error) or type(error).__name__, 1)
    sys.stdout.write(json.dumps(figures) + "\n" if args.json else table(figures))
    return 1 if figures["broken"] else 0


@dataclass(frozen=True)
class Load:
    """So many clients for so many seconds, with `options` as an editor sends them."""

    clients: int
    seconds: float
    key_ms: float
    seed: int
    options: dict[str, Any]


def measure(load: Load, serve: Sequence[str | Path] = SERVE) -> dict[str, Any]:
    """The figures of one server. Raises `ServerError`, OSError, EOFError, TimeoutError."""
    with (
        tempfile.TemporaryDirectory(prefix="foretype-load-", ignore_cleanup_errors=True) as folder,
        _server(serve, Path(folder) / "data") as (process, address),
    ):
        figures = asyncio.run(_measure(load, Path(folder).resolve(), address, psutil.Process(process.pid)))
    return figures | {"seed": load.seed, "options": load.options, "revision": revision()}


@contextmanager
def _server(serve: Sequence[str | Path], data: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    data.mkdir()
    file = data / "serve.json"
    with (data / "log").open("wb") as errors:
        words = [str(word) for word in (*serve, "--tcp")]
        process = subprocess.Popen(words, stderr=errors, env={**os.environ, "FORETYPE_DATA": str(data)})
    try:
        while not file.exists():
            if process.poll() is not None:
                raise ServerError(f"the server does not start: {(data / 'log').read_text('utf-8', 'replace')[-500:]}")
            time.sleep(0.05)
        yield process, json.loads(file.read_text("utf-8"))
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _measure(load: Load, folder: Path, address: dict[str, Any], server: psutil.Process) -> dict[str, Any]:
    texts = itertools.cycle(_sources())
    editors = [
        Editor(number, folder / str(number), next(texts), random.Random(f"{load.seed} {number}"))
        for number in range(load.clients)
    ]
    try:
        for editor in editors:
            await editor.begin(address, load.options)
        await asyncio.gather(*(editor.ready() for editor in editors))
        await editors[0].type(load.key_ms / 1000, time.monotonic() + min(load.seconds / 4, 15.0))
        alone = editors[0].waits
        if not alone:
            raise ServerError("the model does not answer one editor in the time that it has alone; give more --seconds")
        editors[0].waits = []
        longest = max(_LONGEST_S, MOST_SHARES * load.clients * statistics.median(alone) / 1000)
        before = _resident_mib(server)
        end = time.monotonic() + load.seconds
        over = asyncio.Event()
        watch = asyncio.create_task(_most_mib(server, over))
        await asyncio.gather(*(editor.type(load.key_ms / 1000, end, longest) for editor in editors))
        over.set()
        states = [await editor.request("foretype/status", None) for editor in editors]
        most = await watch
    finally:
        for editor in editors:
            editor.end()
    return _figures(load, editors, statistics.median(alone), states, before, most)


class Editor:
    """One connection and what it waited for, in milliseconds. `starved`: it waited in vain."""

    def __init__(self, number: int, root: Path, text: str, pauses: random.Random) -> None:
        self.waits: list[float] = []
        self.starved = False
        self.keys = 0
        self._root, self._pauses = root, pauses
        half = text.index("\n", len(text) // 2) + 1
        self._shown, self._rest = text[:half], itertools.cycle(text[half:])
        self._line, self._column = self._shown.count("\n"), 0
        self._version = 1
        self._uri = (root / f"typed_{number}.py").as_uri()
        self._number = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def begin(self, address: dict[str, Any], options: dict[str, Any]) -> None:
        self._root.mkdir()
        self._reader, self._writer = await asyncio.open_connection(address["host"], address["port"])
        self._reading = asyncio.create_task(self._read())
        about: dict[str, Any] = {"rootUri": self._root.as_uri(), "capabilities": {}, "processId": None}
        await self.request("initialize", {**about, "initializationOptions": {**options, "token": address["token"]}})
        self._send(method="initialized", params={})
        document = {"uri": self._uri, "languageId": "python", "version": 1, "text": self._shown}
        self._send(method="textDocument/didOpen", params={"textDocument": document})

    async def ready(self) -> None:
        await asyncio.wait_for(asyncio.shield(self._ready), _LOADING_S)

    async def type(self, pause_s: float, end: float, longest_s: float = _LONGEST_S) -> None:
        """Until the end, and what it then waits for."""
        while time.monotonic() < end and not self.starved:
            for _ in range(_KEYS):
                await asyncio.sleep(pause_s * self._pauses.uniform(0.5, 1.5))
                asked = time.perf_counter()
                answer = self._key(next(self._rest))
            try:
                await asyncio.wait_for(answer, longest_s)
            except TimeoutError:
                self.starved = True
            else:
                self.waits.append(1000 * (time.perf_counter() - asked))

    async def request(self, method: str, params: Any) -> Any:
        return await asyncio.wait_for(self._ask(method, params), _LONGEST_S)

    def end(self) -> None:
        if writer := getattr(self, "_writer", None):
            self._reading.cancel()
            writer.close()

    def _key(self, character: str) -> asyncio.Future[Any]:
        """Types it and asks what comes next."""
        here = {"line": self._line, "character": self._column}
        self._version += 1
        self.keys += 1
        change = {"range": {"start": here, "end": here}, "text": character}
        document = {"uri": self._uri, "version": self._version}
        self._send(method="textDocument/didChange", params={"textDocument": document, "contentChanges": [change]})
        self._line, self._column = (self._line + 1, 0) if character == "\n" else (self._line, self._column + 1)
        place = {"line": self._line, "character": self._column}
        params = {"textDocument": {"uri": self._uri}, "position": place, "context": {"triggerKind": 2}}
        return self._ask("textDocument/inlineCompletion", params)

    def _ask(self, method: str, params: Any) -> asyncio.Future[Any]:
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        self._send(id=self._number, method=method, params=params)
        return answer

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def _read(self) -> None:
        lost = "the server let go of an editor"
        try:
            while head := await self._reader.readuntil(b"\r\n\r\n"):
                size = int(head.lower().partition(b"content-length:")[2].split()[0])
                self._hear(json.loads(await self._reader.readexactly(size)))
        except (EOFError, OSError) as error:
            lost = f"{lost} ({error})"
        for future in (self._ready, *self._answers.values()):
            if not future.done():
                future.set_exception(ServerError(lost))

    def _hear(self, message: dict[str, Any]) -> None:
        if message.get("method") == "foretype/didChangeStatus" and not self._ready.done():
            state = message["params"]["state"]
            if state == "ready":
                self._ready.set_result(None)
            elif state in ("error", "off"):
                self._ready.set_exception(ServerError(message["params"]["message"]))
        elif (answer := self._answers.pop(message.get("id", 0), None)) and not answer.done():
            answer.set_result(message.get("result"))


def _figures(
    load: Load, editors: Sequence[Editor], alone_ms: float, states: Sequence[dict[str, Any]], before: float, most: float
) -> dict[str, Any]:
    waits = [editor.waits or [1000 * _LONGEST_S] for editor in editors]
    answers = [len(editor.waits) for editor in editors]
    fair = statistics.mean(itertools.chain.from_iterable(waits))
    p50, p95 = ([percentile(row, q) for row in waits] for q in (50, 95))
    starved = sum(
        editor.starved or count < LEAST_PART * statistics.mean(answers)
        for editor, count in zip(editors, answers, strict=True)
    )
    reasons = sum((Counter(state["reasons"]) for state in states), Counter())
    failed = reasons["failed"] + reasons["paused"] + reasons["loading"]
    bounds = {"fair_share": max(p95) > MOST_SHARES * fair, "starvation": starved > 0, "failures": failed > 0}
    return {
        "clients": load.clients,
        "seconds": load.seconds,
        "model": states[0]["model"],
        "keys": sum(editor.keys for editor in editors),
        "answers": sum(answers),
        "superseded": reasons["superseded"] + reasons["stale"] + reasons["cancelled"],
        "failed": failed,
        "alone_ms_p50": round(alone_ms, 1),
        "fair_share_ms": round(fair, 1),
        **_spread("wait_ms_p50", p50),
        **_spread("wait_ms_p95", p95),
        **_spread("answers", answers),
        "shares_p95_max": round(max(p95) / fair, 3),
        "starved": starved,
        "resident_mib_before": round(before, 1),
        "resident_mib_max": round(most, 1),
        "broken": [name for name, is_broken in bounds.items() if is_broken],
    }


def table(figures: dict[str, Any]) -> str:
    rows = (
        "{clients} editors for {seconds:.0f} s, {model}: {keys} keys, {answers} answers waited for,"
        " {superseded} requests superseded, {failed} failed",
        "one alone waits  {alone_ms_p50:.0f} ms; a fair share of the wait is {fair_share_ms:.0f} ms",
        "waits, p50       {wait_ms_p50_min:.0f} ms, {wait_ms_p50_median:.0f}, {wait_ms_p50_max:.0f}"
        " (least, median and most of the editors)",
        "waits, p95       {wait_ms_p95_min:.0f} ms, {wait_ms_p95_median:.0f}, {wait_ms_p95_max:.0f};"
        " {shares_p95_max:.2f} fair shares at most",
        "answers          {answers_min:.0f}, {answers_median:.0f}, {answers_max:.0f}; {starved} starved",
        "resident memory  {resident_mib_before:.0f} MiB, {resident_mib_max:.0f} at most",
    )
    lines = [row.format(**figures) for row in rows]
    return "\n".join([*lines, *(f"BROKEN: {name}" for name in figures["broken"])]) + "\n"


def _spread(name: str, values: Sequence[float]) -> dict[str, float]:
    spread = {"min": min(values), "median": statistics.median(values), "max": max(values)}
    return {f"{name}_{which}": round(value, 1) for which, value in spread.items()}


def _sources() -> list[str]:
    """What is typed: our own code, of files that every encoding counts alike."""
    folder = Path(__file__).parent
    texts = [path.read_text("utf-8") for path in sorted(folder.glob("*.py"))]
    return [text for text in texts if text.isascii() and len(text) > 4000]


async def _most_mib(server: psutil.Process, over: asyncio.Event) -> float:
    """The largest of all looks until it is over."""
    most = _resident_mib(server)
    while not over.is_set():
        await asyncio.sleep(_LOOK_S)
        most = max(most, _resident_mib(server))
    return most


def _resident_mib(server: psutil.Process) -> float:
    """Of the server and its children, the engine among them if this server started it."""
    total = 0.0
    for one in (server, *server.children(recursive=True)):
        try:
            total += one.memory_info().rss / 2**20
        except psutil.Error:  # it just ended
            pass
    return total


def _complain(message: str, status: int) -> int:
    sys.stderr.write(f"foretype eval load: {message}\n")
    return status
