"""The event log's file, damaged or made up: it is used, or set aside and a new one begun, or left with a reason."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from filelock import Timeout
from fuzzing import cases, damaged
from hypothesis import given
from hypothesis import strategies as st

from foretype.lsp.log.store import Store, StoreError, reader, today


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A log as one file."""
    path = tmp_path_factory.mktemp("log") / "events.sqlite3"
    Store(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return path.read_bytes()


_HEADER = 100  # bytes (sqlite.org/fileformat, "The Database Header")


def begun(folder: Path, data: bytes) -> Path:
    """The path of a log that was put there."""
    for file in folder.glob("events*"):
        file.unlink()
    path = folder / "events.sqlite3"
    path.write_bytes(data)
    return path


def opened(path: Path, before: bytes) -> None:
    """What holds of any file: nothing but what `Store` says is raised, and what was set aside is as it was."""
    try:
        store = Store(path)
    except (StoreError, sqlite3.Error, OSError, Timeout) as error:
        assert str(error) and "\n" not in str(error)
        return
    store.close()
    aside = list(path.parent.glob("events.damaged-*.sqlite3"))
    assert bool(aside) == bool(store.told)
    if aside:
        # SQLite may have noted in its header that it was opened, before it met the damage
        assert aside[0].name in store.told and aside[0].read_bytes()[_HEADER:] == before[_HEADER:]
        assert today(path)["opportunities"] == 0


@cases(25)
@given(st.binary(min_size=1, max_size=200), st.booleans())
def test_noise_is_set_aside(tmp_path: Path, data: bytes, headed: bool) -> None:
    data = (b"SQLite format 3\0" if headed else b"no ") + data * 30
    path = begun(tmp_path, data)
    opened(path, data)
    if not headed:
        assert [file.read_bytes() for file in tmp_path.glob("events.damaged-*.sqlite3")] == [data]


@cases(40)
@given(st.data())
def test_a_damaged_log(tmp_path: Path, sound: bytes, data: st.DataObject) -> None:
    harm = data.draw(damaged(sound, reach=data.draw(st.sampled_from([100, 4096, len(sound)]))))
    path = begun(tmp_path, harm)
    opened(path, harm)
    try:
        reader(path).close()
    except (StoreError, sqlite3.Error) as error:
        assert "\n" not in str(error)
    except UnicodeDecodeError:  # of who only reads; a server sets such a file aside
        pass
