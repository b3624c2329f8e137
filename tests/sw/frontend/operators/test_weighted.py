"""Weights, bias and scales of convolutions and dense layers."""

import numpy as np
import pytest

from sw.frontend.operators import weighted
from sw.graph.graph import GraphError
from tests.sw.frontend.operators.nets import lowered, tensor

WEIGHTS = np.arange(24).astype(np.int8).reshape(3, 8)


def dense(path, **fields):
    weights = {"shape": (3, 8), "data": WEIGHTS, "scale": 0.01} | fields
    return lowered(path, "FULLY_CONNECTED", [tensor((1, 8)), tensor(weights.pop("shape"), **weights), tensor((1, 3))],
                   "FullyConnectedOptions").layers[0]


def biased(path, **fields):
    bias = {"shape": (3,), "kind": "INT32", "data": np.arange(3, dtype=np.int32), "scale": 0.001} | fields
    return lowered(path, "FULLY_CONNECTED", [tensor((1, 8)), tensor((3, 8), data=WEIGHTS, scale=0.01),
                                             tensor(bias.pop("shape"), **bias), tensor((1, 3))],
                   "FullyConnectedOptions").layers[0]


def test_one_scale_and_one_a_channel(tmp_path):
    assert dense(tmp_path).multiplier.tolist() == [1374389504] * 3
    many = dense(tmp_path, scale=[0.01, 0.02, 0.04], zero=[0] * 3)
    assert (len(set(many.multiplier.tolist())), many.shift.tolist()) == (1, [6, 5, 4])


def test_scales_are_multiplied_with_64_bits(tmp_path):
    """Of 2026 on; before, the product of a dense layer's scales had 32."""
    factor = float(np.float32(0.1)) * float(np.float32(0.01)) / float(np.float32(0.1))
    assert dense(tmp_path).multiplier[0] == round(factor * 2 ** (31 + 6)) != round(
        float(np.float32(0.1) * np.float32(0.01)) / float(np.float32(0.1)) * 2 ** (31 + 6))


def test_int4_weights(tmp_path):
    packed = dense(tmp_path, kind="INT4", data=np.arange(12).astype(np.uint8))
    assert (packed.weight_bits, packed.weights.ravel()[:6].tolist()) == (4, [0, 0, 1, 0, 2, 0])


def test_a_bias(tmp_path):
    assert biased(tmp_path).bias.tolist() == [0, 1, 2]
    assert dense(tmp_path).bias.tolist() == [0, 0, 0]


@pytest.mark.parametrize("fields, text", [
    ({"kind": "INT64", "data": np.arange(3)}, "tensor 2 is INT64; a bias is constant INT32"),
    ({"data": None}, "tensor 2 is INT32 and not constant; a bias is constant INT32"),
    ({"shape": (2,), "data": np.arange(2, dtype=np.int32)}, "tensor 2 has 2 values for 3 output channels"),
])
def test_a_bias_that_does_not_fit_is_named(tmp_path, fields, text):
    with pytest.raises(GraphError, match=text):
        biased(tmp_path, **fields)


def test_channels_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(weighted, "MOST_CHANNELS", 2)
    with pytest.raises(GraphError, match="tensor 1 gives 3 channels; Heddle takes 2 at most: use a smaller network"):
        dense(tmp_path)


@pytest.mark.parametrize("fields, text", [
    ({"scale": [0.1] * 3, "zero": [0] * 3, "axis": 1}, "tensor 1 has its scales along axis 1, which are not its 3"),
    ({"scale": [0.1] * 2, "zero": [0] * 2}, "tensor 1 has 2 scales for 3 output channels; the file is damaged"),
    ({"shape": (3, 2, 4)}, r"tensor 1 has a shape of \(3, 2, 4\); it takes one of 2 dimensions"),
    ({"scale": 2e5}, "channel 2 sums to 39780 at most, and its output scale asks to shift that left by 18 bits"),
])
def test_weights_that_do_not_fit_are_named(tmp_path, fields, text):
    with pytest.raises(GraphError, match=text):
        dense(tmp_path, **fields)
