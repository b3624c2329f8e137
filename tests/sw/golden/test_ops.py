import time
from dataclasses import replace

import numpy as np
import pytest

from hw.spec.design import DesignPoint
from sw import golden
from sw.golden.reference import run_reference
from sw.golden.softmax import prepare_softmax
from sw.golden.sums import accumulate
from sw.graph.graph import Graph, GraphError, Layer, TensorType
from tests.support.layers import random_add, random_graph, random_inputs, random_layer, random_residual
from tests.sw.golden.nets import inputs_of, kind, layer, pool, small_net, weights_of

EVERY = np.arange(-128, 128, dtype=np.int8)


@pytest.mark.parametrize("bits, multiplier", [(8, None), (8, "dsp"), (8, "trunc"), (4, "trunc"), (2, "trunc")])
def test_fast_equals_reference(bits, multiplier):
    design = None if multiplier is None else DesignPoint(multiplier=multiplier, weight_bits=bits)
    graph = small_net(bits, bits)
    inputs = inputs_of(graph, 6)
    fast = golden.run(graph, inputs, design)
    assert all(len(np.unique(tensor)) > 5 for tensor in fast), "the net saturates and compares nothing"
    for n in range(len(inputs)):
        for name, one, many in zip(range(9), run_reference(graph, inputs[n], design=design), fast, strict=False):
            np.testing.assert_array_equal(one, many[n], err_msg=f"tensor {name} of input {n}")


def test_truncation_changes_the_result():
    graph = small_net(8)
    inputs = inputs_of(graph, 4)
    exact, cut = golden.run(graph, inputs), golden.run(graph, inputs, DesignPoint(multiplier="trunc"))
    assert any((one != other).any() for one, other in zip(exact, cut, strict=True))


def test_average_rounds_half_away_from_zero():
    taken = TensorType(shape=(1, 2, 4), scale=1.0, zero_point=3)
    graph = Graph(name="average", inputs=(taken,), layers=(pool(taken, (1, 2)),)).check()
    inputs = np.array([[[[1, -1, 3, -128], [2, -2, -3, -127]]]], np.int8)
    assert golden.run(graph, inputs)[-1].tolist() == [[[[2, -2, 0, -128]]]]


def compare(graph, inputs, design=None):
    fast = golden.run(graph, inputs, design)
    for n in range(len(inputs)):
        for number, one in enumerate(run_reference(graph, inputs[n], design=design)):
            np.testing.assert_array_equal(one, fast[number][n], err_msg=f"tensor {number} of input {n}")
    return fast


@pytest.mark.parametrize("seed", range(24))
def test_residual_networks_equal_the_reference(seed):
    rng = np.random.default_rng(seed)
    graph = random_residual(rng, weight_bits=(8, 4, 2, 1)[seed % 4], act_bits=(8, 4)[seed // 4 % 2])
    tensors = compare(graph, random_inputs(rng, graph, 3), DesignPoint(multiplier="trunc") if seed % 3 else None)
    assert all(kind.low <= tensor.min() and tensor.max() <= kind.high
               for kind, tensor in zip(graph.types(), tensors, strict=True))


@pytest.mark.parametrize("seed", range(24))
def test_every_operator_equals_the_reference(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, ops=("conv", "depthwise", "dense", "avgpool", "maxpool", "maxpool", "add"),
                         depth_multiplier=3, weight_bits=(8, 4, 2, 1)[seed % 4], act_bits=(8, 4)[seed // 4 % 2])
    compare(graph, random_inputs(rng, graph, 3))


@pytest.mark.parametrize("bits", [8, 4])
def test_random_tensors_are_not_saturated(bits):
    rng = np.random.default_rng(2)
    inside = []
    for _ in range(20):
        graph = random_residual(rng, weight_bits=1, act_bits=bits)
        last = graph.layers[-1]
        output = golden.run(graph, random_inputs(rng, graph, 20))[-1]
        inside.append(np.mean((output > last.act_min) & (output < last.act_max)))
    assert np.mean(inside) > 0.4


def test_padding_never_wins_a_maximum():
    taken = TensorType(shape=(2, 2, 1), scale=1.0, zero_point=50)
    none = np.zeros(0, np.int32)
    pooling = Layer(name="pool", op="maxpool", weights=np.zeros((2, 2, 0), np.int8), bias=none, multiplier=none,
                    shift=none, padding=(1, 1, 1, 1), act_max=90,
                    output=TensorType(shape=(3, 3, 1), scale=1.0, zero_point=50))
    graph = Graph(name="maximum", inputs=(taken,), layers=(pooling,)).check()
    inputs = np.array([[[[-100], [-128]], [[7], [120]]]], np.int8)
    assert golden.run(graph, inputs)[-1][0, ..., 0].tolist() == [[-100, -100, -128], [7, 90, 90], [7, 90, 90]]
    assert accumulate(pooling, taken, inputs).max() == 120, "the array's maxima are not clamped"
    compare(graph, inputs)


def test_an_add_is_tflites():
    """At the scales of ResNet-8's first add: real values within half a step, and ties of the last rounding."""
    kinds = [TensorType(shape=(1, 1, 65536), scale=0.039393551647663116, zero_point=-128),
             TensorType(shape=(1, 1, 65536), scale=0.0461723729968071, zero_point=4)]
    scale = 0.050945673137903214
    real = np.array([kind.scale / (2 * kinds[1].scale) for kind in kinds] + [2 * kinds[1].scale / scale / (1 << 20)])
    mantissa, exponent = np.frexp(real)
    layer = Layer(name="add", op="add", inputs=(0, 1), weights=np.zeros(0, np.int8), bias=np.zeros(3, np.int32),
                  multiplier=np.round(mantissa * 2.0**31).astype(np.int32), shift=-exponent.astype(np.int32),
                  output=TensorType(shape=(1, 1, 65536), scale=scale, zero_point=-128))
    first, second = (values.reshape(1, 1, 1, -1) for values in np.meshgrid(EVERY, EVERY))
    got = golden.ops.run_layer(layer, kinds, [first, second]).astype(float)
    exact = sum((values - kind.zero_point) * kind.scale for values, kind in
                zip((first.astype(float), second.astype(float)), kinds, strict=True)) / scale - 128
    assert np.abs(got - np.clip(exact, -128, 127)).max() < 0.5001
    assert len(np.unique(got)) == 256


def test_a_softmax_behind_a_dense_layer():
    rng = np.random.default_rng(5)
    taken = TensorType(shape=(1, 1, 16), scale=0.05, zero_point=0)
    dense = random_layer(rng, "dense", taken, outputs=10)
    multiplier, shift = prepare_softmax(1.0, dense.output.scale)
    last = Layer(name="softmax", op="softmax", weights=np.zeros(0, np.int8), bias=np.zeros(0, np.int32),
                 multiplier=np.array([multiplier], np.int32), shift=np.array([shift], np.int32),
                 output=TensorType(shape=(1, 1, 10), scale=1 / 256, zero_point=-128))
    graph = Graph(name="classes", inputs=(taken,), layers=(dense, last)).check()
    tensors = compare(graph, random_inputs(rng, graph, 5))
    with pytest.raises(GraphError, match=r"softmax \(softmax\): has no accumulators; ask for those of conv, depthwise"):
        accumulate(last, dense.output, tensors[1])


def test_four_bit_inputs_are_checked():
    rng = np.random.default_rng(6)
    graph = random_residual(rng, act_bits=4)
    inputs = random_inputs(rng, graph, 2)
    inputs[1, 0, 0, 0] = 9
    with pytest.raises(GraphError, match=r"residual: inputs reach from -8 to 9; it takes 4 bits, -8 to 7"):
        golden.run(graph, inputs)


@pytest.mark.parametrize("field, value", [("shift", np.array([0, 0, 0])), ("multiplier", np.array([0, 1, 0]) << 22)])
def test_a_wrong_add_is_seen(field, value):
    rng = np.random.default_rng(7)
    taken = TensorType(shape=(3, 3, 4), scale=0.05, zero_point=0)
    conv = random_layer(rng, "conv", taken, outputs=4, kernel=(1, 1))
    add = random_add(rng, (0, 1), [taken, conv.output])
    wrong = replace(add, **{field: (getattr(add, field) ^ value if value.any() else getattr(add, field)[[1, 0, 2]] + 1)
                            .astype(np.int32)})
    right, other = (Graph(name="sum", inputs=(taken,), layers=(conv, last)).check() for last in (add, wrong))
    inputs = random_inputs(rng, right, 50)
    assert not np.array_equal(golden.run(right, inputs)[-1], golden.run(other, inputs)[-1])


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
    graph = Graph(name="digits", inputs=(kind((8, 8, 1), rng),), layers=tuple(layers)).check()
    start = time.process_time()
    golden.run(graph, inputs_of(graph, 360), DesignPoint(multiplier="trunc"))
    assert time.process_time() - start < 3
