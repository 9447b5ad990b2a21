"""The pieces of a decoder whose gradients are written out here because torch's own are slower on processors.

All take bf16 or fp32 and give the same; sums are in fp32. Know no model and no adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

_HEAD_ROWS = 256  # positions whose logits are in memory at once: 78 MB in bf16 for 151,936 tokens


def attention(query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int]) -> Tensor:
    """Causal attention within each of the sequences that lie one behind the other: [T, heads, size] each, keys and
    values with fewer heads."""
    sizes = list(lengths)
    if query.device.type != "cpu":
        q, k, v = (pad_sequence(x.split(sizes), batch_first=True).transpose(1, 2) for x in (query, key, value))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True).transpose(1, 2)
        return torch.cat([one[:length] for one, length in zip(mixed, sizes, strict=True)])
    parts = zip(query.split(sizes), key.split(sizes), value.split(sizes), strict=True)
    return torch.cat([_Attention.apply(*part) for part in parts])


class _Attention(torch.autograd.Function):
    """One sequence, all queries of a key's head in one product. At 300 tokens forwards and backwards take half the time
    of torch's flash attention on a processor."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        length, groups = len(query), key.shape[1]
        scaled = _by_group(query * query.shape[-1] ** -0.5, groups)
        scores = torch.bmm(scaled, key.permute(1, 2, 0)).view(-1, length, length)
        scores += _future(1 << (length - 1).bit_length(), scores.dtype)[:length, :length]
        weights = scores.softmax(-1).view(groups, -1, length)
        ctx.save_for_backward(scaled, key, value, weights)
        return _by_place(torch.bmm(weights, value.transpose(0, 1)), length)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> Any:
        scaled, key, value, weights = ctx.saved_tensors
        length, groups = len(key), key.shape[1]
        d_out = _by_group(d_out, groups)
        d_value = torch.bmm(weights.transpose(1, 2), d_out)
        d_weights = torch.bmm(d_out, value.permute(1, 2, 0))
        d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype)
        d_query = torch.bmm(d_scores, key.transpose(0, 1)) * key.shape[-1] ** -0.5
        d_key = torch.bmm(d_scores.transpose(1, 2), scaled)
        return _by_place(d_query, length), d_key.transpose(0, 1), d_value.transpose(0, 1)


class HeadLoss(torch.autograd.Function):
    """The summed cross-entropy of a frozen head, and its gradient at once, some positions at a time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, head: Tensor, wanted: Tensor) -> Tensor:
        total = torch.zeros((), device=x.device)
        slopes = []
        for rows, tokens in zip(x.split(_HEAD_ROWS), wanted.split(_HEAD_ROWS), strict=True):
            logits = functional.linear(rows, head)
            picked = logits.gather(1, tokens.unsqueeze(1)).float()
            norm = torch.logsumexp(logits.float(), 1, keepdim=True)
            total += (norm - picked).sum()
            if ctx.needs_input_grad[0]:
                slope = logits.sub_(norm).exp_() if logits.dtype == torch.float32 else (logits - norm).exp_()
                slope = slope.to(head.dtype)
                slope.scatter_add_(1, tokens.unsqueeze(1), slope.new_full((len(tokens), 1), -1))
                slopes.append(slope @ head)
        if slopes:
            ctx.save_for_backward(torch.cat(slopes))
        return total

    @staticmethod
    def backward(ctx: Any, d_total: Tensor) -> Any:
        (slopes,) = ctx.saved_tensors
        return slopes * d_total.to(slopes.dtype), None, None


def head_likelihoods(x: Tensor, head: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Of each wanted token [n] its negative log-likelihood, and whether it is the likeliest."""
    losses, likeliest = [], []
    for rows, tokens in zip(x.split(_HEAD_ROWS), wanted.split(_HEAD_ROWS), strict=True):
        logits = functional.linear(rows, head).float()
        losses.append(functional.cross_entropy(logits, tokens, reduction="none"))
        likeliest.append(logits.argmax(1) == tokens)
    return torch.cat(losses), torch.cat(likeliest)


def norm_of_sum(x: Tensor, added: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The sum, and its RMS norm."""
    x = x + added
    wide = x.float()
    return x, (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype) * weight


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, the halves of a head being the pairs: [T, heads, size], [T, 1, size / 2] twice."""
    low, high = x.chunk(2, dim=-1)
    return torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1)


def gated(gate: Tensor, up: Tensor) -> Tensor:
    return functional.silu(gate) * up


@cache
def _future(length: int, dtype: torch.dtype) -> Tensor:
    """What takes the later places out of scores."""
    return torch.full((length, length), -torch.inf, dtype=dtype).triu(1)


def _by_group(x: Tensor, groups: int) -> Tensor:
    """[T, heads, size] as [groups, heads of a group * T, size]."""
    length, heads, size = x.shape
    return x.view(length, groups, heads // groups, size).permute(1, 2, 0, 3).reshape(groups, -1, size)


def _by_place(x: Tensor, length: int) -> Tensor:
    """The same back."""
    return x.view(-1, length, x.shape[-1]).transpose(0, 1)
