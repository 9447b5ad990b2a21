"""The event log's file: what it keeps, and that nothing that happens to it stops a server."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from foretype.lsp.log import installation, schema
from foretype.lsp.log import store as event_store
from foretype.lsp.log.schema import COLUMNS, VERSION, Capture, Opportunity, Run, migrate, values
from foretype.lsp.log.store import Store, StoreError, purge, reader, today
from foretype.lsp.log.writer import Writer

NOW = int(time.time() * 1000)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path / "data"))
    return installation.database()


@pytest.fixture
def told() -> list[str]:
    return []


def a_run(run: int = 7, seen_ms: int = NOW, process: int = 0) -> Run:
    return Run(run, f"session-{run}", "installation", seen_ms, seen_ms, process=process)


def columns(run: Run) -> tuple:
    return tuple(vars(run).values())


def rows(path: Path, sql: str = "SELECT run, seq, ending FROM opportunities") -> list[tuple]:
    connection = reader(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def fill(path: Path, runs: list[Run], each: int = 1, ending: str = "none") -> None:
    store = Store(path)
    opportunities = [
        values(Opportunity(run.run, seq, run.seen_ms, ending=ending)) for run in runs for seq in range(each)
    ]
    store.write({"runs": map(columns, runs), "opportunities": opportunities})
    store.close()


def test_only_the_user_may_read_it(path: Path) -> None:
    store = Store(path)
    store.write({"runs": [columns(a_run())]})
    if os.name == "posix":
        for file in path.parent.glob("events.sqlite3*"):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    store.close()


def test_a_row_that_goes_on_takes_the_place_of_what_it_was(path: Path) -> None:
    fill(path, [a_run()], ending="")
    fill(path, [a_run()], ending="accepted")
    assert rows(path) == [(7, 0, "accepted")]


def test_what_a_server_left_open_has_expired(path: Path) -> None:
    import psutil

    here = psutil.Process()
    lives = Run(1, "s", "i", NOW, NOW, process=here.pid, process_at=here.create_time())
    another = Run(2, "s", "i", NOW, NOW, process=here.pid, process_at=here.create_time() - 60)
    fill(path, [lives, another], ending="")
    Store(path).close()
    assert rows(path) == [(1, 0, ""), (2, 0, "expired")]


def test_a_damaged_log_is_set_aside_and_a_new_one_begun(path: Path, told: list[str]) -> None:
    fill(path, [a_run()])
    path.write_bytes(b"no database at all " * 500)
    write(path, told, [Opportunity(7, 1, NOW)])
    (aside,) = path.parent.glob("events.damaged-*.sqlite3")
    assert aside.name in told[0] and len(told) == 1
    assert rows(path) == [(7, 1, "")]


def test_one_that_is_damaged_while_it_is_written_to(path: Path, told: list[str]) -> None:
    writer = Writer(path, told.append)
    writer.put(a_run())
    settle(lambda: rows(path, "SELECT run FROM runs") == [(7,)])
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(b"\0" * 4096)
    writer.put(Opportunity(7, 0, NOW))
    settle(lambda: bool(told))
    assert writer.stop()
    assert rows(path) == [(7, 0, "")]


def test_one_of_a_newer_program_is_left_alone(path: Path, told: list[str]) -> None:
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    write(path, told, [Opportunity(7, 0, NOW), Opportunity(7, 1, NOW)])
    assert path.read_bytes() == before  # nothing of it was touched
    assert len(told) == 1 and "newer Foretype" in told[0]
    with pytest.raises(StoreError, match="newer"):
        reader(path)


def test_where_nothing_can_be_written_that_is_said_once(path: Path, told: list[str]) -> None:
    path.parent.parent.mkdir(exist_ok=True)
    path.parent.write_text("a file where the folder should be")
    writer = Writer(path, told.append)
    for seq in range(5):
        writer.put(Opportunity(7, seq, NOW))
    settle(lambda: bool(told))
    writer.put(Opportunity(7, 9, NOW))
    assert writer.stop()
    assert len(told) == 1 and "suggestions go on" in told[0]


def test_a_full_disk_loses_nothing_once_there_is_room(path: Path, told: list[str], monkeypatch) -> None:
    full = True
    write_for_real = Store.write

    def write_(store: Store, batch: event_store.Batch) -> None:
        if full:
            raise sqlite3.OperationalError("database or disk is full")
        write_for_real(store, batch)

    monkeypatch.setattr(Store, "write", write_)
    monkeypatch.setattr("foretype.lsp.log.filing._RETRY_S", 0.0)
    writer = Writer(path, told.append)
    writer.put(Opportunity(7, 0, NOW))
    settle(lambda: bool(told))
    full = False
    writer.put(Opportunity(7, 1, NOW))
    assert writer.stop(10)
    assert [seq for _, seq, _ in rows(path)] == [0, 1]
    assert len(told) == 1


def test_when_too_many_wait_no_more_are_taken_and_that_is_counted(path: Path, told: list[str], monkeypatch) -> None:
    monkeypatch.setattr("foretype.lsp.log.writer.INTERVAL_S", 60.0)
    writer = Writer(path, told.append, capacity=10)
    settle(path.exists)
    for _ in range(2):  # what goes on with a row that waits is no further one
        for seq in range(25):
            writer.put(Opportunity(7, seq, NOW))
    assert writer.dropped == 30
    assert writer.stop()
    assert len(rows(path)) == 10


def test_two_servers_write_at_once(path: Path, told: list[str]) -> None:
    writers = [Writer(path, told.append) for _ in range(2)]
    for run, writer in enumerate(writers):
        writer.put(a_run(run))
        for seq in range(200):
            writer.put(Opportunity(run, seq, NOW))
    assert all(writer.stop(20) for writer in writers)
    assert len(rows(path)) == 400 and not told


def test_switched_off_means_off_at_once(path: Path, told: list[str]) -> None:
    installation.switch(False)
    write(path, told, [Opportunity(7, 0, NOW)])
    assert not path.exists()
    installation.switch(True)
    write(path, told, [Opportunity(7, 0, NOW)])
    assert len(rows(path)) == 1


def test_old_runs_go_and_those_of_the_future_stay(path: Path) -> None:
    day = 86_400_000
    fill(path, [a_run(1, NOW - 100 * day), a_run(2, NOW - 10 * day), a_run(3, NOW + 400 * day)])
    store = Store(path)
    assert store.rotate(days=90, mib=100) == 1
    store.close()
    assert [run for run, _, _ in rows(path)] == [2, 3]


def test_a_log_that_is_too_large_loses_its_oldest(path: Path) -> None:
    fill(path, [a_run(run, NOW + run) for run in range(10)], each=2000)
    size = path.stat().st_size
    store = Store(path)
    assert store.rotate(days=90, mib=size / 2**20 / 2, keep=0) > 0
    store.close()
    left = {run for run, _, _ in rows(path)}
    assert left == {0, *range(min(left - {0}), 10)} and len(left) > 3
    assert path.stat().st_size < 0.7 * size


def test_purge_leaves_nothing(path: Path) -> None:
    fill(path, [a_run()])
    assert purge(path) >= 1
    assert not list(path.parent.glob("events*.sqlite3*"))
    assert purge(path) == 0


def test_a_server_begins_anew_after_a_purge(path: Path, told: list[str]) -> None:
    writer = Writer(path, told.append)
    writer.put(Opportunity(7, 0, NOW))
    settle(lambda: rows(path) == [(7, 0, "")])
    purge(path)
    writer.put(Opportunity(7, 1, NOW))
    assert writer.stop()
    assert rows(path) == [(7, 1, "")]


def test_figures_of_today(path: Path) -> None:
    run = a_run()
    store = Store(path)
    accepted = Opportunity(7, 0, NOW, shown=1, ending="accepted", accepted_characters=30)
    others = [Opportunity(7, 1, NOW), Opportunity(7, 2, NOW, origin="paste"), Opportunity(7, 3, NOW - 10 * 86_400_000)]
    store.write({"runs": [columns(run)], "opportunities": [values(row) for row in (accepted, *others)]})
    store.close()
    assert today(path) == {"opportunities": 2, "shown": 1, "accepted": 1, "accepted_characters": 30, "cpo": 15.0}


def test_captured_code_has_no_secrets(path: Path, told: list[str]) -> None:
    key = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
    writer = Writer(path, told.append)
    writer.put(Capture(7, 0, "a.py", f'TOKEN = "{key}"\n', "", f'"{key}"', ""))
    random = "q8Zt4Lm2Xv" + "9Rk7Bn3Wp6"
    writer.put(Capture(7, 1, "a.py", "API_TOKEN = ", f'"{random}"\n', f'"{random}"', f'"{random}"'))
    writer.put(Capture(7, 2, "a.py", "x" * 100_000, "", "nothing of this is kept", ""))
    assert writer.stop()
    first, second = rows(path, "SELECT prefix, suffix, text, accepted FROM captures ORDER BY seq")
    assert first[0].startswith("TOKEN = ") and key not in "".join(first)
    assert second[0] == "API_TOKEN = " and random not in "".join(second)


def test_ids_are_made_once(path: Path) -> None:
    identity = installation.identity()
    assert identity == installation.identity()
    assert identity.digest("/home/me/secret") != "/home/me/secret"
    assert installation.Identity("i", "another").digest("x") != identity.digest("x")


def test_columns_of_the_table_are_those_of_the_row(tmp_path: Path) -> None:
    import sqlite_utils

    database = sqlite_utils.Database(tmp_path / "x.sqlite3")
    migrate(database)
    migrate(database)  # a second time changes nothing
    assert tuple(database["opportunities"].columns_dict) == COLUMNS
    database.close()


def test_a_log_of_the_first_version_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = schema._MIGRATIONS
    monkeypatch.setattr(schema, "_MIGRATIONS", newer[:1])
    monkeypatch.setattr(schema, "VERSION", 1)
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        import sqlite_utils

        migrate(sqlite_utils.Database(connection))
        first = COLUMNS[: COLUMNS.index("snippets")]
        old = values(Opportunity(7, 0, NOW, language="python", ending="none"))[: len(first)]
        connection.execute(f"INSERT INTO opportunities VALUES ({', '.join('?' * len(first))})", old)
        connection.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(columns(a_run())))})", columns(a_run()))
    monkeypatch.undo()
    monkeypatch.setenv("FORETYPE_DATA", str(path.parent))
    with pytest.raises(StoreError, match="brought up to date"):
        reader(path)
    store = Store(path)
    store.write({"opportunities": [values(Opportunity(7, 1, NOW, snippets=4))]})
    store.close()
    assert rows(path, "SELECT seq, language, snippets, session FROM events ORDER BY seq") == [
        (0, "python", None, "session-7"),
        (1, "", 4, "session-7"),
    ]


def write(path: Path, told: list[str], some: list[Opportunity]) -> None:
    writer = Writer(path, told.append)
    for row in some:
        writer.put(row)
    assert writer.stop(10)


def settle(done: Callable[[], bool]) -> None:
    """Until the thread has got so far."""
    deadline = time.monotonic() + 10
    while True:
        try:
            if done():
                return
        except StoreError:
            pass
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("foretype.lsp.log.writer.INTERVAL_S", 0.01)
    yield


def test_a_log_of_this_version_without_its_tables_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("CREATE TABLE runs (something)")
        connection.commit()
    store = Store(path)
    assert "was damaged" in store.told and len(list(tmp_path.glob("events.damaged-*.sqlite3"))) == 1
    assert store.rotate(days=1, mib=1) == 0
    store.close()
