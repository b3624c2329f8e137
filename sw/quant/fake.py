"""Activations that integers can represent, in floating point, with a straight-through gradient."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sw.golden.fixed import half_away
from sw.quant.config import QuantError

__all__ = ["LOWEST", "MOMENTUM", "SMALLEST_SCALE", "Range", "ends", "fake_activations", "single"]

SMALLEST_SCALE, LARGEST = 1e-6, 3e38
LOWEST = -128
MOST = 1e9                 # beyond it there is no bound
MOMENTUM = 0.9             # of the running range
SHARES = tuple(number / 32 for number in range(8, 33))     # of the extremes, where the least squared error is sought
AWAY = 1 + 2 ** -20        # times a half, so that it is rounded away from 0
MOST_VALUES, EVERY = 1 << 14, 8     # values of a batch that it is sought with, and in training, batches for one of them


def ends(bits: int) -> tuple[int, int]:
    """Least and greatest integer.

    >>> ends(8), ends(4)
    ((-128, 127), (-8, 7))
    """
    return -(1 << bits - 1), (1 << bits - 1) - 1


def _rounded(value: Tensor, scale: float, low: float, high: float, fine: Tensor | None) -> Tensor:
    """Rounded twice as the requantizer does, first to parts of a step, ``fine`` of them, and halves away from 0;
    without ``fine`` once."""
    if fine is None:
        return (value * (1 / scale)).round_().clamp_(low, high).mul_(scale)
    return (value * (fine / scale)).round_().mul_(AWAY / fine).round_().clamp_(low, high).mul_(scale)


class _Fake(torch.autograd.Function):
    """In as few passes over memory as torch's operators allow; ``torch.fake_quantize_per_tensor_affine``, a scalar loop
    on a CPU, takes many times as long."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, scale: float, low: float, high: float, fine: Tensor | None = None) -> Tensor:
        ctx.save_for_backward(value)
        ctx.limits = (low - 0.5) * scale, (high + 0.5) * scale
        return _rounded(value, scale, low, high, fine)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        return torch.ops.aten.hardtanh_backward(gradient, ctx.saved_tensors[0], *ctx.limits), None, None, None, None


class _Learned(torch.autograd.Function):
    """As ``_Fake``, with a gradient for the logarithm of the scale: Esser et al., Learned Step Size Quantization, 2020,
    with their factor, one over the root of the values of an inference times the greatest integer."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, factor: Tensor, scale: float, low: float, high: float,
                fine: Tensor | None) -> Tensor:
        ctx.limits = (low - 0.5) * scale, (high + 0.5) * scale
        ctx.share = (max(high, -low) * value[0].numel()) ** -0.5
        made = _rounded(value, scale, low, high, fine)
        ctx.save_for_backward(value, made)
        return made

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        value, made = ctx.saved_tensors
        inside = torch.ops.aten.hardtanh_backward(gradient, value, *ctx.limits)
        moved = torch.dot(gradient.flatten(), made.flatten()) - torch.dot(inside.flatten(), value.flatten())
        return inside, moved * ctx.share, None, None, None, None


def fake_activations(value: Tensor, scale: float, zero_point: int, bits: int = 8) -> Tensor:
    """``value`` rounded and clamped to an integer type; the gradient passes where it does not saturate."""
    low, high = ends(bits)
    return _Fake.apply(value, scale, float(low - zero_point), float(high - zero_point))


def single(value: float) -> float:
    """The nearest number of 32 bits: scales are such, as files of other tools hold them.

    >>> single(0.1)
    0.10000000149011612
    """
    return float(np.float32(min(value, LARGEST)))


class Range:
    """Running range of an activation between two bounds, from which its asymmetric integer type follows.

    It is that of the extremes, but of few bits the part of it with the least squared error: on the digits, 4 bits of
    activations after training lose 9 points of accuracy with it, else 25. Ranges that are :meth:`joined <join>` have
    one type, which holds what any of them saw.
    """

    def __init__(self, least: float = -math.inf, most: float = math.inf, bits: int = 8):
        self.least, self.most = least, most      # a ReLU and its like
        self.bits = bits
        self.lowest, self.highest = ends(bits)
        self.low = self.high = 0.0               # as seen
        self.floor = 0.0      # smallest scale allowed: the requantizer's multiplier must stay below 1
        self.keep = MOMENTUM  # of what was seen before; 1: all of it, and nothing is observed
        self.factor: Tensor | None = None        # logarithm of what it is multiplied by where that is learned, and it
        self.seen = 0                            # sees nothing more; batches seen
        self.group = [self]

    def join(self, other: "Range") -> None:
        """Both, and those that either is joined with, have one type from now on."""
        if other.group is not self.group:
            self.group.extend(other.group)
            for member in other.group:
                member.group = self.group

    def observe(self, value: Tensor) -> None:
        self.seen += 1
        seldom = self.bits < 8 and self.keep == MOMENTUM
        if self.keep == 1 or self.factor is not None or seldom and self.seen % EVERY != 1:
            return
        low, high = (float(bound) for bound in torch.aminmax(value.detach()))
        if not math.isfinite(high - low):
            raise QuantError(f"activations from {low} to {high}: the training does not converge; lower learning_rate")
        low, high = max(min(low, 0.0), self.least), min(max(high, 0.0), self.most)
        if self.bits < 8:
            low, high = self._sought(value.detach(), low, high)
        keep = 0.0 if self.low == self.high else self.keep
        self.low, self.high = keep * self.low + (1 - keep) * low, keep * self.high + (1 - keep) * high

    def _sought(self, value: Tensor, low: float, high: float) -> tuple[float, float]:
        """The share of the extremes with the least squared error of some of the values."""
        flat = value.flatten()
        flat = flat[::-(-len(flat) // MOST_VALUES)].clamp(self.least, self.most)
        steps, best, found = self.highest - self.lowest, math.inf, (low, high)
        for share in SHARES:
            scale = max(share * (high - low) / steps, SMALLEST_SCALE)
            zero = round(self.lowest - share * low / scale)
            apart = float((fake_activations(flat, scale, zero, self.bits) - flat).square().sum())
            if apart < best:
                best, found = apart, (share * low, share * high)
        return found

    @property
    def _ends(self) -> tuple[float, float]:
        """Of the group, learned or not."""
        low, high = min(one.low for one in self.group), max(one.high for one in self.group)
        factor = math.exp(float(self.factor.detach())) if self.factor is not None else 1.0
        return factor * low, factor * high

    @property
    def scale(self) -> float:
        low, high = self._ends
        steps = self.highest - self.lowest
        return single(max((high - low) / steps, *(one.floor for one in self.group), SMALLEST_SCALE))

    @property
    def zero_point(self) -> int:
        return max(self.lowest, min(self.highest, round(self.lowest - self._ends[0] / self.scale)))

    @property
    def limits(self) -> tuple[int, int]:
        """Least and greatest integer, of the type or of the bounds."""
        scale, zero = self.scale, self.zero_point
        return (max(self.lowest, zero + half_away(max(self.least, -MOST) / scale)),
                min(self.highest, zero + half_away(min(self.most, MOST) / scale)))

    def clamp(self, value: Tensor) -> Tensor:
        """``value`` between the bounds, not rounded."""
        if self.least == 0 and self.most == math.inf:
            return value.relu()
        return value if (self.least, self.most) == (-math.inf, math.inf) else value.clamp(self.least, self.most)

    def fake(self, value: Tensor, fine: Tensor | None = None) -> Tensor:
        """``value`` rounded to the integer type and clamped to it and the bounds; with ``fine``, rounded to so many
        parts of a step before, each channel in its own."""
        scale, zero, (low, high) = self.scale, self.zero_point, self.limits
        if self.factor is None:
            return _Fake.apply(value, scale, float(low - zero), float(high - zero), fine)
        return _Learned.apply(value, self.factor, scale, float(low - zero), float(high - zero), fine)
