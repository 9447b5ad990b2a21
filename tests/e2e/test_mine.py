"""`foretype mine` in processes of its own: workers change nothing, and a run that is killed goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from histories import repository
from mined_histories import commits

from foretype.mining import shards

NAMES = ("counted", "listed", "sorted")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("repositories")
    return [str(repository(folder / name, commits(name, 20))) for name in NAMES]


def _start(repositories: list[str], out: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "foretype", "mine", *repositories, "--out", str(out), "--json", *words]
    # a shell that started the tests in the background has them, and what they start, ignore interrupts
    heed = None if os.name == "nt" else partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed)


def _run(repositories: list[str], out: Path, *words: str) -> dict[str, Any]:
    process = _start(repositories, out, *words)
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == 0 and complaint == "", complaint
    figures: dict[str, Any] = json.loads(said)
    return figures


def _bytes(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.zst")}


@pytest.fixture(scope="module")
def alone(repositories: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of the repositories."""
    out = tmp_path_factory.mktemp("alone")
    figures = _run(repositories, out, "--workers", "1")
    assert figures["rows"] == sum(1 for split in shards.SPLITS for _ in shards.read(out, split)) > 50
    return out


def test_killed_in_the_middle_it_goes_on_with_more_workers_to_the_same_bytes(
    repositories: list[str], alone: Path, tmp_path: Path
) -> None:
    process = _start(repositories, tmp_path, "--workers", "1")
    parts = tmp_path / "parts"
    end = time.monotonic() + 60
    while not any(parts.glob("*.json")) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    left = {path.name: path.read_bytes() for path in parts.glob("*.json")}
    assert left and not _bytes(tmp_path)
    _run(repositories, tmp_path, "--workers", "2")
    assert _bytes(tmp_path) == _bytes(alone)
    assert all((parts / name).read_bytes() == data for name, data in left.items())  # and was not made again
    assert not list(tmp_path.rglob("*.tmp"))


def test_on_ray_a_machine_that_dies_loses_nothing_and_nothing_comes_twice(
    repositories: list[str], alone: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        other = cluster.add_node(num_cpus=1)
        process = _start(repositories, tmp_path, "--ray", cluster.address)
        end = time.monotonic() + 120
        while not any((tmp_path / "parts").glob("*.tmp")) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        cluster.remove_node(other, allow_graceful=False)
        said, complaint = process.communicate(timeout=240)
        assert process.returncode == 0, complaint
        assert json.loads(said)["problems"] == {}
        assert _bytes(tmp_path) == _bytes(alone)
    finally:
        cluster.shutdown()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no interrupt for one process")
def test_an_interrupt_is_said_in_a_line(repositories: list[str], tmp_path: Path) -> None:
    process = _start(repositories, tmp_path, "--workers", "1")
    while not (tmp_path / "parts").exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130 and complaint.splitlines() == [
        "foretype: interrupted; the next run goes on from here"
    ]
