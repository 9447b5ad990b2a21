"""What the event log says of an opportunity: its columns, the database's tables, and how older ones are brought up.

One row is one opportunity with its life so far, and is written again whenever that goes on. What holds for many of them
(session, workspace, model, arms) is in a row of `runs`; a session has more than one where these changed. No column
holds code, a path or a name of the user's, but those of `captures`, which is empty unless `telemetry.capture_code` is
on. Knows neither files nor threads.

Times: `at_ms` is the wall clock's, in Unix milliseconds, which may jump; within a run `seq` says what came first, and
everything called `_us` is microseconds of a clock that does not jump.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import sqlite_utils

# PRAGMA user_version. A database with a higher one belongs to a newer program and is left alone.
VERSION = 2

# What made a moment. The first two are opportunities; then changes of the text that are none; then requests without a
# change before them. "settled" is a next edit's: an edit came to rest.
Origin = Literal[
    "typed",
    "deleted",
    "paste",
    "undo",
    "formatter",
    "multi_cursor",
    "accepted",
    "invoked",
    "unprompted",
    "settled",
]
COUNTED = ("typed", "deleted")

# What the pipeline answered; "late": it was superseded, taken back, or the text had moved on.
Response = Literal["", "ready", "empty", "late", "gated", "error"]

# "" while it is open. "none": nothing of it reached the screen. The others: what became of what did.
Ending = Literal["", "none", "accepted", "rejected", "typed_through", "superseded", "ignored", "expired"]

# How much was accepted at most in one go.
Part = Literal["", "all", "lines", "words"]

# Seconds after an acceptance at which is looked how much of it is left.
HORIZONS_S = (30, 120, 300, 600)


@dataclass(slots=True, eq=False)
class Opportunity:
    """A row, as it stands.

    - `run`, `seq`: its key; `seq` counts from 0 within the run;
    - `typed`: characters that the user put in; `language`: LSP's identifier;
    - `attempted`: the pipeline began to look for an answer; `reason`: why it did not, or why nothing came of it
      (`outcome.REASONS`, and "unasked": the client sent no request);
    - `recalled`: it was the rest of a suggestion that an earlier row holds, and the life of that goes on there;
    - `shown`: it reached the screen; `visible_us`: for so long;
    - `inferred`: the events the client did not report, separated by commas (`inference.py`);
    - `multi`: of several lines; `characters`, `tokens`: of the suggestion, the latter before it was trimmed;
    - `accepted_characters`: cumulative; `accepted_tokens`: their part of `tokens`;
    - `retained_30` ...: the share of the accepted text still there after so many seconds, 0..1, None if not looked at;
    - `total_us` from the request to its end, and the stages of it; `prefill_us` and `decode_us` are within `model_us`;
    - `confidence` and `evidence`: the gate's, the latter as JSON, in the order of `gate.FEATURES`;
    - `snippets`: how many parts of other files the prompt held, None where no model was asked.
    """

    run: int
    seq: int
    at_ms: int
    kind: str = "completion"
    origin: str = "typed"
    language: str = ""
    typed: int = 0
    attempted: int = 0
    reason: str = ""
    response: str = ""
    recalled: int = 0
    shown: int = 0
    ending: str = ""
    inferred: str = ""
    part: str = ""
    multi: int = 0
    characters: int = 0
    tokens: int = 0
    accepted_characters: int = 0
    accepted_tokens: float = 0.0
    retained_30: float | None = None
    retained_120: float | None = None
    retained_300: float | None = None
    retained_600: float | None = None
    visible_us: int | None = None
    total_us: int | None = None
    context_us: int | None = None
    model_us: int | None = None
    prefill_us: int | None = None
    decode_us: int | None = None
    trim_us: int | None = None
    gate_us: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    confidence: float | None = None
    evidence: str | None = None
    snippets: int | None = None


COLUMNS = tuple(column.name for column in fields(Opportunity))
STAGES = ("total", "context", "model", "prefill", "decode", "trim", "gate")

# A row as the tuple of its columns: what is written later must not change meanwhile.
values: Callable[[Opportunity], tuple] = attrgetter(*COLUMNS)


@dataclass(frozen=True)
class Run:
    """What holds for the opportunities of a stretch of a session. `run` is random, 40 bits, so that logs can be put
    together; `workspace` is a salted digest; `arms` is JSON, experiment to arm; `process` and `process_at` (its start)
    tell whether a server is still there. `dropped`: rows that were not written since the disk was too slow."""

    run: int
    session: str
    installation: str
    started_ms: int
    seen_ms: int
    workspace: str = ""
    client: str = ""
    model: str = ""
    engine: str = ""
    arms: str = "{}"
    version: str = ""
    process: int = 0
    process_at: float = 0.0
    dropped: int = 0


@dataclass(frozen=True)
class Capture:
    """What is known of a suggestion's code where the user wants it: all of the text on both sides, the suggestion, what
    was accepted of it. `capture.py` says what is kept of that."""

    run: int
    seq: int
    path: str
    prefix: str
    suffix: str
    text: str
    accepted: str


RUN_COLUMNS = tuple(column.name for column in fields(Run))
CAPTURE_COLUMNS = tuple(column.name for column in fields(Capture))

# What is exported of a run with each of its opportunities.
EXPORTED_OF_RUN = ("session", "installation", "workspace", "client", "model", "engine", "arms", "version")


def migrate(database: sqlite_utils.Database) -> None:
    """Makes the tables, or brings those of an older version up to this one."""
    from sqlite_utils import Migrations

    migrations = Migrations("events")
    for migration in _MIGRATIONS:
        migrations()(migration)
    migrations.apply(database)
    database.execute(f"PRAGMA user_version = {VERSION}")


def _0001_tables(database: sqlite_utils.Database) -> None:
    # The rows of a run lie together and in order: what is reported by run needs no sorting.
    first = _declared(Opportunity, without=_ADDED)
    database.execute(f"CREATE TABLE opportunities ({first}, PRIMARY KEY (run, seq)) STRICT, WITHOUT ROWID")
    database.execute(f"CREATE TABLE runs ({_declared(Run)}, PRIMARY KEY (run)) STRICT, WITHOUT ROWID")
    database.execute(f"CREATE TABLE captures ({_declared(Capture)}, PRIMARY KEY (run, seq)) STRICT, WITHOUT ROWID")
    _make_view(database)


def _0002_snippets(database: sqlite_utils.Database) -> None:
    database.execute("ALTER TABLE opportunities ADD COLUMN snippets INTEGER")
    database.execute("DROP VIEW events")
    _make_view(database)


def _make_view(database: sqlite_utils.Database) -> None:
    shared = ", ".join(f"runs.{name}" for name in EXPORTED_OF_RUN)
    database.create_view("events", f"SELECT opportunities.*, {shared} FROM opportunities JOIN runs USING (run)")


_MIGRATIONS: Sequence[Callable[[sqlite_utils.Database], None]] = (_0001_tables, _0002_snippets)

# The columns of opportunities that came after the first version, last in the row, each with a migration of its own.
_ADDED = ("snippets",)

_SQL_TYPES = {"int": "INTEGER", "float": "REAL", "str": "TEXT"}


def _declared(table: type, without: Sequence[str] = ()) -> str:
    columns = []
    for column in fields(table):
        if column.name in without:
            continue
        kind, *optional = str(column.type).split(" | ")
        columns.append(f"{column.name} {_SQL_TYPES[kind]}{'' if optional else ' NOT NULL'}")
    return ", ".join(columns)


def exported() -> dict[str, str]:
    """The columns of the view `events`, and of exported files, with their SQL types."""
    kinds = {column.name: str(column.type).split(" | ")[0] for table in (Run, Opportunity) for column in fields(table)}
    return {name: _SQL_TYPES[kinds[name]] for name in (*COLUMNS, *EXPORTED_OF_RUN)}
