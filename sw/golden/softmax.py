"""TFLite's int8 softmax, bit for bit: fixed-point exponentials and a reciprocal by Newton's iteration.

The definition is ``reference_ops::Softmax`` of TensorFlow Lite Micro on gemmlowp's fixed-point functions
(``sw.golden.fixed``).
"""

from collections.abc import Sequence
from math import floor

import numpy as np

from hw.spec.requant import doubling_high_multiply, rounding_shift
from sw.golden.fixed import exponential, quantize_multiplier, reciprocal
from sw.graph.layer import GraphError, Layer

__all__ = ["exponentials", "normalize", "prepare_softmax", "softmax", "softmax_row"]

DIFF_BITS = 5              # integer bits of a scaled difference of two inputs
SUM_BITS = 12              # integer bits of the sum of the exponentials


def prepare_softmax(beta: float, scale: float) -> tuple[int, int]:
    """Multiplier and left shift that bring a difference of two inputs, times ``beta * scale``, to 26 fractional bits.

    Raises
    ------
    GraphError
        If ``beta * scale`` is so small that the shift would be to the right.
    """
    multiplier, shift = quantize_multiplier(min(beta * scale * (1 << 31 - DIFF_BITS), (1 << 31) - 1.0))
    if shift > 0 or not multiplier:
        raise GraphError(f"beta {beta:g} times scale {scale:g}: a softmax takes at least 2**-{31 - DIFF_BITS}; "
                         f"quantize its input with a larger scale")
    return multiplier, -shift


def _exponentials(layer: Layer, differences: Sequence[int]) -> list[int | None]:
    """Of inputs less the row's maximum; None where the difference is too large to count."""
    multiplier, shift = int(layer.multiplier[0]), int(layer.shift[0])
    least = -floor(((1 << DIFF_BITS) - 1) * (1 << 31 - DIFF_BITS) / (1 << shift))
    return [exponential(doubling_high_multiply(difference << shift, multiplier)) if difference >= least else None
            for difference in differences]


def _output(power: int | None, mantissa: int, shift: int) -> int:
    if power is None:
        return -128
    return min(max(rounding_shift(doubling_high_multiply(mantissa, power), shift + 31 - 8) - 128, -128), 127)


def softmax_row(layer: Layer, row: Sequence[int]) -> list[int]:
    """The plain definition, over the channels of one pixel: int8 values in, int8 values out."""
    powers = _exponentials(layer, [value - max(row) for value in row])
    total = sum(rounding_shift(power, SUM_BITS) for power in powers if power is not None)
    mantissa, shift = reciprocal(total)
    return [_output(power, mantissa, shift) for power in powers]


def exponentials(layer: Layer) -> np.ndarray:
    """int64 (256,): of a value that lies 0, 1, ... 255 below the maximum; 0 where it does not count."""
    powers = _exponentials(layer, range(0, -256, -1))
    return np.array([0 if power is None else power for power in powers], np.int64)


def normalize(rows: np.ndarray, powers: np.ndarray) -> np.ndarray:
    """int8 of ``rows`` int8 ``(N, C)``: ``powers[difference]`` to the row's maximum, over their sum."""
    parts = np.array([rounding_shift(power, SUM_BITS) for power in powers.tolist()], np.int64)
    rows = rows.astype(np.int64)
    differences = rows.max(axis=1, keepdims=True) - rows
    scales = np.array([reciprocal(total) for total in parts[differences].sum(axis=1).tolist()], np.int64)
    mantissa, shift = scales.reshape(-1, 2, 1).transpose(1, 0, 2)
    # no operand is negative, so each rounding is an addition and a shift
    value = (mantissa * powers[differences] + (1 << 30)) >> 31
    value = (value + (1 << shift + 31 - 8 - 1)) >> shift + 31 - 8
    return np.minimum(value - 128, 127).astype(np.int8)


def softmax(layer: Layer, data: np.ndarray) -> np.ndarray:
    """int8 ``(N, height, width, C)`` to the same shape, equal to :func:`softmax_row` of each pixel.

    A difference has 256 values at most, so each exponential is computed once.
    """
    return normalize(data.reshape(-1, data.shape[-1]), exponentials(layer)).reshape(data.shape)
