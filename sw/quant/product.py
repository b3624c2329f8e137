"""Layers with weights as they will be computed: sums of integer products, normalized or not, requantized."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw.models.ir import Node
from sw.quant.exact import Exact
from sw.quant.fake import SMALLEST_SCALE, Range
from sw.quant.faults import Errors
from sw.quant.noise import Noise
from sw.quant.root import root
from sw.quant.weights import fake_integers, weight_limit, weight_scale

__all__ = ["NORM_MOMENTUM", "Product", "Signal"]

MARGIN = 1 + 1e-6      # keeps the requantizer's multiplier below 1
NORM_MOMENTUM = 0.1
COARSE = 2             # bits of weights, at most, of sums so coarse that each rounding of the requantizer shows
MOST_SHIFT = 12        # beyond it, rounding twice is as rounding once
LEAST_DEVIATION = 48   # accumulator steps; a channel that varies less is not stretched to fill the output's range


class Signal(NamedTuple):
    """A fake-quantized activation, batch and channels first, and its type."""

    value: Tensor
    scale: float
    zero_point: int


class Product(nn.Module):
    """A convolution, a dense layer or a normalization: product with fake-quantized weights, normalization or bias,
    fake-quantized output.

    The normalization follows sums of integer weights, whose scale it would cancel anyway; it is folded into the
    output's multiplier when the network is lowered. Convolutions have a scale for each output channel, dense layers one
    for all, as in TFLite. A normalization alone multiplies by 1.

    Scales follow the weights' statistics, or are learned from some time on.
    """

    ranged = True
    momentum = NORM_MOMENTUM        # of the statistics
    quantized = True                # else in floating point, where statistics are of real sums

    def __init__(self, node: Node, tensors: Mapping[str, Tensor], bits: int, act_bits: int = 8):
        super().__init__()
        self.node, self.bits = node, bits
        self.noise: Noise | Exact | None = None
        self.errors: Errors | None = None
        self.channels = node.shape[0]
        self.range = Range(node.low, node.high, act_bits)
        self.factor: nn.Parameter | None = None         # logarithms of learned scales, in those of the beginning
        self.first = torch.ones(())                     # the scales of the beginning
        self.sequence = node.op != "linear" and len(node.shape) == 2
        self.normalized = node.normalized
        self.weight = tensors["weight"] if node.op != "norm" else None
        bias = tensors.get("beta" if node.normalized else "bias")
        self.bias = torch.zeros(self.channels) if bias is None else bias
        if node.normalized:
            gamma = tensors.get("gamma")
            self.gamma = torch.ones(self.channels) if gamma is None else gamma
            mean, variance = self._statistics(tensors)
            self.register_buffer("mean", mean)
            self.register_buffer("variance", variance)

    def _statistics(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Of sums of integer weights; those that a module starts with are left as they are."""
        mean, variance = tensors["mean"].clone(), tensors["variance"].clone()
        if not mean.any() and torch.equal(variance, torch.ones_like(variance)):
            return mean, variance
        steps = self.scales().detach()
        if "bias" in tensors:
            mean = mean - tensors["bias"].detach()
        return mean / steps, (variance + self.node.epsilon) / steps ** 2

    @torch.no_grad()
    def become(self, *, quantized: bool) -> None:
        """From here on with integers, or in floating point; statistics are of sums in the unit that this has."""
        if self.quantized != quantized and self.normalized:
            steps = self.scales() ** (1 if quantized else -1)
            self.mean /= steps
            self.variance /= steps ** 2
        self.quantized = quantized

    def kernel(self) -> Tensor:
        """The weights, ``(O, I, KH, KW)`` of a convolution of any kind, ``(O, I)`` of a dense layer."""
        if self.weight is None:
            return torch.ones(self.channels, 1, 1, 1)
        if self.node.op == "linear" or self.weight.dim() == 4:
            return self.weight
        return self.weight.reshape(*self.weight.shape[:2], *self.node.kernel)

    @property
    def depthwise(self) -> bool:
        """Whether each output channel reads one channel of several."""
        node = self.node
        if node.op == "norm":
            return True
        return node.groups > 1 and self.kernel().shape[1] == 1

    @property
    def per_channel(self) -> bool:
        """Whether each output channel's weights have a scale of their own."""
        return self.normalized or self.node.op == "conv"

    def scales(self) -> Tensor:
        """Scale of each output channel's weights."""
        if self.weight is None:
            return torch.ones(self.channels)
        if self.factor is None:
            return weight_scale(self.weight, self.bits, self.per_channel)
        share = (self.weight.numel() / len(self.factor) * weight_limit(self.bits)) ** -0.5      # of the gradient
        return self.first * torch.exp(share * self.factor + (1 - share) * self.factor.detach())

    def learn(self) -> None:
        """Scales change by their gradient alone, from what they are now."""
        if self.weight is not None:
            self.first, self.factor = self.scales().detach(), nn.Parameter(
                torch.zeros(self.channels if self.per_channel else 1))

    def integers(self, scale: Tensor) -> Tensor:
        """Fake-quantized weights as integers of ``scale``."""
        return self.kernel() if self.weight is None else fake_integers(self.kernel(), scale, self.bits)

    def gain(self, taken_scale: float) -> Tensor:
        """What one unit of each channel's sum, of input values times integer weights, adds to its output."""
        if not self.normalized:
            return self.scales().detach()
        return (self.gamma / root(self.variance + _epsilon(taken_scale))).detach()

    def offset(self, taken_scale: float) -> Tensor:
        """Output of each channel where the sum is 0."""
        return (self.bias - self.mean * self.gain(taken_scale) if self.normalized else self.bias).detach()

    def products(self, value: Tensor, weight: Tensor) -> Tensor:
        """Sums of activations times weights; padding contributes 0."""
        node = self.node
        if node.op == "linear":
            return functional.linear(value, weight)
        if self.weight is None:
            return value * weight.reshape(-1, *[1] * (value.dim() - 2))
        value, around = self._around(value.unsqueeze(2) if self.sequence else value)
        found = functional.conv2d(value, weight, stride=node.stride, padding=around, dilation=node.dilation,
                                  groups=node.groups)
        return found.squeeze(2) if self.sequence else found

    def _around(self, value: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """``value`` with what a convolution cannot pad by itself, and what it pads."""
        top, left, bottom, right = self.node.padding
        if (top, left) == (bottom, right):
            return value, (top, left)
        return functional.pad(value, (left, right, top, bottom)), (0, 0)

    def gradients(self, gradient: Tensor, value: Tensor, weight: Tensor) -> tuple[Tensor, Tensor | None]:
        """Of :meth:`products` for activations and weights, without computing these; None where there are no weights."""
        node = self.node
        if node.op == "linear":
            return gradient @ weight, gradient.flatten(0, -2).T @ value.flatten(0, -2)
        if self.weight is None:
            return gradient * weight.reshape(-1, *[1] * (value.dim() - 2)), None
        if self.sequence:
            gradient, value = gradient.unsqueeze(2), value.unsqueeze(2)
        padded, around = self._around(value)
        by_value, by_weight, _ = torch.ops.aten.convolution_backward(
            gradient, padded, weight, None, node.stride, around, node.dilation, False, (0, 0), node.groups,
            (True, True, False))
        if padded is not value:
            top, left, bottom, right = node.padding
            by_value = functional.pad(by_value, (-left, -right, -top, -bottom))
        return by_value.squeeze(2) if self.sequence else by_value, by_weight

    def _finish(self, total: Tensor, scale: Tensor, taken_scale: float) -> Tensor:
        if not self.normalized:
            shape = (-1, *[1] * (total.dim() - 2))
            return (total * scale.reshape(shape)) + self.bias.reshape(shape)
        return functional.batch_norm(total, self.mean, self.variance, self.gamma, self.bias,
                                     training=self.training and self.momentum > 0, momentum=self.momentum,
                                     eps=_epsilon(taken_scale) if self.quantized else self.node.epsilon)

    @torch.no_grad()
    def _bias_error(self, gain: Tensor, taken_scale: float) -> Tensor:
        """What each channel's output is off by, since its bias is a whole number of accumulator steps: sums of few bits
        have few of them in a step of the output."""
        step = (taken_scale * gain).abs().clamp_min(SMALLEST_SCALE ** 2)
        bias = (self.bias - self.mean * gain if self.normalized else self.bias) / step
        return (bias.round() - bias) * step

    def _fine(self, gain: Tensor, taken_scale: float) -> Tensor:
        """Parts of an output step to which the requantizer rounds first: two to the power of its shift."""
        _, exponent = torch.frexp(gain.abs() * (taken_scale / self.range.scale))
        parts: Tensor = torch.ldexp(torch.ones_like(gain), (-exponent).clamp(0, MOST_SHIFT))
        return parts

    def _real(self, taken: Signal) -> Signal:
        total = self.products(taken.value, self.kernel())
        value = self._finish(total, torch.ones(()), 1.0)
        return Signal(self.range.clamp(value), 1.0, 0)

    def forward(self, taken: Signal) -> Signal:
        if not self.quantized:
            return self._real(taken)
        if self.errors is not None:
            return self._erring(taken, self.errors)
        scale = self.scales()
        weights = self.integers(scale)
        total = self.products(taken.value, weights)
        if self.noise is not None and self.bits == self.noise.weight_bits:
            total = self.noise.added(self, taken, weights, total)
        return self._given(self._finish(total, scale, taken.scale), taken)

    def _given(self, value: Tensor, taken: Signal) -> Signal:
        gain, coarse = self.gain(taken.scale), self.range.bits < 8 or self.bits <= COARSE
        if coarse:
            value = value + self._bias_error(gain, taken.scale).reshape(-1, *[1] * (value.dim() - 2))
        if self.training:
            self.range.observe(value)
        self.range.floor = MARGIN * taken.scale * float(gain.abs().max())
        fine = self._fine(gain, taken.scale).reshape(-1, *[1] * (value.dim() - 2)) if coarse else None
        return Signal(self.range.fake(value, fine), self.range.scale, self.range.zero_point)

    def _erring(self, taken: Signal, errors: Errors) -> Signal:
        """On hardware that errs, one device for all inputs of the batch."""
        scale = self.scales()
        weights = self.integers(scale)
        sign = torch.where(self.gain(taken.scale) < 0, -1.0, 1.0)
        held = errors.held(weights.detach(), sign, self.bits)
        total = self.products(errors.given(taken.value, taken.scale), weights + (held - weights).detach())
        if errors.digital:
            lost = (held - weights.detach()).flatten(1).sum(1) * (taken.zero_point * taken.scale)
            total = total + lost.reshape(-1, *[1] * (total.dim() - 2))
        value = self._finish(total, scale, taken.scale)
        value = errors.kept(value, self.gain(taken.scale).abs() * taken.scale)
        given = self._given(value, taken)
        return given._replace(value=errors.converted(given.value, given.scale, given.zero_point, self.range.limits))


def _epsilon(taken_scale: float) -> float:
    return (LEAST_DEVIATION * taken_scale) ** 2
