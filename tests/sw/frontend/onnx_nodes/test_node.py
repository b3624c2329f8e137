"""What a node is asked for, and what it answers where that is not there."""

import numpy as np
import pytest

from sw.frontend.onnx_nodes.node import axis_of, fused
from sw.graph.graph import GraphError
from tests.sw.frontend.onnx_nodes.nets import refused, started


def test_an_axis_counts_from_either_end():
    assert (axis_of(-1, 4), axis_of(2, 4)) == (3, 2)
    with pytest.raises(GraphError, match="axis 4 of 4; get or export the file again"):
        axis_of(4, 4)


def test_a_clamp_that_cuts_nothing_is_none():
    assert (fused((-128, 127)), fused((-128, 5))) == (0, (-128, 5))


@pytest.mark.parametrize("node, text", [
    (("Relu", ["gone"], {}), "Relu: reads 'gone', which nothing before it gives; export it again"),
    (("Relu", [], {}), "Relu: has no operand 0; export it again"),
    (("Softmax", ["in"], {}), "Softmax: reads 'in', a float32 input of the network: no QuantizeLinear follows it"),
    (("Softmax", ["source"], {"axis": 0.5}), "attribute 'axis' is of another kind than int; get or export"),
    (("Transpose", ["source"], {"perm": [0.5]}), "attribute 'perm' is of another kind than tuple"),
    (("MaxPool", ["bytes"], {"kernel_shape": [1, 1], "strides": 3}), "attribute 'strides' is of another kind than tup"),
    (("Softmax", ["bytes"], {}), "reads the bytes of 'bytes'; it takes reals, behind a DequantizeLinear"),
    (("Softmax", ["constant"], {}), "reads 'constant', a constant; Heddle takes an activation here"),
    (("Reshape", ["source", "source"], {}), "is no constant; Heddle takes one here: fix the shapes"),
    (("Reshape", ["source", "constant"], {}), "has 2 values of float32; Heddle takes a few whole numbers here"),
    (("Unsqueeze", ["source"], {}), "has no axes; export it again"),
])
def test_what_is_not_there_is_named(tmp_path, node, text):
    model, source = started()
    kind, operands, attributes = node
    constant = model.constant(np.float32([1, 2]))
    names = {"source": source, "in": "x1", "bytes": model.nodes[0].output[0], "constant": constant}
    model.node(kind, [names.get(name, name) for name in operands], **attributes)
    assert text in refused(tmp_path, model).replace(repr(constant), "'constant'").replace("'x1'", "'in'").replace(
        repr(names["bytes"]), "'bytes'")


def test_a_name_that_is_given_twice(tmp_path):
    model, source = started()
    output = model.quantize(model.node("Relu", [source], model.shapes[source]))
    model.nodes[-1].output[0] = source
    assert "which is there already" in refused(tmp_path, model, source) and output
