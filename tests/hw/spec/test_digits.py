import numpy as np
import pytest

from hw.spec.digits import POOL_WEIGHT, digits, piece_bits, split_for


@pytest.mark.parametrize("count, split", [(4, 0), (4, 1), (4, 2), (2, 0), (2, 1)])
def test_the_digits_of_a_weight_are_the_weight(count, split):
    bits, base = piece_bits(split), 256 ** (1 / count)
    for value in range(-1 << bits - 1, 1 << bits - 1):
        found = digits(value, bits, count)
        assert len(found) << split == count
        assert sum(digit * base ** place for place, digit in enumerate(found)) == value
        assert all(-base <= 2 * digit < base for digit in found[:-1]) and abs(2 * found[-1]) <= base, value


@pytest.mark.parametrize("count", [4, 2])
def test_those_of_an_array_are_those_of_its_elements(count):
    values = np.arange(-128, 128)
    assert [list(map(int, one)) for one in zip(*digits(values, 8, count), strict=True)] == [
        digits(int(value), 8, count) for value in values]


@pytest.mark.parametrize("count", [4, 2])
def test_the_weight_of_pools_has_its_last_digit_only(count):
    *others, last = digits(POOL_WEIGHT, 8, count)
    assert not any(others) and last > 0


def test_a_weight_has_the_smallest_piece_that_holds_it():
    assert [[split_for(bits, splits) for bits in (1, 2, 3, 4, 5, 8)] for splits in (0, 1, 2)] == [
        [0] * 6, [1, 1, 1, 1, 0, 0], [2, 2, 1, 1, 0, 0]]
