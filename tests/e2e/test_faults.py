"""Faults of a machine, met by real processes: each is said in a line, nothing is lost, and it goes on afterwards."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from histories import repository
from killing import Property
from mined_histories import code, commits
from serving import METHOD, options, place, until, wait_for_state
from stub_openai import StubOpenAI

from foretype.context import row_files
from foretype.context.graph import Graph
from foretype.lsp.log import installation
from foretype.lsp.log.store import reader
from foretype.lsp.wire import Client

PYTHON = [sys.executable, "-P"]
FORETYPE = [*PYTHON, "-m", "foretype.cli"]
KEYS = 5

# Root may write everywhere; without these capabilities (DAC_OVERRIDE, DAC_READ_SEARCH) it asks a file's mode as all do.
_AS_ANYBODY = """
import ctypes, os, sys
if os.geteuid() == 0:
    assert all(ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0 for capability in (1, 2))
os.execv(sys.executable, [sys.executable, "-P", "-m", "foretype.cli", *sys.argv[1:]])
"""
_LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
os.execv(sys.executable, [sys.executable, "-P", "-m", "foretype.cli", *sys.argv[2:]])
"""
# The wall clock is set to another day each time somebody looks at it; the monotonic one goes on.
_JUMPING = """
import itertools, sys, time
now, now_ns, days = time.time, time.time_ns, itertools.cycle([0, 1, -1, 30, -400])
time.time = lambda: now() + 86_400 * next(days)
time.time_ns = lambda: now_ns() + 86_400 * 10**9 * next(days)
from foretype.cli import main
sys.exit(main(sys.argv[1:]))
"""
# Nobody knows who this user is, as in a container that is run with an unknown uid.
_HOMELESS = """
import os, pwd, sys
def unknown(*_): raise KeyError("no such user")
pwd.getpwuid = pwd.getpwnam = unknown
for name in [name for name in os.environ if name == "HOME" or name.startswith(("XDG_", "FORETYPE_"))]:
    del os.environ[name]
from foretype.cli import main
sys.exit(main(sys.argv[1:]))
"""
JUMPING = [*PYTHON, "-c", _JUMPING]
HOMELESS = [*PYTHON, "-c", _HOMELESS]
ANYBODY = [*PYTHON, "-c", _AS_ANYBODY]

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has neither these limits nor these modes")


@dataclass
class Desk:
    """A workspace, a cache and a folder of data of one's own."""

    folder: Path
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.folder / "shop"
        self.root.mkdir(parents=True)
        for number in range(6):
            (self.root / f"m{number}.py").write_text(code(30, f"name{number}"), "utf-8")

    def index(self, command: Sequence[str] = FORETYPE) -> tuple[dict[str, Any], str]:
        """The figures, and what was said beside them."""
        done = subprocess.run(
            [*command, "index", str(self.root), "--json"], capture_output=True, text=True, timeout=120, cwd=self.root
        )
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
        return json.loads(done.stdout), done.stderr

    def graph(self) -> tuple[frozenset[str], str]:
        """The paths in the cache's graph, and what was wrong with it."""
        graph = Graph.open(self.root, self.folder / "cache")
        try:
            return graph.paths(), graph.problem
        finally:
            graph.close()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FORETYPE_DATA", str(tmp_path / "data"))
    return Desk(tmp_path)


@pytest.fixture
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        stub.script = lambda prompt, suffix: "name0_0(1)"
        yield stub


class Typist:
    """A server in which one types `x` after `x`, and gets an answer to each."""

    def __init__(self, desk: Desk, stub: StubOpenAI, command: Sequence[str] = FORETYPE) -> None:
        self.client = Client.start([*command, "serve"], cwd=desk.root)
        self.client.initialize(desk.root, options(stub.url), timeout=60)
        wait_for_state(self.client, "ready", 60)
        self.uri, self.typed = self.client.open(desk.root / "new.py", "python", ""), 0

    def type(self, keys: int = KEYS) -> None:
        for _ in range(keys):
            here = {"line": 0, "character": self.typed}
            self.client.change(self.uri, {"range": {"start": here, "end": here}, "text": "x"})
            self.typed += 1
            answer = self.client.request(METHOD, place(self.uri, 0, self.typed), 60)
            assert answer["items"][0]["insertText"] == "name0_0(1)"

    def told(self) -> list[str]:
        """What was shown to the user so far."""
        self.client.request("foretype/status", timeout=60)
        return [params["message"] for method, params in self.client._messages if method == "window/showMessage"]

    def hear(self, words: str) -> None:
        self.client.wait_for_notification("window/showMessage", lambda shown: words in shown["message"], 60)

    def leave(self) -> None:
        assert self.client.close(60) == 0
        assert "Traceback" not in self.client.stderr, self.client.stderr


def logged() -> list[int]:
    """How many opportunities each run has in the log."""
    with closing(reader(installation.database())) as connection:
        query = "SELECT count(*) FROM opportunities WHERE origin = 'typed' GROUP BY run"
        return [number for (number,) in connection.execute(query)]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("histories")
    return [str(repository(folder / name, commits(name, 8))) for name in ("counted", "listed")]


def mine(sources: Sequence[str], out: Path, command: Sequence[str] = FORETYPE) -> subprocess.CompletedProcess[str]:
    words = [*command, "mine", *sources, "--out", str(out), "--workers", "1", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=240)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def mined(out: Path) -> dict[str, bytes]:
    """The shards that the manifest names, each of them whole."""
    assert sum(1 for split in row_files.SPLITS for _ in row_files.lines(out, split))
    return {shard["name"]: (out / shard["name"]).read_bytes() for shard in row_files.manifest(out)["shards"]}


@dataclass
class Disk:
    """A disk with little room: a small file system of its own where one may be mounted, else a limit of each file."""

    folder: Path
    mounted: bool

    def command(self, room: int) -> list[str]:
        """Begins a command for which there are so many bytes left."""
        if not self.mounted:
            return [*PYTHON, "-c", _LIMITED, str(room)]
        (self.folder / "filler").write_bytes(bytes(max(0, shutil.disk_usage(self.folder).free - room)))
        return FORETYPE

    def free(self, process: int = 0) -> None:
        """Makes room, for a process that runs as well."""
        if self.mounted:
            (self.folder / "filler").unlink()
        elif process:
            import resource

            resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "foretype-test", str(folder)]
    mounted = bool(shutil.which("mount")) and subprocess.run(mount, capture_output=True).returncode == 0
    yield Disk(folder, mounted)
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@posix
def test_an_index_on_a_full_disk(
    desk: Desk, disk: Disk, monkeypatch: pytest.MonkeyPatch, record_property: Property
) -> None:
    record_property("row", "disk full")
    monkeypatch.setenv("FORETYPE_CACHE", str(disk.folder / "cache"))
    figures, said = desk.index(disk.command(24_000))
    assert figures["files"] == 6 and "kept in memory" in figures["problem"]
    assert len(said.splitlines()) <= 1
    disk.free()
    again, _ = desk.index()
    assert again["problem"] == "" and again["symbols"] == figures["symbols"]


@posix
def test_mining_on_a_full_disk(sources: list[str], disk: Disk, tmp_path: Path, record_property: Property) -> None:
    record_property("row", "disk full")
    out = disk.folder / "out"
    assert mine(sources[:1], out).returncode == 0
    before = mined(out)
    done = mine(sources, out, disk.command(6_000))
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "No space left" in done.stderr or "too large" in done.stderr
    disk.free()
    if row_files.manifest(out)["repositories"] == 1:
        assert mined(out) == before
    assert mine(sources, out).returncode == mine(sources, tmp_path / "whole").returncode == 0
    assert mined(out) == mined(tmp_path / "whole")


@posix
def test_a_server_on_a_full_disk(
    desk: Desk, stub: StubOpenAI, disk: Disk, monkeypatch: pytest.MonkeyPatch, record_property: Property
) -> None:
    record_property("row", "disk full")
    monkeypatch.setenv("FORETYPE_CACHE", str(disk.folder / "cache"))
    monkeypatch.setenv("FORETYPE_DATA", str(disk.folder / "data"))
    typist = Typist(desk, stub, disk.command(12_000))
    typist.type()
    typist.hear("the event log is not written, suggestions go on")
    typist.type()
    assert not [message for message in typist.told() if "event log" in message]  # it was said once
    disk.free(typist.client.process.pid)
    typist.leave()
    assert logged() == [2 * KEYS]  # what waited is there


@pytest.fixture
def forbidden() -> Iterator[Callable[[Path], None]]:
    """Takes the right to write from folders and what they hold; afterwards it is given back."""
    taken: list[Path] = []

    def forbid(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for path in [folder, *folder.rglob("*")]:
            taken.append(path)
            path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))

    yield forbid
    for path in taken:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


@posix
@pytest.mark.parametrize("known", [False, True])
def test_an_index_in_a_cache_that_is_read_only(
    desk: Desk, forbidden: Callable[[Path], None], known: bool, record_property: Property
) -> None:
    record_property("row", "read-only cache")
    expected = desk.index()[0] if known else {"files": 6}
    forbidden(desk.folder / "cache")
    figures, said = desk.index(ANYBODY)
    assert figures["files"] == expected["files"] and "kept in memory" in figures["problem"]
    assert figures["symbols"] == expected.get("symbols", figures["symbols"])
    assert len(said.splitlines()) <= 1


@posix
def test_mining_into_a_folder_that_is_read_only(
    sources: list[str], tmp_path: Path, forbidden: Callable[[Path], None], record_property: Property
) -> None:
    record_property("row", "read-only cache")
    out = tmp_path / "out"
    assert mine(sources[:1], out).returncode == 0
    before = mined(out)
    forbidden(out)
    done = mine(sources, out, ANYBODY)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "Permission denied" in done.stderr
    assert mined(out) == before


@posix
def test_a_server_whose_folders_are_read_only(
    desk: Desk, stub: StubOpenAI, forbidden: Callable[[Path], None], record_property: Property
) -> None:
    record_property("row", "read-only cache")
    typist = Typist(desk, stub)
    typist.type()
    typist.leave()
    for name in ("cache", "data"):
        forbidden(desk.folder / name)
    typist = Typist(desk, stub, ANYBODY)
    typist.type()
    typist.hear("the event log is not written, suggestions go on")
    typist.leave()
    assert logged() == [KEYS]


def test_an_index_while_the_clock_jumps(desk: Desk, record_property: Property) -> None:
    record_property("row", "clock that jumps")
    first, _ = desk.index(JUMPING)
    (desk.root / "m0.py").write_text(code(31, "name0"), "utf-8")
    second, _ = desk.index(JUMPING)
    whole, _ = desk.index()
    assert first["files"] == second["files"] == 6 and second["symbols"] > first["symbols"]
    assert first["problem"] == second["problem"] == "" and second["changed"] == 1
    assert (whole["symbols"], whole["references"]) == (second["symbols"], second["references"])
    assert 0 <= first["seconds"] < 600


def test_mining_while_the_clock_jumps(sources: list[str], tmp_path: Path, record_property: Property) -> None:
    record_property("row", "clock that jumps")
    done = mine(sources, tmp_path / "jumping", JUMPING)
    assert done.returncode == mine(sources, tmp_path / "steady").returncode == 0
    assert mined(tmp_path / "jumping") == mined(tmp_path / "steady")
    assert 0 <= json.loads(done.stdout)["seconds"] < 600


def test_a_server_while_the_clock_jumps(desk: Desk, stub: StubOpenAI, record_property: Property) -> None:
    record_property("row", "clock that jumps")
    for _ in range(2):  # the second finds what a log holds that is of the future
        typist = Typist(desk, stub, JUMPING)
        typist.type()
        typist.leave()
    assert logged() == [KEYS, KEYS]
    with closing(reader(installation.database())) as connection:
        took = connection.execute("SELECT total_us, model_us FROM opportunities WHERE total_us IS NOT NULL").fetchall()
    assert len(took) == 2 * KEYS and all(0 <= model <= total < 600e6 for total, model in took)


@posix
def test_commands_of_who_has_no_home(desk: Desk, record_property: Property) -> None:
    record_property("row", "no home folder")
    figures, said = desk.index(HOMELESS)
    assert figures["files"] == 6 and "no home folder: set FORETYPE_CACHE" in figures["problem"]
    assert len(said.splitlines()) <= 1
    for words in (["model", "list"], ["report"], ["telemetry"], ["model", "pull"], ["doctor"]):
        done = subprocess.run([*HOMELESS, *words], capture_output=True, text=True, timeout=120, cwd=desk.root)
        assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
        assert done.returncode == 0 or words == ["doctor"] or "no home folder" in done.stderr, done.stderr
    assert {path.suffix for path in desk.root.iterdir()} == {".py"}  # nothing was put where one happens to be


@posix
def test_a_server_of_who_has_no_home(desk: Desk, stub: StubOpenAI, record_property: Property) -> None:
    record_property("row", "no home folder")
    typist = Typist(desk, stub, HOMELESS)
    typist.type()
    typist.hear("no home folder: set FORETYPE_DATA")
    typist.leave()
    assert {path.suffix for path in desk.root.iterdir()} == {".py"}


def test_a_cache_that_is_not_there_is_made(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, record_property: Property
) -> None:
    record_property("row", "no cache folder")
    desk.folder = desk.folder / "far" / "away"
    monkeypatch.setenv("FORETYPE_CACHE", str(desk.folder / "cache"))
    assert desk.index()[0]["problem"] == ""
    assert len(desk.graph()[0]) == 6


@posix
def test_folders_that_go_while_a_server_runs(desk: Desk, stub: StubOpenAI, record_property: Property) -> None:
    record_property("row", "no cache folder")
    typist = Typist(desk, stub)
    typist.type()
    until(lambda: installation.database().exists() and sum(logged()) == KEYS, 60)
    shutil.rmtree(desk.folder / "cache", ignore_errors=True)
    shutil.rmtree(desk.folder / "data", ignore_errors=True)
    typist.type()
    typist.leave()
    # in a new log: what was deleted is gone, but for the one that was not over
    assert logged() in ([KEYS], [KEYS + 1])
    assert desk.graph()[1] == ""


def test_two_servers_and_an_index_on_one_workspace(desk: Desk, stub: StubOpenAI, record_property: Property) -> None:
    record_property("row", "two at once")
    typists = [Typist(desk, stub) for _ in range(2)]
    for _ in range(KEYS):
        for typist in typists:
            typist.type(1)
    figures, _ = desk.index()
    assert figures["files"] == 6 and figures["problem"] == ""
    for typist in typists:
        assert typist.told() == []
        typist.leave()
    assert logged() == [KEYS, KEYS]
    assert desk.graph() == (frozenset(f"m{number}.py" for number in range(6)), "")


def test_two_miners_into_one_folder(sources: list[str], tmp_path: Path, record_property: Property) -> None:
    record_property("row", "two at once")
    words = [*FORETYPE, "mine", *sources, "--out", str(tmp_path / "out"), "--workers", "1", "--json"]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=240)[1] for process in both]
    for process, complaint in zip(both, said, strict=True):
        assert process.returncode == 0 or len(complaint.splitlines()) == 1, complaint
    assert 0 in {process.returncode for process in both}
    assert mine(sources, tmp_path / "alone").returncode == 0
    assert mined(tmp_path / "out") == mined(tmp_path / "alone")
