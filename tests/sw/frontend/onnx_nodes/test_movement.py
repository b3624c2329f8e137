"""Movement: as late as it can be, and not at all where nothing moves."""

import numpy as np
import pytest

from tests.sw.frontend.onnx_nodes.nets import inner, layers, loaded, refused, started


def test_shapes_alone_are_no_layers(tmp_path):
    model, source = started(1, 4, 6)
    value = model.node("Unsqueeze", [source, model.constant(np.array([2]))], (1, 4, 1, 6))
    value = model.node("Squeeze", [value, model.constant(np.array([2]))], (1, 4, 6))
    value = model.node("Reshape", [value, model.constant(np.array([0, -1]))], (1, 24))
    value = model.node("Identity", [model.node("Flatten", [value], (1, 24))], (1, 24))
    graph = loaded(tmp_path, model, value)
    assert inner(graph) == [] and graph.output_shapes == ((1, 24),)


def test_a_transpose_is_a_gather_where_somebody_minds(tmp_path):
    model, source = started(1, 4, 6)
    value = model.node("Transpose", [source], (1, 6, 4), perm=[0, 2, 1])
    weights, _ = model.weights(model.integers(4, 2))
    assert layers(tmp_path, model, model.quantize(model.node("MatMul", [value, weights], (1, 6, 2)))) == [
        "gather", "conv"]


@pytest.mark.parametrize("start, end, step, parameters", [
    (1, 3, 1, (1, 6, 1)), (-1, -(1 << 31), -2, (5, 6, -2)), (0, 1 << 40, 3, (0, 6, 3))])
def test_a_slice_of_an_axis(tmp_path, start, end, step, parameters):
    model, source = started(1, 4, 6)
    operands = [model.constant(np.array([value])) for value in (start, end, 2, step)]
    layer, = inner(loaded(tmp_path, model, model.node("Slice", [source, *operands])))
    assert (layer.op, layer.parameters) == ("gather", (parameters[0], 0, *parameters[1:]))


def test_the_parts_of_a_split_and_of_a_gather(tmp_path):
    model, source = started(1, 4, 6)
    first, second = model.node("Split", [source], outputs=2, axis=2)
    value = model.node("Concat", [second, first], axis=2)
    assert layers(tmp_path, model, value) == ["gather", "gather", "concat"]
    value = model.node("Gather", [value, model.constant(np.array(-1))], axis=1)
    graph = loaded(tmp_path, model, value)
    assert (inner(graph)[-1].op, graph.output_shapes) == ("gather", ((1, 6),))


def test_a_pad_of_zero_and_of_a_step(tmp_path):
    for value, wanted in ((0.0, 3), (float(np.float32(0.1) * np.float32(5)), 8)):
        model, source = started(1, 4)
        output = model.node("Pad", [source, model.constant(np.array([0, 1, 0, 2])), model.constant(np.float32(value))])
        layer, = inner(loaded(tmp_path, model, output))
        assert (layer.output.shape, layer.parameters[-1]) == ((1, 1, 7), wanted)


def test_operands_of_other_scales_are_brought_to_the_outputs(tmp_path):
    model, source = started(1, 4)
    other = model.quantize(source, 0.2, 5)
    value = model.node("Concat", [source, other], (1, 8), axis=1)
    assert layers(tmp_path, model, model.quantize(value, 0.2, 5)) == ["table", "table", "concat"]


@pytest.mark.parametrize("kind, operands, attributes, text", [
    ("Reshape", [np.array([5, 5])], {}, "reshapes (1, 4, 6) to (5, 5); get or export it again"),
    ("Reshape", [np.array([-1, -1])], {}, "reshapes (1, 4, 6) to [-1, -1]"),
    ("Reshape", [np.array([1, 1, 1, 0])], {}, "reshapes (1, 4, 6) to [1, 1, 1, 0]"),
    ("Squeeze", [np.array([1])], {}, "squeezes axes [1] of (1, 4, 6)"),
    ("Unsqueeze", [np.array([1, 1])], {}, "axes [1, 1] are given twice"),
    ("Transpose", [], {"perm": [0, 0, 1]}, "perm [0, 0, 1] of 3 axes"),
    ("Slice", [np.array([3]), np.array([3])], {}, "takes nothing of (1, 4, 6)"),
    ("Slice", [np.array([0]), np.array([3]), np.array([1]), np.array([0])], {}, "none of them 0"),
    ("Split", [np.array([3, 3])], {"axis": 1}, "splits 4 into [3, 3]"),
    ("Gather", [np.array([9])], {"axis": 1}, "takes 1 places of 4; Heddle takes 1 to 256 constant ones that exist"),
    ("Pad", [np.array([0] * 6)], {"mode": "reflect"}, "pads by 'reflect'; Heddle pads with a constant"),
    ("Pad", [np.array([0, 0, -1, 0, 0, 0])], {}, "pads (1, 4, 6) by [0, 0, -1, 0, 0, 0]"),
    ("Pad", [np.array([0, 0, 1, 0, 0, 0]), np.float32(0.123)], {}, "pads with 0.123, which is no step of scale 0.1"),
    ("Cast", [], {"to": 6}, "casts to type 6 inside of the network; Heddle takes float32"),
])
def test_what_does_not_fit_is_named(tmp_path, kind, operands, attributes, text):
    model, source = started(1, 4, 6)
    outputs = 2 if kind == "Split" else 1
    model.node(kind, [source, *map(model.constant, operands)], outputs=outputs, **attributes)
    assert text in refused(tmp_path, model)


def test_shapes_that_do_not_join_are_named(tmp_path):
    model, source = started(1, 4, 6)
    part = model.node("Reshape", [source, model.constant(np.array([1, 24]))], (1, 24))
    model.node("Concat", [source, part], axis=1)
    assert "joins (1, 4, 6), (1, 24) along axis 1" in refused(tmp_path, model)
