"""What a replay found, and the file that keeps it: a row for each key, and one that says that a commit is complete.

JSON Lines; the first has the settings of the run. A run that was broken off left whole commits, and perhaps the
beginning of one more, which is cut off. Knows no figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from foretype.eval.typing.play import Row


class RowsError(Exception):
    """The file cannot be used. The message tells a user what to do."""


@dataclass(frozen=True)
class Played:
    """One commit with one side and its model: its keys, what `Assistant.counts` rose by in it, CPU seconds, and seconds
    that went by."""

    side: str
    repository: str
    commit: str
    language: str
    model: str
    rows: tuple[Row, ...]
    counts: Mapping[str, int]
    cpu_s: float
    seconds: float


def begin(path: Path, settings: Mapping[str, Any]) -> list[Played]:
    """The commits that the file has; begins the file where there is none. Raises `RowsError`."""
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        if not any(lines):
            path.write_text(json.dumps({"settings": settings}) + "\n", "utf-8")
            return []
        if json.loads(lines[0]).get("settings") != json.loads(json.dumps(settings)):
            raise RowsError(f"--out {path} is of a run with other arguments: give another file, or delete it")
        done, complete = _read(lines)
        with path.open("r+b") as file:
            file.truncate(complete)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RowsError(f"--out {path} cannot be gone on with ({error}): give another file") from error
    return done


def append(path: Path, played: Played) -> None:
    place = {"side": played.side, "repository": played.repository, "commit": played.commit}
    rows = [{**place, **asdict(row)} for row in played.rows]
    totals = {field.name: getattr(played, field.name) for field in fields(played) if field.name != "rows"}
    with path.open("a", encoding="utf-8", newline="\n") as out:
        out.write("".join(json.dumps(row) + "\n" for row in (*rows, {"commit_totals": totals})))


def _read(lines: list[bytes]) -> tuple[list[Played], int]:
    """The complete commits, and how many bytes they and what is before them take."""
    done: list[Played] = []
    rows: list[Row] = []
    at = complete = len(lines[0]) + 1
    for line in lines[1:-1]:  # behind the last line end there is nothing, or a line that was broken off
        at += len(line) + 1
        row = json.loads(line)
        if totals := row.get("commit_totals"):
            done.append(Played(rows=tuple(rows), **totals))
            rows, complete = [], at
        else:
            rows.append(Row(**{field.name: row[field.name] for field in fields(Row)}))
    return done, complete
