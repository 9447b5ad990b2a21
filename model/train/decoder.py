"""A Qwen2 decoder for training LoRA fast: packed sequences, merged weights, logits only where there is a loss.

The weights and the adapter are those of a transformers model that peft has put a LoRA on; this module only computes
with them, in another order than `forward` of those libraries does, and a test compares the two:

- sequences lie one behind the other, without padding; only attention looks at them one by one;
- `merge` adds the adapter to the weights once a step (a hundredth of its time), so that a forward pass costs what it
  costs without adapter, and only the backward pass makes the skinny products that the adapter's gradients are;
- products with the same input are one product (queries, keys and values; gate and up);
- layers below the first adapted one keep nothing for the backward pass;
- the head and its loss are computed a few positions at a time, and no gradient of a frozen weight ever.

Knows nothing of rows, optimizers or devices beyond those of the tensors it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from foretype.model.train.kernels import HeadLoss, attention, gated, head_likelihoods, norm_of_sum, turned

_JOINT = (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",))


@dataclass(frozen=True)
class Pack:
    """Sequences to learn from: `tokens` [T] are theirs one behind the other, `lengths` say where each ends.

    After the token at each of `places` [n] should come the one in `wanted` [n].
    """

    tokens: Tensor
    lengths: tuple[int, ...]
    places: Tensor
    wanted: Tensor


class Decoder:
    """Computes with `model`, a `Qwen2ForCausalLM` under peft. `dtype` is that of all products; `fused` has torch's
    compiler make one loop each of what is not a product, a fifth faster on a processor, which needs a C++ compiler."""

    def __init__(self, model: Any, dtype: torch.dtype = torch.bfloat16, fused: bool = False) -> None:
        self._norm_of_sum, self._turned, self._gated = norm_of_sum, turned, gated
        if fused:
            self._norm_of_sum, self._turned, self._gated = (
                torch.compile(piece, dynamic=True) for piece in (norm_of_sum, turned, gated)
            )
        body = model.get_base_model()
        config = body.config
        self._heads, self._kv_heads = config.num_attention_heads, config.num_key_value_heads
        self._size = config.head_dim
        self._eps = config.rms_norm_eps
        self._embedding = body.model.embed_tokens.weight
        self._norm = body.model.norm.weight
        self._head = body.lm_head.weight
        self._layers = [_Layer(layer, dtype) for layer in body.model.layers]
        self._first = next((index for index, layer in enumerate(self._layers) if layer.adapted), len(self._layers))
        frequency = config.rope_parameters["rope_theta"] ** (-torch.arange(0, self._size, 2).double() / self._size)
        angles = torch.outer(torch.arange(4096).double(), frequency)
        device = self._embedding.device
        self._cos, self._sin = (part.to(dtype).to(device) for part in (angles.cos(), angles.sin()))
        self.merge()

    def merge(self) -> None:
        """Puts the adapter as it is now into the weights: once after each step of the optimizer."""
        with torch.no_grad():
            for layer in self._layers[self._first :]:
                for linear in layer.linears:
                    linear.merge()

    def loss(self, pack: Pack) -> Tensor:
        """The sum of the negative log-likelihoods (natural logarithms) of what is wanted."""
        return HeadLoss.apply(self._normed(pack), self._head, pack.wanted)

    def likelihoods(self, pack: Pack) -> tuple[Tensor, Tensor]:
        """Of each wanted token its negative log-likelihood [n], and whether no other is likelier [n]."""
        with torch.no_grad():
            return head_likelihoods(self._normed(pack), self._head, pack.wanted)

    def _normed(self, pack: Pack) -> Tensor:
        """What the head reads at the places of a pack: [n, hidden]."""
        positions = torch.cat([torch.arange(length, device=pack.tokens.device) for length in pack.lengths])
        cos, sin = self._cos[positions].unsqueeze(1), self._sin[positions].unsqueeze(1)
        x = functional.embedding(pack.tokens, self._embedding)
        added = torch.zeros_like(x)
        with torch.no_grad():
            for layer in self._layers[: self._first]:
                x, added = self._through(layer, x, added, cos, sin, pack.lengths)
        for layer in self._layers[self._first :]:
            x, added = self._through(layer, x, added, cos, sin, pack.lengths)
        _, normed = self._norm_of_sum(x[pack.places], added[pack.places], self._norm, self._eps)
        return normed

    def _through(
        self, layer: _Layer, x: Tensor, added: Tensor, cos: Tensor, sin: Tensor, lengths: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        x, normed = self._norm_of_sum(x, added, layer.norm_1, self._eps)
        heads = layer.qkv(normed).view(len(x), -1, self._size)
        angled = self._turned(heads[:, : self._heads + self._kv_heads], cos, sin)
        query, key = angled[:, : self._heads], angled[:, self._heads :]
        mixed = attention(query, key, heads[:, self._heads + self._kv_heads :], lengths)
        x, normed = self._norm_of_sum(x, layer.out(mixed.flatten(1)), layer.norm_2, self._eps)
        gate, up = layer.gate_up(normed).chunk(2, dim=1)
        return x, layer.down(self._gated(gate, up))


class _Layer:
    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        modules = {**dict(layer.self_attn.named_children()), **dict(layer.mlp.named_children())}
        self.linears = [_Linear([modules[name] for name in names], dtype) for names in _JOINT]
        self.qkv, self.out, self.gate_up, self.down = self.linears
        self.adapted = any(linear.adapted for linear in self.linears)
        self.norm_1 = layer.input_layernorm.weight
        self.norm_2 = layer.post_attention_layernorm.weight


class _Linear:
    """Projections of the same input as one: their outputs side by side."""

    def __init__(self, modules: list[Any], dtype: torch.dtype) -> None:
        self._bases = [getattr(module, "base_layer", module) for module in modules]
        self.adapted = all(hasattr(module, "lora_A") for module in modules)
        self._pairs = [(m.lora_A["default"].weight, m.lora_B["default"].weight) for m in modules if self.adapted]
        self._scales = [m.scaling["default"] for m in modules if self.adapted]
        self._weight = torch.cat([base.weight.detach() for base in self._bases]).to(dtype)
        self._bias = (
            torch.cat([base.bias.detach() for base in self._bases]).to(dtype)
            if self._bases[0].bias is not None
            else None
        )
        self._low: tuple[Tensor, ...] = ()
        self._dtype = dtype

    def merge(self) -> None:
        if not self.adapted:
            return
        parts = self._weight.split([base.weight.shape[0] for base in self._bases])
        for part, base, (down, up), scale in zip(parts, self._bases, self._pairs, self._scales, strict=True):
            part.copy_(torch.addmm(base.weight, up, down, alpha=scale))
        self._low = tuple(one.to(self._dtype) for pair in self._pairs for one in pair)

    def __call__(self, x: Tensor) -> Tensor:
        if not (self.adapted and torch.is_grad_enabled()):
            return functional.linear(x, self._weight, self._bias)
        masters = [one for pair in self._pairs for one in pair]
        return _Adapted.apply(x, self._weight, self._bias, self._low, self._scales, *masters)


class _Adapted(torch.autograd.Function):
    """x W' + b with W = base + scale * B A merged; gradients of x, A and B (Hu et al. 2021, equation 3)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, low: Any, scales: Any, *masters: Tensor
    ) -> Tensor:
        ctx.save_for_backward(x, weight, *low)
        ctx.scales = scales
        return functional.linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, weight, *low = ctx.saved_tensors
        downs, ups = low[::2], low[1::2]
        parts = dy.split([len(up) for up in ups], dim=1)
        inner = functional.linear(x, torch.cat(downs)).split([len(down) for down in downs], dim=1)
        # [rank, T] x [T, outputs]: the other order is half as fast
        d_ups = [(part_x.t() @ part).t() for part, part_x in zip(parts, inner, strict=True)]
        back = torch.cat([part @ up for part, up in zip(parts, ups, strict=True)], dim=1)
        d_downs = (back.t() @ x).split([len(down) for down in downs])
        grads: list[Tensor] = []
        for d_down, d_up, scale in zip(d_downs, d_ups, ctx.scales, strict=True):
            grads += [d_down.float() * scale, d_up.float() * scale]
        dx = dy @ weight if ctx.needs_input_grad[0] else None
        return dx, None, None, None, None, *grads
