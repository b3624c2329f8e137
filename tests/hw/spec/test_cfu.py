import pytest

from hw.spec.cfu import CFU_INSTRUCTIONS, cfu_result, to_signed
from hw.spec.requant import requantize


def result(name, a, b):
    return to_signed(cfu_result(CFU_INSTRUCTIONS[name].function_id, a, b))


def test_function_ids_are_distinct():
    ids = [entry.function_id for entry in CFU_INSTRUCTIONS.values()]
    assert len(set(ids)) == len(ids)


def test_dot_products_at_the_extremes():
    assert result("DOT4", 0x80808080, 0x80808080) == 4 * 128 * 128
    assert result("DOT4_OFFSET", 0x7F7F7F7F, 0x80808080) == 4 * 255 * -128
    assert result("DOT4_OFFSET", 0x80808080, 0x7F7F7F7F) == 0


@pytest.mark.parametrize("acc", [-(1 << 31), -77777, -1, 0, 1, 12345, (1 << 31) - 1])
def test_scale_and_shift_are_the_requantizer(acc):
    scaled = result("ROUND_SHIFT", result("SCALE", acc, 0x5A82799A), 7)
    assert max(-128, min(127, scaled - 3)) == requantize(acc, bias=0, multiplier=0x5A82799A, shift=7, zero=-3,
                                                         low=-128, high=127)


def test_an_unassigned_function_answers_zero():
    assert cfu_result(0x3FF, 1, 2) == 0
