import numpy as np
import pytest

from sw.golden.softmax import prepare_softmax, softmax, softmax_row
from sw.graph.graph import GraphError, Layer, TensorType

EMPTY = np.zeros(0, np.int32)


def layer(scale, beta=1.0, shape=(1, 1, 10)):
    multiplier, shift = prepare_softmax(beta, scale)
    return Layer(name="softmax", op="softmax", weights=np.zeros(0, np.int8), bias=EMPTY,
                 output=TensorType(shape=shape, scale=1 / 256, zero_point=-128),
                 multiplier=np.array([multiplier], np.int32), shift=np.array([shift], np.int32))


@pytest.mark.parametrize("scale, shape", [
    (0.1447, (1, 1, 12)), (0.0146, (1, 1, 2)), (0.5, (3, 2, 5)), (1e-6, (1, 1, 7)), (8.0, (1, 1, 9)), (0.2, (1, 1, 1)),
    (0.0, None)])
def test_fast_equals_the_plain_definition_and_the_real_softmax(scale, shape):
    if shape is None:
        with pytest.raises(GraphError, match=r"beta 1 times scale 0: a softmax takes at least 2\*\*-26"):
            prepare_softmax(1.0, scale)
        return
    one = layer(scale, shape=shape)
    data = np.random.default_rng(1).integers(-128, 128, (40, *shape)).astype(np.int8)
    data[0], data[1] = -128, 127
    data[2, ..., 0], data[2, ..., 1:] = 127, -128
    got = softmax(one, data)
    assert got.dtype == np.int8
    rows = data.reshape(-1, shape[2])
    assert got.reshape(rows.shape).tolist() == [softmax_row(one, row) for row in rows.tolist()]
    real = np.exp(scale * (rows.astype(float) - rows.max(1, keepdims=True)))
    wanted = np.clip(np.round(real / real.sum(1, keepdims=True) * 256) - 128, -128, 127)
    assert np.abs(got.reshape(rows.shape) - wanted).max() <= 1


def test_beta_and_scale_are_one_factor():
    assert prepare_softmax(2.0, 0.25) == prepare_softmax(1.0, 0.5) == (1 << 30, 26)


def test_a_factor_just_below_a_power_of_two_is_rounded_up():
    assert prepare_softmax(1.0, 0.5 - 2.0**-40) == (1 << 30, 26)


def test_a_wrong_shift_or_multiplier_is_seen():
    one = layer(0.1447)
    data = np.random.default_rng(2).integers(-40, 40, (50, 1, 1, 10)).astype(np.int8)
    for field, wrong in (("shift", one.shift - 1), ("multiplier", one.multiplier // 100 * 99)):
        other = Layer(**{**vars(one), field: wrong})
        assert not np.array_equal(softmax(one, data), softmax(other, data)), field
