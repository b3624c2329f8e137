import pytest

from hw.spec.multipliers import MULTIPLIERS, product


@pytest.mark.parametrize("weight_bits", [8, 4, 2])
@pytest.mark.parametrize("kind", MULTIPLIERS.values(), ids=MULTIPLIERS)
def test_truncation_is_one_sided_and_keeps_zero(kind, weight_bits):
    limit = 1 << weight_bits - 1
    dropped = kind.dropped_columns(weight_bits)
    most = sum((column + 1) << column for column in range(dropped))
    for act in range(-128, 128):
        for weight in range(-limit, limit):
            error = act * weight - product(kind, act, weight, weight_bits=weight_bits)
            assert 0 <= error <= most
            if not (act and weight) or kind.exact(weight_bits):
                assert error == 0


def test_the_truncated_kind_does_err():
    assert product(MULTIPLIERS["trunc"], 7, 3) != 21
