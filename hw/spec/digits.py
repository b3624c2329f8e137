"""Weights in signed digits, as elements of scalable precision take them (multiplier kinds with ``digits``).

A byte holds one weight of 8 bits, two of 4 or four of 2: it is *split* 0, 1 or 2 times, and its *pieces*, lowest bits
first, belong to output channels of their own. Each piece is a sum of ``digit * base ** n``. A byte has four digits of
base 4 or two of base 16, and is split no further than its digits. A digit is ``-base / 2`` to ``base / 2 - 1``, the
last one of a piece also ``base / 2``, so that the digits of a byte are products of one shape however it is split.
"""

from typing import Protocol, Self, TypeVar

__all__ = ["POOL_WEIGHT", "digits", "piece_bits", "place_bits", "split_for", "splits_for"]

BYTE_BITS = 8
POOL_WEIGHT = 64    # of all pools with weights of 8 bits; it has one digit, the last


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
    return BYTE_BITS >> split


def place_bits(count: int) -> int:
    """From a digit to the next, of so many in a byte.

    >>> [place_bits(count) for count in (4, 2)]
    [2, 4]
    """
    return BYTE_BITS // count


def splits_for(count: int) -> int:
    """How often a byte of so many digits may be split.

    >>> [splits_for(count) for count in (4, 2, 1)]
    [2, 1, 0]
    """
    return count.bit_length() - 1


def split_for(weight_bits: int, splits: int) -> int:
    """The most splits, of so many at most, whose pieces hold weights of such a width; a binary weight takes two bits.

    >>> [split_for(bits, 2) for bits in (8, 5, 4, 3, 2, 1)]
    [0, 0, 1, 1, 2, 2]
    """
    return next(split for split in range(splits, -1, -1) if weight_bits <= piece_bits(split))


def digits(value: Whole, bits: int, count: int) -> list[Whole]:
    """Of a weight, or of an array of weights, of a width, where a byte has ``count``; lowest first.

    >>> digits(127, 8, 4), digits(-128, 8, 4), digits(7, 4, 4), digits(-2, 2, 4)
    ([-1, 0, 0, 2], [0, 0, 0, -2], [-1, 2], [-2])
    >>> digits(127, 8, 2), digits(-128, 8, 2), digits(-8, 4, 2)
    ([-1, 8], [0, -8], [-8])
    """
    place = place_bits(count)
    found, base = [], 1 << place
    for _ in range(bits // place - 1):
        digit = (value + base // 2) % base - base // 2
        found.append(digit)
        value = (value - digit) // base
    return [*found, value]
