"""Log-softmax; numbers are CRC-32s of what PyPI's tflite-micro gave for a file with one operator."""

from zlib import crc32

import numpy as np
import pytest

from sw.golden.kernels import OPERATORS
from sw.golden.log_softmax import prepare_log_softmax
from sw.graph.layer import GraphError, TensorType
from tests.support.layers import made_kernel

CASES = [(0.1, 10), (0.0039, 2), (1.7, 33), (0.25, 300)]


def rows(channels):
    data = np.random.default_rng(channels).integers(-128, 128, (1, 8, channels)).astype(np.int8)
    data[0, 0], data[0, 1], data[0, 2] = -128, 127, np.where(np.arange(channels) == 1, 127, -128)
    return data


def answer(scale, channels):
    scale = float(np.float32(scale))
    taken = TensorType(shape=(1, 8, channels), scale=scale, zero_point=4)
    layer = made_kernel("log_softmax", TensorType(shape=taken.shape, scale=1 / 16, zero_point=127),
                        prepare_log_softmax(scale))
    return OPERATORS["log_softmax"].batch(layer, [taken], [rows(channels)[None]])[0]


def test_rows_are_tensorflow_lite_micros():
    assert [crc32(answer(*case).tobytes()) for case in CASES] == [
        797912619, 2796855598, 3490686620, 783416461]


@pytest.mark.parametrize("scale, channels", CASES)
def test_rows_are_near_the_real_logarithms(scale, channels):
    real = scale * rows(channels).astype(float)
    real -= real.max(axis=-1, keepdims=True)
    real -= np.log(np.exp(real).sum(axis=-1, keepdims=True))
    assert np.abs(answer(scale, channels) - np.clip(16 * real + 127, -128, 127)).max() <= 0.51


@pytest.mark.parametrize("scale", [0.0, 2.0**-27, 2.0**-26])
def test_a_scale_out_of_range_is_refused(scale):
    with pytest.raises(GraphError, match=r"a (log_)?softmax takes (at least|more than) 2\*\*-26"):
        prepare_log_softmax(scale)
