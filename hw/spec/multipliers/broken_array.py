"""The broken-array multiplier: the carry-save cells of an array multiplier beyond two break levels are left out.

H. R. Mahdiani, A. Ahmadi, S. M. Fakhraie, C. Lucas, "Bio-inspired imprecise computational blocks for efficient VLSI
implementation of soft-computing applications", IEEE Transactions on Circuits and Systems I 57(4), 2010. The horizontal
level counts rows of the array from the top, those of the weight's lowest bits; the vertical one columns from the right.
What is left is added up exactly. The paper's operands have no sign; here both are in two's complement, whose rows and
columns are the same but for the weight's last row, which is subtracted, and the activation's last column, which extends
to the left.
"""

from hw.spec.multipliers._kind import MultiplierKind

__all__ = ["KINDS", "break_levels"]

VERTICAL_BELOW, HORIZONTAL_PART = 2, 4


def break_levels(weight_bits: int) -> tuple[int, int]:
    """Horizontal and vertical break level: rows and columns that are left out.

    >>> break_levels(8), break_levels(4)
    ((2, 6), (1, 2))
    """
    return weight_bits // HORIZONTAL_PART, weight_bits - VERTICAL_BELOW


def _broken(act: int, weight: int, weight_bits: int) -> int:
    """Without the bit products ``act[i] * weight[j]`` with ``j`` below the horizontal or ``i + j`` below the vertical
    level; never above the exact product unless the activation is negative.

    >>> _broken(77, 53, 8), _broken(77, 5, 4), _broken(-128, 3, 8)
    (3904, 308, 0)
    """
    rows, columns = break_levels(weight_bits)
    kept = 0
    for j in range(rows, weight_bits):
        row = act >> max(0, columns - j) << max(0, columns - j)      # the sign stays
        place = row * (weight >> j & 1) << j
        kept += -place if j == weight_bits - 1 else place
    return kept


KINDS = (MultiplierKind(name="broken", uses_dsp=False, times=_broken, weight_bits=(8, 4)),)
