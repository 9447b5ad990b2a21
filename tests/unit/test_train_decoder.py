"""The decoder that trains against transformers and peft, which it must agree with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_model import BFLOAT16, TOKENS, random_weights, write_adapter, write_gguf

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from foretype.model.train import weights as train_weights  # noqa: E402
from foretype.model.train.decoder import Decoder, Pack  # noqa: E402
from foretype.model.train.weights import AdapterError, base_model, new_adapter, old_adapter, trained  # noqa: E402
from foretype.model.weights import Adapter, Gguf  # noqa: E402

LENGTHS = (9, 17, 5)
SHAPES = {"self_attn.q_proj": (64, 64), "self_attn.k_proj": (32, 64), "self_attn.v_proj": (32, 64)}
SHAPES |= {
    "self_attn.o_proj": (64, 64),
    "mlp.gate_proj": (128, 64),
    "mlp.up_proj": (128, 64),
    "mlp.down_proj": (64, 128),
}

pytestmark = pytest.mark.training


@pytest.fixture(scope="module", params=["head of its own", "tied"])
def gguf(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    return Gguf(write_gguf(path, random_weights(tied=request.param == "tied")))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """Of the second layer alone."""
    write_adapter(
        tmp_path / "old",
        {f"model.layers.1.{name}": shape for name, shape in SHAPES.items()},
        layers_to_transform=[1],
        target_modules=[name.split(".")[1] for name in SHAPES],
        task_type="CAUSAL_LM",
        lora_dropout=0.0,
    )
    return tmp_path / "old"


def a_pack() -> Pack:
    tokens = torch.tensor(np.random.default_rng(3).integers(0, len(TOKENS), sum(LENGTHS)))
    places = torch.tensor([4, 5, 6, 7, 15, 24, 27, 28, 29])  # within each sequence, not its last token
    return Pack(tokens, LENGTHS, places, tokens[places + 1])


def reference(model, pack: Pack):
    """Each sequence by itself through transformers and peft."""
    total, begin = torch.zeros(()), 0
    for length in pack.lengths:
        logits = model(input_ids=pack.tokens[None, begin : begin + length]).logits[0].float()
        mine = [(p - begin, w) for p, w in zip(pack.places, pack.wanted, strict=True) if begin <= p < begin + length]
        places, wanted = (torch.tensor([pair[at] for pair in mine]) for at in (0, 1))
        total = total + torch.nn.functional.cross_entropy(logits[places], wanted, reduction="sum")
        begin += length
    return total


def test_loss_and_gradients_are_those_of_transformers_and_peft(gguf, adapter) -> None:
    model = old_adapter(base_model(gguf, torch.float32, 1), adapter)
    weights = trained(model)
    assert len(weights) == 14
    expected = reference(model, a_pack())
    expected.backward()
    grads = {name: weight.grad.clone() for name, weight in weights.items()}
    model.zero_grad()
    loss = Decoder(model, torch.float32).loss(a_pack())
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for name, weight in weights.items():
        torch.testing.assert_close(weight.grad, grads[name], rtol=1e-3, atol=1e-4)
        assert weight.grad.abs().max() > 1e-3


def test_in_bf16_it_is_about_the_same(gguf, adapter) -> None:
    exact = old_adapter(base_model(gguf, torch.float32, 1), adapter)
    rough = old_adapter(base_model(gguf, torch.bfloat16, 1), adapter)
    losses = [decoder.loss(a_pack()) for decoder in (Decoder(exact, torch.float32), Decoder(rough, torch.bfloat16))]
    for loss in losses:
        loss.backward()
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=0.05)
    flat = [torch.cat([weight.grad.flatten() for weight in trained(model).values()]) for model in (exact, rough)]
    assert torch.nn.functional.cosine_similarity(*flat, dim=0) > 0.97


def test_a_new_adapter_changes_nothing_until_it_is_trained(gguf) -> None:
    base = base_model(gguf, torch.float32, 0)
    before = reference(base, a_pack()).item()
    model = new_adapter(base, 4, 0, seed=1)
    decoder = Decoder(model, torch.float32)
    assert decoder.loss(a_pack()).item() == pytest.approx(before, rel=1e-5)
    with torch.no_grad():
        for weight in trained(model).values():
            weight += 0.1
    decoder.merge()
    assert decoder.loss(a_pack()).item() == pytest.approx(reference(model, a_pack()).item(), rel=1e-4)
    assert abs(decoder.loss(a_pack()).item() - before) > 0.1


def test_what_is_written_is_read_by_the_builder_and_by_peft(gguf, adapter, tmp_path) -> None:
    model = old_adapter(base_model(gguf, torch.float32, 1), adapter)
    size = train_weights.write_adapter(model, tmp_path, "tiny", {"base_sha256": "ab"})
    written = {name: weight.detach().clone() for name, weight in trained(model).items()}
    again = old_adapter(base_model(gguf, torch.float32, 1), tmp_path)
    for name, weight in trained(again).items():
        torch.testing.assert_close(weight.detach(), written[name].bfloat16().float())
    merged = Adapter(tmp_path).merge_into("blk.1.attn_q.weight", gguf.tensor("blk.1.attn_q.weight"))
    down, up = (written[f"base_model.model.model.layers.1.self_attn.q_proj.lora_{ab}.weight"].numpy() for ab in "AB")
    expected = gguf.tensor("blk.1.attn_q.weight") + 2 * up.astype(BFLOAT16).astype(np.float32) @ down.astype(
        BFLOAT16
    ).astype(np.float32)
    np.testing.assert_allclose(merged, expected, atol=1e-5)
    assert size == (tmp_path / "adapter_model.safetensors").stat().st_size


def test_what_is_no_adapter_of_the_model_is_refused(gguf, adapter) -> None:
    (adapter / "adapter_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(AdapterError, match="not an adapter of this model"):
        old_adapter(base_model(gguf, torch.float32, 1), adapter)
    write_adapter(
        adapter, {"model.layers.1.mlp.up_proj": (96, 64)}, layers_to_transform=[1], target_modules=["up_proj"]
    )
    with pytest.raises(AdapterError, match="not an adapter of this model"):
        old_adapter(base_model(gguf, torch.float32, 1), adapter)
