"""TFLite's int8 softmax, bit for bit: fixed-point exponentials and a reciprocal by Newton's iteration.

The definition is ``reference_ops::Softmax`` of TensorFlow Lite Micro on gemmlowp's fixed-point functions. A number
with ``n`` integer bits is an int32 with ``31 - n`` fractional bits; the product of two has the sum of their integer
bits, is rounded to nearest (ties upwards) and is ``hw.spec.requant.doubling_high_multiply``.
"""

from collections.abc import Sequence
from math import exp, floor, frexp

import numpy as np

from hw.spec.requant import doubling_high_multiply, rounding_shift
from sw.graph.layer import GraphError, Layer

__all__ = ["exponential", "exponentials", "normalize", "prepare_softmax", "reciprocal", "softmax", "softmax_row"]

ONE = (1 << 31) - 1        # 1.0 without integer bits, saturated
DIFF_BITS = 5              # integer bits of a scaled difference of two inputs
SUM_BITS = 12              # integer bits of the sum of the exponentials
QUARTER = 1 << 31 - DIFF_BITS - 2
NEWTON_STEPS = 3


def _constant(value: float, integer_bits: int = 0) -> int:
    return round(value * (1 << 31 - integer_bits))


def _saturated(value: int) -> int:
    return min(max(value, -(1 << 31)), ONE)


def prepare_softmax(beta: float, scale: float) -> tuple[int, int]:
    """Multiplier and left shift that bring a difference of two inputs, times ``beta * scale``, to 26 fractional bits.

    Raises
    ------
    GraphError
        If ``beta * scale`` is so small that the shift would be to the right.
    """
    fraction, exponent = frexp(min(beta * scale * (1 << 31 - DIFF_BITS), (1 << 31) - 1.0))
    multiplier = round(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier, exponent = multiplier // 2, exponent + 1
    if exponent < 0 or fraction <= 0:
        raise GraphError(f"beta {beta:g} times scale {scale:g}: a softmax takes at least 2**-{31 - DIFF_BITS}; "
                         f"quantize its input with a larger scale")
    return multiplier, exponent


def exponential(value: int) -> int:
    """``exp`` of a number of 5 integer bits that is 0 or below, without integer bits.

    A polynomial of degree four around -1/8 serves the part within (-1/4, 0]; each bit above multiplies by a constant.

    >>> exponential(0) == 2**31 - 1, round(exponential(-(1 << 26)) / 2**31, 4)    # exp(0), exp(-1)
    (True, 0.3679)
    """
    if value == 0:
        return ONE
    within = (value & QUARTER - 1) - QUARTER
    left = within - value          # a multiple of a quarter
    x = (within << DIFF_BITS) + _constant(1 / 8)
    square = doubling_high_multiply(x, x)
    cube, fourth = doubling_high_multiply(square, x), doubling_high_multiply(square, square)
    # x**2/2 + x**3/6 + x**4/24
    higher = rounding_shift(doubling_high_multiply(rounding_shift(fourth, 2) + cube, _constant(1 / 3)) + square, 1)
    middle = _constant(exp(-1 / 8))
    result = middle + doubling_high_multiply(middle, x + higher)
    for power in range(-2, DIFF_BITS):
        if left & (QUARTER << power + 2):
            result = doubling_high_multiply(result, _constant(exp(-(2.0 ** power))))
    return result


def reciprocal(total: int) -> tuple[int, int]:
    """``1 / total`` of a positive number of 12 integer bits: a mantissa without integer bits, and the right shift.

    >>> mantissa, shift = reciprocal(3 << 19)
    >>> round(mantissa / 2**31 / 2**shift, 8)
    0.33333333
    """
    headroom = 32 - total.bit_length()
    above_one = (total << headroom) - (1 << 31)         # of total / 2**n in [1, 2), without integer bits
    half = above_one + ONE + 1 >> 1                     # of that: (1 + x) / 2, rounded half up
    estimate = _constant(48 / 17, 2) + doubling_high_multiply(half, _constant(-32 / 17, 2))
    for _ in range(NEWTON_STEPS):
        missing = (1 << 29) - doubling_high_multiply(half, estimate)
        estimate += _saturated(doubling_high_multiply(estimate, missing) << 2)
    return _saturated(estimate << 1), SUM_BITS - headroom


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
