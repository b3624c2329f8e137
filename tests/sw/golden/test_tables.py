"""Tables of activations against PyPI's tflite-micro: numbers are CRC-32s of the 256 outputs of a file with one
operator that it ran."""

from zlib import crc32

import numpy as np
import pytest

from sw.golden.tables import (
    elu_table,
    hard_swish_table,
    leaky_relu_table,
    logistic_table,
    relu6_table,
    relu_n1_to_1_table,
    relu_table,
    rescale_table,
    tanh_table,
)
from sw.graph.layer import GraphError, TensorType

CASES = [(0.05, 3, 0.04, -7), (0.003, -128, 0.002, -128), (0.9, 100, 0.31, 5), (0.0123, -1, 0.07, 127)]
VALUES = np.arange(-128, 128)


def kind(scale, zero, dtype="int8"):
    return TensorType(shape=(1, 1, 256), scale=scale, zero_point=zero, dtype=dtype)


def types(case, given=None):
    return kind(*case[:2]), given or kind(*case[2:])


@pytest.mark.parametrize("table, given, wanted", [
    (logistic_table, kind(1 / 256, -128), [3661578188, 1694039414, 4277096707, 3159195809]),
    (tanh_table, kind(1 / 128, 0), [1959743278, 819897572, 530571046, 483052384]),
    (relu_table, None, [3428657734, 177899996, 3466828015, 2950893963]),
    (elu_table, None, [861960905, 2467875703, 471667473, 342722182]),
    (hard_swish_table, None, [1419253169, 2575251177, 1399005707, 1116994308]),
    (rescale_table, None, [3164066092, 177899996, 1013536530, 1193839311])])
def test_every_entry_is_tensorflow_lite_micros(table, given, wanted):
    assert [crc32(table(*types(case, given)).tobytes()) for case in CASES] == wanted


def test_relu6_is_tensorflow_lite_micros():
    assert [crc32(relu6_table(*[kind(*case[:2])] * 2).tobytes()) for case in CASES] == [
        1502785625, 2018391513, 804969732, 3219190074]


@pytest.mark.parametrize("alpha, wanted", [
    (0.1, [1166463467, 177899996, 211359032, 1635105464]), (0.3, [2138077747, 177899996, 3663905289, 72111322]),
    (-0.25, [850346826, 177899996, 682107831, 2950893963]), (1.5, [1536256242, 177899996, 3571355583, 613765612])])
def test_leaky_relu_is_tensorflow_lite_micros(alpha, wanted):
    assert [crc32(leaky_relu_table(*types(case), alpha).tobytes()) for case in CASES] == wanted


def test_quantize_from_and_to_uint8_is_tensorflow_lite_micros():
    found = [[crc32(rescale_table(kind(scale, zero + 128, "uint8"), kind(to, there)).tobytes()),
              crc32(rescale_table(kind(scale, zero), kind(to, there + 128, "uint8")).tobytes())]
             for scale, zero, to, there in CASES]
    assert found == [[1214938119, 3990644870], [3453674857, 1540436086], [1832178502, 1831005880],
                     [808141867, 375599973]]


def real(kind):
    return kind.scale * (VALUES - kind.zero_point)


@pytest.mark.parametrize("table, given, function, near", [
    (logistic_table, kind(1 / 256, -128), lambda x: 1 / (1 + np.exp(-x)), 0.51),
    (tanh_table, kind(1 / 128, 0), np.tanh, 0.51),
    (relu_table, None, lambda x: np.maximum(x, 0), 0.76),
    (relu_n1_to_1_table, None, lambda x: np.clip(x, -1, 1), 0.76),
    (elu_table, None, lambda x: np.where(x < 0, np.expm1(x), x), 0.51),
    (hard_swish_table, None, lambda x: x * np.clip(x + 3, 0, 6) / 6, 1.1),
    (lambda *kinds: leaky_relu_table(*kinds, 0.2), None, lambda x: np.where(x < 0, 0.2 * x, x), 0.76)])
def test_every_entry_is_near_the_real_function(table, given, function, near):
    for case in CASES:
        taken, made = types(case, given)
        wanted = np.clip(function(real(taken)) / made.scale + made.zero_point, -128, 127)
        got = table(taken, made)
        assert got.dtype == np.int8 and np.abs(got - wanted).max() <= near


@pytest.mark.parametrize("table, taken, given, text", [
    (logistic_table, kind(0.1, 0), kind(1 / 256, 0), "zero point 0 of a logistic; it gives scale 1/256 and zero point"),
    (tanh_table, kind(0.1, 0), kind(1 / 128, 1), "zero point 1 of a tanh; it gives scale 1/128 and zero point 0"),
    (tanh_table, kind(1e-9, 0), kind(1 / 128, 0), r"scale 1e-09: a logistic or tanh takes 2\*\*-27 to 16"),
    (relu6_table, kind(0.1, 0), kind(0.2, 0), "scale 0.1 to 0.2, zero point 0 to 0: a RELU6 on its own keeps them"),
    (relu_table, kind(1e7, 0), kind(1.0, 0), r"scale 1e\+07 to 1: a factor of 2\*\*22 at most"),
    (hard_swish_table, kind(1000.0, 0), kind(1.0, 0), r"a hard_swish takes a factor from 2\*\*-9 to 2\*\*7"),
    (relu_table, kind(float("nan"), 0), kind(1.0, 0), "scale factor nan: must be a number of 0 or more")])
def test_what_no_kernel_computes_is_refused(table, taken, given, text):
    with pytest.raises(GraphError, match=text):
        table(taken, given)


def test_scales_are_divided_in_64_bits():
    """In 32 bits this ratio is 1.5, and halves are rounded up; in truth it is a little less."""
    taken, given = kind(0.003, -128), kind(0.002, -128)
    assert np.float32(0.003) / np.float32(0.002) == 1.5 > float(np.float32(0.003)) / float(np.float32(0.002))
    assert [relu_table(taken, given)[n] for n in (1, 3)] == [-127, -124]
