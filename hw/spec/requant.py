"""Requantization of one accumulator: TFLite's double rounding, on plain integers.

The definition is gemmlowp's ``SaturatingRoundingDoublingHighMul`` followed by ``RoundingDivideByPOT``, as
TensorFlow Lite Micro's reference kernels apply it. ``sw.golden`` vectorizes it and ``hw.gateware`` builds it.
"""

__all__ = ["ADD_LEFT_SHIFT", "MAX_SHIFT", "doubling_high_multiply", "requantize", "rounding_shift"]

MAX_SHIFT = 31  # right shift, bits
ADD_LEFT_SHIFT = 20  # of both operands of a residual add, bits: TFLite's ADD


def doubling_high_multiply(value: int, multiplier: int) -> int:
    """``round(value * multiplier / 2**31)`` for int32 ``value`` and ``0 <= multiplier < 2**31``, ties towards +inf.

    gemmlowp nudges by ``2**30`` or ``1 - 2**30`` and truncates; for every sign that is this floor.
    """
    return (value * multiplier + (1 << 30)) >> 31


def rounding_shift(value: int, shift: int) -> int:
    """``round(value / 2**shift)``, ties away from zero.

    >>> rounding_shift(5, 1), rounding_shift(-5, 1), rounding_shift(-5, 2)
    (3, -3, -1)
    """
    mask = (1 << shift) - 1
    return (value >> shift) + ((value & mask) > (mask >> 1) + (value < 0))


def requantize(acc: int, *, bias: int, multiplier: int, shift: int, zero: int, low: int, high: int) -> int:
    """int8 output of one accumulator: add bias (wraps at 32 bits), scale, shift, add ``zero``, clamp."""
    total = (acc + bias + (1 << 31)) % (1 << 32) - (1 << 31)
    return min(max(rounding_shift(doubling_high_multiply(total, multiplier), shift) + zero, low), high)
