"""The mean of adapters: what it holds, what it tells of itself, and what has none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from foretype import cli  # noqa: E402
from foretype.model.weights import Adapter  # noqa: E402

pytestmark = pytest.mark.training
NAME = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"


def adapter(folder: Path, value: float, rank: int = 2) -> Path:
    folder.mkdir()
    shapes = {"A": (rank, 8), "B": (8, rank)}
    tensors = {NAME.format(one): torch.full(shape, value, dtype=torch.bfloat16) for one, shape in shapes.items()}
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def test_the_mean_by_weights_that_need_not_come_to_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, out = adapter(tmp_path / "one", 1.0), adapter(tmp_path / "two", 5.0), tmp_path / "out"
    (one / "train_config.json").write_text('{"base_sha256": "b", "task": "both"}')
    assert cli.main(["model", "mean", f"3={one}", f"1={two}", "--out", str(out)]) == 0
    assert f"foretype model build --adapter {out}" in capsys.readouterr().out
    for tensor in load_file(out / "adapter_model.safetensors").values():
        assert tensor.dtype == torch.bfloat16 and (tensor == 2.0).all()
    assert Adapter(out)
    record = json.loads((out / "train_config.json").read_text())
    digests = [hashlib.sha256((one / "adapter_model.safetensors").read_bytes()).hexdigest() for one in (one, two)]
    assert record == {"base_sha256": "b", "task": "both", "mean": [[0.75, digests[0]], [0.25, digests[1]]]}


def test_what_has_no_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = adapter(tmp_path / "one", 1.0), adapter(tmp_path / "other", 1.0, rank=4)
    broken = adapter(tmp_path / "broken", 1.0)
    (broken / "adapter_model.safetensors").write_bytes(b"no")
    for parts, out, complaint in (
        ([f"1={one}", f"1={other}"], "out", "of another rank"),
        ([f"1={one}"], "out", "at least two"),
        ([f"1={one}", f"1={broken}"], "out", "broken: not a LoRA adapter"),
        ([f"1={one}", f"1={tmp_path / 'nowhere'}"], "out", "nowhere: not a LoRA adapter"),
        ([f"1={other}", f"1={one}"], "one", "is one of the adapters"),
    ):
        assert cli.main(["model", "mean", *parts, "--out", str(tmp_path / out)]) == 2
        assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    for part in ("one", "x=one", "0=one", "nan=one", "1="):
        with pytest.raises(SystemExit):
            cli.main(["model", "mean", part, "--out", "out"])
