"""Every kind passes one suite; kinds that err are compared with their published definitions, written another way."""

import math

import pytest

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.multipliers import MULTIPLIERS, MultiplierKind, product, product_table, weight_code, weight_value
from hw.spec.multipliers.broken_array import break_levels

CASES = [(kind, weight_bits) for kind in MULTIPLIERS.values() for weight_bits in kind.product_bits]
each_case = pytest.mark.parametrize("kind, weight_bits", CASES, ids=[f"{kind.name}-{bits}" for kind, bits in CASES])
ACTS = range(-128, 128)


def broken_laws(kind, weight_bits):
    """What the engine builds on and a kind does not keep."""
    def times(act, weight):
        return product(kind, act, weight, weight_bits=weight_bits)
    weights = kind.weights(weight_bits)
    for act_bits in kind.act_bits:
        limit = 1 << act_bits + weight_bits - 1
        acts = range(-1 << act_bits - 1, 1 << act_bits - 1)
        if not all(-limit <= times(act, weight) < limit for act in acts for weight in weights):
            yield "a product needs more bits than both operands"     # -128 * -1 of a binary weight needs 9
    if any(times(0, weight) for weight in weights) or 0 in weights and any(times(act, 0) for act in ACTS):
        yield "zero times something is not zero"
    pool = 1 << max(0, weight_bits - 2)
    if any(times(act, pool) != act * pool for act in ACTS):
        yield "a pool errs"


@each_case
def test_the_engine_can_build_on_it(kind, weight_bits):
    assert list(broken_laws(kind, weight_bits)) == []


@pytest.mark.parametrize("times, law", [
    (lambda act, weight, bits: act * weight + 1, "zero times something is not zero"),
    (lambda act, weight, bits: act * weight - (act == weight == 64), "a pool errs"),
    (lambda act, weight, bits: act * weight + (32768 if act == weight == 127 else 0),
     "a product needs more bits than both operands")])
def test_a_law_that_is_not_kept_is_seen(times, law):
    assert law in broken_laws(MultiplierKind(name="wrong", uses_dsp=False, times=times), 8)


@each_case
def test_what_is_exact_is_known(kind, weight_bits):
    errs = any(product(kind, act, weight, weight_bits=weight_bits) != act * weight
               for act in ACTS for weight in kind.weights(weight_bits))
    assert kind.exact(weight_bits) is not errs


def test_kinds_that_err():
    assert [f"{kind.name} {bits}" for kind, bits in CASES if not kind.exact(bits)] == [
        "broken 8", "broken 4", "mitchell 8", "mitchell 4", "trunc 8", "trunc 4", "underdesigned 8", "underdesigned 4"]


def bits_of(value, count):
    """Two's complement bits with their weights: the last one is negative."""
    return [(value >> place & 1) * (-(1 << place) if place == count - 1 else 1 << place) for place in range(count)]


def matrix(act, weight, weight_bits, kept):
    """Sum of the bit products that ``kept`` (activation's place, weight's place) keeps."""
    return sum(a * w for i, a in enumerate(bits_of(act, 8)) for j, w in enumerate(bits_of(weight, weight_bits))
               if kept(i, j))


def truncated(act, weight, weight_bits):
    return matrix(act, weight, weight_bits, lambda i, j: i + j >= weight_bits - 2)


def broken(act, weight, weight_bits):
    horizontal, vertical = break_levels(weight_bits)
    return matrix(act, weight, weight_bits, lambda i, j: j >= horizontal and i + j >= vertical)


def underdesigned(act, weight, weight_bits):
    """As the paper builds it: four of half the size, down to blocks of two bits."""
    def size(a, b, bits):
        if bits == 2:
            return 7 if a == b == 3 else a * b
        half = bits // 2
        (a1, a0), (b1, b0) = divmod(a, 1 << half), divmod(b, 1 << half)
        return size(a0, b0, half) + (size(a0, b1, half) + size(a1, b0, half) << half) + (size(a1, b1, half) << bits)
    found = size(abs(act), abs(weight), 8)
    return found if act * weight >= 0 else -found


def mitchell(act, weight, weight_bits):
    """In real numbers, by the two cases of the paper."""
    if not act * weight:
        return 0
    k1, k2 = (math.floor(math.log2(abs(n))) for n in (act, weight))
    x1, x2 = abs(act) / 2 ** k1 - 1, abs(weight) / 2 ** k2 - 1
    size = math.floor(2.0 ** (k1 + k2) * (1 + x1 + x2) if x1 + x2 < 1 else 2.0 ** (k1 + k2 + 1) * (x1 + x2))
    return size if act * weight > 0 else -size


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("name, definition", [
    ("trunc", truncated), ("broken", broken), ("underdesigned", underdesigned), ("mitchell", mitchell)])
def test_a_kind_that_errs_is_what_was_published(name, definition, bits):
    kind = MULTIPLIERS[name]
    for act in ACTS:
        for weight in kind.weights(bits):
            assert product(kind, act, weight, weight_bits=bits) == definition(act, weight, bits), (act, weight)


@pytest.mark.parametrize("name, most", [("trunc", 321), ("broken", 577), ("underdesigned", 882), ("mitchell", 1024)])
def test_how_far_a_product_is_off(name, most):
    off = [abs(product(MULTIPLIERS[name], act, weight) - act * weight) for act in ACTS for weight in ACTS]
    assert max(off) == most


def test_the_logarithm_is_a_ninth_too_small_at_most():
    assert all(0 <= act * weight - product(MULTIPLIERS["mitchell"], act, weight) < act * weight / 9 + 1
               for act in range(1, 128) for weight in range(1, 128))


@each_case
def test_the_table_has_every_product_in_order(kind, weight_bits):
    table = product_table(kind, weight_bits)
    values = sorted(weight_value(code, weight_bits) for code in range(1 << weight_bits))
    assert [len(row) for row in table] == [len(values)] * 256
    for act in (-128, -3, 0, 77, 127):
        assert list(table[act + 128]) == [product(kind, act, value, weight_bits=weight_bits) for value in values]


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
