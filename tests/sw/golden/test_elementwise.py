"""Operators of two operands; numbers are CRC-32s of what PyPI's tflite-micro gave for a file with one operator."""

from zlib import crc32

import numpy as np
import pytest

from sw.golden.elementwise import prepare_add, prepare_mul, prepare_prelu
from sw.golden.kernels import OPERATORS
from sw.graph.layer import GraphError, TensorType
from tests.support.layers import made_kernel

#: Scales and zero points of both operands and the output.
CASES = [((0.05, 3), (0.04, -7), (0.08, 5)), ((0.003, -128), (0.9, 127), (0.7, 0)), ((0.1, 0), (0.1, 0), (0.1, 0)),
         ((0.021, -20), (0.007, 90), (0.011, -128))]
PREPARE = {"add": prepare_add, "sub": prepare_add, "mul": prepare_mul, "prelu": prepare_prelu}
VALUES = np.arange(-128, 128, dtype=np.int8)


def types(case):
    shapes = (256, 1, 1), (1, 1, 256), (256, 1, 256)
    return [TensorType(shape=shape, scale=float(np.float32(scale)), zero_point=zero)
            for shape, (scale, zero) in zip(shapes, case, strict=True)]


def of_every_pair(op, case):
    *taken, output = types(case)
    pairs = PREPARE[op](*(kind.scale for kind in (*taken, output))) if op in PREPARE else []
    layer = made_kernel(op, output, pairs)
    data = [VALUES.reshape(1, *kind.shape) for kind in taken]
    return OPERATORS[op].batch(layer, taken, data)[0]


@pytest.mark.parametrize("op, wanted", [
    ("add", [787967026, 3228610645, 4262732367, 373652483]),
    ("sub", [528813622, 3451829468, 1392845054, 1028971471]),
    ("mul", [541533307, 1164343895, 515916116, 2943602166]),
    ("prelu", [899353950, 1877942592, 1539466403, 1141661281])])
def test_every_pair_of_values_is_tensorflow_lite_micros(op, wanted):
    assert [crc32(of_every_pair(op, case).tobytes()) for case in CASES] == wanted


@pytest.mark.parametrize("op, function, near", [
    ("add", np.add, 0.52), ("sub", np.subtract, 0.52), ("mul", np.multiply, 0.76),
    ("prelu", lambda x, slope: np.where(x < 0, x * slope, x), 0.76)])
def test_every_pair_is_near_the_real_result(op, function, near):
    for case in CASES:
        first, second, output = types(case)
        real = [kind.scale * (VALUES.astype(float) - kind.zero_point) for kind in (first, second)]
        wanted = function(real[0][:, None, None], real[1][None, None]) / output.scale + output.zero_point
        assert np.abs(of_every_pair(op, case) - np.clip(wanted, -128, 127)).max() <= near


def test_maximum_and_minimum_choose_bytes():
    case = [(0.1, 5)] * 3
    assert np.array_equal(of_every_pair("maximum", case)[:, 0], np.maximum.outer(VALUES, VALUES))
    assert np.array_equal(of_every_pair("minimum", case)[:, 0], np.minimum.outer(VALUES, VALUES))


def test_operands_of_fewer_dimensions_broadcast():
    rng = np.random.default_rng(0)
    four, three = (TensorType(shape=shape, scale=0.1, zero_point=0) for shape in ((2, 3, 1, 5), (1, 4, 1)))
    output = TensorType(shape=(2, 3, 4, 5), scale=0.1, zero_point=0)
    data = [rng.integers(-128, 128, (2, *kind.shape)).astype(np.int8) for kind in (four, three)]
    layer = made_kernel("maximum", output)
    assert np.array_equal(OPERATORS["maximum"].batch(layer, [four, three], data),
                          np.maximum(data[0], data[1][:, None]))


def test_a_sum_that_would_be_scaled_up_is_refused():
    with pytest.raises(GraphError, match=r"scales 1 and 2 to 1e-06: a factor below 2\*\*19; choose another output"):
        prepare_add(1.0, 2.0, 1e-6)
