"""What a tensor of a file is in a network: an activation, a constant, the same bytes at another scale."""

import numpy as np
import pytest

from sw.frontend import load_tflite
from sw.graph.graph import GraphError
from tests.sw.frontend.files import operator, tensor, write

SHAPE = tensor((3,), kind="INT32", data=np.array([1, 2, 2], np.int32), scale=[], zero=[])
RELU = operator("RELU6", [2], 3)


def load(path, tensors, operators, **options):
    return load_tflite(write(path / "net.tflite", tensors, operators, **options))


def test_a_reshape_is_no_layer_and_its_reader_has_the_files_shape(tmp_path):
    graph = load(tmp_path, [tensor((1, 4)), SHAPE, tensor((1, 2, 2)), tensor((1, 2, 2))],
                 [operator("RESHAPE", [0, 1], 2), RELU])
    layer, = graph.layers
    assert (layer.op, layer.views, layer.output.shape) == ("table", ((1, 2, 2),), (1, 2, 2))
    assert (graph.input_shapes, graph.output_shapes) == (((1, 4),), ((1, 2, 2),))


def test_bytes_at_another_scale_say_so(tmp_path):
    """The runtime copies bytes through a reshape, whatever the scales are."""
    graph = load(tmp_path, [tensor((1, 4), scale=0.1), SHAPE, tensor((1, 2, 2), scale=0.3, zero=7),
                            tensor((1, 2, 2), scale=0.3, zero=7)], [operator("RESHAPE", [0, 1], 2), RELU])
    first, second = graph.layers
    assert (first.function, first.output.scale, first.output.zero_point) == ("reinterpret", 0.30000001192092896, 7)
    assert first.weights.tolist() == list(range(-128, 128))
    assert second.function == "relu6"


def test_a_network_of_reshapes_alone_copies(tmp_path):
    graph = load(tmp_path, [tensor((1, 4)), SHAPE, tensor((1, 2, 2))], [operator("RESHAPE", [0, 1], 2)])
    assert [(layer.op, layer.parameters) for layer in graph.layers] == [("gather", (0, 4, 4, 1))]


def test_a_constant_is_one_of_the_graph_and_only_once(tmp_path):
    constant = tensor((1, 4), data=np.arange(4).astype(np.int8))
    add = operator("MAXIMUM", [0, 1], 2), operator("MAXIMUM", [2, 1], 3)
    graph = load(tmp_path, [tensor((1, 4)), constant, tensor((1, 4)), tensor((1, 4))], list(add))
    assert [one.values.ravel().tolist() for one in graph.constants] == [[0, 1, 2, 3]]
    assert [graph.inputs_of(index) for index in (0, 1)] == [(0, 1), (2, 1)]


@pytest.mark.parametrize("operators, text", [
    ([operator("RELU6", [1], 2)], "operator 0 RELU6: reads tensor 1, which no operator before it makes"),
    ([operator("RELU6", [], 2)], "operator 0 RELU6: has no operand 0; get or convert the file again"),
    ([operator("RELU6", [-1], 2)], "operator 0 RELU6: has no operand 0; get or convert the file again"),
    ([operator("RELU6", [0], [])], "operator 0 RELU6: has no output 0; get or convert the file again"),
    ([operator("LEAKY_RELU", [0], 2)], "operator 0 LEAKY_RELU: has no options, which it needs; get or convert"),
    ([operator("LEAKY_RELU", [0], 2, "SoftmaxOptions", Beta=1.0)], "operator 0 LEAKY_RELU: has no options"),
    ([operator("UNIDIRECTIONAL_SEQUENCE_LSTM", [0], 2)], "LSTM: not supported; unroll it"),
    ([operator("CUSTOM", [0], 2, custom="Mine")], "operator 0 CUSTOM 'Mine': not supported; use operators that docs/"),
])
def test_what_an_operator_lacks_is_named(tmp_path, operators, text):
    with pytest.raises(GraphError, match=text):
        load(tmp_path, [tensor((1, 4)), tensor((1, 4)), tensor((1, 4))], operators, outputs=(2,))
