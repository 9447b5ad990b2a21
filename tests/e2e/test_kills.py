"""Indexing, mining, pulling and building that are killed: nothing half-written is used, and work goes on where it was.

Each is killed `killing.KILLS` times; `make reliability` makes it 50.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import weights_server
from histories import repository
from killing import End, Property, Victim, count
from mined_histories import code, commits
from weights_server import COMMIT, DATA, HUB, Served, as_hub, serving, set_apart, write_catalogue

from foretype.context import row_files
from foretype.context.graph import Graph
from foretype.mining import parts, shards
from foretype.mining.parts import Part
from foretype.model import store


def test_an_index_that_is_killed(tmp_path: Path, record_property: Property) -> None:
    root, cache = tmp_path / "shop", tmp_path / "cache"
    root.mkdir()
    for number in range(520):  # more than one transaction, and more than one process reads them
        (root / f"m{number}.py").write_text(code(1, f"name{number}"), "utf-8")
    (root / "large.py").write_text(code(300, "large"), "utf-8")
    expected: dict[str, Any] = {}

    def outlines() -> tuple[dict[str, Any], str]:
        graph = Graph.open(root, cache)
        try:
            return {path: graph.outline(path) for path in sorted(graph.paths())}, graph.problem
        finally:
            graph.close()

    def check() -> None:
        found, problem = outlines()
        assert problem == "" and found.items() <= expected.items()  # a file is there with all of its symbols or not
        (database,) = cache.glob("graphs/*/*.sqlite")
        with closing(sqlite3.connect(database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def whole(end: End) -> None:
        figures = json.loads(end.said)
        assert figures["files"] == 521 and figures["problem"] == ""
        found, problem = outlines()
        assert (found, problem) == (expected or found, "")
        expected.update(found)

    victim = Victim(["index", str(root), "--json"], cache, {"FORETYPE_CACHE": str(cache)})
    count(record_property, "index", victim.kill_often(check, whole, lambda: shutil.rmtree(cache), seed=1))


def test_a_miner_that_is_killed(tmp_path: Path, record_property: Property) -> None:
    names = ("counted", "listed", "sorted")
    sources = [str(repository(tmp_path / name, commits(name, 14))) for name in names]
    out, before = tmp_path / "out", tmp_path / "before"
    environment = {"FORETYPE_CACHE": str(tmp_path / "cache")}
    # what an older run has left, which readers go on with until the new rows are there
    assert Victim(["mine", sources[0], "--out", str(before)], before, environment).run().status == 0
    expected: dict[str, bytes] = {}
    older = {path.name for path in before.glob("*.zst")}

    def again() -> None:
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(before, out)

    def check() -> None:
        rows = [line for split in shards.SPLITS for line in row_files.lines(out, split)]  # each file by its digest
        named = {shard["name"] for shard in shards.manifest(out)["shards"]}
        assert rows and named in (older, expected.keys())
        for file in (out / "parts").glob("*.json"):  # each that says that it is whole is
            part = Part(**json.loads(file.read_text("utf-8")))
            assert (
                sum(1 for _ in parts.lines(part, out / "parts")) == part.rows == len(parts.index(part, out / "parts"))
            )

    def whole(end: End) -> None:
        assert end.status == 0, end.said
        found = {path.name: path.read_bytes() for path in out.glob("*.zst")}
        assert found == (expected or found)
        expected.update(found)
        check()
        assert _leftovers(out) == []

    again()
    victim = Victim(["mine", *sources, "--out", str(out), "--workers", "2", "--json"], out, environment)
    count(record_property, "mine", victim.kill_often(check, whole, again, seed=2))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    set_apart(tmp_path, monkeypatch)
    with serving() as served:
        yield as_hub(served, monkeypatch)


def test_a_pull_that_is_killed(
    tmp_path: Path, hub: Served, monkeypatch: pytest.MonkeyPatch, record_property: Property
) -> None:
    write_catalogue(tmp_path, monkeypatch, HUB)
    cache = tmp_path / "cache"
    gguf = weights_server.models(tmp_path) / "tiny" / "tiny.gguf"

    def check() -> None:
        assert not gguf.exists() or gguf.read_bytes() == DATA
        assert {row.name: row.pulled for row in store.listing()}["tiny"] == gguf.exists()

    def whole(end: End) -> None:
        assert end.status == 0, end.said
        assert gguf.read_bytes() == DATA and hub.asked
        assert json.loads((gguf.parent / "source.json").read_text())["revision"] == COMMIT
        assert _leftovers(gguf.parent) == []

    victim = Victim(["model", "pull", "tiny", "--no-build"], cache, {})
    count(record_property, "model pull", victim.kill_often(check, whole, lambda: shutil.rmtree(cache), seed=3))


def test_a_build_that_is_killed(
    tmp_path: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch, record_property: Property
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("FORETYPE_CACHE", str(cache))
    expected: dict[str, str] = {}

    def digests(folder: Path) -> dict[str, str]:
        files = [path for path in sorted(folder.iterdir()) if path.name != "manifest.json"]
        return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}

    def check() -> None:
        built = store.find(str(tiny_gguf), "none")
        assert built is None or digests(built.folder) == expected

    def whole(end: End) -> None:
        assert end.status == 0, end.said
        built = store.find(str(tiny_gguf), "none")
        assert built
        found = digests(built.folder)
        assert found == (expected or found)
        expected.update(found)
        assert [path.name for path in built.folder.parent.iterdir()] == [built.folder.name]

    victim = Victim(["model", "build", str(tiny_gguf), "--adapter", "none", "--json"], cache, {})
    count(record_property, "model build", victim.kill_often(check, whole, lambda: shutil.rmtree(cache), seed=4))


def _leftovers(folder: Path) -> list[str]:
    """What a run that was killed has left, and the next one has not taken away."""
    names = [path.name for path in folder.rglob("*")]
    return [name for name in names if name.endswith((".tmp", ".incomplete")) or name == ".partial"]
