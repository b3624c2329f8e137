"""The underdesigned multiplier: built of 2 x 2 bit blocks in which three times three is seven, so that three bits do.

P. Kulkarni, P. Gupta, M. Ercegovac, "Trading accuracy for power with an underdesigned multiplier architecture", 24th
International Conference on VLSI Design, 2011. Products of the operands' base-4 digits are formed by such blocks and
added up exactly. The paper's operands have no sign; here the magnitudes are multiplied, and the product gets its sign
afterwards, so that small negative numbers err as little as small positive ones.
"""

from hw.spec.multipliers._kind import MultiplierKind

__all__ = ["KINDS"]


def _threes(value: int) -> int:
    """The digits of a magnitude in base 4 that are 3, as ones."""
    return value & value >> 1 & 0x5555


def _underdesigned(act: int, weight: int, weight_bits: int) -> int:
    """Magnitude never above the exact one; every pair of digits that are both 3 lacks 2.

    >>> _underdesigned(3, 3, 8), _underdesigned(-3, 3, 8), _underdesigned(13, 13, 8), _underdesigned(-128, -128, 8)
    (7, -7, 137, 16384)
    """
    lacking = 2 * _threes(abs(act)) * _threes(abs(weight))
    return act * weight - (lacking if (act < 0) == (weight < 0) else -lacking)


KINDS = (MultiplierKind(name="underdesigned", uses_dsp=False, times=_underdesigned, weight_bits=(8, 4)),)
