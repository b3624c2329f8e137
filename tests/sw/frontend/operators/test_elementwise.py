"""Operators on values one by one."""

import numpy as np
import pytest

from sw.graph.graph import GraphError
from tests.sw.frontend.operators.nets import layers, load, lowered, operator, tensor

IMAGE = tensor((1, 2, 3, 4), scale=0.1, zero=3)


def constant(*shape, **fields):
    return tensor(shape, data=np.arange(np.prod(shape)).astype(np.int8), **fields)


@pytest.mark.parametrize("name, op", [("ADD", "add"), ("SUB", "sub"), ("MUL", "mul"), ("PRELU", "prelu")])
@pytest.mark.parametrize("shape", [(), (4,), (3, 1), (1, 2, 3, 4)])
def test_two_operands_broadcast(tmp_path, name, op, shape):
    options = "" if name == "PRELU" else f"{name.capitalize()}Options"
    graph = lowered(tmp_path, name, [IMAGE, constant(*shape), tensor((1, 2, 3, 4))], options)
    assert (layers(graph), graph.layers[0].output.shape, len(graph.constants)) == ([op], (2, 3, 4), 1)


def test_a_sub_in_either_order_and_two_inputs(tmp_path):
    graph = load(tmp_path, [IMAGE, tensor((1, 2, 3, 4), scale=0.4), tensor((1, 2, 3, 4))],
                 [operator("SUB", [1, 0], 2, "SubOptions")], inputs=(0, 1))
    assert (graph.inputs_of(0), graph.layers[0].shift.tolist()) == ((1, 0), [0, 2, 16])


def test_a_maximum_of_other_scales_takes_their_bytes(tmp_path):
    graph = lowered(tmp_path, "MAXIMUM", [IMAGE, constant(4, scale=0.1, zero=3), tensor((1, 2, 3, 4), scale=0.2)])
    assert [(layer.op, layer.function) for layer in graph.layers] == [
        ("table", "reinterpret"), ("table", "reinterpret"), ("maximum", "")]


@pytest.mark.parametrize("name", ["ABS", "RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH", "HARD_SWISH", "ELU"])
def test_a_function_is_a_table(tmp_path, name):
    fields = {"LOGISTIC": {"scale": 1 / 256, "zero": -128}, "TANH": {"scale": 1 / 128, "zero": 0}}.get(
        name, {"scale": 0.1, "zero": 3})
    layer, = lowered(tmp_path, name, [IMAGE, tensor((1, 2, 3, 4), **fields)]).layers
    assert (layer.op, layer.function, layer.weights.shape) == ("table", name.lower(), (256,))
    assert (np.diff(layer.weights.astype(int)) >= 0).all() or name in ("ABS", "HARD_SWISH")


def test_a_leaky_relu_has_its_slope(tmp_path):
    layer, = lowered(tmp_path, "LEAKY_RELU", [IMAGE, IMAGE], "LeakyReluOptions", Alpha=0.5).layers
    assert layer.weights[[0, 128 + 3, 255]].tolist() == [-62, 3, 127]


@pytest.mark.parametrize("name, tensors, text", [
    ("ADD", [IMAGE, constant(5), IMAGE], r"operands of shapes \(1, 2, 3, 4\) and \(5,\) do not broadcast to the"),
    ("MUL", [IMAGE, constant(4), tensor((1, 2, 3, 5))], "do not broadcast to the output's"),
    ("MUL", [IMAGE, constant(4, scale=1e9), IMAGE], r"output scale factor 1e\+09: at most 2\*\*14 stays within 32"),
    ("ADD", [IMAGE, constant(4), tensor((1, 2, 3, 4), scale=1e-9)], r"at most 2\*\*0 stays within 32 bits"),
    ("RELU", [IMAGE, tensor((1, 24))], r"gives \(1, 24\) of \(1, 2, 3, 4\); get or convert the file again"),
    ("RELU", [tensor((1, 4), kind="UINT8"), tensor((1, 4))], "reads tensor 0, which is UINT8; inside a network Heddle"),
])
def test_what_does_not_fit_is_named(tmp_path, name, tensors, text):
    with pytest.raises(GraphError, match=text):
        lowered(tmp_path, name, tensors)
