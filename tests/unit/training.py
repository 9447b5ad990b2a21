"""A folder of rows and a tiny model to train on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from foretype.context.row_files import Split
from foretype.context.rows import (
    SCHEMA,
    Diff,
    EditRow,
    Excerpt,
    FimRow,
    Label,
    Mode,
    Origin,
    Row,
    Target,
    Window,
    to_json,
)
from foretype.mining import shards

MODES: tuple[Mode, ...] = ("single", "multi", "span")

ORIGIN = Origin("o/r", "a" * 40, 1_600_000_000, "MIT", "main.py", "python")


def fim_rows(count: int, files: bool = True) -> list[FimRow]:
    """Lines to fill in that can be told from the line before."""
    return [
        FimRow(
            ORIGIN,
            MODES[number % 3],
            f"def f{number}():\n    a = {number}\n    b = {number}\n    re",
            f"turn {number}",
            "\n",
            (Excerpt("b.py", f"X{number} = {number}\n"),) if files else (),
        )
        for number in range(count)
    ]


def edit_rows(count: int) -> list[EditRow]:
    window = Window("main.py", 0, tuple(f"print(x{line})" for line in range(6)))
    labels: Sequence[Label] = ("edit", "no_edit")
    return [
        EditRow(
            replace(ORIGIN, time=number),
            labels[number % 2],
            (Diff("b.py", f"@@ -1,1 +1,1 @@\n-x{number}\n+y{number}\n"),),
            False,
            window,
            None if number % 2 else Target(2, 3, ("print(y2)",)),
        )
        for number in range(count)
    ]


def write(folder: Path, rows: Mapping[Split, Sequence[Row]]) -> Path:
    """A folder as `foretype mine` leaves it."""
    folder.mkdir(parents=True)
    with shards.Writer(folder, {split: len(some) for split, some in rows.items()}) as writer:
        for split, some in rows.items():
            for row in some:
                writer.write(split, int(row.id, 16), to_json(row).encode() + b"\n")
        made = writer.finish()
    shards.commit(folder, {"schema": SCHEMA, "shards": [vars(shard) for shard in made]})
    return folder
