"""Weights that integers can represent, in floating point, with a straight-through gradient."""

from typing import Any

import torch
from torch import Tensor

from sw.quant.fake import SMALLEST_SCALE

__all__ = ["fake_integers", "weight_limit", "weight_scale"]

TERNARY_STEP = 1.4         # times the mean magnitude: half of it is the threshold below which a weight is 0
NARROW_REACH = 3.2         # times the mean magnitude: beyond it, 4-bit weights saturate
BINARY_REACH = 2.0         # times the scale: beyond it, no gradient drives a binary weight further


def weight_limit(bits: int) -> int:
    """Largest weight; the range is symmetric, and binary weights are -1 and 1.

    >>> [weight_limit(bits) for bits in (8, 4, 2, 1)]
    [127, 7, 1, 1]
    """
    return max(1, (1 << bits - 1) - 1)


def weight_scale(weight: Tensor, bits: int, per_channel: bool) -> Tensor:
    """Scale of the weights by their statistics, one per output channel (the first axis) or, repeated, one for all."""
    size = weight.detach().abs().flatten(1) if per_channel else weight.detach().abs().reshape(1, -1)
    if bits == 1:
        scale = size.mean(1)
    elif bits == 2:
        scale = TERNARY_STEP * size.mean(1)
    elif bits == 4:
        scale = torch.minimum(size.amax(1), NARROW_REACH * size.mean(1)) / weight_limit(bits)
    else:
        scale = size.amax(1) / weight_limit(bits)
    return scale.clamp_min(SMALLEST_SCALE).expand(len(weight)).contiguous()


class _Weights(torch.autograd.Function):
    """The gradient for the scale is that of Esser et al., Learned Step Size Quantization, 2020, as it goes through the
    integers, with their factor."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: Tensor, bits: int) -> Tensor:
        per_channel = scale.reshape(-1, *[1] * (weight.dim() - 1))
        steps, limit = weight / per_channel, weight_limit(bits)
        ctx.save_for_backward(steps, per_channel)
        ctx.reach = BINARY_REACH if bits == 1 else limit + 0.5
        ctx.bits = bits
        return torch.where(steps < 0, -1.0, 1.0) if bits == 1 else steps.round().clamp_(-limit, limit)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None]:
        steps, per_channel = ctx.saved_tensors
        inside = torch.ops.aten.hardtanh_backward(gradient, steps, -ctx.reach, ctx.reach) / per_channel
        moved = None
        if ctx.needs_input_grad[1]:
            moved = torch.zeros(len(steps)) if ctx.bits == 1 else -(inside * steps).flatten(1).sum(1)
        return inside, moved, None


def fake_integers(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """The weights as integers of their channel's scale; the gradient passes where they do not saturate."""
    return _Weights.apply(weight, scale, bits)
