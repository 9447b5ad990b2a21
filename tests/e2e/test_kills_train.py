"""Training that is killed: it goes on from its last checkpoint with the next rows, to the very same adapter."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import killing
import numpy as np
import pytest
from killing import End, Property, Victim, count
from safetensors import safe_open
from training import fim_rows, write

# Looked for, not imported: the process that trains does that, and it takes seconds.
needs = [name for name in ("torch", "peft", "matplotlib") if importlib.util.find_spec(name) is None]

pytestmark = [pytest.mark.training, pytest.mark.skipif(bool(needs), reason=f"{', '.join(needs)} not installed")]

WEIGHTS, CHECKPOINT, RECORD, LOG = (
    *("adapter_model.safetensors", "checkpoint.safetensors"),
    *("train_config.json", "log.jsonl"),
)


def test_a_trainer_that_is_killed(
    tiny_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Property
) -> None:
    monkeypatch.setattr(killing, "PRELOADED", [*killing.PRELOADED, "foretype.model.train.job", "matplotlib.figure"])
    pairs = write(tmp_path / "pairs", {"train": fim_rows(24), "validation": fim_rows(3)})
    out = tmp_path / "out"
    words = ["train", "fim", "--pairs", str(pairs), "--out", str(out), "--model", str(tiny_gguf), "--rank", "2"]
    words += ["--from-layer", "0", "--batch", "4", "--max-tokens", "1500", "--rate", "0.01", "--dtype", "fp32"]
    words += ["--threads", "1", "--no-fused", "--checkpoint-minutes", "0", "--validation-minutes", "60", "--json"]
    expected: dict[str, Any] = {}

    def check() -> None:
        for file in (out / CHECKPOINT, out / WEIGHTS):  # there is none yet, or a whole one
            if file.exists():
                with safe_open(file, "np") as tensors:
                    assert all(np.isfinite(tensors.get_tensor(name)).all() for name in tensors.keys())  # noqa: SIM118
        if (out / RECORD).exists():
            json.loads((out / RECORD).read_text("utf-8"))

    def whole(end: End) -> None:
        assert end.status == 0, end.said
        steps = [said for line in (out / LOG).read_text("utf-8").splitlines() if "rate" in (said := _object(line))]
        # the same rows in the same order: a step that is made again after a kill is the one that was lost
        losses = {one["step"]: (one["tokens"], one["loss"]) for one in steps}
        found = {"weights": (out / WEIGHTS).read_bytes(), "losses": losses}
        assert found == (expected or found)
        expected.update(found)
        assert [path.name for path in out.iterdir() if path.name.endswith(".tmp")] == []

    victim = Victim(words, out, {"FORETYPE_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"})
    count(record_property, "train", victim.kill_often(check, whole, lambda: shutil.rmtree(out), seed=5))


def _object(line: str) -> dict[str, Any]:
    """A line of the log; nothing of one that was cut."""
    try:
        said: dict[str, Any] = json.loads(line)
        return said
    except ValueError:
        return {}
