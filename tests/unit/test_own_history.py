"""Training on one's own history: mined, trained, judged by the newest commits, kept or not. A tiny model."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from histories import repository
from mined_histories import commits

pytest.importorskip("torch")
pytest.importorskip("peft")

from foretype.context.row_files import read
from foretype.eval import own_history
from foretype.mining import pipeline

WEIGHTS = "adapter_model.safetensors"

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without a licence: one's own code needs none."""
    return repository(tmp_path_factory.mktemp("own") / "shop.git", commits("price", 40, licence="All rights reserved."))


@pytest.fixture
def learn(clone: Path, tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(own_history, "_LEAST_ROWS", 10)
    monkeypatch.setattr(own_history, "_LEAST_COMMITS", 3)
    monkeypatch.setattr(own_history, "MINING", replace(own_history.MINING, validation_share=0.4))

    def learn(*words: object) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        own_history.add_arguments(parser)
        small = ["--from-layer", 0, "--rank", 4, "--batch", 4, "--warm-up", 2, "--threads", 1, "--dtype", "fp32"]
        how = ["--model", tiny_gguf, "--no-fused", "--max-tokens", 20_000, "--out", tmp_path / "own", *small]
        args = parser.parse_args(["both", "--repo", str(clone), *map(str, how), *map(str, words)])
        status = own_history.run(args)
        return status, *capsys.readouterr()

    return learn


def test_an_adapter_that_tells_the_newest_commits_better_is_kept(learn: Any, tmp_path: Path) -> None:
    status, said, err = learn("--rate", 0.01, "--json")
    assert not err, err
    figures = json.loads(said)
    assert status == 0 and figures["kept"] and figures["adapter"] == str(tmp_path / "own")
    assert figures["loss_second"] < figures["loss_first"] and figures["loss_high"] < 0 and figures["loss_p"] < 0.05
    assert figures["from"] == "no adapter" and figures["commits"] >= 3
    kept = {path.name for path in (tmp_path / "own").iterdir()}
    assert {WEIGHTS, "adapter_config.json", "train_config.json"} <= kept and "run" not in kept


def test_one_that_learnt_nothing_is_not_and_the_one_that_was_kept_stays(learn: Any, tmp_path: Path) -> None:
    assert learn("--rate", 0.01)[0] == 0
    before = (tmp_path / "own" / WEIGHTS).read_bytes()
    status, said, _ = learn("--rate", 1e-9)
    assert status == 0 and "Not kept: it does not tell the newest commits better than own, which stays." in said
    assert (tmp_path / "own" / WEIGHTS).read_bytes() == before
    assert not (tmp_path / "own" / "run").exists()


def test_what_a_person_reads(learn: Any, tmp_path: Path) -> None:
    status, said, _ = learn("--rate", 0.01)
    assert status == 0
    assert f"foretype model build --adapter {tmp_path / 'own'}" in said
    assert f'adapter = "{tmp_path / "own"}"' in said
    assert [line.split()[0] for line in said.splitlines() if line[:3] in ("all", "edi", "no_")] == [
        *("all", "edit", "no_edit")
    ]


def test_a_run_that_was_ended_is_not_mined_again(learn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr("foretype.model.train.job.train", breaks)
        status, _, err = learn("--rate", 0.01)
    assert status == 1 and err.splitlines()[-1].endswith("the power went")
    monkeypatch.setattr(pipeline, "run", breaks)
    assert learn("--rate", 0.01)[0] == 0


def test_the_newest_commits_judge_and_nothing_of_them_trains(
    learn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_history, "_LEAST_COMMITS", 1000)
    status, _, err = learn()
    assert status == 2 and "commits to judge by, it takes 10 and 1000: name more repositories" in err
    pairs = tmp_path / "own" / "run" / "pairs"
    times = {split: [row.origin.time for row in read(pairs, split)] for split in ("train", "validation")}
    assert max(times["train"]) < min(times["validation"])


def test_too_little(learn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_history, "_LEAST_ROWS", 10_000)
    status, _, err = learn()
    assert status == 2 and "rows to learn from" in err.splitlines()[-1]


def test_pairs_and_repositories_are_two_things(learn: Any, tmp_path: Path) -> None:
    assert learn("--pairs", tmp_path)[0] == 2
