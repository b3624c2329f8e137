"""Windows over images, with ONNX's ways to say how they walk."""

import numpy as np
import pytest

from tests.sw.frontend.onnx_nodes.nets import inner, layers, loaded, refused, started


def conv(model, source, given, *, kernel=(3, 3), outputs=2, groups=1, **attributes):
    channels = model.shapes[source][1] // groups
    weights, _ = model.weights(model.integers(outputs, channels, *kernel), axis=0)
    return model.quantize(model.node("Conv", [source, weights], (1, outputs, *given), group=groups, **attributes))


@pytest.mark.parametrize("attributes, given, padding", [
    ({}, (4, 4), (0, 0, 0, 0)), ({"pads": [0, 1, 2, 3]}, (6, 8), (0, 1, 2, 3)),
    ({"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (3, 3), (0, 0, 1, 1)),
    ({"auto_pad": "SAME_LOWER", "strides": [2, 2]}, (3, 3), (1, 1, 0, 0)),
    ({"auto_pad": "VALID"}, (4, 4), (0, 0, 0, 0)),
])
def test_padding_is_as_the_file_says(tmp_path, attributes, given, padding):
    model, source = started()
    layer, = inner(loaded(tmp_path, model, conv(model, source, given, **attributes)))
    assert (layer.op, layer.padding, layer.output.shape) == ("conv", padding, (*given, 2))


@pytest.mark.parametrize("groups, outputs, op", [
    (1, 2, "conv"), (2, 2, "conv"), (4, 4, "depthwise"), (4, 8, "depthwise")])
def test_groups(tmp_path, groups, outputs, op):
    model, source = started()
    assert layers(tmp_path, model, conv(model, source, (4, 4), groups=groups, outputs=outputs)) == [op]


def test_one_dimension_is_an_image_of_one_row(tmp_path):
    model, source = started(1, 4, 9)
    graph = loaded(tmp_path, model, conv(model, source, (4,), kernel=(3,), strides=[2]))
    layer, = inner(graph)
    assert (layer.weights.shape, layer.stride, graph.input_shapes) == ((2, 1, 3, 4), (1, 2), ((1, 9, 4),))


def test_a_relu_and_a_clip_go_into_the_convolution(tmp_path):
    model, source = started()
    weights, _ = model.weights(model.integers(2, 4, 1, 1))
    value = model.node("Conv", [source, weights], (1, 2, 6, 6))
    value = model.node("Clip", [value, model.constant(np.float32(-1)), model.constant(np.float32(2))], (1, 2, 6, 6))
    layer, = inner(loaded(tmp_path, model, model.quantize(value, 0.1, 5)))
    assert (layer.op, layer.act_min, layer.act_max) == ("conv", -5, 25)


def test_one_window_more_begins_inside(tmp_path):
    model, source = started(1, 1, 6, 6)
    value = model.node("MaxPool", [source], (1, 1, 3, 3), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    assert inner(loaded(tmp_path, model, value))[0].padding == (0, 0, 1, 1)
    model, source = started(1, 1, 5, 5)
    value = model.node("MaxPool", [source], (1, 1, 2, 2), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    assert inner(loaded(tmp_path, model, value))[0].output.shape == (2, 2, 1)


def test_an_average_pool_at_its_inputs_scale_is_one_layer(tmp_path):
    model, source = started()
    value = model.node("AveragePool", [source], (1, 4, 3, 3), kernel_shape=[2, 2], strides=[2, 2])
    assert layers(tmp_path, model, model.quantize(value, 0.1, 3)) == ["avgpool"]
    assert layers(tmp_path, model, model.quantize(value, 0.1, 4)) == ["avgpool", "table"]


def test_a_pool_that_counts_its_padding_pads_first(tmp_path):
    model, source = started()
    value = model.node("AveragePool", [source], (1, 4, 4, 4), kernel_shape=[2, 2], strides=[2, 2], pads=[1] * 4,
                       count_include_pad=1)
    assert layers(tmp_path, model, model.quantize(value, 0.1, 3)) == ["pad", "avgpool"]


@pytest.mark.parametrize("factors, attributes", [
    ([1, 1, 2, 3], {}), ([1, 1, 2, 2], {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
])
def test_a_resize_by_whole_factors(tmp_path, factors, attributes):
    model, source = started()
    model.node("Resize", [source, "", model.constant(np.float32(factors))], mode="nearest", **attributes)
    layer, = inner(loaded(tmp_path, model, model.nodes[-1].output[0]))
    assert layer.output.shape == (6 * factors[2], 6 * factors[3], 4)


@pytest.mark.parametrize("kind, attributes, text", [
    ("MaxPool", {}, "kernel_shape () for an input of (1, 4, 6, 6)"),
    ("MaxPool", {"kernel_shape": [9, 9]}, "a kernel of (9, 9) taps does not fit an input of (6, 6)"),
    ("MaxPool", {"kernel_shape": [2, 2], "dilations": [2, 2]}, "dilations (2, 2) of a pool; Heddle takes 1"),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [0, 1]}, "hold 0; get or export it again"),
    ("MaxPool", {"kernel_shape": [2, 2], "pads": [1, 1]}, "pads (1, 1): 4 numbers from 0 to 65535 are right"),
    ("MaxPool", {"kernel_shape": [2, 2], "auto_pad": "SAME"}, "auto_pad 'SAME' is not known"),
    ("Resize", {"mode": "linear"}, "resizes by 'linear'; Heddle takes nearest"),
    ("Resize", {"mode": "nearest"}, "resizes (1, 4, 6, 6) by []"),
])
def test_what_does_not_fit_is_named(tmp_path, kind, attributes, text):
    model, source = started()
    model.node(kind, [source], **attributes)
    assert text in refused(tmp_path, model)


def test_weights_that_do_not_fit_are_named(tmp_path):
    model, source = started()
    weights, _ = model.weights(model.integers(2, 3, 1, 1))
    model.quantize(model.node("Conv", [source, weights], (1, 2, 6, 6)))
    assert "weights of (2, 3, 1, 1) and 1 groups for an input of (1, 4, 6, 6)" in refused(tmp_path, model)
    model, source = started()
    model.quantize(model.node("Conv", [source, model.constant(np.zeros((2, 4, 1, 1), np.float32))], (1, 2, 6, 6)))
    assert "are of float32; quantize them by onnxruntime.quantization" in refused(tmp_path, model)
    model, source = started()
    model.node("Resize", [source, "", model.constant(np.float32([1, 1, 1.7, 1]))], mode="nearest",
               coordinate_transformation_mode="asymmetric", nearest_mode="ceil")
    assert "as no RESIZE_NEAREST_NEIGHBOR does; enlarge by whole factors" in refused(tmp_path, model)
