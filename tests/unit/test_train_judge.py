"""What is said of answers in one pass is what writing them token by token would have come to."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from training import edit_rows, fim_rows, write

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from foretype.context.row_files import Split  # noqa: E402
from foretype.context.rows import Row  # noqa: E402
from foretype.eval import likelihood  # noqa: E402
from foretype.model.progress import silent  # noqa: E402
from foretype.model.train import job as train_job  # noqa: E402
from foretype.model.train import judge, stream  # noqa: E402
from foretype.model.train.base import open_base  # noqa: E402
from foretype.model.train.job import Job  # noqa: E402
from foretype.model.train.judge import Judged  # noqa: E402
from foretype.model.train.loop import Plan  # noqa: E402
from foretype.model.train.rows import Layout, Rows  # noqa: E402
from foretype.model.train.weights import old_adapter  # noqa: E402

SPLITS: tuple[Split, ...] = ("train", "test")

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {"train": [*fim_rows(3), *edit_rows(2)], "test": [*fim_rows(7), *edit_rows(5)][3:]}
    return write(tmp_path_factory.mktemp("rows") / "pairs", rows)


@pytest.fixture(scope="module")
def adapter(pairs: Path, tiny_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a tiny model that knows some of the rows by heart."""
    out = tmp_path_factory.mktemp("adapter")
    plan = Plan(rate=0.01, batch=4, warm_up=2, minutes=0, tokens=12_000, pack=512, validation_minutes=60)
    small = {"rank": 4, "first_layer": 0, "threads": 1, "dtype": "fp32", "validation_rows": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORETYPE_CACHE", str(out / "cache"))
        train_job.run(
            Job(
                "both",
                (pairs,),
                out,
                str(tiny_gguf),
                None,
                stream.shares("both"),
                Layout(),
                plan,
                **small,
            ),
            silent,
            lambda line: None,
        )
    return out


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETYPE_CACHE", str(tmp_path / "cache"))


def judged(pairs: Path, model: Path, adapter: Path | None) -> list[Judged]:
    return judge.judge(rows_of(pairs), str(model), adapter, "fp32", silent)


def rows_of(pairs: Path) -> list[Row]:
    """Those that it was trained on, and others."""
    return [row for split in SPLITS for row in judge.rows(pairs, split, likelihood.kinds_of("both"), 0, 7)]


def test_exact_is_what_greedy_decoding_writes(pairs: Path, tiny_gguf: Path, adapter: Path) -> None:
    said = {one.row: one for one in judged(pairs, tiny_gguf, adapter)}
    base = open_base(str(tiny_gguf), adapter, 0, torch.float32, silent)
    model = old_adapter(base.model, adapter).eval()
    examples = Rows(base.vocab, base.family, Layout(files=1.0, typed=0.0))
    for row in rows_of(pairs):
        example = examples.example(row)
        assert example is not None
        tokens = list(example.tokens[: example.start])
        nats = 0.0
        for wanted in example.tokens[example.start :]:
            with torch.no_grad():
                logits = model(torch.tensor([tokens])).logits[0, -1]
            nats -= float(torch.log_softmax(logits, 0)[wanted])
            if said[row.id].exact:
                assert int(logits.argmax()) == wanted
            tokens.append(wanted)
        assert said[row.id].loss == pytest.approx(nats / (len(example.tokens) - example.start), rel=1e-3)
    assert {one.exact for one in said.values()} == {True, False}


def test_who_has_learnt_the_rows_is_better_at_them(pairs: Path, tiny_gguf: Path, adapter: Path) -> None:
    before, after = judged(pairs, tiny_gguf, None), judged(pairs, tiny_gguf, adapter)
    every, *kinds = likelihood.compare(before, after)
    assert every.rows == len(before) == sum(one.rows for one in kinds)
    assert every.loss[1] < every.loss[0] and every.exact[1] > every.exact[0] == 0
    # all of these rows are of one commit, which tells nothing of others
    assert every.commits == 1 and not every.better and math.isclose(every.difference.p, 1.0)
    table = likelihood.table([every, *kinds], ("none", "own")).splitlines()
    assert len(table) == 1 + len([every, *kinds]) and max(map(len, table)) < 130
    assert "loss_p" in likelihood.figures(every)


def test_the_command(
    pairs: Path, tiny_gguf: Path, adapter: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from foretype.cli import main

    words = ["eval", "likelihood", "none", str(adapter), "--model", str(tiny_gguf), "--task", "fim"]
    assert main([*words, "--pairs", str(pairs)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[1].split()[:2] == ["all", "4"]
    assert main([*words, "--pairs", str(pairs), "--split", "validation"]) == 2
    assert "holds no such rows" in capsys.readouterr().err
    assert main([*words, "--pairs", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
