"""Quantization in floating point: values that integers can represent, with a straight-through gradient."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sw.quant.config import QuantError

__all__ = ["Range", "fake_activations", "fake_integers", "weight_limit", "weight_scale"]

SMALLEST_SCALE = 1e-6
STEPS = 255                # of an int8 activation
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
    mean, largest = size.mean(1), size.amax(1)
    if bits == 2:
        scale = TERNARY_STEP * mean
    elif bits == 4:
        scale = torch.minimum(largest, NARROW_REACH * mean) / weight_limit(bits)
    else:
        scale = largest / weight_limit(bits)
    return scale.clamp_min(SMALLEST_SCALE).expand(len(weight)).contiguous()


def fake_integers(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """The weights as integers of their channel's scale; the gradient passes where they do not saturate."""
    limit, zero = weight_limit(bits), torch.zeros(len(scale), dtype=torch.int32)
    per_channel = scale.reshape(-1, *[1] * (weight.dim() - 1))
    return torch.fake_quantize_per_channel_affine(
        weight / per_channel, torch.ones_like(scale), zero, 0, -limit, limit)


class _Fake(torch.autograd.Function):
    """Several times faster on a CPU than ``torch.fake_quantize_per_tensor_affine``, which is a scalar loop."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, scale: float, zero_point: int) -> Tensor:
        steps = (value * (1 / scale)).round_()
        low, high = float(-128 - zero_point), float(127 - zero_point)
        clamped = steps.clamp(low, high)
        ctx.save_for_backward(steps == clamped)
        return clamped.mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.saved_tensors[0], None, None


def fake_activations(value: Tensor, scale: float, zero_point: int) -> Tensor:
    """``value`` rounded and clamped to an int8 type; the gradient passes where it does not saturate."""
    return _Fake.apply(value, scale, zero_point)


@dataclass
class Range:
    """Running range of an activation, from which its asymmetric int8 type follows."""

    relu: bool
    low: float = 0.0
    high: float = 0.0
    floor: float = 0.0        # smallest scale allowed: the requantizer's multiplier must stay below 1

    def observe(self, value: Tensor) -> None:
        low, high = (float(bound) for bound in torch.aminmax(value.detach()))
        if not math.isfinite(high - low):
            raise QuantError(f"activations from {low} to {high}: the training does not converge; lower learning_rate")
        low, high = 0.0 if self.relu else min(low, 0.0), max(high, 0.0)
        first = self.low == self.high
        keep = 0.0 if first else MOMENTUM
        self.low, self.high = keep * self.low + (1 - keep) * low, keep * self.high + (1 - keep) * high

    @property
    def scale(self) -> float:
        return max((self.high - self.low) / STEPS, self.floor, SMALLEST_SCALE)

    @property
    def zero_point(self) -> int:
        return max(-128, min(127, round(-128 - self.low / self.scale)))

    def fake(self, value: Tensor) -> Tensor:
        """``value`` rounded to the int8 type and clamped to it, which is the ReLU where there is one."""
        return fake_activations(value, self.scale, self.zero_point)
