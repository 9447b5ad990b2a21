"""What a log comes to, of rows written by its own writer's schema."""

from __future__ import annotations

from pathlib import Path

import sqlite_utils

from foretype.eval.log import accounts
from foretype.eval.log.accounts import Accounts
from foretype.lsp.log.schema import Opportunity, Run, migrate


def log(path: Path, *rows: Opportunity, dropped: int = 0) -> Path:
    database = sqlite_utils.Database(path)
    migrate(database)
    database["runs"].insert(vars(Run(1, "s", "i", 0, 0, dropped=dropped)))
    database["opportunities"].insert_all({name: getattr(row, name) for name in row.__slots__} for row in rows)
    database.close()
    return path


def test_rows_that_are_open_missing_or_dropped_are_counted(tmp_path: Path) -> None:
    rows = [
        Opportunity(1, 0, 0, ending="accepted"),
        Opportunity(1, 1, 0, origin="invoked", ending="none"),
        Opportunity(1, 3, 0, origin="deleted"),
    ]
    assert accounts.read(log(tmp_path / "a.sqlite3", *rows, dropped=2)) == Accounts(2, 1, 1, 2)


def test_an_empty_log(tmp_path: Path) -> None:
    assert accounts.read(log(tmp_path / "a.sqlite3")) == Accounts(0, 0, 0, 0)
