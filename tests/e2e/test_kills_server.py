"""A server that is killed while one types: its log, graph and identity are there for the next one, which works."""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import killing
import pytest
from killing import KILLS, Kind, Property, count
from mined_histories import code
from serving import METHOD, options, place, wait_for_state
from stub_openai import StubOpenAI

from foretype.context.graph import Graph
from foretype.lsp.log import installation
from foretype.lsp.log.store import Store, reader
from foretype.lsp.wire import Client, ServerEnded

KEYS = 12  # of a session that nobody ends


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        stub.script = lambda prompt, suffix: "name0_0(1)"
        yield stub


def test_a_server_that_is_killed(
    tmp_path: Path, stub: StubOpenAI, monkeypatch: pytest.MonkeyPatch, record_property: Property
) -> None:
    root, own = tmp_path / "shop", tmp_path / "own"
    root.mkdir()
    own.mkdir()
    monkeypatch.setenv("FORETYPE_DATA", str(own / "data"))
    monkeypatch.setenv("FORETYPE_CACHE", str(own / "cache"))
    for number in range(40):
        (root / f"m{number}.py").write_text(code(3, f"name{number}"), "utf-8")

    def start(kind: Kind = "never", number: int = 0) -> Client:
        command = [sys.executable, killing.__file__, kind, str(number), str(own), "serve"]
        return Client.start(command)

    def work(client: Client, keys: int = KEYS) -> None:
        client.initialize(root, options(stub.url))
        wait_for_state(client, "ready", 60)
        uri = client.open(root / "new.py", "python", "")
        for column in range(keys):
            here = {"line": 0, "character": column}
            client.change(uri, {"range": {"start": here, "end": here}, "text": "x"})
            answer = client.request(METHOD, place(uri, 0, column + 1), 60)
            item = answer["items"][0]
            assert item["insertText"] == "name0_0(1)"
            client.notify("textDocument/didShowCompletion", {"item": item})

    def there() -> tuple[set[int], int]:
        """The runs in the log, and its rows."""
        if not installation.database().exists():
            return set(), 0
        store = Store(installation.database())
        store.close()
        assert store.told == ""  # not damaged
        with closing(reader(installation.database())) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("SELECT count(*) FROM opportunities WHERE ending = ''").fetchone() == (0,)
            runs = {run for (run,) in connection.execute("SELECT run FROM runs")}
            return runs, connection.execute("SELECT count(*) FROM opportunities").fetchone()[0]

    for _ in range(2):  # the first one makes the folders, the second is what the others are like
        with start() as client:
            work(client)
            client.close()
            changes = client.stderr.count("change ")
    known, rows = there()
    assert len(known) == 2 and rows >= 2 * KEYS and changes > 3
    first = installation.identity()

    draw, killed = random.Random(6), 0
    for part in draw.sample(range(KILLS), KILLS):
        share = (part + draw.random()) / KILLS
        by_change = part % 2 == 1
        kind: Kind = ("before" if part % 4 == 1 else "after") if by_change else "never"
        client = start(kind, 1 + int(share * changes))
        try:
            work(client, KEYS if by_change else max(1, round(share * KEYS)))
            time.sleep(0.4 * draw.random())  # the log is written every 0.3 s
            client.process.kill()
        except (ServerEnded, AssertionError):
            if client.process.poll() in (None, 0):
                raise
        client.close(1.0)
        killed += client.process.returncode not in (0, None)
        runs, now = there()
        assert known <= runs and rows <= now  # nothing of earlier servers is gone
        known, rows = runs, now
        assert installation.identity() == first
        graph = Graph.open(root, own / "cache")
        assert graph.problem == ""
        assert graph.paths() <= {"new.py", *(path.name for path in root.iterdir())}  # one is open, and was not saved
        graph.close()
    with start() as client:
        work(client)
    (database,) = (own / "cache").glob("graphs/*/*.sqlite")
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    count(record_property, "serve", killed)
