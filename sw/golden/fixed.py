"""Fixed point as TensorFlow Lite Micro has it: scaling by a multiplier and a shift, and functions of gemmlowp.

A number with ``n`` integer bits is an int32 with ``31 - n`` fractional bits; the product of two has the sum of their
integer bits, is rounded to nearest (ties upwards) and is ``hw.spec.requant.doubling_high_multiply``.
"""

from math import exp, frexp, isfinite, log

import numpy as np

from hw.spec.requant import doubling_high_multiply as high
from hw.spec.requant import rounding_shift
from sw.graph.layer import GraphError

__all__ = ["ONE", "exponential", "half_away", "logarithm", "logistic", "quantize_multiplier", "reciprocal", "saturated",
           "scale", "scaled", "tanh", "wrapped"]

ONE = (1 << 31) - 1        # 1.0 without integer bits, saturated
NEWTON_STEPS = 3


def saturated(value: int) -> int:
    """In int32, the nearest."""
    return min(max(value, -(1 << 31)), ONE)


def wrapped(value: int) -> int:
    """In int32, modulo 2**32."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def half_away(value: float) -> int:
    """The nearest whole number, halves away from zero: C's ``round``.

    >>> half_away(2.5), half_away(-2.5), half_away(0.49999999999999994)
    (3, -3, 0)
    """
    whole = int(value)
    return whole + (1 if value > 0 else -1) * (abs(value - whole) >= 0.5)


def quantize_multiplier(factor: float) -> tuple[int, int]:
    """Multiplier and right shift (left where it is negative) of a factor of 0 or more: TFLite's ``QuantizeMultiplier``.

    >>> quantize_multiplier(0.375), quantize_multiplier(6.0), quantize_multiplier(1e-12)
    ((1610612736, 1), (1610612736, -3), (0, 0))

    Raises
    ------
    GraphError
        If it is negative or no number.
    """
    if not (isfinite(factor) and factor >= 0):
        raise GraphError(f"scale factor {factor:g}: must be a number of 0 or more; check the scales")
    fraction, exponent = frexp(factor)
    multiplier = half_away(fraction * (1 << 31))
    if multiplier == 1 << 31:
        multiplier, exponent = multiplier // 2, exponent + 1
    return (multiplier, -exponent) if exponent >= -31 and multiplier else (0, 0)


def scale(value: int, multiplier: int, shift: int) -> int:
    """``value * multiplier / 2**(31 + shift)``: TFLite's ``MultiplyByQuantizedMultiplier``, which rounds twice.

    A negative ``shift`` goes to the left, before the multiplication, within int32.
    """
    return rounding_shift(high(wrapped(value << max(0, -shift)), multiplier), max(0, shift))


def scaled(values: np.ndarray, multiplier: int | np.ndarray, shift: int | np.ndarray) -> np.ndarray:
    """:func:`scale` of int64 ``values``; multiplier and shift may be arrays, too."""
    half, shift = np.int64(1 << 31), np.asarray(shift, np.int64)
    left = ((values << np.maximum(-shift, 0)) + half) % (2 * half) - half
    value = (left * np.asarray(multiplier, np.int64) + (1 << 30)) >> 31
    right = np.maximum(shift, 0)
    mask = (np.int64(1) << right) - 1
    return (value >> right) + ((value & mask) > (mask >> 1) + (value < 0))


def constant(value: float, integer_bits: int = 0) -> int:
    return round(value * (1 << 31 - integer_bits))


def exponential(value: int, integer_bits: int = 5) -> int:
    """``exp`` of a number that is 0 or below, without integer bits: ``exp_on_negative_values``.

    A polynomial of degree four around -1/8 serves the part within (-1/4, 0]; each bit above multiplies by a constant.

    >>> exponential(0) == 2**31 - 1, round(exponential(-(1 << 26)) / 2**31, 4)    # exp(0), exp(-1)
    (True, 0.3679)
    """
    if value == 0:
        return ONE
    quarter = 1 << 31 - integer_bits - 2
    within = (value & quarter - 1) - quarter
    left = within - value          # a multiple of a quarter
    x = (within << integer_bits) + constant(1 / 8)
    square = high(x, x)
    cube, fourth = high(square, x), high(square, square)
    # x**2/2 + x**3/6 + x**4/24
    higher = rounding_shift(high(rounding_shift(fourth, 2) + cube, constant(1 / 3)) + square, 1)
    middle = constant(exp(-1 / 8))
    result = middle + high(middle, x + higher)
    for power in range(-2, integer_bits):
        if left & (quarter << power + 2):
            result = high(result, constant(exp(-(2.0 ** power))))
    return result


def _half_denominator_inverse(part: int) -> int:
    """``2 / (1 + part)`` of a number from 0 to 1 without integer bits: with two integer bits, by Newton's iteration."""
    half = part + ONE + 1 >> 1                          # (1 + part) / 2, rounded half up
    estimate = constant(48 / 17, 2) + high(half, constant(-32 / 17, 2))
    for _ in range(NEWTON_STEPS):
        missing = (1 << 29) - high(half, estimate)
        estimate += saturated(high(estimate, missing) << 2)
    return estimate


def inverse(part: int) -> int:
    """``1 / (1 + part)`` of a number from 0 to 1; both without integer bits."""
    return saturated(_half_denominator_inverse(part) << 1)


def reciprocal(total: int, integer_bits: int = 12) -> tuple[int, int]:
    """``1 / total`` of a positive number: a mantissa without integer bits, and the right shift.

    >>> mantissa, shift = reciprocal(3 << 19)
    >>> round(mantissa / 2**31 / 2**shift, 8)
    0.33333333
    """
    headroom = 32 - total.bit_length()
    return inverse((total << headroom) - (1 << 31)), integer_bits - headroom


def logistic(value: int) -> int:
    """``1 / (1 + exp(-value))`` of a number of 4 integer bits, without integer bits.

    >>> logistic(0) == 1 << 30, round(logistic(1 << 27) / 2**31, 6)
    (True, 0.731059)
    """
    if value == 0:
        return 1 << 30
    positive = inverse(exponential(-abs(value), 4))
    return positive if value > 0 else ONE - positive


def tanh(value: int) -> int:
    """Of a number of 4 integer bits, without integer bits.

    >>> tanh(0), round(tanh(-1 << 27) / 2**31, 6)
    (0, -0.761594)
    """
    if value == 0:
        return 0
    # (1 - e) / (1 + e) = 2 / (1 + e) - 1, of e = exp(-2 * value)
    positive = saturated(_half_denominator_inverse(exponential(-abs(value), 5)) - (1 << 29) << 2)
    return positive if value > 0 else -positive


def logarithm(total: int) -> int:
    """``log`` of a number of 12 integer bits that is 1 or more, with 5 integer bits.

    The number is a power of two times ``r``, near the fourth root of a half, around which a rational function serves.

    >>> round(logarithm(10 << 19) / 2**26, 5)    # log(10)
    2.30259
    """
    headroom = 32 - total.bit_length()
    halved = 31 - high(total, constant(0.5 ** 0.5)).bit_length()
    r = min(saturated(high(saturated(total << headroom - 1), constant(0.5 ** 0.5)) << 1), saturated(total << halved))
    power = max((12 - headroom << 25) + (1 << 23), (12 - halved << 25) - (1 << 23))       # of 6 integer bits
    middle = constant(0.5 ** 0.25)
    p, q = r + middle + 1 >> 1, 2 * (r - middle)
    square = high(q, q)
    above = high(q, r) + high(high(q, square), constant(11 / 240 * 2 ** 0.25))
    within = constant(2 / 2 ** 0.25 - 2 ** 0.25) + q + high(constant(2 ** 0.25 / 20), square)
    below = inverse(high(p, within) + high(constant(2 ** 0.25 / 4), q))
    return saturated(high(power, constant(log(2))) + high(rounding_shift(above, 6), below) << 1)
