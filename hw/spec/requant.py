"""Requantization of one accumulator: TFLite's double rounding, on plain integers.

The definition is gemmlowp's ``SaturatingRoundingDoublingHighMul`` followed by ``RoundingDivideByPOT``, as
TensorFlow Lite Micro's reference kernels apply it. ``sw.golden`` vectorizes it and ``hw.gateware`` builds it.
"""

from hw.spec.errors import SpecError

__all__ = ["ADD_LEFT_SHIFT", "MAX_SHIFT", "TOTAL_BITS", "VARIANTS", "check_variant", "doubling_high_multiply",
           "requantize", "rounding_shift"]

MAX_SHIFT = 31   # right shift, bits
ADD_LEFT_SHIFT = 20   # of both operands of a residual add, bits: TFLite's ADD
#: Signed width of accumulator and bias in hardware. The largest is the sum of a residual add, of two int8 differences
#: shifted left by 20: ``2 * 255 << 20``. The compiler proves it of every other.
TOTAL_BITS = 30
#: Clock cycles per value, and multiplier blocks, of the requantizers that can be built.
VARIANTS = ((1, 4), (1, 2), (1, 0), (2, 2), (2, 0), (4, 2), (4, 0))


def check_variant(*, cycles: int, dsps: int) -> None:
    """Raises SpecError where ``VARIANTS`` has no such requantizer."""
    if (cycles, dsps) not in VARIANTS:
        choices = " or ".join(str(blocks) for clocks, blocks in VARIANTS if clocks == cycles)
        if not choices:
            raise SpecError(f"requantizer_cycles={cycles}: choose 1, 2 or 4")
        raise SpecError(f"requantizer_dsps={dsps}, requantizer_cycles={cycles}: a requantizer of {cycles} cycles per "
                        f"output has {choices} multiplier blocks; change one of the two")


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
