"""Labelled answers for the confidence gate: what the server would show at a key, and whether it would be accepted.

Types the same traces as a replay, key by key and without pauses, and asks the real server, its gate open, at some keys
that the seed chooses. What the gate looks at comes with the server's status; the simulated developer says what would be
accepted. The rest of a suggestion that was made before is no new decision, and gives no row. One JSON object a commit
goes to a file, and a run that was broken off goes on from there.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Protocol

from foretype.eval.typing import traces
from foretype.eval.typing.buffer import behind
from foretype.eval.typing.checkout import Checkout
from foretype.eval.typing.developer import Developer, keys_within
from foretype.eval.typing.foretype_server import ForetypeServer, ServerError
from foretype.eval.typing.traces import Change, Insert, Move, Open, Step, Trace

# Every so many keys, on average: neighbours have the same answer.
EVERY = 8
# Keys of a trace that are asked at, and those behind them by which the last answers are judged.
KEYS, BEYOND = 64, 256
# What makes the server answer each key with the model.
OPTIONS = {"completion": {"gate": 0.0, "debounce_ms": 0}}

_ANSWER_S = 120.0
_POLL_S = 0.002


@dataclass(frozen=True)
class Decision:
    """One answer that would have been shown: what the gate knew of it, by name; the characters of it that the developer
    would have accepted, 0 for none, and the keys that saves."""

    repository: str
    commit: str
    language: str
    evidence: Mapping[str, float]
    accepted: int
    keys: int


class Asked(Protocol):
    """What is needed of a server."""

    def workspace(self, root: Path, changed: tuple[str, ...]) -> None: ...
    def open(self, path: str, language: str, text: str) -> None: ...
    def edit(self, path: str, line: int, column: int, removed: str, inserted: str) -> None: ...
    def move(self, path: str, line: int, column: int) -> None: ...
    def close(self, path: str) -> None: ...
    def answer(self, path: str, line: int, column: int) -> tuple[str, Mapping[str, float]]:
        """The text that is suggested, and what the gate looked at; without it, it is no new suggestion."""


class Server(ForetypeServer):
    """The server of a replay, asked one thing at a time."""

    def answer(self, path: str, line: int, column: int) -> tuple[str, Mapping[str, float]]:
        """See `Asked`. Raises `ServerError`."""
        self.ask(path, line, column, 0)
        until = time.monotonic() + _ANSWER_S
        while self.busy():
            if time.monotonic() > until:
                raise ServerError(f"the server did not answer within {_ANSWER_S:g} s")
            time.sleep(_POLL_S)
        shown = self.shown()
        return (shown.text, self._status()["last"].get("evidence", {})) if shown else ("", {})


def collect(
    repository: Path,
    commits: int,
    seed: int,
    options: Mapping[str, Mapping[str, Any]],
    *,
    since: str = "",
    until: str = "",
    wanted: Sequence[str] = (),
    done: frozenset[str] = frozenset(),
) -> Iterator[tuple[str, list[Decision]]]:
    """Each commit of a repository that is not `done`, with its decisions. `options` are the server's.

    Raises `HistoryError`, `ServerError`, and what `lsp/wire.py` raises.
    """
    todo = traces.traces(repository, commits, seed, since=since, until=until, wanted=wanted, max_keys=KEYS + BEYOND)
    with tempfile.TemporaryDirectory(prefix="foretype-gate-", ignore_cleanup_errors=True) as folder:
        root = Path(folder).resolve() / "workspace"
        with closing(Checkout(repository, root, Path(folder) / "index")) as checkout:
            server: Server | None = None
            try:
                for trace in todo:
                    if trace.commit in done:
                        continue
                    changed = checkout.to(trace.parent)
                    server = server or Server(root, _merged(options))
                    server.workspace(root, changed)
                    yield trace.commit, decisions(trace, server, seed)
            finally:
                if server:
                    server.stop()


def decisions(trace: Trace, server: Asked, seed: int, every: int = EVERY) -> list[Decision]:
    """What came of the first `KEYS` keys of a trace, of which one in `every` is asked at."""
    random = Random(f"{seed}:{trace.commit}:gate")
    files = {file.path: file for file in trace.files}
    found: list[Decision] = []
    for path, line, column, rest in _typed(trace, server):
        if random.random() * every >= 1:
            continue
        text, evidence = server.answer(path, line, column)
        if not text or not evidence:
            continue
        accepted = Developer().accepts(text, rest)
        found.append(
            Decision(
                repository=trace.repository,
                commit=trace.commit,
                language=files[path].language,
                evidence=evidence,
                accepted=accepted,
                keys=keys_within(accepted, rest),
            )
        )
    return found


def read(path: Path, settings: Mapping[str, Any]) -> dict[str, list[Decision]]:
    """The decisions of each commit that the file has; begins the file where there is none.

    Raises ValueError where it is of a run with other settings, or no such file at all.
    """
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    if not lines:
        path.write_text(json.dumps({"settings": settings}) + "\n", "utf-8")
        return {}
    try:
        first, *rest = map(json.loads, lines)
        if first["settings"] != json.loads(json.dumps(settings)):
            raise ValueError("it is of a run with other arguments")
        kept = {one["commit"]: [Decision(**row) for row in one["rows"]] for one in rest}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"--out {path} cannot be gone on with ({error}): give another file") from error
    with path.open("r+b") as file:  # the last line may have been broken off
        file.truncate(sum(len(line) + 1 for line in lines))
    return kept


def append(path: Path, commit: str, rows: Sequence[Decision]) -> None:
    with path.open("a", encoding="utf-8", newline="\n") as out:
        out.write(json.dumps({"commit": commit, "rows": [asdict(row) for row in rows]}) + "\n")


def _typed(trace: Trace, server: Asked) -> Iterator[tuple[str, int, int, list[str]]]:
    """Types the trace's first `KEYS` keys; after each: where the cursor is, and the keys that follow there."""
    files, opened, left = {file.path: file for file in trace.files}, list[str](), KEYS
    for step, after in zip(trace.steps, (*trace.steps[1:], None), strict=True):
        match step:
            case Open():
                server.open(step.path, files[step.path].language, files[step.path].text)
                opened.append(step.path)
            case Move():
                server.move(step.path, step.line, step.column)
            case Change():
                server.edit(step.path, step.line, step.column, step.removed, step.inserted)
                place = behind(step.line, step.column, step.inserted)
                if step.is_key:
                    left -= 1
                    yield step.path, *place, _keys_at(after, step.path, *place)
            case Insert():
                line, column, keys = step.line, step.column, [key.text for key in step.keys]
                for number, key in enumerate(keys[:left], 1):
                    server.edit(step.path, line, column, "", key)
                    line, column = behind(line, column, key)
                    yield step.path, line, column, keys[number:]
                left -= len(keys)
        if left <= 0:
            break
    for path in opened:
        server.close(path)


def _keys_at(step: Step | None, path: str, line: int, column: int) -> list[str]:
    """The keys that a step types at a place."""
    if isinstance(step, Insert) and (step.path, step.line, step.column) == (path, line, column):
        return [key.text for key in step.keys]
    return []


def _merged(options: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {**options.get(name, {}), **OPTIONS.get(name, {})} for name in {*options, *OPTIONS}}
