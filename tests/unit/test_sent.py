"""What left the machine: each request has a line before it goes, and nobody waits for the disk or fails with it."""

from __future__ import annotations

import argparse
import json
import logging
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from completion_server import REQUEST, Server, backends, drop, good, serving, status

from foretype import cli
from foretype.lsp import checks
from foretype.lsp.log import command as telemetry
from foretype.lsp.log import installation
from foretype.lsp.options import Loaded, ModelOptions, OpenaiOptions, Options
from foretype.model import openai, sent
from foretype.model.backend import Cancel, ContextFile, FimRequest
from foretype.model.openai import OpenAIBackend
from foretype.model.sent import Sent, Trail

Connect = Callable[..., OpenAIBackend]

ONE = Sent(1_790_000_000_000, "api.example.com", False, 2048, ("src/a.py", "src/b.py"))


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path / "data"))
    return sent.trail()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def connect(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    monkeypatch.setattr(openai, "BACKOFF_S", 0.005)
    with backends(server) as connect:
        yield connect


def numbered(number: int) -> Sent:
    return Sent(number, "api.example.com", False, 10, ("x" * 100,))


# What is written down


def test_a_request_with_its_files(connect: Connect, server: Server, path: Path) -> None:
    backend = connect(good, family="granite")
    files = (ContextFile("b.py", "B = 1\n"), ContextFile("c.py", "C = 1\n"), ContextFile("b.py", "B = 2\n"))
    backend.complete(FimRequest("a = ", "\n", path="a.py", files=files, single_line=True), Cancel())
    backend.close()
    (one,) = sent.read(path).requests
    assert one.files == ("a.py", "b.py", "c.py")
    assert (one.host, one.local) == (server.url.removeprefix("http://"), True)
    assert one.body_bytes == int(server.headers[0]["content-length"])
    text = path.read_text("utf-8")
    assert "B = 1" not in text and "a = " not in text


def test_without_a_family_other_files_stay_here_and_are_not_named(connect: Connect, path: Path) -> None:
    backend = connect(good)
    backend.complete(FimRequest("a = ", "\n", files=(ContextFile("b.py", "B = 1\n"),)), Cancel())
    backend.close()
    assert [one.files for one in sent.read(path).requests] == [(sent.UNNAMED,)]


def test_each_try_is_a_request(connect: Connect, server: Server, path: Path) -> None:
    backend = connect(status(400), status(503), drop, good)
    backend.complete(REQUEST, Cancel())
    backend.close()
    assert len(sent.read(path).requests) == len(server.bodies) == 4


def test_the_line_is_there_while_the_server_thinks(connect: Connect, path: Path) -> None:
    answer = threading.Event()

    def think(handler) -> None:
        assert answer.wait(60)
        good(handler)

    backend = connect(think, timeout_s=60.0)
    asking = threading.Thread(target=backend.complete, args=(REQUEST, Cancel()))
    asking.start()
    until(lambda: len(sent.read(path).requests) == 1)
    answer.set()
    asking.join(60)


def test_the_doctor_s_own_request_has_a_line_without_files(server: Server, path: Path, tmp_path: Path) -> None:
    list(checks.backend(tmp_path, loaded(server.url)))
    (one,) = sent.read(path).requests
    assert (one.host, one.files, one.body_bytes, one.local) == (server.url.removeprefix("http://"), (), 0, True)


# The file


def test_only_the_user_may_read_it(path: Path) -> None:
    sent.record(path, ONE)
    assert sent.read(path).requests == (ONE,)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_full_file_makes_room_and_the_oldest_goes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent, "_MOST_BYTES", 2000)
    for number in range(200):
        sent.record(path, numbered(number))
    names = [path, *(path.with_name(f"sent.{number}.jsonl") for number in range(1, 8))]
    assert sorted(path.parent.glob("sent*.jsonl")) == sorted(names)
    assert all(name.stat().st_size <= 2000 for name in names)
    kept = [one.at_ms for one in sent.read(path).requests]
    assert kept == list(range(200 - len(kept), 200)) and len(kept) > 7 * 8
    if os.name == "posix":
        assert {stat.S_IMODE(name.stat().st_mode) for name in names} == {0o600}


def test_a_file_that_is_missing_between_the_others_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process leaves them that is killed while it makes room."""
    sent.record(path, numbered(0))
    path.replace(path.with_name("sent.2.jsonl"))
    monkeypatch.setattr(sent, "_MOST_BYTES", 1)
    for number in (1, 2, 3):
        sent.record(path, numbered(number))
    assert [one.at_ms for one in sent.read(path).requests] == [0, 1, 2, 3]


def test_a_line_that_was_cut_off_costs_itself_alone(path: Path) -> None:
    sent.record(path, numbered(0))
    with path.open("ab") as file:
        file.write(b'{"at_ms":1,"ho')
    sent.record(path, numbered(2))
    kept = sent.read(path)
    assert ([one.at_ms for one in kept.requests], kept.damaged) == ([0, 2], 1)


ROW = b'{"at_ms":%s,"host":"h","local":false,"body_bytes":%s,"files":[]}'


@pytest.mark.parametrize(
    "line",
    [
        *(b"[]", b"7", b"null", b"{}", b'{"lost": "x"}', b"\xff\xfe", b'{"at_ms": "\xf0"}', b"[" * 9999),
        *(ROW % pair for pair in ((b"-1", b"1"), (b"1e30", b"1"), (b"NaN", b"1"), (b"1", b"Infinity"))),
    ],
)
def test_what_is_no_line_of_ours_is_counted(path: Path, line: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(line + b"\n")
    sent.record(path, ONE)
    kept = sent.read(path)
    assert (kept.requests, kept.damaged) == ((ONE,), 1)


def test_two_servers_write_at_once_and_make_room(path: Path) -> None:
    """Two processes, each with two threads that hand over."""
    code = (
        "import sys, threading\n"
        "from foretype.model import sent\n"
        "sent._MOST_BYTES = 6000\n"
        "trail, first = sent.Trail(), int(sys.argv[1])\n"
        "def some(first):\n"
        "    for number in range(first, first + 50):\n"
        "        trail.put(sent.Sent(number, 'h', False, 1, ('x' * 20,)))\n"
        "threads = [threading.Thread(target=some, args=(first + 50 * each,)) for each in range(2)]\n"
        "[thread.start() for thread in threads], [thread.join() for thread in threads]\n"
        "trail.close(60)\n"
    )
    servers = [subprocess.Popen([sys.executable, "-c", code, first]) for first in ("0", "100")]
    assert [server.wait(120) for server in servers] == [0, 0]
    kept = sent.read(path)
    assert sorted(one.at_ms for one in kept.requests) == list(range(200))
    assert (kept.lost, kept.damaged) == (0, 0)
    assert len(list(path.parent.glob("sent*.jsonl"))) > 1


# A disk that cannot be written to


def test_it_fails_no_request_and_is_said_once(connect: Connect, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.write_text("a file where the folder should be")
    backend = connect(good)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert backend.complete(REQUEST, Cancel()).text == "1 + 1"
        backend.close()
    assert len([line for line in caplog.messages if "suggestions go on" in line]) == 1
    assert sent.read(path).requests == ()


def test_what_waited_for_a_full_disk_is_written_once_there_is_room(path: Path) -> None:
    resource = pytest.importorskip("resource")
    sent.record(path, numbered(0))
    size = path.stat().st_size
    trail = Trail(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, hard))  # in the middle of a line
    try:
        trail.put(numbered(1))
        until(lambda: trail._told)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.stat().st_size == size
    trail.put(numbered(2))
    trail.close(60)
    kept = sent.read(path)
    assert ([one.at_ms for one in kept.requests], kept.damaged) == ([0, 1, 2], 0)


def test_when_too_many_wait_the_oldest_are_given_up_and_counted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent, "_WAITING", 10)
    path.parent.write_text("a file where the folder should be")
    trail = Trail(path)
    for number in range(25):
        trail.put(numbered(number))
    until(lambda: trail._told)
    path.parent.unlink()
    trail.put(numbered(25))
    trail.close(60)
    kept = sent.read(path)
    assert kept.requests[-1].at_ms == 25
    assert 10 <= len(kept.requests) <= 11 and len(kept.requests) + kept.lost == 26


def test_nobody_waits_for_a_disk_that_hangs(connect: Connect, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()
    append = sent._append

    def hang(path: Path, lines: list[str]) -> None:
        assert goes_on.wait(60)
        append(path, lines)

    monkeypatch.setattr(sent, "_append", hang)
    backend = connect(good)
    assert [backend.complete(REQUEST, Cancel()).text for _ in range(3)] == ["1 + 1"] * 3
    assert not path.exists()
    goes_on.set()
    until(lambda: len(sent.read(path).requests) == 3)


def test_the_doctor_says_that_it_cannot_be_written(server: Server, path: Path, tmp_path: Path) -> None:
    path.parent.write_text("a file where the folder should be")
    first, *_ = checks.backend(tmp_path, loaded(server.url))
    assert first.state == "problem" and "cannot be written down" in first.what


# The command


def test_the_table(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent.record(path, ONE)
    sent.record(path, Sent(ONE.at_ms, "127.0.0.1:8080", True, 1024, ("evil\x1b[2J\u202e.py",)))
    assert cli.main(["doctor", "--sent"]) == 0
    said = capsys.readouterr().out
    assert "src/a.py, src/b.py" in said and "\x1b" not in said and "\u202e" not in said
    assert "127.0.0.1:8080 (this machine)" in said and "api.example.com (this machine)" not in said
    assert "to other machines: 1 request, 2.0 KiB, to 1 host\n" in said


def test_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent.record(path, ONE)
    with path.open("ab") as file:
        file.write(b'{"at_ms":1,"lost":3}\nx\n')
    assert cli.main(["doctor", "--sent", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (one,) = found["requests"]
    assert (one["host"], one["files"], one["body_bytes"], one["local"]) == (ONE.host, [*ONE.files], 2048, False)
    assert (found["lost_requests"], found["damaged_lines"], found["path"]) == (3, 1, str(path))


def test_nothing_was_sent(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--sent"]) == 0
    assert str(path) in capsys.readouterr().out
    assert not path.parent.exists()  # looking leaves nothing behind


def test_off_leaves_it_on_and_purge_deletes_it(
    connect: Connect, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.switch(False)
    backend = connect(good)
    backend.complete(REQUEST, Cancel())
    until(lambda: len(sent.read(path).requests) == 1)
    path.with_name("sent.3.jsonl").write_text("")
    parser = argparse.ArgumentParser()
    telemetry.add_arguments(parser)
    assert telemetry.run(parser.parse_args(["purge"])) == 0
    assert not list(path.parent.glob("sent*.jsonl"))
    backend.complete(REQUEST, Cancel())  # a server that runs begins a new one
    until(lambda: len(sent.read(path).requests) == 1)


def loaded(url: str) -> Loaded:
    return Loaded(Options(model=ModelOptions(backend="openai"), openai=OpenaiOptions(url=url)))


def until(done: Callable[[], bool], seconds: float = 60.0) -> None:
    for _ in range(int(seconds / 0.01)):
        if done():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come about")
