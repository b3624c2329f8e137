"""Mitchell's logarithmic multiplier: logarithms to base 2 that are linear between powers of two are added.

J. N. Mitchell, "Computer multiplication and division using binary logarithms", IRE Transactions on Electronic
Computers EC-11(4), 1962. A number ``2**k * (1 + x)`` has the logarithm ``k + x``; the product is what has the sum of
both logarithms as its own, without the bits below the point. It is up to a ninth too small and exact where an operand
is a power of two. The paper's operands have no sign; here the magnitudes are multiplied, and the product gets its sign
afterwards.
"""

from hw.spec.multipliers._kind import MultiplierKind

__all__ = ["FRACTION_BITS", "KINDS"]

FRACTION_BITS = 7     # of a logarithm: magnitudes are at most 128, so no bit is lost


def _logarithm(value: int) -> int:
    """Of a magnitude above 0, with ``FRACTION_BITS`` behind the point.

    >>> _logarithm(1), _logarithm(3) / 128, _logarithm(96) / 128
    (0, 1.5, 6.5)
    """
    whole = value.bit_length() - 1
    return (value << FRACTION_BITS - whole) + (whole - 1 << FRACTION_BITS)


def _logarithmic(act: int, weight: int, weight_bits: int) -> int:
    """
    >>> _logarithmic(3, 3, 8), _logarithmic(-7, 7, 8), _logarithmic(5, -64, 8), _logarithmic(0, 9, 8)
    (8, -48, -320, 0)
    """
    if not act or not weight:
        return 0
    total = _logarithm(abs(act)) + _logarithm(abs(weight))
    whole, fraction = divmod(total, 1 << FRACTION_BITS)
    size = ((1 << FRACTION_BITS) + fraction << whole) >> FRACTION_BITS
    return size if (act < 0) == (weight < 0) else -size


KINDS = (MultiplierKind(name="mitchell", uses_dsp=False, times=_logarithmic, weight_bits=(8, 4)),)
