"""Quantization in floating point: values that integers can represent, with a straight-through gradient."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sw.golden.fixed import half_away
from sw.quant.config import QuantError

__all__ = ["MOMENTUM", "Range", "fake_activations", "fake_integers", "single", "weight_limit", "weight_scale"]

SMALLEST_SCALE, LARGEST = 1e-6, 3e38
LOWEST, HIGHEST = -128, 127
STEPS = 255                # of an int8 activation
MOST = 1e9                 # beyond it there is no bound
MOMENTUM = 0.9             # of the running range
TERNARY_STEP = 1.4         # times the mean magnitude: half of it is the threshold below which a weight is 0
NARROW_REACH = 3.2         # times the mean magnitude: beyond it, 4-bit weights saturate


def weight_limit(bits: int) -> int:
    """Largest weight; the range is symmetric.

    >>> [weight_limit(bits) for bits in (8, 4, 2)]
    [127, 7, 1]
    """
    return (1 << bits - 1) - 1


def weight_scale(weight: Tensor, bits: int, per_channel: bool) -> Tensor:
    """Scale of the weights, one per output channel (the first axis) or, repeated, one for all."""
    size = weight.detach().abs().flatten(1) if per_channel else weight.detach().abs().reshape(1, -1)
    if bits == 2:
        scale = TERNARY_STEP * size.mean(1)
    elif bits == 4:
        scale = torch.minimum(size.amax(1), NARROW_REACH * size.mean(1)) / weight_limit(bits)
    else:
        scale = size.amax(1) / weight_limit(bits)
    return scale.clamp_min(SMALLEST_SCALE).expand(len(weight)).contiguous()


class _Weights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: Tensor, limit: float) -> Tensor:
        steps = weight / scale
        ctx.save_for_backward(steps, scale)
        ctx.limit = limit + 0.5
        return steps.round().clamp_(-limit, limit)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        steps, scale = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradient, steps, -ctx.limit, ctx.limit) / scale, None, None


def fake_integers(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """The weights as integers of their channel's scale; the gradient passes where they do not saturate."""
    return _Weights.apply(weight, scale.reshape(-1, *[1] * (weight.dim() - 1)), float(weight_limit(bits)))


class _Fake(torch.autograd.Function):
    """In as few passes over memory as torch's operators allow; ``torch.fake_quantize_per_tensor_affine``, a scalar loop
    on a CPU, takes many times as long."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, scale: float, low: float, high: float) -> Tensor:
        ctx.save_for_backward(value)
        ctx.limits = (low - 0.5) * scale, (high + 0.5) * scale
        return (value * (1 / scale)).round_().clamp_(low, high).mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return torch.ops.aten.hardtanh_backward(gradient, ctx.saved_tensors[0], *ctx.limits), None, None, None


def fake_activations(value: Tensor, scale: float, zero_point: int, low: int = LOWEST, high: int = HIGHEST) -> Tensor:
    """``value`` rounded and clamped to an int8 type, between two of its integers; the gradient passes where it does not
    saturate."""
    return _Fake.apply(value, scale, float(low - zero_point), float(high - zero_point))


def single(value: float) -> float:
    """The nearest number of 32 bits: scales are such, as files of other tools hold them.

    >>> single(0.1)
    0.10000000149011612
    """
    return float(np.float32(min(value, LARGEST)))


class Range:
    """Running range of an activation between two bounds, from which its asymmetric int8 type follows.

    Ranges that are :meth:`joined <join>` have one type, which holds what any of them saw.
    """

    def __init__(self, least: float = -math.inf, most: float = math.inf):
        self.least, self.most = least, most      # a ReLU and its like
        self.low = self.high = 0.0               # as seen
        self.floor = 0.0      # smallest scale allowed: the requantizer's multiplier must stay below 1
        self.keep = MOMENTUM  # of what was seen before; 1: all of it, and nothing is observed
        self.group = [self]

    def join(self, other: "Range") -> None:
        """Both, and those that either is joined with, have one type from now on."""
        if other.group is not self.group:
            self.group.extend(other.group)
            for member in other.group:
                member.group = self.group

    def observe(self, value: Tensor) -> None:
        if self.keep == 1:
            return
        low, high = (float(bound) for bound in torch.aminmax(value.detach()))
        if not math.isfinite(high - low):
            raise QuantError(f"activations from {low} to {high}: the training does not converge; lower learning_rate")
        low, high = max(min(low, 0.0), self.least), min(max(high, 0.0), self.most)
        keep = 0.0 if self.low == self.high else self.keep
        self.low, self.high = keep * self.low + (1 - keep) * low, keep * self.high + (1 - keep) * high

    @property
    def scale(self) -> float:
        if len(self.group) == 1:
            return single(max((self.high - self.low) / STEPS, self.floor, SMALLEST_SCALE))
        low, high = min(one.low for one in self.group), max(one.high for one in self.group)
        return single(max((high - low) / STEPS, *(one.floor for one in self.group), SMALLEST_SCALE))

    @property
    def zero_point(self) -> int:
        low = min(one.low for one in self.group)
        return max(LOWEST, min(HIGHEST, round(LOWEST - low / self.scale)))

    @property
    def limits(self) -> tuple[int, int]:
        """Least and greatest integer, of the type or of the bounds."""
        scale, zero = self.scale, self.zero_point
        return (max(LOWEST, zero + half_away(max(self.least, -MOST) / scale)),
                min(HIGHEST, zero + half_away(min(self.most, MOST) / scale)))

    def clamp(self, value: Tensor) -> Tensor:
        """``value`` between the bounds, not rounded."""
        if self.least == 0 and self.most == math.inf:
            return value.relu()
        return value if (self.least, self.most) == (-math.inf, math.inf) else value.clamp(self.least, self.most)

    def fake(self, value: Tensor) -> Tensor:
        """``value`` rounded to the int8 type and clamped to it and the bounds."""
        return fake_activations(value, self.scale, self.zero_point, *self.limits)
