"""Softmax and means along axes."""

import numpy as np
import pytest

from tests.sw.frontend.onnx_nodes.nets import inner, layers, loaded, refused, started


@pytest.mark.parametrize("scale, zero, ops", [(1 / 256, -128, ["softmax"]), (1 / 255, -128, ["softmax", "table"])])
def test_a_softmax_at_tflites_scale_and_at_another(tmp_path, scale, zero, ops):
    model, source = started(1, 10)
    assert layers(tmp_path, model, model.quantize(model.node("Softmax", [source], (1, 10)), scale, zero)) == ops


def test_a_softmax_over_the_channels_of_an_image_moves_nothing(tmp_path):
    model, source = started()
    pooled = model.node("MaxPool", [source], model.shapes[source], kernel_shape=[1, 1])
    value = model.node("Softmax", [pooled], model.shapes[source], axis=1)
    assert layers(tmp_path, model, model.quantize(value, 1 / 256, -128)) == ["maxpool", "softmax"]


def test_a_mean_of_an_image_is_one_layer(tmp_path):
    model, source = started()
    pooled = model.node("MaxPool", [source], model.shapes[source], kernel_shape=[1, 1])
    for kind, operands in (("GlobalAveragePool", []), ("ReduceMean", [model.constant(np.array([2, 3]))])):
        value = model.node(kind, [pooled, *operands], (1, 4, 1, 1))
        graph = loaded(tmp_path, model, model.quantize(value))
        assert [layer.op for layer in inner(graph)] == ["maxpool", "mean"]


def test_axes_of_an_attribute_and_without_them(tmp_path):
    model, source = started(1, 4, 6, opset=13)
    graph = loaded(tmp_path, model, model.quantize(model.node("ReduceMean", [source], (1, 1, 6), axes=[1])))
    assert [layer.output.size for layer in inner(graph)] == [6]
    model, source = started(1, 4, 6)
    graph = loaded(tmp_path, model, model.quantize(model.node("ReduceMean", [source], (), keepdims=0)))
    assert inner(graph)[-1].output.size == 1


def test_an_old_softmax_of_several_axes_is_refused(tmp_path):
    model, source = started(1, 4, 6, opset=11)
    model.node("Softmax", [source], axis=1)
    assert "of opset 11 runs over all axes from 1 on; export it with opset 13 or later" in refused(tmp_path, model)
    model, source = started(1, 4, opset=11)
    output = model.quantize(model.node("Softmax", [source], (1, 4)), 1 / 256, -128)
    assert layers(tmp_path, model, output) == ["softmax"]
