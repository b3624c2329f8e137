"""Operators with a window: padding, dilation, batches inside of a network, transposed convolutions."""

import numpy as np
import pytest

from sw.graph.graph import GraphError
from tests.sw.frontend.operators.nets import integers, layers, load, lowered, operator, tensor

SAME, VALID = 0, 1


def weights(*shape):
    return tensor(shape, data=np.arange(np.prod(shape)).astype(np.int8), scale=0.01)


def conv(path, taken, kernel, given, **fields):
    return lowered(path, "CONV_2D", [tensor(taken), weights(given[-1], *kernel, taken[-1]), tensor(given)],
                   "Conv2DOptions", **{"StrideH": 1, "StrideW": 1} | fields)


@pytest.mark.parametrize("kernel, fields, given, padding", [
    ((3, 2), {}, (1, 5, 4, 2), (1, 0, 1, 1)),
    ((3, 2), {"Padding": VALID}, (1, 3, 3, 2), (0, 0, 0, 0)),
    ((3, 3), {"DilationHFactor": 2}, (1, 5, 4, 2), (2, 1, 2, 1)),
    ((2, 2), {"StrideH": 2, "StrideW": 3}, (1, 3, 2, 2), (0, 0, 1, 1)),
])
def test_padding_and_dilation(tmp_path, kernel, fields, given, padding):
    layer, = conv(tmp_path, (1, 5, 4, 3), kernel, given, **fields).layers
    assert (layer.padding, layer.output.shape) == (padding, given[1:])
    assert layer.dilation == (fields.get("DilationHFactor", 1), 1)


def test_groups_are_implied(tmp_path):
    layer, = lowered(tmp_path, "CONV_2D", [tensor((1, 3, 3, 4)), weights(6, 1, 1, 2), tensor((1, 3, 3, 6))],
                     "Conv2DOptions", StrideH=1, StrideW=1).layers
    assert layer.weights.shape == (6, 1, 1, 2)


def inside(path, taken, kernel, given, **fields):
    """A convolution of a batch that a reshape makes."""
    flat = (1, int(np.prod(taken)))
    tensors = [tensor(flat), integers(*taken), tensor(taken), weights(given[-1], *kernel, taken[-1]), tensor(given),
               integers(1, -1), tensor((1, int(np.prod(given))))]
    return load(path, tensors, [
        operator("RESHAPE", [0, 1], 2),
        operator("CONV_2D", [2, 3], 4, "Conv2DOptions", **{"StrideH": 1, "StrideW": 1} | fields),
        operator("RESHAPE", [4, 5], 6)])


def test_a_batch_of_rows_is_one_image(tmp_path):
    layer, = inside(tmp_path, (3, 2, 5, 4), (1, 3), (3, 2, 5, 2)).layers
    assert (layer.op, layer.views, layer.padding) == ("conv", ((6, 5, 4),), (0, 1, 0, 1))


def test_a_batch_of_columns_is_one_image_that_is_turned(tmp_path):
    layer, = inside(tmp_path, (3, 5, 1, 4), (3, 1), (3, 5, 1, 2)).layers
    assert (layer.op, layer.views, layer.padding, layer.weights.shape) == (
        "conv", ((3, 5, 4),), (0, 1, 0, 1), (2, 1, 3, 4))


def test_another_batch_is_an_image_after_the_other(tmp_path):
    graph = inside(tmp_path, (2, 5, 5, 4), (3, 3), (2, 5, 5, 2))
    assert layers(graph) == ["gather", "conv"] * 2 + ["concat"]
    assert graph.layers[2].parameters == (100, 20, 4, 1)


def transposed(path, taken, kernel, given, stride, **fields):
    tensors = [integers(*given), weights(given[-1], *kernel, taken[-1]), tensor(taken), tensor(given)]
    return load(path, tensors, [operator("TRANSPOSE_CONV", [0, 1, 2], 3, "TransposeConvOptions", StrideH=stride,
                                         StrideW=stride, **fields)], inputs=(2,))


def test_a_transposed_convolution_spreads_its_input_and_turns_its_weights(tmp_path):
    spread, layer = transposed(tmp_path, (1, 3, 4, 2), (3, 3), (1, 6, 8, 5), 2).layers
    assert (spread.op, spread.output.shape) == ("pad", (5, 7, 2))
    assert spread.parameters == (0, 0, 1, 0, 0, 1, 0, 0, 0, 0)
    assert (layer.op, layer.padding, layer.output.shape) == ("conv", (2, 2, 1, 1), (6, 8, 5))
    assert layer.weights[0, 0, 0].tolist() == [16, 17]


def test_a_transposed_convolution_of_stride_1_needs_no_pad(tmp_path):
    assert layers(transposed(tmp_path, (1, 3, 4, 2), (2, 3), (1, 4, 6, 5), 1, Padding=VALID)) == ["conv"]


@pytest.mark.parametrize("taken, kernel, given, fields, text", [
    ((1, 5, 4, 3), (3, 2), (1, 5, 4, 2), {"StrideW": 0}, r"stride \(1, 0\): height and width are 1 to 65536"),
    ((1, 5, 4, 3), (3, 2), (1, 5, 4, 2), {"Padding": 2}, "padding 2 is neither SAME nor VALID"),
    ((1, 5, 4, 3), (6, 2), (1, 5, 4, 2), {"Padding": VALID}, r"a kernel of \(6, 2\) taps, \(1, 1\) apart, does not"),
    ((1, 4, 3), (1, 1), (1, 4, 2), {}, r"tensor 0 has a shape of \(1, 4, 3\); it takes one of 4 dimensions"),
])
def test_what_does_not_fit_is_named(tmp_path, taken, kernel, given, fields, text):
    with pytest.raises(GraphError, match=text):
        conv(tmp_path, taken, kernel, given, **fields)


@pytest.mark.parametrize("taken, given, stride, text", [
    ((1, 3, 4, 2), (1, 2, 2, 5), 2, "less than its kernel reaches; convert the network again"),
    ((1, 3, 4, 2), (2, 6, 8, 5), 2, "for a batch of 1 and 5 channels"),
    ((1, 3, 4, 2), (1, 6, 8, 5), 0, "stride \\(0, 0\\): Heddle takes a batch of 1, equal channels and strides of 1"),
])
def test_a_transposed_convolution_that_does_not_fit_is_named(tmp_path, taken, given, stride, text):
    with pytest.raises(GraphError, match=text):
        transposed(tmp_path, taken, (3, 3), given, stride)
