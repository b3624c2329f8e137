import numpy as np
import pytest

from hw.spec.digits import DIGITS, digits, piece_bits, split_for


@pytest.mark.parametrize("split", [0, 1, 2])
def test_the_digits_of_a_weight_are_the_weight(split):
    bits = piece_bits(split)
    for value in range(-1 << bits - 1, 1 << bits - 1):
        found = digits(value, bits)
        assert len(found) << split == DIGITS
        assert sum(digit * 4 ** place for place, digit in enumerate(found)) == value
        assert all(-2 <= digit <= 1 for digit in found[:-1]) and -2 <= found[-1] <= 2, value


def test_those_of_an_array_are_those_of_its_elements():
    values = np.arange(-128, 128)
    assert [list(map(int, one)) for one in zip(*digits(values, 8), strict=True)] == [
        digits(int(value), 8) for value in values]


def test_a_weight_has_the_smallest_piece_that_holds_it():
    assert [[split_for(bits, splits) for bits in (1, 2, 3, 4, 5, 8)] for splits in (0, 1, 2)] == [
        [0] * 6, [1, 1, 1, 1, 0, 0], [2, 2, 1, 1, 0, 0]]
