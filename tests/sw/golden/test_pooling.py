"""Means and pools; numbers are CRC-32s of what PyPI's tflite-micro gave for a file with one operator."""

from zlib import crc32

import numpy as np
import pytest

from sw.golden.kernels import OPERATORS
from sw.golden.pooling import prepare_mean
from sw.graph.layer import GraphError, TensorType
from tests.support.layers import made_kernel

#: Values of a mean, scales and zero points of input and output.
MEANS = [(9, (0.05, 3), (0.04, -7)), (1, (0.1, 0), (0.1, 0)), (49, (0.003, -128), (0.0009, -128)),
         (1000, (0.0123, 127), (0.01, 100))]
#: Kernel, stride, padding, as SAME gives them for 7 x 5 pixels.
POOLS = [((3, 2), (2, 2), (1, 0, 1, 1)), ((2, 2), (1, 1), (0, 0, 1, 1)), ((5, 4), (3, 2), (2, 1, 2, 2))]


def values(*shape):
    return np.random.default_rng(int(np.prod(shape))).integers(-128, 128, shape).astype(np.int8)


def mean_of(case):
    count, (scale, zero), (to, there) = case
    scale, to = (float(np.float32(one)) for one in (scale, to))
    taken = TensorType(shape=(3, count, 64), scale=scale, zero_point=zero)
    output = TensorType(shape=(1, 3, 64), scale=to, zero_point=there)
    layer = made_kernel("mean", output, [prepare_mean(scale, to, count)])
    return OPERATORS["mean"].batch(layer, [taken], [values(1, 3, count, 64)])[0]


def test_means_are_tensorflow_lite_micros():
    assert [crc32(mean_of(case).tobytes()) for case in MEANS] == [
        633274318, 2816259163, 3474685259, 3494447617]


def test_means_are_near_the_real_ones():
    for count, (scale, zero), (to, there) in MEANS:
        real = (values(1, 3, count, 64)[0].astype(float).mean(axis=1) - zero) * scale / to + there
        assert np.abs(mean_of((count, (scale, zero), (to, there)))[0] - np.clip(real, -128, 127)).max() <= 0.76


def test_a_scale_out_of_range_is_refused():
    with pytest.raises(GraphError, match=r"scale 1e\+07 to 1: a factor of 2\*\*22 at most; choose another output"):
        prepare_mean(1e7, 1.0, 4)


def pool_of(op, case):
    kernel, stride, padding = case
    top, left, bottom, right = padding
    size = ((7 + top + bottom - kernel[0]) // stride[0] + 1, (5 + left + right - kernel[1]) // stride[1] + 1)
    taken = TensorType(shape=(7, 5, 6), scale=0.1, zero_point=9)
    layer = made_kernel(op, TensorType(shape=(*size, 6), scale=0.1, zero_point=9), stride=stride, padding=padding,
                        weights=np.zeros((*kernel, 0), np.int8))
    return OPERATORS[op].batch(layer, [taken], [values(1, 7, 5, 6)])[0]


@pytest.mark.parametrize("op, wanted", [
    ("avgpool", [561214396, 3601202780, 598064355]), ("maxpool", [2648716032, 752141295, 337958311])])
def test_padded_pools_are_tensorflow_lite_micros(op, wanted):
    assert [crc32(pool_of(op, case).tobytes()) for case in POOLS] == wanted


def test_only_taps_inside_count():
    whole = pool_of("avgpool", POOLS[1])
    data = values(1, 7, 5, 6)[0].astype(int)
    corner = data[6, 4]
    assert whole[6, 4].tolist() == corner.tolist()
    pair = data[6, 0:2].sum(axis=0)
    assert whole[6, 0].tolist() == (np.sign(pair) * ((np.abs(pair) + 1) // 2)).tolist()
