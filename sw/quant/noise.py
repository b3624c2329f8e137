"""Errors of a multiplier as noise at the accumulator, from a measured profile."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hw.spec.feedback import NoiseProfile
from sw.quant.root import root

if TYPE_CHECKING:
    from sw.quant.product import Product, Signal

__all__ = ["Noise"]

LOWEST = -128   # an activation without low bits, so no truncated multiplier errs on it; after a ReLU the most frequent


class Noise:
    """Draws the error of sums of products.

    The profile knows mean and variance of one product's error for each weight value. Over a kernel both add up,
    for those of its activations that are not the lowest. The error does not depend on the network's parameters,
    so the backward pass goes straight through.
    """

    def __init__(self, profile: NoiseProfile, generator: torch.Generator):
        self.mean = torch.tensor(profile.mean, dtype=torch.float32)
        self.variance = torch.tensor(profile.variance, dtype=torch.float32)
        self.weight_bits = profile.weight_bits   # other widths have another multiplier, unknown to the profile
        self.generator = generator

    @property
    def silent(self) -> bool:
        """Whether the multiplier is exact."""
        return not (self.mean.any() or self.variance.any())

    def added(self, layer: "Product", taken: "Signal", weights: Tensor, total: Tensor) -> Tensor:
        """``total``, sums of activations times integer ``weights``, with errors that are drawn, in the same unit."""
        return total + self.draw(_active(taken), weights, layer.products) * taken.scale

    @torch.no_grad()
    def draw(self, active: Tensor, weights: Tensor, products: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Error in the accumulator's units.

        ``active`` is 1 where an activation is above the lowest, else 0; ``weights`` holds the integer weights;
        ``products`` sums activations times weights as the layer does.
        """
        index = weights.round().long() + (1 << self.weight_bits - 1)
        mean = products(active, self.mean[index])
        spread = root(products(active, self.variance[index]).clamp_min(0))
        return mean + spread * torch.randn(mean.shape, generator=self.generator)


def _active(taken: "Signal") -> Tensor:
    lowest = (LOWEST - taken.zero_point) * taken.scale
    return (taken.value.detach() > lowest + taken.scale / 2).float()
