"""Constants are computed when a file is loaded."""

import numpy as np
import pytest
from onnx import numpy_helper

from tests.sw.frontend.onnx_nodes.nets import loaded, refused, started


def reshaped(path, make):
    """The output's shape of a Reshape of (1, 4, 6) to what ``make`` computes."""
    model, source = started(1, 4, 6)
    value = model.node("Reshape", [source, make(model, source)])
    return loaded(path, model, value).output_shapes[0]


def test_the_shape_arithmetic_of_exporters(tmp_path):
    """The batch of a Shape, joined with what is left."""
    def make(model, source):
        size = model.node("Gather", [model.node("Shape", [source]), model.constant(np.array(0))], axis=0)
        size = model.node("Unsqueeze", [size, model.constant(np.array([0]))])
        return model.node("Concat", [size, model.constant(np.array([-1]))], axis=0)
    assert reshaped(tmp_path, make) == (1, 24)


@pytest.mark.parametrize("kind, operands, attributes", [
    ("Add", [np.array([0, 20]), np.array([1, 4])], {}), ("Sub", [np.array([2, 25]), np.array([1, 1])], {}),
    ("Mul", [np.array([1, 12]), np.array([1, 2])], {}), ("Div", [np.array([1, 49]), np.array([1, 2])], {}),
    ("Slice", [np.array([9, 1, 24]), np.array([1]), np.array([3])], {}), ("Cast", [np.float32([1, 24])], {"to": 7}),
    ("Identity", [np.array([1, 24])], {}), ("Squeeze", [np.array([[1, 24]]), np.array([0])], {}),
    ("Transpose", [np.array([1, 24])], {}), ("Neg", [np.array([-1, -24])], {}),
])
def test_constants_of_constants(tmp_path, kind, operands, attributes):
    assert reshaped(tmp_path, lambda model, source: model.node(
        kind, list(map(model.constant, operands)), **attributes)) == (1, 24)


@pytest.mark.parametrize("attributes", [{"value": numpy_helper.from_array(np.array([1, 24]))}, {"value_ints": [1, 24]}])
def test_a_constant_node(tmp_path, attributes):
    assert reshaped(tmp_path, lambda model, source: model.node("Constant", [], **attributes)) == (1, 24)


def test_what_does_not_fit_is_named(tmp_path):
    model, source = started(1, 4, 6)
    wrong = model.node("Add", [model.constant(np.array([1, 2])), model.constant(np.array([1, 2, 3]))])
    model.node("Reshape", [source, wrong])
    assert "Add: its constants do not go together (ValueError)" in refused(tmp_path, model)
    model, source = started(1, 4, 6)
    model.node("Reshape", [source, model.node("Constant", [], value_string="no")])
    assert "Constant: is a constant of no kind that Heddle reads" in refused(tmp_path, model)
