"""Layers without weights as they will be computed: each gives values that its integers can represent."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from sw.models.ir import Node
from sw.models.moves import index_of
from sw.quant.fake import Range, ends, fake_activations, single
from sw.quant.functions import FIXED, function_of
from sw.quant.product import Signal

__all__ = ["UNITS", "Concat", "Constant", "Pair", "Prelu", "Table", "Unit"]

ADD_STEPS = 1 << 19        # of the output in a step of the coarser operand of a sum, at most
MOST_FACTOR = 64           # steps of the output of a function in a step of its input, at most
SMALLEST_SCALE = 1e-6
TIE = 1e-3                 # of a step: decides what lies halfway between two integers, and nothing else


class Unit(nn.Module):
    """One node; ``range`` is that of its output, where that is ``ranged``."""

    ranged = False
    quantized = True                # else in floating point

    def __init__(self, node: Node, tensors: Mapping[str, Tensor], generator: torch.Generator, act_bits: int = 8):
        super().__init__()
        self.node, self.tensors, self.generator, self.bits = node, tensors, generator, act_bits
        self.range = Range(node.low, node.high, act_bits)
        self.setup()

    def setup(self) -> None:
        """Parameters, and what else it needs."""

    def given(self, value: Tensor) -> Signal:
        """``value`` in the type of the range, which learns of it in training."""
        if not self.quantized:
            return Signal(self.range.clamp(value), 1.0, 0)
        if self.training:
            self.range.observe(value)
        return Signal(self.range.fake(value), self.range.scale, self.range.zero_point)


class Constant(Unit):
    """A tensor, trained if it is a parameter, in as many steps as activations have on a side: 127, or 7."""

    def setup(self) -> None:
        self.value = self.tensors["value"]

    def steps(self, value: Tensor) -> Signal:
        scale = single(max(float(value.detach().abs().max()) / ends(self.bits)[1], SMALLEST_SCALE))
        return Signal(fake_activations(value, scale, 0, self.bits), scale, 0)

    def forward(self) -> Signal:
        value = self.value.reshape(1, *self.node.shape)
        return self.steps(value) if self.quantized else Signal(value, 1.0, 0)


class Pair(Unit):
    """A sum, a difference or a product of two."""

    ranged = True

    def forward(self, first: Signal, second: Signal) -> Signal:
        if self.node.op == "mul":
            self.range.floor = first.scale * second.scale / (1 << 14)
            return self.given(first.value * second.value)
        self.range.floor = 2 * max(first.scale, second.scale) / ADD_STEPS
        return self.given(first.value + second.value if self.node.op == "add" else first.value - second.value)


class Table(Unit):
    """A function of each value."""

    def setup(self) -> None:
        self.function = function_of(self.node.function, self.node.numbers)
        self.fixed = FIXED.get(self.node.function) if self.bits == 8 else None
        self.kept = self.node.function == "relu6"        # TFLite's keeps the type of its input
        self.ranged = not (self.fixed or self.kept)

    def forward(self, taken: Signal) -> Signal:
        value = self.function(taken.value)
        if not self.quantized:
            return Signal(value, 1.0, 0)
        if self.ranged:
            self.range.floor = taken.scale / MOST_FACTOR
            return self.given(value)
        scale, zero_point = self.fixed or (taken.scale, taken.zero_point)
        return Signal(fake_activations(value, scale, zero_point, self.bits), scale, zero_point)


class Prelu(Unit):
    """A line with a slope below 0 for each channel, or one for all."""

    ranged = True

    def setup(self) -> None:
        self.slope = self.tensors["slope"]

    def slopes(self) -> Signal:
        scale = single(max(float(self.slope.detach().abs().max()) / ends(self.bits)[1], SMALLEST_SCALE))
        return Signal(fake_activations(self.slope, scale, 0, self.bits), scale, 0)

    def forward(self, taken: Signal) -> Signal:
        self.range.floor = taken.scale / MOST_FACTOR
        slopes = self.slopes().value if self.quantized else self.slope
        return self.given(functional.prelu(taken.value, slopes))


class Pool(Unit):
    """The mean or the most of each window; keeps its input's type."""

    def forward(self, taken: Signal) -> Signal:
        node = self.node
        value = taken.value.unsqueeze(2) if len(node.shape) == 2 else taken.value
        top, left, bottom, right = node.padding
        around = (left, right, top, bottom)
        if node.op == "maxpool":
            if any(around):
                value = functional.pad(value, around, value=-float("inf"))
            found = functional.max_pool2d(value, node.kernel, node.stride)
        else:
            found = functional.avg_pool2d(value, node.kernel, node.stride, (top, left), count_include_pad=False)
            if self.quantized:      # the engine rounds halves away from its integer 0
                found = found + TIE * taken.scale * torch.sign(found.detach() + taken.zero_point * taken.scale)
                found = fake_activations(found, taken.scale, taken.zero_point, self.bits)
        return Signal(found.squeeze(2) if len(node.shape) == 2 else found, taken.scale, taken.zero_point)


class Concat(Unit):
    """Several along an axis, all in one type."""

    ranged = True

    def forward(self, *taken: Signal) -> Signal:
        joined = torch.cat([one.value for one in taken], dim=self.node.axis + 1)
        if not self.quantized:
            return Signal(joined, 1.0, 0)
        if self.training:
            self.range.observe(joined)
        scale, zero_point = self.range.scale, self.range.zero_point
        if any((one.scale, one.zero_point) != (scale, zero_point) for one in taken):
            joined = fake_activations(joined, scale, zero_point, self.bits)
        return Signal(joined, scale, zero_point)


class Move(Unit):
    """The same values elsewhere."""

    def setup(self) -> None:
        self.index = torch.from_numpy(index_of(self.node).ravel())
        self.plain = torch.equal(self.index, torch.arange(self.node.size))

    def forward(self, taken: Signal) -> Signal:
        flat = taken.value.flatten(1)
        if not (self.plain and flat.shape[1] == self.node.size):
            flat = flat[:, self.index]
        return taken._replace(value=flat.reshape(-1, *self.node.shape))


class Pad(Unit):
    """Zeros around."""

    def forward(self, taken: Signal) -> Signal:
        around = [count for pair in reversed(self.node.around) for count in pair]
        return taken._replace(value=functional.pad(taken.value, around))


class Dropout(Unit):
    """In training, some values are 0 and the others larger; of random numbers that the seed decides."""

    def forward(self, taken: Signal) -> Signal:
        share, whole = self.node.numbers
        if not self.training or not share:
            return taken
        shape = taken.value.shape[:2] + (1,) * (taken.value.dim() - 2) if whole else taken.value.shape
        kept = (torch.rand(shape, generator=self.generator) >= share) / max(1 - share, 1e-9)
        return taken._replace(value=taken.value * kept)


UNITS: dict[str, type[Unit]] = {
    "constant": Constant, "add": Pair, "sub": Pair, "mul": Pair, "table": Table, "prelu": Prelu, "avgpool": Pool,
    "maxpool": Pool, "concat": Concat, "move": Move, "pad": Pad, "dropout": Dropout}
