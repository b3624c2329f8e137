"""Operators and errors that the MLPerf Tiny networks do not have, on files made for them."""

import numpy as np
import pytest

from sw.frontend import load_tflite
from sw.golden import run
from sw.golden.reference import run_reference
from sw.graph.graph import GraphError
from tests.sw.frontend.files import operator, tensor, write

SAME, VALID, RELU, RELU6, TANH = 0, 1, 1, 3, 4
IMAGE = tensor((1, 5, 5, 4), zero=3)


def load(path, tensors, operators, **options):
    return load_tflite(write(path / "net.tflite", tensors, operators, **options))


def agree(graph):
    inputs = np.random.default_rng(0).integers(-128, 128, (4, *graph.input.shape)).astype(np.int8)
    tensors = run(graph, inputs)
    for n in range(4):
        for fast, plain in zip(tensors, run_reference(graph, inputs[n]), strict=True):
            assert np.array_equal(fast[n], plain)
    return inputs, tensors[-1]


def pool(name, output, **fields):
    return operator(name, [0], output, "Pool2DOptions", **{"Padding": SAME, "StrideW": 2, "StrideH": 2,
                                                           "FilterWidth": 3, "FilterHeight": 3} | fields)


def depthwise(weights, *, output=(1, 5, 5, 12), bias=True, act=0, scale=0.01, zero=0, **fields):
    channels = output[-1]
    tensors = [IMAGE, tensor(weights.shape, data=weights, scale=np.full(channels, scale), zero=np.full(channels, zero),
                             axis=3),
               tensor((channels,), kind="INT32", data=np.arange(channels, dtype=np.int32)),
               tensor(output, scale=0.05, zero=-7)]
    options = {"Padding": SAME, "StrideW": 1, "StrideH": 1, "DepthMultiplier": channels // 4,
               "FusedActivationFunction": act} | fields
    return tensors, [operator("DEPTHWISE_CONV_2D", [0, 1, 2] if bias else [0, 1], 3, "DepthwiseConv2DOptions",
                              **options)]


ADD = operator("ADD", [0, 1], 2, "AddOptions")
WHOLE = pool("AVERAGE_POOL_2D", 1, Padding=VALID, FilterWidth=5, FilterHeight=5)


def weights(*shape):
    return np.random.default_rng(1).integers(-127, 128, shape).astype(np.int8)


def test_a_padded_max_pool(tmp_path):
    graph = load(tmp_path, [IMAGE, tensor((1, 3, 3, 4), zero=3)], [pool("MAX_POOL_2D", 1)])
    layer = graph.layers[0]
    assert (layer.op, layer.kernel, layer.stride, layer.padding) == ("maxpool", (3, 3), (2, 2), (1, 1, 1, 1))
    inputs, outputs = agree(graph)
    assert (outputs[:, 0, 0] == inputs[:, :2, :2].max(axis=(1, 2))).all()


@pytest.mark.parametrize("bias", [True, False])
def test_a_depth_multiplier(tmp_path, bias):
    graph = load(tmp_path, *depthwise(weights(1, 3, 3, 12), DepthMultiplier=3, bias=bias))
    assert (graph.layers[0].output.shape, graph.macs(0)) == ((5, 5, 12), 25 * 12 * 9)
    assert graph.layers[0].bias.tolist() == (list(range(12)) if bias else [0] * 12)
    agree(graph)


def test_relu6_ends_at_six(tmp_path):
    layer = load(tmp_path, *depthwise(weights(1, 3, 3, 4), output=(1, 5, 5, 4), act=RELU6)).layers[0]
    assert (layer.act_min, layer.act_max) == (-7, 113)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_add_in_either_order(tmp_path, order):
    tensors = [IMAGE, tensor((1, 5, 5, 4), scale=0.1, zero=3), tensor((1, 5, 5, 4), scale=0.3, zero=-4)]
    first = pool("AVERAGE_POOL_2D", 1, Padding=VALID, StrideW=1, StrideH=1, FilterWidth=1, FilterHeight=1)
    last = operator("ADD", list(order), 2, "AddOptions", FusedActivationFunction=RELU)
    graph = load(tmp_path, tensors, [first, last])
    assert (graph.inputs_of(1), graph.layers[1].act_min) == (order, -4)
    inputs, outputs = agree(graph)
    assert np.abs(np.clip(-4 + 2 / 3 * (inputs - 3.0), -4, 127) - outputs).max() <= 0.5001


def test_a_softmax_in_the_middle_and_a_requantization(tmp_path):
    same = (1, 5, 5, 4)
    graph = load(tmp_path, [IMAGE, tensor(same, scale=1 / 256, zero=-128), tensor(same, scale=0.01, zero=7)],
                 [operator("SOFTMAX", [0], 1, "SoftmaxOptions", Beta=1.0), operator("QUANTIZE", [1], 2)])
    assert [(layer.op, layer.shift.tolist()) for layer in graph.layers] == [("softmax", [23]), ("requantize", [1])]
    inputs, outputs = agree(graph)
    real = np.exp(0.1 * inputs.astype(float))
    real /= real.sum(axis=-1, keepdims=True)
    assert np.abs(np.clip(real / 0.01 + 7, -128, 127) - outputs).max() < 1.0


@pytest.mark.parametrize("tensors, operators, options, text", [
    ([IMAGE, tensor((1, 3, 3, 4))], [pool("MAX_POOL_2D", 1)], {},
     "operator 0 MAX_POOL_2D: pools scale 0.1, zero point 3 to scale 0.1, zero point 0; a pool keeps them: convert"),
    ([IMAGE, tensor((1, 1, 1, 4), zero=3), tensor((1, 5, 5, 3))], [WHOLE, ADD], {},
     r"ADD: operands of shapes \(1, 5, 5, 4\) and \(1, 1, 1, 4\) do not broadcast to the output's \(1, 5, 5, 3\)"),
    ([IMAGE, tensor((1, 5, 5, 4)), tensor((1, 5, 5, 4))], [ADD], {}, "ADD: reads tensor 1, which no operator before"),
    ([IMAGE, IMAGE, tensor((1, 5, 5, 4))], [ADD], {"inputs": ()}, "net.tflite: has 0 inputs and 1 outputs; a network"),
    ([IMAGE, tensor((1, 3, 3, 4), zero=3)], [pool("MAX_POOL_2D", 1)], {"outputs": ()}, "has 1 inputs and 0 outputs; a"),
    ([IMAGE, tensor((1, 3, 3, 4), zero=3)], [pool("MAX_POOL_2D", 1, FusedActivationFunction=TANH)], {},
     "operator 0 MAX_POOL_2D: fused activation TANH is not supported; use none, RELU, RELU6 or RELU_N1_TO_1, or an"),
    ([IMAGE, tensor((1, 5, 5, 4))], [operator("SOFTMAX", [0], 1, "SoftmaxOptions", Beta=1.0)], {},
     r"layer 0 softmax0 \(softmax\): scale 0.1.*a softmax gives 1/256, -128 and 8 bits"),
    ([IMAGE, tensor((1, 5, 5, 4), scale=1 / 256, zero=-128)],
     [operator("SOFTMAX", [0], 1, "SoftmaxOptions", Beta=1e-9)], {}, "operator 0 SOFTMAX: beta 1e-09 times scale"),
    ([IMAGE, tensor((1, 3, 3, 4), zero=3, kind="UINT8")], [pool("MAX_POOL_2D", 1)], {},
     "operator 0 MAX_POOL_2D: gives 36 values of int8, but tensor 1 has 36 of uint8; get or convert the file again"),
    (*depthwise(weights(1, 3, 3, 12), DilationHFactor=0), {},
     r"dilation \(0, 1\): height and width are 1 to 65536; get or convert the file again"),
    (*depthwise(weights(1, 3, 3, 12), scale=3e6), {}, r"output scale factor 6e\+06: at most 2\*\*22 stays within 32"),
    (*depthwise(weights(1, 3, 3, 12), scale=2e5), {}, r"channel \d+ sums to \d+ at most, and its output scale asks to"),
    (*depthwise(weights(1, 3, 3, 12), zero=1), {}, "tensor 1: weights with a zero point are not supported"),
    (*depthwise(weights(1, 3, 3, 6), output=(1, 5, 5, 6)), {},
     r"tensor 1 has a shape of \(1, 3, 3, 6\) for 4 channels and depth_multiplier=1; get or convert the file again"),
    (*depthwise(weights(1, 3, 3, 12), output=(1, 4, 5, 12)), {},
     r"tensor 3 has a shape of \(1, 4, 5, 12\), but input and kernel give \(1, 5, 5, 12\); get or convert the file"),
])
def test_what_cannot_be_loaded_is_named(tmp_path, tensors, operators, options, text):
    with pytest.raises(GraphError, match=text):
        load(tmp_path, tensors, operators, **options)
