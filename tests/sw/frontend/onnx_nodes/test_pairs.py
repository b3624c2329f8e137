"""Two operands, value by value."""

import numpy as np
import pytest

from tests.sw.frontend.onnx_nodes.nets import inner, layers, loaded, refused, started


def paired(model, source, kind, other):
    return model.quantize(model.node(kind, [source, other], model.shapes[source]), 0.2)


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul"])
def test_a_constant_of_channels_lies_as_the_image_does(tmp_path, kind):
    model, source = started()
    pooled = model.node("MaxPool", [source], model.shapes[source], kernel_shape=[1, 1])
    values = model.integers(4, 1, 1)
    graph = loaded(tmp_path, model, paired(model, pooled, kind, model.weights(values)[0]))
    assert [layer.op for layer in inner(graph)] == ["maxpool", kind.lower()]
    assert graph.constants[0].values.tolist() == values.reshape(1, 1, 4).tolist()


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"])
def test_of_a_number_it_is_a_table(tmp_path, kind):
    model, source = started()
    number = model.constant(np.float32(2))
    layer, = inner(loaded(tmp_path, model, paired(model, source, kind, number)))
    reals = np.float32(0.1) * (np.arange(-128, 128) - 3).astype(np.float32)
    function = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Pow": np.power,
                "Max": np.maximum, "Min": np.minimum}[kind]
    wanted = np.rint(function(reals, np.float32(2)) / np.float32(0.2)) + layer.output.zero_point
    assert (layer.op, layer.weights.tolist()) == ("table", np.clip(wanted, -128, 127).astype(int).tolist())


def test_of_a_tensor_and_itself_it_is_a_table(tmp_path):
    model, source = started()
    assert layers(tmp_path, model, paired(model, source, "Mul", source)) == ["table"]


def test_a_maximum_brings_both_to_the_outputs_scale(tmp_path):
    model, source = started()
    other, _ = model.weights(model.integers(6), largest=0.05)
    assert layers(tmp_path, model, paired(model, source, "Max", other)) == ["table", "maximum"]


def test_slopes_of_channels(tmp_path):
    model, source = started()
    output = paired(model, source, "PRelu", model.weights(model.integers(4, 1, 1))[0])
    assert layers(tmp_path, model, output) == ["prelu"]
    model, source = started()
    assert layers(tmp_path, model, paired(model, source, "PRelu", model.weights(model.integers(1))[0])) == ["table"]
    model, source = started()
    same = model.constant(np.full((4, 1, 1), 0.25, np.float32))
    assert layers(tmp_path, model, paired(model, source, "PRelu", same)) == ["table"]


@pytest.mark.parametrize("kind, other, text", [
    ("Add", lambda model: model.weights(model.integers(5))[0],
     "operands of shapes (1, 4, 6, 6) and (5,) do not broadcast"),
    ("Add", lambda model: model.constant(np.zeros(6, np.float32)), "a constant; Heddle takes an activation here"),
    ("Add", lambda model: model.weights(model.integers(6), axis=0)[0], "has a constant with a scale a channel"),
    ("Div", lambda model: model.weights(model.integers(6))[0], "of two tensors; Heddle has it of a tensor and a numb"),
    ("PRelu", lambda model: model.constant(np.arange(6, dtype=np.float32)), "are several and float32; quantize them"),
])
def test_what_does_not_fit_is_named(tmp_path, kind, other, text):
    model, source = started()
    paired(model, source, kind, other(model))
    assert text in refused(tmp_path, model)


def test_three_operands_are_refused(tmp_path):
    model, source = started()
    model.node("Max", [source, source, source])
    assert "has 3 operands; Heddle takes two: split it" in refused(tmp_path, model)
