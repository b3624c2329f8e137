"""Random graphs whose layers meet the corners: odd sizes, uneven padding and strides, extreme values."""

import numpy as np

from sw.graph.graph import Graph, Layer, TensorType

EMPTY = np.zeros(0, np.int32)


def kind(shape, rng):
    return TensorType(shape=shape, scale=0.1, zero_point=int(rng.integers(-60, 60)))


def layer(rng, op, weights, output, *, bits=8, **fields):
    channels = output.shape[2]
    terms = weights[..., 0].size if op == "depthwise" else weights[0].size
    return Layer(name=op, op=op, output=output, weights=weights, weight_bits=bits,
                 bias=rng.integers(-2000, 2000, channels).astype(np.int32),
                 multiplier=rng.integers(1 << 30, 1 << 31, channels).astype(np.int32),
                 shift=(rng.integers(0, 2, channels) + max(1, int(np.log2(terms) / 2) + bits - 2)).astype(np.int32),
                 **fields)


def weights_of(rng, shape, bits):
    high = 1 << bits - 1
    return rng.choice([-high, high - 1, *rng.integers(-high, high, 13)], shape).astype(np.int8)


def pool(taken, kernel):
    height, width, channels = taken.shape
    output = TensorType(shape=(height // kernel[0], width // kernel[1], channels), scale=taken.scale,
                        zero_point=taken.zero_point)
    return Layer(name="pool", op="avgpool", output=output, weights=np.zeros((*kernel, 0), np.int8), bias=EMPTY,
                 multiplier=EMPTY, shift=EMPTY, stride=kernel)


def small_net(seed, bits=8):
    """conv 3x3 s(2,1), depthwise 3x3, conv 1x1 with a clamp, average pool, dense on a 7x6x3 input."""
    rng = np.random.default_rng(seed)
    conv = layer(rng, "conv", weights_of(rng, (5, 3, 3, 3), bits), kind((4, 6, 5), rng), bits=bits,
                 stride=(2, 1), padding=(1, 1, 1, 1))
    depthwise = layer(rng, "depthwise", weights_of(rng, (3, 3, 5), bits), kind((4, 6, 5), rng), bits=bits,
                      padding=(0, 2, 2, 0))
    point = layer(rng, "conv", weights_of(rng, (6, 1, 1, 5), bits), kind((4, 6, 6), rng), bits=bits, act_min=-100,
                  act_max=90)
    average = pool(point.output, (4, 3))
    dense = layer(rng, "dense", weights_of(rng, (4, 12), bits), kind((1, 1, 4), rng), bits=bits)
    return Graph(name="small", inputs=(kind((7, 6, 3), rng),), layers=(conv, depthwise, point, average, dense)).check()


def inputs_of(graph, count, seed=0):
    rng = np.random.default_rng(seed)
    data = rng.integers(-128, 128, (count, *graph.input.shape)).astype(np.int8)
    data[0], data[-1] = -128, 127
    return data
