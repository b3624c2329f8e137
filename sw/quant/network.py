"""A network as it will be computed: integers in disguise, for the gradient's sake."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw.graph.graph import TensorType
from sw.models import LayerSpec, shapes
from sw.models.layers import Shape
from sw.models.shapes import kernel_of, padding_of
from sw.quant.fake import Range, fake_activations, fake_integers, weight_scale
from sw.quant.noise import LOWEST, Noise

__all__ = ["QuantLayer", "QuantNetwork", "Signal"]

MARGIN = 1 + 1e-6      # keeps the requantizer's multiplier below 1
NORM_MOMENTUM = 0.1
LEAST_DEVIATION = 48   # accumulator steps; a channel that varies less is not stretched to fill the output's range


class Signal(NamedTuple):
    """A fake-quantized activation ``(N, C, H, W)`` and its type."""

    value: Tensor
    scale: float
    zero_point: int


class QuantLayer(nn.Module):
    """One layer: product with fake-quantized weights, normalization or bias, fake-quantized output.

    The normalization follows sums of integer weights, whose scale it would cancel anyway; it is folded into the
    output's multiplier when the network is lowered. Dense layers have a bias instead, and one scale for all their
    channels, as in TFLite.
    """

    def __init__(self, spec: LayerSpec, taken: Shape, output: Shape, bits: int, generator: torch.Generator):
        super().__init__()
        self.spec, self.taken, self.output, self.bits = spec, taken, output, bits
        self.kernel, self.padding = kernel_of(spec, taken), padding_of(spec, taken)
        self.weighted, self.normalized = spec.op != "avgpool", spec.op in ("conv", "depthwise")
        self.range, self.noise = Range(spec.relu), None
        if not self.weighted:
            return
        inputs = {"conv": taken[2], "depthwise": 1, "dense": math.prod(taken)}[spec.op]
        kernel = () if spec.op == "dense" else self.kernel
        fan = inputs * math.prod(kernel)
        self.weight = nn.Parameter(torch.randn(output[2], inputs, *kernel, generator=generator) * math.sqrt(2 / fan))
        self.bias = nn.Parameter(torch.zeros(output[2]))
        if self.normalized:
            self.gamma = nn.Parameter(torch.ones(output[2]))
            self.register_buffer("mean", torch.zeros(output[2]))
            self.register_buffer("variance", torch.ones(output[2]))

    def scales(self) -> Tensor:
        """Scale of each output channel's weights."""
        return weight_scale(self.weight, self.bits, per_channel=self.normalized)

    def gain(self, taken_scale: float) -> Tensor:
        """What one unit of each channel's sum, of input values times integer weights, adds to its output."""
        if not self.normalized:
            return self.scales()
        return (self.gamma / torch.sqrt(self.variance + _epsilon(taken_scale))).detach()

    def offset(self, taken_scale: float) -> Tensor:
        """Output of each channel where the sum is 0."""
        return (self.bias - self.mean * self.gain(taken_scale) if self.normalized else self.bias).detach()

    def products(self, value: Tensor, weight: Tensor) -> Tensor:
        """Sums of activations times weights; padding contributes 0."""
        if self.spec.op == "dense":
            return functional.linear(value.permute(0, 2, 3, 1).flatten(1), weight)[:, :, None, None]
        if any(self.padding):
            top, left, bottom, right = self.padding
            value = functional.pad(value, (left, right, top, bottom))
        groups = self.taken[2] if self.spec.op == "depthwise" else 1
        return functional.conv2d(value, weight, stride=self.spec.stride, groups=groups)

    def _finish(self, total: Tensor, scale: Tensor, taken_scale: float) -> Tensor:
        if not self.normalized:
            return (total * scale[:, None, None]) + self.bias[:, None, None]
        return functional.batch_norm(total, self.mean, self.variance, self.gamma, self.bias,
                                     training=self.training, momentum=NORM_MOMENTUM,
                                     eps=_epsilon(taken_scale))

    def forward(self, taken: Signal) -> Signal:
        if not self.weighted:   # every multiplier kind averages exactly: no noise
            value = functional.avg_pool2d(taken.value, self.kernel)
            return Signal(fake_activations(value, taken.scale, taken.zero_point), taken.scale, taken.zero_point)
        scale = self.scales()
        weights = fake_integers(self.weight, scale, self.bits)
        total = self.products(taken.value, weights)
        if self.noise is not None and self.bits == self.noise.weight_bits:
            total = total + self.noise.draw(_active(taken), weights, self.products) * taken.scale
        value = self._finish(total, scale, taken.scale)
        if self.training:
            self.range.observe(value)
        self.range.floor = MARGIN * taken.scale * float(self.gain(taken.scale).abs().max())
        return Signal(self.range.fake(value), self.range.scale, self.range.zero_point)


def _epsilon(taken_scale: float) -> float:
    return (LEAST_DEVIATION * taken_scale) ** 2


def _active(taken: Signal) -> Tensor:
    lowest = (LOWEST - taken.zero_point) * taken.scale
    return (taken.value.detach() > lowest + taken.scale / 2).float()


class QuantNetwork(nn.Module):
    """All layers of a network; takes real inputs ``(N, C, H, W)`` and returns logits ``(N, classes)``.

    Within, an input is measured in its largest magnitude, so that the weights that training starts from suit inputs
    of any scale: ``unit`` is the type of the input in that measure.
    """

    def __init__(self, layers: Sequence[LayerSpec], taken: TensorType, bits: int, generator: torch.Generator):
        super().__init__()
        sizes = shapes(layers, taken.image)
        self.input = taken
        self.unit = replace(taken, scale=1 / max(taken.high - taken.zero_point, taken.zero_point - taken.low))
        self.layers = nn.ModuleList(QuantLayer(spec, taken, output, bits, generator)
                                    for spec, taken, output in zip(layers, sizes, sizes[1:], strict=False))

    def add_noise(self, noise: Noise | None) -> None:
        """The error that sums of products carry from now on, in layers whose weights are as wide as the noise's."""
        for layer in self.layers:
            layer.noise = noise if noise and not noise.silent else None

    def set_bits(self, bits: int) -> None:
        for layer in self.layers:
            layer.bits = bits

    def forward(self, images: Tensor) -> Tensor:
        scale, zero_point = self.unit.scale, self.unit.zero_point
        signal = Signal(fake_activations(images * (scale / self.input.scale), scale, zero_point), scale, zero_point)
        for layer in self.layers:
            signal = layer(signal)
        return signal.value.flatten(1)
