"""Weights in signed digits of base 4, as elements of scalable precision take them (multiplier kinds with ``splits``).

A byte holds one weight of 8 bits, two of 4 or four of 2: it is *split* 0, 1 or 2 times, and its *pieces*, lowest bits
first, belong to output channels of their own. Each piece is a sum of ``digit * 4 ** n``. A digit is -2 to 1, the last
one of a piece also 2, so that the four digits of a byte are products of one shape however it is split.
"""

from typing import Protocol, Self, TypeVar

__all__ = ["DIGITS", "DIGIT_PLACE_BITS", "digits", "piece_bits", "split_for"]

DIGITS = 4               # of a byte
DIGIT_PLACE_BITS = 2     # from a digit to the next


class _Whole(Protocol):
    """An int, or an array of them."""

    def __add__(self, other: int, /) -> Self: ...
    def __sub__(self, other: Self | int, /) -> Self: ...
    def __mod__(self, other: int, /) -> Self: ...
    def __floordiv__(self, other: int, /) -> Self: ...


Whole = TypeVar("Whole", bound=_Whole)


def piece_bits(split: int) -> int:
    """Width of the weights in a byte.

    >>> [piece_bits(split) for split in (0, 1, 2)]
    [8, 4, 2]
    """
    return 8 >> split


def split_for(weight_bits: int, splits: int) -> int:
    """The most splits, of so many at most, whose pieces hold weights of such a width; a binary weight takes two bits.

    >>> [split_for(bits, 2) for bits in (8, 5, 4, 3, 2, 1)]
    [0, 0, 1, 1, 2, 2]
    """
    return next(split for split in range(splits, -1, -1) if weight_bits <= piece_bits(split))


def digits(value: Whole, bits: int) -> list[Whole]:
    """Of a weight, or of an array of weights, of a width; lowest first.

    >>> digits(127, 8), digits(-128, 8), digits(7, 4), digits(-2, 2)
    ([-1, 0, 0, 2], [0, 0, 0, -2], [-1, 2], [-2])
    """
    found = []
    for _ in range(bits // DIGIT_PLACE_BITS - 1):
        digit = (value + 2) % 4 - 2
        found.append(digit)
        value = (value - digit) // 4
    return [*found, value]
