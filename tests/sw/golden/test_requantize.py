from zlib import crc32

import numpy as np
import pytest

from sw.golden.requantize import prepare_requantize, requantize_table, requantize_value
from sw.graph.graph import GraphError, Layer, TensorType

KIND = TensorType(shape=(1, 1, 4), scale=0.1, zero_point=0)


def layer(multiplier, shift, zero=0, **fields):
    output = TensorType(shape=(1, 1, 4), scale=0.2, zero_point=zero)
    return Layer(**{"name": "again", "op": "requantize", "output": output,
                    "weights": np.zeros(0, np.int8), "bias": np.zeros(0, np.int32),
                    "multiplier": np.array([multiplier], np.int32), "shift": np.array([shift], np.int32)} | fields)


@pytest.mark.parametrize("taken, given", [(0.1, 0.1), (0.1, 0.23), (0.07, 0.0123), (1.0, 2.0**-8), (0.003, 4.0)])
@pytest.mark.parametrize("zeros", [(0, 0), (-128, 127), (13, -5)])
def test_it_is_the_value_at_the_other_scale_rounded_twice(taken, given, zeros):
    made = layer(*prepare_requantize(taken, given), zeros[1])
    got = requantize_table(made, TensorType(shape=(1, 1, 4), scale=taken, zero_point=zeros[0]))
    real = np.clip((np.arange(-128, 128) - zeros[0]) * taken / given + zeros[1], -128, 127)
    assert got.dtype == np.int8 and np.abs(got - real).max() <= 0.75


def test_a_half_is_rounded_up_then_away_from_zero():
    """The multiplication's rounding comes first, as in gemmlowp: 1 * 0.5 is 1 after it, and -1 * 0.5 is 0."""
    half = layer(1 << 30, 0)
    assert [requantize_value(half, KIND, value) for value in (1, -1, 3, -3)] == [1, 0, 2, -1]
    quarter = layer(1 << 30, 1)
    assert [requantize_value(quarter, KIND, value) for value in (1, -1, 2, -2, 3, -3)] == [1, 0, 1, -1, 1, -1]


def test_equal_scales_move_the_zero_point():
    assert prepare_requantize(0.25, 0.25) == (1 << 30, -1)
    made = layer(1 << 30, -1, 7)
    assert [requantize_value(made, KIND, value) for value in (-128, 0, 5, 120, 121)] == [-121, 7, 12, 127, 127]


def test_the_clamp_holds():
    table = requantize_table(layer(1 << 30, -3, act_min=-9, act_max=11), KIND)
    assert (table.min(), table.max()) == (-9, 11)


def test_what_leaves_the_range():
    assert prepare_requantize(2.0**21.5, 1.0)[1] == -22
    assert prepare_requantize(1e-12, 1.0) == (0, 0)      # TFLite flushes it to the zero point
    with pytest.raises(GraphError, match=r"scale 8.38861e\+06 to 1: a factor of 2\*\*22 at most; choose another"):
        prepare_requantize(2.0**23, 1.0)
    with pytest.raises(GraphError, match="scales 0 and 1: must be positive"):
        prepare_requantize(0, 1.0)


@pytest.mark.parametrize("taken, given, zero, to, wanted", [
    (0.1, 0.1, 3, 3, 2018391513), (0.1, 0.23, 3, -7, 2701739150), (0.07, 0.0123, -128, 127, 2950893963),
    (1.0, 0.00390625, 0, 0, 765027583), (0.003, 4.0, 1, -2, 2450303679), (0.5, 0.25, -128, -128, 1624085044),
    (0.00390625, 0.0146, -128, 9, 120419427)])
def test_every_value_is_what_tensorflow_lite_micro_gives(taken, given, zero, to, wanted):
    """``wanted`` is the CRC-32 of the 256 outputs of a file with one QUANTIZE, run by PyPI's tflite-micro."""
    scales = np.float64(np.float32([taken, given]))      # a file holds them in 32 bits
    made = layer(*prepare_requantize(*scales), to)
    table = requantize_table(made, TensorType(shape=(1, 1, 4), scale=taken, zero_point=zero))
    assert crc32(table.tobytes()) == wanted
