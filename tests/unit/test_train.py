"""Training a tiny model from rows on disk: what comes out, going on after a stop, and what may go wrong."""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training import edit_rows, fim_rows, write

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from foretype.model import store  # noqa: E402
from foretype.model.progress import silent  # noqa: E402
from foretype.model.train import build_command  # noqa: E402
from foretype.model.train import checkpoint as train_checkpoint  # noqa: E402
from foretype.model.train import command as train  # noqa: E402
from foretype.model.train import job as train_job  # noqa: E402
from foretype.model.train import log as train_log  # noqa: E402
from foretype.model.train import stream as train_stream  # noqa: E402
from foretype.model.train import weights as train_weights  # noqa: E402
from foretype.model.train.checkpoint import CheckpointError  # noqa: E402
from foretype.model.train.decoder import Decoder  # noqa: E402
from foretype.model.train.job import Job  # noqa: E402
from foretype.model.train.log import LOG, PICTURE, entries  # noqa: E402
from foretype.model.train.loop import Plan, TrainError  # noqa: E402
from foretype.model.train.rows import Layout  # noqa: E402
from foretype.model.weights import Adapter  # noqa: E402

WEIGHTS = "adapter_model.safetensors"
PLAN = Plan(
    rate=0.01, batch=4, warm_up=2, minutes=0, tokens=4000, pack=512, validation_minutes=60, checkpoint_minutes=60
)

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {"train": [*fim_rows(24), *edit_rows(12)], "validation": [*fim_rows(6), *edit_rows(4)]}
    return write(tmp_path_factory.mktemp("rows") / "pairs", rows)


@pytest.fixture
def job(tiny_gguf: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))
    return Job(
        task="both",
        pairs=(pairs,),
        out=tmp_path / "out",
        model=str(tiny_gguf),
        adapter=None,
        shares=train_stream.shares("both"),
        layout=Layout(),
        plan=PLAN,
        rank=4,
        first_layer=0,
        threads=1,
        dtype="fp32",
    )


def run(job: Job, said: list[str] | None = None) -> dict[str, Any]:
    return train_job.run(job, silent, (said if said is not None else list[str]()).append)


def test_an_adapter_comes_out_that_learnt_the_rows(job: Job) -> None:
    figures = run(replace(job, plan=replace(PLAN, tokens=12_000)))
    said = entries(job.out)
    losses = [one["loss"] for one in said if "loss" in one]
    assert losses[0] > 2 * np.mean(losses[-5:])
    validations = [one for one in said if "validation_loss" in one]
    assert validations[0]["step"] == 0
    assert validations[-1]["validation_loss"] < validations[0]["validation_loss"] / 2
    assert {f"validation_loss_{kind}" for kind in ("single", "multi", "span", "edit", "no_edit")} <= figures.keys()
    assert figures["tokens"] == said[-1]["tokens"] >= 12_000
    record = json.loads((job.out / "train_config.json").read_text())
    assert (
        record["rows_by_kind"]
        == figures["rows_by_kind"]
        == {"single": 8, "multi": 8, "span": 8, "edit": 6, "no_edit": 6}
    )
    assert record["base_sha256"] == figures["model_sha256"]
    assert record["layout"]["edits"] == "lines"
    assert (job.out / PICTURE).read_bytes().startswith(b"\x89PNG")
    # what the builder merges is not nothing
    weight = np.zeros((64, 64), np.float32)
    assert np.abs(Adapter(job.out).merge_into("blk.1.attn_q.weight", weight)).max() > 1e-3


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(job)
    stopped = replace(job, out=tmp_path / "stopped")
    steps = 0

    def stop_after_some(self: Decoder, *args: Any) -> Any:
        nonlocal steps
        steps += torch.is_grad_enabled()
        if torch.is_grad_enabled() and steps == 9:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(self, *args)

    loss = Decoder.loss
    monkeypatch.setattr(Decoder, "loss", stop_after_some)
    with pytest.raises(TrainError, match=r"stopped after [1-9].* run again with the same settings"):
        run(stopped)
    half = entries(stopped.out)[-1]["step"]
    figures = run(stopped)
    assert 0 < half < figures["steps"]
    assert (stopped.out / WEIGHTS).read_bytes() == (job.out / WEIGHTS).read_bytes()
    assert [one.get("loss") for one in entries(stopped.out)][-5:] == [one.get("loss") for one in entries(job.out)][-5:]


def test_a_run_that_is_done_stays_as_it_is(job: Job) -> None:
    first = run(job)
    assert run(job)["adapter_sha256"] == first["adapter_sha256"]


def test_with_other_settings_a_run_does_not_go_on(job: Job) -> None:
    run(job)
    for other, name in (
        (replace(job, plan=replace(PLAN, rate=0.02)), r"another rate \(0.01, now 0.02\)"),
        (replace(job, layout=Layout(files=0.5)), "another layout"),
        (replace(job, seed=2), "another seed"),
    ):
        with pytest.raises(CheckpointError, match=f"{name}.*--out"):
            run(other)


def test_going_on_from_an_adapter(job: Job, tmp_path: Path) -> None:
    figures = run(job)
    before = figures["validation_loss"]
    run(replace(job, adapter=job.out, out=tmp_path / "more", plan=replace(PLAN, rate=1e-9, tokens=500)))
    assert entries(tmp_path / "more")[0]["validation_loss"] == pytest.approx(before, abs=0.02)


def test_an_adapter_of_another_model_is_refused(job: Job, tmp_path: Path) -> None:
    run(job)
    record = job.out / "train_config.json"
    record.write_text(record.read_text().replace('"base_sha256": "', '"base_sha256": "0'))
    with pytest.raises(Exception, match="trained on weights whose sha256 is 0"):
        run(replace(job, adapter=job.out, out=tmp_path / "more"))
    with pytest.raises(store.StoreError, match="trained on weights whose sha256 is 0"):
        store.resolve(job.model, str(job.out))


def failing_losses(monkeypatch: pytest.MonkeyPatch, at: Callable[[int], bool], fail: Callable[[Any], Any]) -> None:
    """Makes some of the training losses fail, counted from 1."""
    loss, count = Decoder.loss, 0

    def changed(self: Decoder, pack: Any) -> Any:
        nonlocal count
        if not torch.is_grad_enabled():
            return loss(self, pack)
        count += 1
        return fail(loss(self, pack)) if at(count) else loss(self, pack)

    monkeypatch.setattr(Decoder, "loss", changed)


def test_a_step_without_a_finite_loss_changes_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_losses(monkeypatch, lambda count: count % 3 == 0, lambda loss: loss * float("nan"))
    figures = run(job)
    assert figures["skipped_steps"] > 0
    assert np.isfinite(figures["validation_loss"])


def test_without_finite_losses_training_ends_and_the_checkpoint_stands(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_losses(monkeypatch, lambda count: count > 4, lambda loss: loss * float("nan"))
    with pytest.raises(TrainError, match=r"not a number 5 steps in a row.*lower --rate"):
        run(replace(job, plan=replace(PLAN, checkpoint_minutes=0)))
    monkeypatch.undo()
    monkeypatch.setenv("FORETYPE_CACHE", str(job.out.parent / "cache"))
    assert np.isfinite(run(job)["validation_loss"])


def test_out_of_memory_halves_the_packs(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(loss: Any) -> Any:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    failing_losses(monkeypatch, lambda count: count == 3, fail)
    said: list[str] = []
    run(job, said)
    assert "out of memory: going on with 256 tokens at once" in said
    assert "out of memory" in (job.out / LOG).read_text()


def test_out_of_memory_in_the_first_validation_halves_the_packs_too(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    loss, failed = Decoder.loss, False

    def fail_once(self: Decoder, pack: Any) -> Any:
        nonlocal failed
        if not failed and not torch.is_grad_enabled():
            failed = True
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 bytes")
        return loss(self, pack)

    monkeypatch.setattr(Decoder, "loss", fail_once)
    said: list[str] = []
    assert np.isfinite(run(replace(job, plan=replace(PLAN, tokens=500)), said)["validation_loss"])
    assert "out of memory: going on with 256 tokens at once" in said


def test_an_error_that_is_no_lack_of_memory_is_one(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(loss: Any) -> Any:
        raise RuntimeError("shapes do not match")

    failing_losses(monkeypatch, lambda count: True, fail)
    with pytest.raises(RuntimeError, match="shapes"):
        run(job)


def test_on_a_full_disk_training_goes_on_with_the_old_checkpoint(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    run(replace(job, plan=replace(PLAN, tokens=1000)))
    kept = {name: (job.out / name).read_bytes() for name in (train_checkpoint.NAME, WEIGHTS)}

    def full(*args: Any) -> None:
        Path(args[0]).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    for module in (train_checkpoint, train_weights):
        monkeypatch.setattr(module, "write_tensors", full)
    said: list[str] = []
    run(replace(job, plan=replace(PLAN, checkpoint_minutes=0)), said)
    assert "no checkpoint could be written (No space left on device); the last one stands" in said
    assert kept == {name: (job.out / name).read_bytes() for name in kept}
    assert not list(job.out.glob("*.tmp")) + list(job.out.glob(".*.tmp"))


def test_a_log_that_a_full_disk_does_not_take_ends_no_training(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    append, lines = train_log.append, 0

    def full(folder: Path, facts: Any) -> None:
        nonlocal lines
        lines += 1
        if lines > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(folder, facts)

    def forbidden(folder: Path, facts: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(train_log, "append", full)
    assert run(job)["tokens"] >= 4000
    monkeypatch.setattr(train_log, "append", forbidden)
    with pytest.raises(PermissionError):
        run(replace(job, out=job.out.with_name("other")))


def test_a_damaged_checkpoint_is_named(job: Job) -> None:
    run(job)
    path = job.out / train_checkpoint.NAME
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"not a readable checkpoint.*remove it to begin anew"):
        run(job)


def test_the_learning_rate_rises_and_falls() -> None:
    plan = Plan(rate=1.0, warm_up=10)
    rates = [plan.rate_at(step, step / 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert max(rates) == rates[9] > 0.97
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[100] == pytest.approx(0.05)


# The command


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    status = train.run(parser.parse_args(words))
    out = capsys.readouterr()
    return status, out.out, out.err


def arguments(job: Job, *more: str) -> list[str]:
    where = ["--pairs", str(job.pairs[0]), "--out", str(job.out), "--model", job.model]
    return ["fim", *where, "--from-layer", "1", "--rank", "2", "--threads", "1", "--no-fused", *more]


def test_the_command_prints_one_object(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = command(capsys, *arguments(job, "--max-tokens", "900", "--batch", "4", "--json"))
    assert status == 0, err
    figures = json.loads(out)
    assert figures["tokens"] >= 900
    assert figures["rows_by_kind"].keys() == {"single", "multi", "span"}
    assert figures["adapter"] == str(job.out)


def test_the_command_says_what_is_wrong(job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, status, message in (
        (["--max-minutes", "0"], 2, "--max-minutes or --max-tokens"),
        (["--max-tokens", "9", "--pack", "100"], 2, "--pack has to be 512 or more"),
        (["--max-tokens", "9", "--from-layer", "2"], 2, "has 2 layers"),
        (["--max-tokens", "9", "--pairs", str(tmp_path)], 2, "has no manifest.json"),
        (["--max-tokens", "9", "--shares", "lint=1"], 2, "holds no rows to train on of lint"),
        (["--max-tokens", "9", "--model", "no-such"], 1, "no model is called 'no-such'"),
        (["--max-tokens", "9", "--from", str(tmp_path)], 1, "give the folder of an adapter"),
        (["--max-tokens", "9", "--from", f"{job.out}/."], 2, "--out has to be another folder than --from"),
        (["--max-tokens", "9", "--threads", "-1"], 2, "--threads has to be 0 or more"),
        (["--max-tokens", "9", "--validation-rows", "-1"], 2, "--validation-rows has to be 0 or more"),
    ):
        found, out, err = command(capsys, *arguments(job, *more))
        assert (found, out) == (status, "")
        assert message in err


@pytest.mark.parametrize("text", ["haiku=1", "edit", "edit=x", "edit=-1", "edit=nan", "edit=inf"])
def test_a_share_that_is_none_is_refused(job: Job, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command(capsys, *arguments(job, "--shares", text))
    assert "is no share like edit=0.5" in capsys.readouterr().err


def test_what_was_trained_is_built_and_listed(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    run(job)
    parser = argparse.ArgumentParser()
    build_command.add_arguments(parser)
    words = [job.model, "--adapter", str(job.out), "--json"]
    assert build_command.run(parser.parse_args(words)) == 0
    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert said["adapter"] == "out" and not printed.err
    found = store.find(job.model, str(job.out))
    assert found and found.folder == Path(said["folder"])
    (row,) = [row for row in store.listing() if row.builds]
    assert [built.manifest["adapter_sha256"] for built in row.builds] == [said["adapter_sha256"]]
    assert build_command.run(parser.parse_args([job.model, "--adapter", str(job.out / "none")])) == 1
    assert "an adapter's folder holds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "taught", "lines"), [("both", "window", 1), ("fim", "window", 0), ("edits", "lines", 0)]
)
def test_an_adapter_that_was_taught_to_answer_otherwise_is_built_all_the_same(
    job: Job, capsys: pytest.CaptureFixture[str], task: str, taught: str, lines: int
) -> None:
    run(job)
    path = job.out / "train_config.json"
    record = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**record, "task": task, "layout": {**record["layout"], "edits": taught}}), "utf-8")
    parser = argparse.ArgumentParser()
    build_command.add_arguments(parser)
    assert build_command.run(parser.parse_args([job.model, "--adapter", str(job.out), "--json"])) == 0
    printed = capsys.readouterr()
    assert Path(json.loads(printed.out)["folder"]).is_dir()
    assert printed.err.count("\n") == printed.err.count("in the format 'window'") == lines
