"""Biases at the scale of input times weights, or refused."""

import numpy as np
import pytest

from tests.sw.frontend.onnx_nodes.nets import inner, loaded, refused, started


def gemm(bias, *, scale=None, kind=np.int32, zero=0):
    model, source = started(1, 3, scale=0.5)
    weights, step = model.weights(model.integers(2, 3))
    values = np.asarray(bias).astype(kind)
    name = model.constant(values)
    if kind != np.float32:
        given = np.float32(0.5) * step if scale is None else np.float32(scale)
        name = model.node("DequantizeLinear", [name, model.constant(given), model.constant(kind(zero))])
    return model, model.quantize(model.node("Gemm", [source, weights, name], (1, 2), transB=1)), np.float32(0.5) * step


def test_a_bias_of_int32(tmp_path):
    model, output, _ = gemm([5, -70000])
    assert inner(loaded(tmp_path, model, output))[0].bias.tolist() == [5, -70000]


def test_a_float_bias_of_whole_steps(tmp_path):
    _, _, step = gemm([0, 0])
    model, output, _ = gemm(step * np.float32([12, -7]), kind=np.float32)
    assert inner(loaded(tmp_path, model, output))[0].bias.tolist() == [12, -7]


@pytest.mark.parametrize("bias, fields, text", [
    ([0.12345, 1.0], {"kind": np.float32}, "is float32 and no whole numbers of steps of input times weights; quantize"),
    ([1, 2], {"scale": 0.3}, r"has 2 values at scale 0.3 for 2 outputs at "),
    ([1, 2, 3], {}, "has 3 values at scale"),
    ([1, 2], {"zero": 1}, "has 1 scales or a zero point; quantize it by"),
    ([np.nan, 1.0], {"kind": np.float32}, "is float32 and no whole numbers"),
])
def test_biases_that_are_none(tmp_path, bias, fields, text):
    model, output, _ = gemm(bias, **fields)
    assert "its bias, " in (line := refused(tmp_path, model, output)) and text in line


def test_weights_keep_their_scale_a_channel(tmp_path):
    model, source = started(1, 3)
    weights, scale = model.weights(model.integers(3, 2), axis=1)
    layer, = inner(loaded(tmp_path, model, model.quantize(model.node("MatMul", [source, weights], (1, 2)), 0.5)))
    factors = layer.multiplier / 2.0 ** (31 + layer.shift)
    np.testing.assert_allclose(factors, np.float64(np.float32(0.1)) * scale / 0.5, rtol=1e-8)
