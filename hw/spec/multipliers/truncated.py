"""Truncated: the least significant columns of the partial-product matrix are left out, and nothing makes up for them.

The fixed-width multipliers of M. J. Schulte and E. E. Swartzlander, "Truncated multiplication with correction
constant", VLSI Signal Processing VI, 1993, without the constant.
"""

from hw.spec.multipliers._kind import MultiplierKind

__all__ = ["KINDS", "dropped_columns"]

KEPT_BELOW = 2      # columns kept below column ``weight_bits``


def dropped_columns(weight_bits: int) -> int:
    """How many columns are left out.

    >>> [dropped_columns(bits) for bits in (8, 4, 2, 1)]
    [6, 2, 0, 0]
    """
    return max(0, weight_bits - KEPT_BELOW)


def _truncated(act: int, weight: int, weight_bits: int) -> int:
    """Without the bit products ``act[i] * weight[j]`` with ``i + j < dropped_columns(weight_bits)``.

    Both operands are in two's complement. The result is never above the exact product.

    >>> _truncated(7, 3, 8), _truncated(77, 53, 8)
    (0, 3968)
    """
    dropped = dropped_columns(weight_bits)
    return act * weight - sum(((act >> i & 1) << i) * (weight & ((1 << (dropped - i)) - 1)) for i in range(dropped))


KINDS = (MultiplierKind(name="trunc", uses_dsp=False, times=_truncated),)
