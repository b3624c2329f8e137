import random
from fractions import Fraction
from math import floor

import pytest

from hw.spec.errors import SpecError
from hw.spec.requant import check_variant, doubling_high_multiply, requantize, rounding_shift


def gemmlowp_high_multiply(value, multiplier):
    """The published definition: nudge by sign, then C's division, which truncates."""
    product = value * multiplier
    total = product + ((1 << 30) if product >= 0 else 1 - (1 << 30))
    return abs(total) // (1 << 31) * (1 if total >= 0 else -1)


def test_high_multiply_equals_the_published_definition():
    rng = random.Random(1)
    ties = [(sign * (1 << 20) * odd, 1 << 10) for odd in range(1, 64, 2) for sign in (1, -1)]
    cases = ties + [(rng.randint(-2**31, 2**31 - 1), rng.randrange(2**31)) for _ in range(2000)]
    for value, multiplier in cases:
        assert doubling_high_multiply(value, multiplier) == gemmlowp_high_multiply(value, multiplier)


def test_rounding_shift_rounds_half_away_from_zero():
    for value in range(-40, 41):
        for shift in range(5):
            exact = Fraction(abs(value), 1 << shift)
            assert rounding_shift(value, shift) == floor(exact + Fraction(1, 2)) * (1 if value >= 0 else -1)


def test_requantize_clamps_and_wraps():
    fields = {"multiplier": 1 << 30, "shift": 0, "zero": 3, "low": -128, "high": 100}
    assert requantize(10, bias=0, **fields) == 8
    assert requantize(10**6, bias=0, **fields) == 100
    assert requantize(1, bias=2**31 - 1, **fields) == -128


def test_a_requantizer_that_does_not_exist_says_what_there_is():
    with pytest.raises(SpecError, match="^requantizer_dsps=4, requantizer_cycles=2: a requantizer of 2 cycles per "
                                        "output has 2 or 0 multiplier blocks; change one of the two$"):
        check_variant(cycles=2, dsps=4)
    with pytest.raises(SpecError, match="^requantizer_cycles=3: choose 1, 2 or 4$"):
        check_variant(cycles=3, dsps=0)
