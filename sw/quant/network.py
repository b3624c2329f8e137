"""A network as it will be computed: integers in disguise, for the gradient's sake."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw.models import LayerSpec, shapes
from sw.models.networks import Shape
from sw.models.shapes import kernel_of, padding_of
from sw.quant.fake import Range, fake_activations, fake_weights, integer_weights, weight_scale
from sw.quant.noise import LOWEST, Noise

__all__ = ["INPUT_SCALE", "INPUT_ZERO", "QuantLayer", "QuantNetwork", "Signal"]

INPUT_SCALE, INPUT_ZERO = 1 / 255, -128   # inputs are from 0 to 1
MARGIN = 1 + 1e-6      # keeps the requantizer's multiplier below 1
NORM_MOMENTUM = 0.1
NORM_EPSILON = 1e-3


class Signal(NamedTuple):
    """A fake-quantized activation ``(N, C, H, W)`` and its type."""

    value: Tensor
    scale: float
    zero_point: int


class QuantLayer(nn.Module):
    """One layer: product with fake-quantized weights, normalization or bias, fake-quantized output.

    The normalization scales whole output channels, and so does the weights' scale, so the integer weights are the
    same with and without it: it is folded into the output's multiplier when the network is lowered. Dense layers
    have one scale for all their channels, as in TFLite, and a bias instead.
    """

    def __init__(self, spec: LayerSpec, taken: Shape, output: Shape, bits: int, generator: torch.Generator):
        super().__init__()
        self.spec, self.taken, self.output, self.bits = spec, taken, output, bits
        self.kernel, self.padding = kernel_of(spec, taken), padding_of(spec, taken)
        self.weighted, self.normalized = spec.op != "avgpool", spec.op in ("conv", "depthwise")
        self.range, self.frozen, self.noise = Range(spec.relu), False, None
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

    def gain(self) -> Tensor:
        """What the normalization multiplies each channel with."""
        if not self.normalized:
            return torch.ones(self.output[2])
        return (self.gamma / torch.sqrt(self.variance + NORM_EPSILON)).detach()

    def offset(self) -> Tensor:
        """What is added to each channel after :meth:`gain`."""
        return (self.bias - self.mean * self.gain() if self.normalized else self.bias).detach()

    def products(self, value: Tensor, weight: Tensor) -> Tensor:
        """Sums of activations times weights; padding contributes 0."""
        if self.spec.op == "dense":
            return functional.linear(value.permute(0, 2, 3, 1).flatten(1), weight)[:, :, None, None]
        if any(self.padding):
            top, left, bottom, right = self.padding
            value = functional.pad(value, (left, right, top, bottom))
        groups = self.taken[2] if self.spec.op == "depthwise" else 1
        return functional.conv2d(value, weight, stride=self.spec.stride, groups=groups)

    def normalize(self, total: Tensor) -> Tensor:
        if not self.normalized:
            return total + self.bias[:, None, None]
        return functional.batch_norm(total, self.mean, self.variance, self.gamma, self.bias,
                                     training=self.training and not self.frozen, momentum=NORM_MOMENTUM,
                                     eps=NORM_EPSILON)

    def forward(self, taken: Signal) -> Signal:
        if not self.weighted:
            return self._pool(taken)
        scale = self.scales()
        total = self.products(taken.value, fake_weights(self.weight, scale, self.bits))
        if self.noise is not None:
            integers = integer_weights(self.weight, scale, self.bits)
            error = self.noise.draw(_active(taken), integers, self.products)
            total = total + error * (taken.scale * scale)[:, None, None]
        value = self.normalize(total)
        if self.training and not self.frozen:
            self.range.observe(value)
        self.range.floor = MARGIN * taken.scale * float((scale * self.gain().abs()).max())
        return Signal(self.range.fake(value), self.range.scale, self.range.zero_point)

    def _pool(self, taken: Signal) -> Signal:
        value = functional.avg_pool2d(taken.value, self.kernel)
        if self.noise is not None:
            ones = torch.ones(self.taken[2], 1, *self.kernel)
            error = self.noise.draw(_active(taken), ones, lambda active, each: functional.conv2d(
                active, each, stride=self.kernel, groups=self.taken[2]))
            value = value + error * (taken.scale / math.prod(self.kernel))
        return Signal(fake_activations(value, taken.scale, taken.zero_point), taken.scale, taken.zero_point)


def _active(taken: Signal) -> Tensor:
    lowest = (LOWEST - taken.zero_point) * taken.scale
    return (taken.value.detach() > lowest + taken.scale / 2).float()


class QuantNetwork(nn.Module):
    """All layers of a network; takes images ``(N, C, H, W)`` from 0 to 1 and returns logits ``(N, classes)``."""

    def __init__(self, layers: Sequence[LayerSpec], shape: Shape, bits: int, generator: torch.Generator):
        super().__init__()
        sizes = shapes(layers, shape)
        self.shape = shape
        self.layers = nn.ModuleList(QuantLayer(spec, taken, output, bits, generator)
                                    for spec, taken, output in zip(layers, sizes, sizes[1:], strict=False))

    def add_noise(self, noise: Noise | None) -> None:
        for layer in self.layers:
            layer.noise = noise

    def freeze(self) -> None:
        """From now on statistics and ranges stay, so that training sees exactly what will be lowered."""
        for layer in self.layers:
            layer.frozen = True

    def forward(self, images: Tensor) -> Tensor:
        value = fake_activations(images, INPUT_SCALE, INPUT_ZERO)
        signal = Signal(value, INPUT_SCALE, INPUT_ZERO)
        for layer in self.layers:
            signal = layer(signal)
        return signal.value.flatten(1)
