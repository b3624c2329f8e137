"""Errors of hardware in the forward pass: what ``sw.golden.faults`` makes of integers, with a gradient straight
through."""

import numpy as np
import torch
from torch import Tensor

from hw.spec.faults import Faults
from sw.golden.faults import FRACTION, analog_weights, coarse, flipped, input_step, output_step

__all__ = ["Errors"]

class Errors:
    """Draws what errs anew each time: every batch is on a device of its own.

    The seed is that of the generator, of which nothing is drawn: all else of a training stays as it is.
    """

    def __init__(self, faults: Faults, generator: torch.Generator) -> None:
        self.faults = faults
        self.rng = np.random.default_rng(generator.initial_seed())

    @property
    def digital(self) -> bool:
        """Whether activations are multiplied with their zero points, which the bias makes up for."""
        return self.faults.array is None

    @torch.no_grad()
    def held(self, integers: Tensor, sign: Tensor, bits: int) -> Tensor:
        """What hardware holds in place of a layer's integer weights, which are stored with the ``sign`` of each output
        channel."""
        sign = sign.reshape(-1, *[1] * (integers.dim() - 1))
        stored = (integers * sign).round().numpy().astype(np.int8)
        if self.faults.array:
            found = analog_weights(stored, bits, self.faults.array, self.rng) / FRACTION
        elif self.faults.weights:
            found = flipped(stored, bits, self.faults.weights, self.rng)
        else:
            return integers
        return torch.from_numpy(found.astype(np.float32)) * sign

    def given(self, value: Tensor, scale: float) -> Tensor:
        """Activations as the array is given them."""
        if self.faults.array is None or (step := input_step(self.faults.array)) == 1:
            return value
        steps = (value.detach() / scale).round().numpy().astype(np.int64)
        return _through(value, coarse(steps, step), scale)

    def kept(self, value: Tensor, unit: Tensor) -> Tensor:
        """Outputs of which an accumulator holds so many ``unit`` (of each channel)."""
        accumulator = self.faults.accumulator
        if accumulator is None:
            return value
        unit = unit.reshape(-1, *[1] * (value.dim() - 2))
        if accumulator.overflow == "saturate":
            return torch.minimum(torch.maximum(value, accumulator.low * unit), accumulator.high * unit)
        turns = torch.floor((value.detach() / unit).round() / (1 << accumulator.bits) + 0.5)
        return value - turns * (unit * (1 << accumulator.bits))

    def converted(self, value: Tensor, scale: float, zero_point: int, limits: tuple[int, int]) -> Tensor:
        """Outputs of a layer behind its converters, within ``limits``."""
        if self.faults.array is None or (step := output_step(self.faults.array, *limits)) == 1:
            return value
        low, high = limits
        steps = (value.detach() / scale).round().numpy().astype(np.int64) + zero_point
        return _through(value, np.minimum(coarse(steps - low, step) + low, high) - zero_point, scale)

    def stored(self, value: Tensor, scale: float, zero_point: int) -> Tensor:
        """Activations as their memory gives them back."""
        if self.faults.activations is None:
            return value
        codes = ((value.detach() / scale).round() + zero_point).numpy().astype(np.int8)
        return _through(value, flipped(codes, 8, self.faults.activations, self.rng).astype(np.int64) - zero_point,
                        scale)


def _through(value: Tensor, steps: np.ndarray, scale: float) -> Tensor:
    """So many steps, with the gradient of ``value``."""
    return value + (torch.from_numpy(steps.astype(np.float32)) * scale - value).detach()
