import time

import numpy as np
import pytest

from hw.spec.design import DesignPoint
from hw.spec.multipliers import MULTIPLIERS, product
from hw.spec.requant import requantize as requantize_one
from sw import golden
from sw.golden.ops import matmul, requantize
from sw.golden.reference import run_reference
from sw.graph.graph import Graph, GraphError, TensorType
from tests.sw.golden.nets import inputs_of, kind, layer, pool, small_net, weights_of

EVERY = np.arange(-128, 128, dtype=np.int8)


@pytest.mark.parametrize("weight_bits", [8, 4, 2])
def test_truncated_products_over_every_pair(weight_bits):
    trunc = MULTIPLIERS["trunc"]
    weights = np.arange(-(1 << weight_bits - 1), 1 << weight_bits - 1).astype(np.int8)
    fast = matmul(EVERY[:, None], weights[None], trunc.dropped_columns(weight_bits))
    assert fast.tolist() == [[product(trunc, int(a), int(w), weight_bits=weight_bits) for w in weights] for a in EVERY]


@pytest.mark.parametrize("terms", [1024, 1025, 4000])
def test_matmul_is_exact_at_the_extremes(terms):
    acts, weights = np.full((1, terms), -128, np.int8), np.full((terms, 1), -128, np.int8)
    acts[0, -1], weights[0, 0] = 127, 127
    exact = sum(int(a) * int(w) for a, w in zip(acts[0], weights[:, 0], strict=True))
    assert matmul(acts, weights).item() == exact


def test_requantize_equals_the_definition():
    rng = np.random.default_rng(1)
    corners = [-(1 << 31), (1 << 31) - 1, -(1 << 20), (1 << 20) - 1, -1, 0, 1, 2, 3, -2, -3]
    acc = np.array(corners + rng.integers(-(1 << 24), 1 << 24, 500).tolist())[:, None]
    multiplier = np.array([0, 1, 1 << 30, (1 << 31) - 1, 1518500250], np.int32)
    shift, bias = np.array([0, 1, 7, 31, 12], np.int32), np.array([0, -5, (1 << 31) - 1, -(1 << 31), 3], np.int32)
    got = requantize(acc, bias=bias, multiplier=multiplier, shift=shift, zero=-3, low=-128, high=100)
    want = [[requantize_one(int(a), bias=int(b), multiplier=int(m), shift=int(s), zero=-3, low=-128, high=100)
             for b, m, s in zip(bias, multiplier, shift, strict=True)] for a in acc[:, 0]]
    assert got.dtype == np.int8
    assert got.tolist() == want


@pytest.mark.parametrize("bits, multiplier", [(8, None), (8, "dsp"), (8, "trunc"), (4, "trunc"), (2, "trunc")])
def test_fast_equals_reference(bits, multiplier):
    design = None if multiplier is None else DesignPoint(multiplier=multiplier, weight_bits=bits)
    graph = small_net(bits, bits)
    inputs = inputs_of(graph, 6)
    fast = golden.run(graph, inputs, design)
    assert all(len(np.unique(tensor)) > 5 for tensor in fast), "the net saturates and compares nothing"
    for n in range(len(inputs)):
        for name, one, many in zip(range(9), run_reference(graph, inputs[n], design), fast, strict=False):
            np.testing.assert_array_equal(one, many[n], err_msg=f"tensor {name} of input {n}")


def test_truncation_changes_the_result():
    graph = small_net(8)
    inputs = inputs_of(graph, 4)
    exact, cut = golden.run(graph, inputs), golden.run(graph, inputs, DesignPoint(multiplier="trunc"))
    assert any((one != other).any() for one, other in zip(exact, cut, strict=True))


def test_average_rounds_half_away_from_zero():
    taken = TensorType(shape=(1, 2, 4), scale=1.0, zero_point=3)
    graph = Graph(name="average", input=taken, layers=(pool(taken, (1, 2)),)).check()
    inputs = np.array([[[[1, -1, 3, -128], [2, -2, -3, -127]]]], np.int8)
    assert golden.run(graph, inputs)[-1].tolist() == [[[[2, -2, 0, -128]]]]


def test_batches_make_no_difference():
    graph = small_net(3)
    inputs = inputs_of(graph, 300)
    whole = golden.run(graph, inputs)[-1]
    assert (whole[250:] == golden.run(graph, inputs[250:])[-1]).all()


def test_wrong_inputs_are_named():
    graph = small_net(0)
    with pytest.raises(GraphError, match=r"small: inputs are float64\(2, 7, 6, 3\); it takes int8 \(N, 7, 6, 3\)"):
        golden.run(graph, np.zeros((2, 7, 6, 3)))
    with pytest.raises(GraphError, match=r"inputs are int8\(2, 6\)"):
        golden.run(graph, np.zeros((2, 6), np.int8))


def test_360_digits_take_little_time():
    rng = np.random.default_rng(0)
    shape = (8, 8, 16)
    layers = [layer(rng, "conv", weights_of(rng, (16, 3, 3, 1), 8), kind(shape, rng), padding=(1, 1, 1, 1))]
    for _ in range(3):
        layers += [layer(rng, "depthwise", weights_of(rng, (3, 3, 16), 8), kind(shape, rng), padding=(1, 1, 1, 1)),
                   layer(rng, "conv", weights_of(rng, (16, 1, 1, 16), 8), kind(shape, rng))]
    graph = Graph(name="digits", input=kind((8, 8, 1), rng), layers=tuple(layers)).check()
    start = time.process_time()
    golden.run(graph, inputs_of(graph, 360), DesignPoint(multiplier="trunc"))
    assert time.process_time() - start < 3
