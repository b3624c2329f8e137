from dataclasses import replace

import numpy as np
import pytest

from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.compiler.rewrite import rewrite
from sw.golden import run
from sw.golden.fixed import quantize_multiplier
from sw.golden.pooling import prepare_mean
from sw.golden.requantize import prepare_requantize
from sw.graph.graph import Constant, Graph, Layer, TensorType
from tests.support.layers import random_add, random_layer

KIND = TensorType(shape=(6, 5, 4), scale=0.1, zero_point=3)
DESIGN = PRESETS["ecp5-25"]
NONE, EMPTY = np.zeros(0, np.int32), np.zeros(0, np.int8)


def layer(op, output, inputs, *parameters, multiplier=NONE, shift=NONE, bias=NONE, weights=EMPTY, **fields):
    return Layer(name=op, op=op, output=output, weights=weights, bias=bias, multiplier=np.array(multiplier, np.int32),
                 shift=np.array(shift, np.int32), inputs=inputs, parameters=parameters, **fields)


def scaled(op, output, inputs, real, **fields):
    multiplier, shift = quantize_multiplier(real)
    return layer(op, output, inputs, multiplier=[multiplier], shift=[shift], **fields)


def constant(values, scale=0.02, zero=-5):
    values = np.array(values, np.int8)
    shape = (1,) * (3 - values.ndim) + values.shape
    return Constant(type=TensorType(shape=shape, scale=scale, zero_point=zero), values=values.reshape(shape))


def net(*layers, constants=(), kind=KIND, **fields):
    return Graph(name="net", inputs=(kind,), layers=layers, constants=tuple(constants), **fields).check()


def multiplied(values, factor=0.03, swapped=False):
    output = TensorType(shape=KIND.shape, scale=0.07, zero_point=-2)
    return net(scaled("mul", output, (1, 0) if swapped else (0, 1), factor), constants=[constant(values)])


def added(values):
    held = constant(values)
    return net(replace(random_add(np.random.default_rng(0), (0, 1), [KIND, KIND]), name="add"), constants=[held])


def requantized(given, **fields):
    output = TensorType(shape=KIND.shape, scale=given, zero_point=-20)
    multiplier, shift = prepare_requantize(KIND.scale, given)
    return net(layer("requantize", output, (0,), multiplier=[multiplier], shift=[shift], **fields))


def averaged(rows, columns, given=0.09):
    multiplier, shift = prepare_mean(KIND.scale, given, rows * columns)
    output = TensorType(shape=(1, 1, 4), scale=given, zero_point=7)
    return net(layer("mean", output, (0,), multiplier=[multiplier], shift=[shift], bias=np.zeros(1, np.int32),
                     views=((1, rows * columns, 4),)), kind=replace(KIND, shape=(rows, columns, 4)))


def table(kind, function="any", inputs=(0,), seed=0):
    values = np.random.default_rng(seed).integers(-128, 128, 256).astype(np.int8)
    return layer("table", kind, inputs, weights=values, function=function)


def gated(*steps, op="mul", **fields):
    """The input and what ``steps`` tables make of it, multiplied or added."""
    tables = [table(KIND, f"step{number}", (number,), number) for number in range(steps[0])]
    inputs = (steps[1] if len(steps) > 1 else 0, len(tables))
    if op == "add":
        last = random_add(np.random.default_rng(0), inputs, [KIND, KIND])
    else:
        last = scaled("mul", TensorType(shape=KIND.shape, scale=0.07, zero_point=-2), inputs, 0.03)
    return net(*tables, last, **fields)


def padded(value=3, around=(1, 1, 0, 0, 2, 0, 0, 0, 0), kernel=(3, 3), readers=1):
    sizes = [size + before + after + (size - 1) * between
             for size, before, after, between in zip(KIND.shape, around[::3], around[1::3], around[2::3], strict=True)]
    pad = layer("pad", replace(KIND, shape=tuple(sizes)), (0,), *around, value)
    rng = np.random.default_rng(0)
    convs = [random_layer(rng, "conv", pad.output, outputs=5, kernel=kernel, inputs=(1,), name=f"conv{number}")
             for number in range(readers)]
    return net(pad, *convs, outputs=tuple(range(2, 2 + readers)))


@pytest.mark.parametrize("graph, ops", [
    (multiplied(9), ["depthwise"]), (multiplied(9, swapped=True), ["depthwise"]),
    (multiplied([1, -3, 100, -128]), ["depthwise"]),          # 105 and -123 less their zero point
    (multiplied([1, -3, 127, -128]), ["mul"]),                # 132 is no weight
    (multiplied([-4, -3, 1, 2], factor=3.0), ["depthwise"]),  # a left shift of 2 in weights of -4 to 28
    (multiplied(np.arange(20).reshape(5, 4)), ["mul"]),       # not one for each channel
    (added(7), ["table"]), (added([1, 2, 3, 4]), ["add"]),
    (requantized(0.3), ["depthwise"]), (requantized(0.02), ["depthwise"]), (requantized(0.1), ["depthwise"]),
    (requantized(0.3, act_min=-20), ["depthwise"]), (multiplied(-80), ["depthwise"]),
    (requantized(0.0005), ["requantize"]),
    (averaged(6, 5), ["depthwise"]), (averaged(1, 7), ["depthwise"]), (averaged(1, 257), ["mean"]),
    (net(table(KIND)), ["table"]),
    (net(table(KIND), table(KIND, inputs=(1,), seed=1)), ["table"]),
    (net(table(KIND), table(KIND, inputs=(1,), seed=1), outputs=(1, 2)), ["table", "table"]),
    (gated(1), ["table"]), (gated(2), ["table"]), (gated(0), ["table"]),
    (gated(1, outputs=(1, 2)), ["table", "table"]),
    (gated(2, 1, outputs=(1, 3)), ["table", "table"]),      # of the nearest one
    (gated(1, op="add"), ["table", "add"]), (gated(0, op="add"), ["add"]),
    (padded(), ["conv"]), (padded(value=4), ["pad", "conv"]), (padded(readers=2), ["pad", "conv", "conv"]),
    (padded(around=(3, 0, 0, 0, 0, 0, 0, 0, 0)), ["pad", "conv"]),      # a window of padding alone
    (padded(around=(0, 0, 1, 0, 0, 0, 0, 0, 0), kernel=(3, 3)), ["pad", "conv"]),
])
def test_the_same_answers_from_other_layers(graph, ops):
    inputs = np.random.default_rng(1).integers(-128, 128, (40, *graph.input.shape)).astype(np.int8)
    found = rewrite(graph, DESIGN)
    assert [one.op for one in found.layers] == ops
    before, after = run(graph, inputs), run(found, inputs)
    for old, new in zip(graph.answers, found.answers, strict=True):
        assert np.array_equal(before[old], after[new])
    compile_graph(graph, DESIGN)


def shuffled(*, groups=2, channels=8, **fields):
    """Channels of each pixel as those of another group follow each other, read as they are and in another shape."""
    kind = replace(KIND, shape=(6, 5, channels))
    apart = replace(kind, shape=(6, 5, channels // groups, groups))
    gather = layer("gather", apart, (0,), 0, 5 * channels, channels, 1, channels // groups)
    convs = [replace(random_layer(np.random.default_rng(0), "conv", kind, outputs=3, kernel=(1, 1), inputs=(1,)),
                     views=(kind.shape,)), table(apart, inputs=(1,))]
    return net(gather, *convs, kind=kind, **{"outputs": (2, 3), **fields})


@pytest.mark.parametrize("graph, ops", [
    (shuffled(), ["conv", "conv", "table"]), (shuffled(groups=4, channels=12), ["conv", "conv", "table"]),
    (shuffled(outputs=(2, 3, 1)), ["gather", "conv", "table"]),             # an answer keeps its shape
    (shuffled(groups=1), ["gather", "conv", "table"]),                      # moves nothing
    (shuffled(groups=2, channels=512), ["gather", "conv", "table"]),        # more weights than there is room for
    (net(layer("gather", replace(KIND, shape=(6, 5, 2)), (0,), 1, 20, 4, 1), table(replace(KIND, shape=(6, 5, 2)),
                                                                                   inputs=(1,))), ["gather", "table"]),
    (net(layer("gather", replace(KIND, shape=(6, 5, 2)), (0,), 1, 20, 4, 2), table(replace(KIND, shape=(6, 5, 2)),
                                                                                   inputs=(1,))), ["conv", "table"]),
    (net(layer("gather", KIND, (0,), 3, 20, 4, -1), table(KIND, inputs=(1,))), ["conv", "table"]),
    (net(layer("gather", KIND, (0,), 100, -20, 4, 1), table(KIND, inputs=(1,))), ["gather", "table"]),     # rows
])
def test_a_movement_of_channels_is_a_convolution(graph, ops):
    inputs = np.random.default_rng(1).integers(-128, 128, (40, *graph.input.shape)).astype(np.int8)
    found = rewrite(graph, DESIGN)
    assert [one.op for one in found.layers] == ops
    before, after = run(graph, inputs), run(found, inputs)
    for old, new in zip(graph.answers, found.answers, strict=True):
        assert np.array_equal(before[old], after[new].reshape(before[old].shape))
    assert "conv" not in [one.op for one in rewrite(graph, PRESETS["up5k"]).layers[:1]]


def test_movements_of_channels_leave_the_other_weights_most_of_the_memory():
    kind = replace(KIND, shape=(6, 5, 64))
    layers = [layer("gather", kind, (number,), 63, 320, 64, -1) for number in range(4)]
    graph = net(*layers, table(kind, inputs=(4,)), kind=kind)
    found = [one.op for one in rewrite(graph, DESIGN).layers]
    assert found == ["conv", "conv", "gather", "gather", "table"] and DESIGN.weight_bytes // 4 // 64**2 == 2


@pytest.mark.parametrize("graph", [multiplied(9), requantized(0.3), averaged(6, 5)], ids=["mul", "requantize", "mean"])
@pytest.mark.parametrize("design", [
    replace(DESIGN, multiplier="trunc"), PRESETS["up5k"], replace(DESIGN, weight_bits=4, multiplier="lut")])
def test_an_engine_that_would_give_other_values_or_not_take_it_is_left_out(graph, design):
    assert "depthwise" not in [one.op for one in rewrite(graph, design).layers]


def test_a_table_behind_the_engine_stays_where_the_engine_has_a_unit_for_it():
    first = random_layer(np.random.default_rng(0), "conv", KIND, outputs=4, kernel=(1, 1))
    output = TensorType(shape=first.output.shape, scale=0.3, zero_point=-20)
    multiplier, shift = prepare_requantize(first.output.scale, 0.3)
    graph = net(first, layer("requantize", output, (1,), multiplier=[multiplier], shift=[shift]))
    ops = [[one.op for one in rewrite(graph, replace(DESIGN, table_unit=unit)).layers] for unit in (False, True)]
    assert ops == [["conv", "depthwise"], ["conv", "requantize"]]


@pytest.mark.parametrize("steps", [1, 2])
def test_a_sum_of_one_tensor_is_a_table_where_the_engine_has_one(steps):
    graph, design = gated(steps, op="add"), replace(DESIGN, table_unit=True)
    inputs = np.random.default_rng(1).integers(-128, 128, (40, *graph.input.shape)).astype(np.int8)
    found = rewrite(graph, design)
    assert [one.op for one in found.layers] == ["table"]
    assert np.array_equal(run(graph, inputs)[-1], run(found, inputs)[-1])


def test_a_layer_and_its_gate_are_one_command():
    kind = replace(KIND, zero_point=0)
    conv = random_layer(np.random.default_rng(0), "conv", kind, outputs=4, kernel=(1, 1))
    gate = scaled("mul", TensorType(shape=KIND.shape, scale=0.07, zero_point=-2), (1, 2), 0.03)
    graph = net(conv, table(conv.output, "logistic", (1,)), gate, kind=kind)
    program = compile_graph(graph, replace(DESIGN, table_unit=True))
    assert len(program.plans) == len(program.layers) == 1
    assert len(compile_graph(graph, DESIGN).kernels) == 1


def test_a_sum_that_the_accumulator_does_not_hold_is_the_cpus():
    """Of 90 x 90 values, 1,036,800 at most; of weights in digits each has 6 bits less."""
    graph = averaged(90, 90)
    for multiplier, bits, op in (("lut", 20, "mean"), ("lut", 21, "depthwise"), ("scalable", 26, "mean"),
                                 ("scalable", 27, "depthwise"), ("scalable", PRESETS["ecp5-25"].acc_bits, "depthwise")):
        design = replace(DESIGN, multiplier=multiplier, acc_bits=bits)
        assert [one.op for one in rewrite(graph, design).layers] == [op]
        compile_graph(graph, design)


def test_what_is_not_read_any_more_is_gone():
    graph = rewrite(multiplied(9), DESIGN)
    assert not graph.constants and graph.first == 1
