"""What a model is called in a suite: names of the catalogue, adapters, folders, servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from foretype.eval.comparison import models as suite_models
from foretype.eval.comparison.models import UsageError


def adapter(folder: Path, **record: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "Qwen/Qwen2.5-Coder-0.5B"}', "utf-8")
    (folder / "adapter_model.safetensors").touch()
    if record:
        (folder / "train_config.json").write_text(json.dumps(record), "utf-8")
    return folder


def test_models_by_their_names(tmp_path: Path) -> None:
    plain = adapter(tmp_path / "plain")
    edits = adapter(tmp_path / "edits", base="qwen2.5-coder-1.5b", task="both", layout={"edits": "lines"})
    texts = [
        "qwen2.5-coder-0.5b",
        "qwen2.5-coder-0.5b+none",
        "mined-v3",
        str(plain),
        str(edits),
        f"qwen2.5-coder-0.5b+{edits}",
        "some-name@http://127.0.0.1:8012",
    ]
    found = suite_models.named(texts)
    default = "qwen2.5-coder-0.5b"
    assert [(one.label, one.model, one.adapter) for one in found] == [
        (default, default, "default"),
        (f"{default}+none", default, "none"),
        ("mined-v3", default, "mined-v3"),
        ("plain", default, str(plain)),
        ("edits", "qwen2.5-coder-1.5b", str(edits)),
        (f"{default}+edits", default, str(edits)),
        ("some-name@http://127.0.0.1:8012", "some-name", "default"),
    ]
    assert (found[-1].engine, found[-1].url) == ("openai", "http://127.0.0.1:8012")
    served = suite_models.ready(found[-1])
    assert served.options == ("--engine", "openai", "--model", "some-name", "--url", "http://127.0.0.1:8012")
    assert "/" not in served.key
    assert ":" not in served.key


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    found = suite_models.named([str(adapter(tmp_path / run / "last")) for run in ("a", "b")])
    assert [one.label for one in found] == [f"{tmp_path.name}/a/last", f"{tmp_path.name}/b/last"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("qwen2.5-coder-0.5", "did you mean qwen2.5-coder-0.5b"),
        ("./nothing/here", "there is no ./nothing/here"),
        (".", "holds neither an adapter"),
    ],
)
def test_what_is_no_model_is_refused(text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=expected):
        suite_models.named([text])
    with pytest.raises(UsageError, match="named twice"):
        suite_models.named(["mined-v3", "mined-v3"])
