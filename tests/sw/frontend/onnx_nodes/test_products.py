"""Rows times constant weights."""

import numpy as np
import pytest

from tests.sw.frontend.onnx_nodes.nets import inner, loaded, refused, started


@pytest.mark.parametrize("shape, op", [((1, 4), "dense"), ((1, 3, 4), "conv"), ((1, 2, 3, 4), "conv")])
def test_rows(tmp_path, shape, op):
    model, source = started(*shape)
    values = model.integers(4, 5)
    weights, _ = model.weights(values)
    layer, = inner(loaded(tmp_path, model, model.quantize(model.node("MatMul", [source, weights], (*shape[:-1], 5)))))
    assert (layer.op, layer.weights.reshape(5, 4).tolist()) == (op, values.T.tolist())


def test_weights_that_are_turned_in_the_file(tmp_path):
    model, source = started(1, 4)
    values = model.integers(5, 4)
    weights, _ = model.weights(values, axis=0)
    turned = model.node("Transpose", [weights], (4, 5), perm=[1, 0])
    layer, = inner(loaded(tmp_path, model, model.quantize(model.node("MatMul", [source, turned], (1, 5)))))
    assert layer.weights.tolist() == values.tolist() and len(set(layer.multiplier.tolist())) > 1


@pytest.mark.parametrize("kind, attributes, text", [
    ("Gemm", {"alpha": 0.5}, "has alpha, beta or transA; Heddle takes A * B + C: fold them into the weights"),
    ("Gemm", {"transA": 1}, "has alpha, beta or transA"),
    ("Gemm", {"transB": 1}, "weights for 5 inputs, but the input is (1, 4)"),
])
def test_what_does_not_fit_is_named(tmp_path, kind, attributes, text):
    model, source = started(1, 4)
    weights, _ = model.weights(model.integers(4, 5))
    model.node(kind, [source, weights], **attributes)
    assert text in refused(tmp_path, model)


def test_two_activations_are_refused(tmp_path):
    model, source = started(1, 4, 4)
    model.node("MatMul", [source, source])
    assert "multiplies two activations; Heddle takes a constant of int8 as the second" in refused(tmp_path, model)
    model, source = started(1, 4)
    weights, _ = model.weights(np.zeros((1, 4, 5), np.int8))
    model.node("MatMul", [source, weights])
    assert "weights of (1, 4, 5); Heddle takes two dimensions" in refused(tmp_path, model)
