"""TFLite's QUANTIZE from int8 to int8: the same value at another scale and zero point.

The definition is ``reference_ops::Requantize`` of TensorFlow Lite Micro, as its kernel ``QUANTIZE`` calls it: the
difference to the input's zero point by ``MultiplyByQuantizedMultiplier`` of the scales' ratio, whose shift may go
either way, plus the output's zero point, clamped.
"""

import numpy as np

from sw.golden.fixed import quantize_multiplier, scale
from sw.graph.layer import GraphError, Layer, TensorType

__all__ = ["prepare_requantize", "requantize_table", "requantize_value"]


def prepare_requantize(taken: float, given: float) -> tuple[int, int]:
    """Multiplier and right shift (left where it is negative) from scale ``taken`` to scale ``given``.

    Raises
    ------
    GraphError
        If a scale is no positive number, or the first so much larger that a difference leaves 32 bits.

    >>> prepare_requantize(0.5, 0.25), prepare_requantize(0.25, 1.0)
    ((1073741824, -2), (1073741824, 1))
    """
    if not 0 < taken < float("inf") or not 0 < given < float("inf"):
        raise GraphError(f"scales {taken:g} and {given:g}: must be positive")
    multiplier, shift = quantize_multiplier(taken / given)
    if shift < -22:
        raise GraphError(f"scale {taken:g} to {given:g}: a factor of 2**22 at most; choose another output scale")
    return multiplier, shift


def requantize_value(layer: Layer, taken: TensorType, value: int) -> int:
    """The plain definition of one value."""
    moved = scale(value - taken.zero_point, int(layer.multiplier[0]), int(layer.shift[0]))
    return min(max(moved + layer.output.zero_point, layer.act_min), layer.act_max)


def requantize_table(layer: Layer, taken: TensorType) -> np.ndarray:
    """int8 (256,): what -128, -127, ... 127 become."""
    return np.array([requantize_value(layer, taken, value) for value in range(-128, 128)], np.int8)
