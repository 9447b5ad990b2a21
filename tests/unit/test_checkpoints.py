"""Checkpoints are taken whole, once each, while training writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from foretype.eval.comparison.checkpoints import arrivals, complete
from foretype.model.store import CONFIG, RECORD, WEIGHTS


def weights(folder: Path, content: bytes = b"1234", at: int = 1) -> None:
    """A safetensors file of one tensor, changed `at` seconds after the beginning of time."""
    header = json.dumps({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}, "__metadata__": {}}).encode()
    folder.mkdir(exist_ok=True)
    (folder / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header + content)
    os.utime(folder / WEIGHTS, (at, at))


def settings(folder: Path) -> None:
    (folder / CONFIG).write_text('{"r": 16}', "utf-8")


def record(folder: Path, step: int, at: int = 2) -> None:
    (folder / RECORD).write_text(json.dumps({"step": step}), "utf-8")
    os.utime(folder / RECORD, (at, at))


class Clock:
    """Time that passes only while nobody works; things happen at the beginning of a second of it."""

    def __init__(self, happens: dict[int, Callable[[], object]]) -> None:
        self.now, self.happens = 0, happens

    def sleep(self, seconds: float) -> None:
        self.now += 1
        self.happens.get(self.now, lambda: None)()

    def time(self) -> float:
        return float(self.now)


def taken(folder: Path, kept: Path, happens: dict[int, Callable[[], object]]) -> list[tuple[str, bytes]]:
    """The names and last four bytes of the weights of what came."""
    clock = Clock(happens)
    found = arrivals(folder, kept, patience_s=9, sleep=clock.sleep, clock=clock.time)
    return [(copy.name, (copy / WEIGHTS).read_bytes()[-4:]) for copy in found]


def test_one_that_is_written_file_by_file_comes_when_it_is_whole(tmp_path: Path) -> None:
    run, kept = tmp_path / "run", tmp_path / "kept"
    happens = {
        1: lambda: (weights(run), (run / "log.jsonl").touch()),
        2: lambda: settings(run),
        4: lambda: record(run, 100),
        5: lambda: weights(run, b"5678", at=3),  # replaced in place: the record is still of the old ones
        7: lambda: record(run, 200, at=4),
    }
    both = [("run-100", b"1234"), ("run-200", b"5678")]
    assert taken(run, kept, happens) == both
    assert not list(kept.glob(".partial*"))
    assert taken(run, kept, {}) == both  # who looks again finds the one that training has replaced, too


def test_folders_in_a_folder_come_in_the_order_of_their_weights(tmp_path: Path) -> None:
    for name, at in (("b", 1), ("a", 5)):
        weights(tmp_path / name, name.encode() * 4, at)
        settings(tmp_path / name)
        record(tmp_path / name, at, at)
    assert taken(tmp_path, tmp_path / ".kept", {}) == [("b-1", b"bbbb"), ("a-5", b"aaaa")]


def test_the_same_weights_come_once(tmp_path: Path) -> None:
    run = tmp_path / "run"

    def write() -> None:
        weights(run, at=3)
        settings(run)
        record(run, 7, at=4)

    assert len(taken(run, tmp_path / "kept", {1: write, 3: write})) == 1


def test_one_without_a_record_comes_when_it_rests(tmp_path: Path) -> None:
    weights(tmp_path)
    settings(tmp_path)
    assert not complete(tmp_path, steady=False)
    assert complete(tmp_path, steady=True)
    (found,) = taken(tmp_path, tmp_path / ".kept", {})
    assert found[0].startswith(f"{tmp_path.name}-")


@pytest.mark.parametrize("left", [0, 5, 20, -1])
def test_cut_off_weights_are_no_checkpoint(tmp_path: Path, left: int) -> None:
    weights(tmp_path)
    settings(tmp_path)
    (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:left])
    record(tmp_path, 1, at=2**31)
    assert not complete(tmp_path, steady=True)


def test_what_changes_while_it_is_copied_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    run = tmp_path / "run"
    weights(run)
    settings(run)
    record(run, 1)
    copy, copies = shutil.copy2, []

    def busy(source: Path, target: Path) -> None:
        copy(source, target)
        copies.append(source)
        if len(copies) == 1:
            weights(run, b"5678", at=5)
            record(run, 2, at=6)

    monkeypatch.setattr(shutil, "copy2", busy)
    assert taken(run, tmp_path / "kept", {}) == [("run-2", b"5678")]


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    assert taken(tmp_path / "later", tmp_path / "kept", {}) == []
