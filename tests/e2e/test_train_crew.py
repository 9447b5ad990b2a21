"""Two processes that train together, as on two GPUs, and one alone: the same adapter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training import fim_rows, write

pytest.importorskip("torch")
pytest.importorskip("peft")


def test_two_processes_train_what_one_does(tiny_gguf: Path, tmp_path: Path) -> None:
    pairs = write(tmp_path / "pairs", {"train": fim_rows(24), "validation": fim_rows(6)})
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "FORETYPE_CACHE": str(tmp_path)}
    together = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    weights = []
    for name, launcher in (("one", [sys.executable]), ("two", together)):
        out = tmp_path / name
        words = ["train", "fim", "--pairs", str(pairs), "--out", str(out), "--model", str(tiny_gguf), "--rank", "2"]
        words += ["--from-layer", "0", "--batch", "4", "--max-tokens", "2000", "--rate", "0.01", "--dtype", "fp32"]
        run = subprocess.run(
            [*launcher, "-m", "foretype.cli", *words, "--no-fused", "--json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert run.returncode == 0, run.stderr
        (line,) = run.stdout.splitlines()  # only the first of them speaks
        figures = json.loads(line)
        assert figures["tokens"] >= 2000
        weights.append((figures["steps"], figures["validation_loss"], (out / "adapter_model.safetensors")))
    (steps, loss, first), (same_steps, same_loss, second) = weights
    assert steps == same_steps
    assert loss == pytest.approx(same_loss, abs=1e-3)
    assert np.mean(np.frombuffer(first.read_bytes(), np.uint8) == np.frombuffer(second.read_bytes(), np.uint8)) > 0.9
