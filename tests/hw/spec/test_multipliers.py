import pytest

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS, product, weight_code, weight_value

CASES = [(kind, weight_bits) for kind in MULTIPLIERS.values() for weight_bits in kind.weight_bits]


@pytest.mark.parametrize("kind, weight_bits", CASES, ids=[f"{kind.name}-{bits}" for kind, bits in CASES])
def test_truncation_is_one_sided_and_keeps_zero(kind, weight_bits):
    dropped = kind.dropped_columns(weight_bits)
    most = sum((column + 1) << column for column in range(dropped))
    for act in range(-128, 128):
        for weight in kind.weights(weight_bits):
            error = act * weight - product(kind, act, weight, weight_bits=weight_bits)
            assert 0 <= error <= most
            if not (act and weight) or kind.exact(weight_bits):
                assert error == 0


def test_the_truncated_kind_does_err():
    assert product(MULTIPLIERS["trunc"], 7, 3) != 21


@pytest.mark.parametrize("kind, weight_bits", CASES, ids=[f"{kind.name}-{bits}" for kind, bits in CASES])
def test_a_product_fits_both_operands_bits(kind, weight_bits):
    """-128 * -1 of a binary weight needs 9 bits."""
    for act_bits in kind.act_bits:
        limit = 1 << act_bits + weight_bits - 1
        found = [product(kind, act, weight, weight_bits=weight_bits)
                 for act in (-1 << act_bits - 1, (1 << act_bits - 1) - 1) for weight in kind.weights(weight_bits)]
        assert -limit <= min(found) and max(found) < limit


@pytest.mark.parametrize("weight_bits", [8, 4, 2, 1])
def test_weights_survive_coding(weight_bits):
    values = MULTIPLIERS["lut"].weights(weight_bits)
    codes = [weight_code(value, weight_bits) for value in values]
    assert len(values) == 1 << weight_bits and sorted(codes) == list(range(1 << weight_bits))
    assert tuple(weight_value(code, weight_bits) for code in codes) == values


def test_a_binary_weight_is_a_sign():
    assert (weight_value(1, 1), weight_value(0, 1), weight_code(-1, 1), weight_code(1, 1)) == (-1, 1, 1, 0)


@pytest.mark.parametrize("fields, text", [
    ({"multiplier": "packed"}, r"multiplier='packed': takes weight_bits 4 or 2 or 1, not 8; change weight_bits or"),
    ({"multiplier": "ternary", "weight_bits": 4}, r"multiplier='ternary': takes weight_bits 2, not 4; change"),
    ({"multiplier": "packed", "weight_bits": 4, "cols": 1},
     r"multiplier='packed': 2 neighbouring cols share a multiplier, and cols=1; choose a multiple of 2 or another"),
    ({"multiplier": "mac16", "memory": "spram", "rows": 4, "lanes": 1},
     r"multiplier='mac16': 2 neighbouring lanes share a multiplier, and lanes=1; choose a multiple of 2 or another"),
])
def test_a_design_that_a_kind_cannot_build(fields, text):
    with pytest.raises(SpecError, match=text):
        DesignPoint(**fields)


@pytest.mark.parametrize("kind", MULTIPLIERS.values(), ids=MULTIPLIERS)
def test_every_kind_has_a_design(kind):
    for weight_bits in kind.weight_bits:
        design = DesignPoint(multiplier=kind.name, weight_bits=weight_bits, rows=1, lanes=8)
        assert design.weight_bits in kind.weight_bits
