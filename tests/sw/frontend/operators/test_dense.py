"""FULLY_CONNECTED in the shapes that converters give it."""

import numpy as np
import pytest

from sw.graph.graph import GraphError
from tests.sw.frontend.operators.nets import lowered, tensor

WEIGHTS = tensor((3, 4), data=np.arange(12).astype(np.int8), scale=0.01)


def dense(path, taken, given, **fields):
    return lowered(path, "FULLY_CONNECTED", [tensor(taken), WEIGHTS, tensor(given)], "FullyConnectedOptions", **fields)


@pytest.mark.parametrize("taken, given", [((1, 4), (1, 3)), ((4,), (3,)), ((1, 2, 2, 1), (1, 3)),
                                          ((1, 2, 1, 2), (1, 3))])
def test_one_row_is_a_dense_layer(tmp_path, taken, given):
    layer, = dense(tmp_path, taken, given).layers
    assert (layer.op, layer.views, layer.output.shape, layer.weights.shape) == ("dense", (), (1, 1, 3), (3, 4))


@pytest.mark.parametrize("taken, given, view, shape", [
    ((1, 5, 4), (1, 5, 3), (), (1, 5, 3)), ((1, 2, 3, 4), (1, 2, 3, 3), (), (2, 3, 3)),
    ((1, 2, 3, 4), (6, 3), ((6, 1, 4),), (6, 1, 3)), ((1, 2, 3, 2, 2), (1, 2, 3, 3), ((6, 1, 4),), (6, 1, 3)),
])
def test_several_rows_are_a_convolution_of_one_tap(tmp_path, taken, given, view, shape):
    layer, = dense(tmp_path, taken, given).layers
    assert (layer.op, layer.views, layer.output.shape) == ("conv", view, shape)
    assert layer.weights.shape == (3, 1, 1, 4)


def test_a_batch_is_refused(tmp_path):
    with pytest.raises(GraphError, match="its input, tensor 0, is a batch of 4; Heddle runs one inference at a time"):
        dense(tmp_path, (4, 4), (4, 3))


@pytest.mark.parametrize("taken, given, fields, text", [
    ((1, 5), (1, 3), {}, r"weights of \(3, 4\) give 3 outputs for every 4 inputs, but tensor 0 has a shape of \(1"),
    ((1, 4), (1, 6), {}, r"tensor 2 one of \(1, 6\); get or convert the file again"),
    ((1, 8), (1, 3, 2), {}, r"tensor 2 one of \(1, 3, 2\); get or convert the file again"),
    ((1, 4), (1, 3), {"WeightsFormat": 1}, "has shuffled weights; convert the network again for the CPU"),
])
def test_what_does_not_fit_is_named(tmp_path, taken, given, fields, text):
    with pytest.raises(GraphError, match=text):
        dense(tmp_path, taken, given, **fields)
