"""Between int8 and float32; numbers are CRC-32s of what PyPI's tflite-micro gave for a file with one operator."""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

from sw.golden.convert import scale_parts
from sw.golden.kernels import OPERATORS
from sw.graph.layer import GraphError, TensorType
from tests.support.layers import made_kernel

CASES = [(0.05, 3), (0.003, -128), (1 / 3, 127), (7.7, 0), (1e-5, -1)]
REAL = TensorType(shape=(1, 1, 256), scale=1.0, zero_point=0, dtype="float32")
BYTES = np.arange(-128, 128, dtype=np.int8).reshape(1, 1, 1, 256)


def kind(case, size=256):
    return TensorType(shape=(1, 1, size), scale=float(np.float32(case[0])), zero_point=case[1])


def floats(case):
    """Every half between two outputs, its neighbours, and what lies between."""
    halves = (np.float32(case[0]) * (np.arange(-300, 300) + np.float64(0.5))).astype(np.float32)
    near = [np.nextafter(halves, np.float32(end)) for end in (-np.inf, np.inf)]
    between = np.random.default_rng(0).uniform(-300, 300, 500).astype(np.float32) * np.float32(case[0])
    return np.concatenate([halves, *near, between, np.float32([0, -0.0, 1e-45, -1e-40])])


def quantized(case, data):
    layer = made_kernel("quantize", kind(case, data.size))
    return OPERATORS["quantize"].batch(layer, [replace(REAL, shape=(1, 1, data.size))], [data.reshape(1, 1, 1, -1)])[0]


def real(case):
    layer = made_kernel("dequantize", REAL, act_min=-128, act_max=127)
    return OPERATORS["dequantize"].batch(layer, [kind(case)], [BYTES])[0]


def test_floats_become_tensorflow_lite_micros_bytes():
    assert [crc32(quantized(case, floats(case)).tobytes()) for case in CASES] == [
        818078779, 1420054011, 272350222, 1973064044, 1554432595]


def test_bytes_become_tensorflow_lite_micros_floats():
    assert [crc32(real(case).tobytes()) for case in CASES] == [
        3761926570, 1231326841, 1439969435, 4038131915, 765560319]


def test_there_and_back():
    for case in CASES:
        assert np.array_equal(quantized(case, real(case)).ravel(), BYTES.ravel())


def test_what_c_leaves_undefined():
    got = quantized((0.5, 7), np.float32([np.nan, -np.nan, np.inf, -np.inf, 1e30, -1e30]))
    assert got.ravel().tolist() == [7, 7, 127, -128, 127, -128]


def test_a_scale_that_overflows_gives_infinity():
    assert real((3e38, 126)).ravel()[[0, 126 + 128, 255]].tolist() == [-np.inf, 0, np.float32(3e38)]


@pytest.mark.parametrize("scale", [0.0, -1.0, 1e-40, np.inf, np.nan])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(GraphError, match=r"between float32 and int8 a scale is 2\*\*-126 to 3e38; check the file"):
        scale_parts(scale)
