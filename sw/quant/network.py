"""A network as it will be computed: integers in disguise, for the gradient's sake."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sw.graph.graph import TensorType
from sw.models.ir import KEEPING, PRODUCTS, Traced
from sw.quant.exact import Exact
from sw.quant.fake import MOMENTUM, Range, fake_activations, single
from sw.quant.faults import Errors
from sw.quant.noise import Noise
from sw.quant.product import NORM_MOMENTUM, Product, Signal
from sw.quant.recipe import Quantize
from sw.quant.units import UNITS, Unit
from sw.quant.widths import input_of, widths_of

__all__ = ["Kept", "QuantNetwork"]


UNSTORED = ("constant", "move", "dropout")      # no layer that writes activations


class Kept(NamedTuple):
    """Weights, statistics and ranges of a network at some time."""

    tensors: dict[str, Tensor]
    ranges: list[tuple[float, float, float]]


class QuantNetwork(nn.Module):
    """All nodes of a network; takes real inputs ``(N, C, H, W)``, which its module may get with fewer axes, and returns
    logits ``(N, classes)``.

    Within, an input is measured in its largest magnitude, so that the weights that training starts from suit inputs
    of any scale: ``unit`` is the type of the input in that measure. ``bits`` are those of weights, where the options do
    not name a layer. ``generator`` is that of the random numbers of dropout.

    Raises QuantError where the options name a layer that is not there.
    """

    def __init__(self, traced: Traced, taken: TensorType, bits: int, generator: torch.Generator,
                 options: Quantize | None = None):
        super().__init__()
        self.traced, self.options = traced, options or Quantize()
        act_bits = self.act_bits = self.options.act_bits
        widths = widths_of(traced, bits, self.options.layers)
        taken = input_of(taken, act_bits)
        self.input = replace(taken, scale=single(taken.scale))
        self.unit = replace(taken, scale=single(1 / max(taken.high - taken.zero_point, taken.zero_point - taken.low)))
        tensors = {name: nn.Parameter(value.detach().clone()) if value.requires_grad else value.detach().clone()
                   for name, value in traced.tensors.items()}
        found: list[Product | Unit] = []
        for node in traced.nodes[1:]:      # one unit each
            own = {role: tensors[name] for role, name in node.tensors.items()}
            found.append(Product(node, own, widths[node.name], act_bits) if node.op in PRODUCTS
                         else UNITS[node.op](node, own, generator, act_bits))
        self._units, self.units = tuple(found), nn.ModuleList(found)
        self._quantized = True
        self._errors: Errors | None = None
        self.bits, self.generator = bits, generator
        self.masks: list[tuple[Tensor, Tensor]] = []      # parameters, and where they stay 0
        self._join()

    def _join(self) -> None:
        """One type for what a concatenation joins, where that is free."""
        for node, unit in zip(self.traced.nodes[1:], self._units, strict=True):
            if node.op == "concat":
                for owner in map(self._range, node.reads):
                    if owner is not None:
                        unit.range.join(owner)

    def _range(self, number: int) -> Range | None:
        """The range that decides the type of a node; None where it is fixed."""
        while number and (self.traced.nodes[number].op in KEEPING or getattr(self.unit_of(number), "kept", False)):
            number = self.traced.nodes[number].reads[0]
        return self.unit_of(number).range if number and self.unit_of(number).ranged else None

    @property
    def products(self) -> list[Product]:
        """Layers with weights."""
        return [unit for unit in self._units if isinstance(unit, Product)]

    def unit_of(self, number: int) -> Product | Unit:
        """The unit of a node that is not the input."""
        return self._units[number - 1]

    def add_noise(self, noise: Noise | Exact | None) -> None:
        """The error that sums of products carry from now on, in layers whose weights are as wide as the noise's."""
        for layer in self.products:
            layer.noise = noise if noise and not noise.silent else None

    def add_errors(self, errors: Errors | None) -> None:
        """What hardware does to integers from now on."""
        self._errors = errors
        for layer in self.products:
            layer.errors = errors

    @property
    def narrowest(self) -> int:
        """Bits of the narrowest weights."""
        return min((layer.bits for layer in self.products), default=8)

    def learn_steps(self) -> None:
        """From here on scales of weights and activations change by their gradient alone, from what they are now."""
        for unit in self._units:
            if isinstance(unit, Product):
                unit.learn()
            if unit.ranged and unit.range.factor is None:
                unit.reach = nn.Parameter(torch.zeros(()))
                for one in unit.range.group:
                    one.factor = unit.reach

    @property
    def quantized(self) -> bool:
        """Whether the forward pass has the errors of integers; else it is one in floating point."""
        return self._quantized

    def become(self, *, quantized: bool) -> None:
        self._quantized = quantized
        for unit in self._units:
            if isinstance(unit, Product):
                unit.become(quantized=quantized)
            else:
                unit.quantized = quantized

    def remember(self, share: float | None = None) -> None:
        """How much of what statistics and ranges were stays with the next batch; None: as in training. With 1 they
        stand still, and training sees them as inference does."""
        for unit in self._units:
            unit.range.keep = MOMENTUM if share is None else share
            if isinstance(unit, Product):
                unit.momentum = NORM_MOMENTUM if share is None else 1 - share

    @torch.no_grad()
    def hold(self) -> None:
        """Weights that were removed stay 0."""
        for value, mask in self.masks:
            value.mul_(mask)

    def kept(self) -> "Kept":
        """All that training changes, to :meth:`restore` it."""
        return Kept(tensors={name: value.clone() for name, value in self.state_dict().items()},
                    ranges=[(unit.range.low, unit.range.high, unit.range.floor) for unit in self._units])

    def restore(self, kept: "Kept") -> None:
        self.load_state_dict(kept.tensors)
        for unit, (low, high, floor) in zip(self._units, kept.ranges, strict=True):
            unit.range.low, unit.range.high, unit.range.floor = low, high, floor

    def forward(self, inputs: Tensor) -> Tensor:
        return self.signals(inputs)[-1].value

    def signals(self, inputs: Tensor) -> list[Signal]:
        """What each node gives."""
        scale, zero_point = self.unit.scale, self.unit.zero_point
        inputs = inputs.reshape(len(inputs), *self.traced.nodes[0].shape)
        value = inputs * (scale / self.input.scale)
        faked = fake_activations(value, scale, zero_point, self.act_bits) if self.quantized else value
        found = [self._stored(Signal(faked, scale, zero_point))]
        for node, unit in zip(self.traced.nodes[1:], self._units, strict=True):
            given = unit(*[found[read] for read in node.reads])
            found.append(given if node.op in UNSTORED else self._stored(given))
        return found

    def _stored(self, given: Signal) -> Signal:
        """As the memory of activations gives it back."""
        if self._errors is None or not self.quantized:
            return given
        return given._replace(value=self._errors.stored(*given))
