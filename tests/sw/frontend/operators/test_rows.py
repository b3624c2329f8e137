"""Softmax, means, sums and extremes: what is reduced becomes the middle axis."""

import numpy as np
import pytest

from sw.graph.graph import GraphError
from tests.sw.frontend.operators.nets import integers, layers, lowered, tensor

IMAGE = tensor((1, 2, 3, 4), scale=0.1, zero=3)


def mean(path, axes, given, name="MEAN", keep=False, **fields):
    return lowered(path, name, [IMAGE, integers(*axes), tensor(given, **{"scale": 0.1, "zero": 3} | fields)],
                   "ReducerOptions", KeepDims=keep)


@pytest.mark.parametrize("axes, given, keep, view", [
    ((1, 2), (1, 4), False, (1, 6, 4)), ((-2, -3), (1, 1, 1, 4), True, (1, 6, 4)), ((3,), (1, 2, 3), False, (6, 4, 1)),
    ((2,), (1, 2, 4), False, (2, 3, 4)), ((0, 1, 2, 3), (1, 1, 1, 1), True, (1, 24, 1)), ((0,), (2, 3, 4), False,
                                                                                          (24, 1, 1)),
])
def test_axes_side_by_side_are_one(tmp_path, axes, given, keep, view):
    graph = mean(tmp_path, axes, given, keep=keep)
    assert (layers(graph), graph.layers[0].views or ((2, 3, 4),)) == (["mean"], (view,))


def test_axes_apart_are_moved_together(tmp_path):
    graph = mean(tmp_path, (1, 3), (1, 3))
    assert layers(graph) == ["gather", "mean"]
    assert (graph.layers[0].output.shape, graph.layers[0].parameters) == ((3, 2, 4), (0, 4, 12, 1))
    assert graph.layers[1].views == ((3, 8, 1),)


def test_the_count_is_in_a_means_multiplier_and_not_in_a_sums(tmp_path):
    one, = mean(tmp_path, (1, 2), (1, 4)).layers
    assert one.multiplier[0] / 2.0 ** (31 + one.shift[0]) == pytest.approx(1 / 6)
    one, = mean(tmp_path, (1, 2), (1, 4), "SUM").layers
    assert one.multiplier[0] / 2.0 ** (31 + one.shift[0]) == pytest.approx(1)


def test_the_greatest_is_a_pool_and_the_least_one_of_what_is_turned(tmp_path):
    assert layers(mean(tmp_path, (2,), (1, 2, 4), "REDUCE_MAX")) == ["maxpool"]
    graph = mean(tmp_path, (2,), (1, 2, 4), "REDUCE_MIN")
    assert layers(graph) == ["table", "maxpool", "table"]
    assert graph.layers[0].weights.tolist() == list(range(127, -129, -1))
    assert graph.layers[1].kernel == (1, 3)


def test_softmax_of_several_rows(tmp_path):
    layer, = lowered(tmp_path, "SOFTMAX", [IMAGE, tensor((1, 2, 3, 4), scale=1 / 256, zero=-128)], "SoftmaxOptions",
                     Beta=1.0).layers
    assert (layer.op, layer.output.shape, layer.multiplier.dtype) == ("softmax", (2, 3, 4), np.int32)


@pytest.mark.parametrize("axes, given, fields, text", [
    ((4,), (1, 4), {}, r"axes \[4\] of \(1, 2, 3, 4\); get or convert the file again"),
    ((1,), (1, 4), {}, r"tensor 2 has a shape of \(1, 4\), but axes \[1\] of \(1, 2, 3, 4\) give \[1, 1, 3, 4\] or"),
    ((1, 2), (1, 4), {"keep": True}, "tensor 2 has a shape of"),
    ((1, 2), (1, 4), {"name": "REDUCE_MAX", "scale": 0.2}, "the greatest and least values keep them"),
    ((1, 2), (1, 4), {"name": "SUM", "scale": 5e-8}, "6 values at scale 0.1 leave 32 bits at scale 5e-08"),
])
def test_what_does_not_fit_is_named(tmp_path, axes, given, fields, text):
    with pytest.raises(GraphError, match=text):
        mean(tmp_path, axes, given, **fields)
