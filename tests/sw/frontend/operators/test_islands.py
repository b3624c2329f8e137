"""Float32 inside of a network: a table where it is a function of one int8 tensor."""

import numpy as np
import pytest

from sw.graph.graph import GraphError
from tests.sw.frontend.operators.nets import integers, layers, load, operator, tensor

INT8 = tensor((1, 4), scale=0.125, zero=3)
FLOAT = tensor((1, 4), scale=[], zero=[], kind="FLOAT32")


def number(value):
    return tensor((), scale=[], zero=[], kind="FLOAT32", data=np.float32(value))


def island(path, *operators, more=(), **options):
    """Of operators that read tensors 1, 2 ... and give tensors 2, 3, ... 5; the last but one is int8 again."""
    tensors = [INT8, FLOAT, FLOAT, FLOAT, FLOAT, INT8, *more]
    return load(path, tensors, [operator("DEQUANTIZE", [0], 1), *operators], **options)


def quantized(number):
    return operator("QUANTIZE", [number], 5)


def test_a_chain_is_one_table(tmp_path):
    graph = island(tmp_path, operator("NEG", [1], 2), operator("RELU", [2], 3), quantized(3))
    layer, = graph.layers
    assert (layer.op, layer.function) == ("table", "float32")
    assert layer.weights[[0, 128 + 3, 128 + 10, 255]].tolist() == [127, 3, 3, 3]


def test_a_number_and_the_same_tensor_twice(tmp_path):
    graph = island(tmp_path, operator("LOGISTIC", [1], 2), operator("MUL", [1, 2], 3, "MulOptions"),
                   operator("ADD", [3, 6], 4, "AddOptions"), quantized(4), more=[number(1.0)])
    layer, = graph.layers
    real = (np.arange(-128, 128) - 3.0) / 8
    wanted = np.clip(np.floor((real / (1 + np.exp(-real)) + 1) * 8 + 0.5) + 3, -128, 127)
    assert layer.weights.tolist() == wanted.tolist()


def test_a_reshape_inside_is_no_layer(tmp_path):
    tensors = [INT8, FLOAT, integers(1, 2, 2), tensor((1, 2, 2), scale=[], zero=[], kind="FLOAT32"),
               tensor((1, 2, 2), scale=[], zero=[], kind="FLOAT32"), tensor((1, 2, 2), scale=0.125, zero=3)]
    graph = load(tmp_path, tensors, [operator("DEQUANTIZE", [0], 1), operator("RESHAPE", [1, 2], 3),
                                     operator("ABS", [3], 4), quantized(4)])
    assert layers(graph) == ["table"]
    assert graph.output_shapes == ((1, 2, 2),)


def test_an_end_in_float32_is_a_dequantize(tmp_path):
    assert layers(island(tmp_path, operator("ABS", [1], 2), quantized(2), outputs=(1, 5))) == ["dequantize", "table"]


@pytest.mark.parametrize("operators, more, text", [
    ([operator("SOFTMAX", [1], 2, "SoftmaxOptions", Beta=1.0), quantized(2)], [],
     "SOFTMAX: reads tensor 1, which is FLOAT32; inside a network Heddle computes with INT8 alone"),
    ([operator("ABS", [1], 2), operator("SOFTMAX", [2], 3, "SoftmaxOptions", Beta=1.0), quantized(3)], [],
     "SOFTMAX: reads tensor 2, which is FLOAT32; inside a network Heddle computes with INT8 alone"),
    ([operator("ADD", [1, 6], 2, "AddOptions"), quantized(2)],
     [tensor((4,), scale=[], zero=[], kind="FLOAT32", data=np.ones(4, np.float32))],
     "ADD: reads tensor 6 in an island of FLOAT32, where Heddle takes constant numbers and what comes of the same"),
    ([operator("ADD", [1, 6], 2, "AddOptions", FusedActivationFunction=4), quantized(2)], [number(1)],
     "ADD: fused activation 4 is not supported"),
    ([operator("ABS", [1], 5)], [], "ABS: gives INT8 of shape .* in an island of FLOAT32; get or convert"),
])
def test_what_is_no_function_of_a_byte_is_named(tmp_path, operators, more, text):
    with pytest.raises(GraphError, match=text):
        island(tmp_path, *operators, more=more, outputs=(5,))


def test_an_output_that_is_computed_in_float32_is_named(tmp_path):
    with pytest.raises(GraphError, match="reads tensor 2, which is computed in FLOAT32; inside a network Heddle"):
        island(tmp_path, operator("ABS", [1], 2), outputs=(2,))
