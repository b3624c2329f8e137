"""Output factors of 1 and more: the same values from layers that shift right."""

from dataclasses import replace

import numpy as np
import pytest

from sw.compiler.factors import lower_factors
from sw.golden import run
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_layer

START = TensorType(shape=(4, 5, 6), scale=0.05, zero_point=9)


def graph_of(op, left, *, zero=5, **fields):
    """A layer that shifts every second channel left by so many bits, between two others."""
    rng = np.random.default_rng(0)
    first = random_layer(rng, "depthwise", START, name="first", padding=(1, 1, 1, 1))
    layer = random_layer(rng, op, first.output, name="raised", padding=(0, 0, 0, 0) if op == "dense" else (1, 0, 1, 2),
                         **fields)
    weights = rng.integers(-127, 128, layer.weights.shape).astype(np.int8)
    shift = np.where(np.arange(len(layer.shift)) % 2, -left, 12).astype(np.int32)
    multiplier = rng.integers(1 << 30, 1 << 31, len(shift)).astype(np.int32)
    layer = replace(layer, weights=weights, shift=shift, multiplier=multiplier, act_min=-128, act_max=127,
                    output=replace(layer.output, zero_point=zero))
    last = random_layer(rng, "dense", layer.output, outputs=3, name="last")
    return Graph(name="net", inputs=(START,), layers=(first, layer, last)).check()


@pytest.mark.parametrize("op", ["conv", "depthwise", "dense"])
@pytest.mark.parametrize("left", range(1, 7))
@pytest.mark.parametrize("zero", [-128, 5, 127])
def test_the_values_are_the_same_and_nothing_shifts_left(op, left, zero):
    graph = graph_of(op, left, zero=zero, **({"outputs": 4} if op != "depthwise" else {}))
    lowered = lower_factors(graph).check()
    names = ["raised_copies", "raised"] if left == 1 else ["raised_sum_copies", "raised_sum", "raised"]
    assert [layer.name for layer in lowered.layers] == ["first", *names, "last"]
    assert min(layer.shift.min(initial=0) for layer in lowered.layers) == 0
    inputs = np.random.default_rng(1).integers(-128, 128, (20, *START.shape)).astype(np.int8)
    old, new = run(graph, inputs), run(lowered, inputs)
    assert np.array_equal(old[2], new[-2].reshape(old[2].shape)) and np.array_equal(old[-1], new[-1])
    assert len(np.unique(old[2])) > 2


def test_small_weights_need_no_copies():
    graph = graph_of("dense", 2, outputs=4)
    layers = list(graph.layers)
    layers[1] = replace(layers[1], weights=(layers[1].weights // 8).astype(np.int8))
    lowered = lower_factors(replace(graph, layers=tuple(layers)))
    assert len(lowered.layers) == 3
    assert np.array_equal(lowered.layers[1].weights[1], layers[1].weights[1] * 4)


def test_what_is_too_large_or_nothing_stays():
    graph = graph_of("dense", 7, outputs=4)
    assert lower_factors(graph) is graph
    less = graph_of("dense", 6, outputs=4)
    less = replace(less, layers=tuple(replace(layer, multiplier=layer.multiplier // 2) for layer in less.layers))
    assert lower_factors(less) is less
    assert lower_factors(graph_of("dense", 6, outputs=4), weight_bits=4).layers[1].shift.min() == -6
    whole = replace(graph, layers=tuple(replace(layer, shift=np.maximum(layer.shift, 0)) for layer in graph.layers))
    assert lower_factors(whole) is whole
