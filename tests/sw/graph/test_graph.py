import json
from dataclasses import replace

import numpy as np
import pytest

from sw.graph.graph import ARRAYS, Graph, GraphError, Layer, TensorType
from tests.support.layers import random_graph, random_inputs, random_layer, random_residual

EMPTY = np.zeros(0, np.int32)
KIND = TensorType(shape=(4, 4, 6), scale=0.1, zero_point=3)


def conv(taken=KIND, **fields):
    fields = {"outputs": taken.shape[2], "kernel": (1, 1), "name": "conv"} | fields
    return random_layer(np.random.default_rng(1), "conv", taken, **fields)


def add(inputs=(0, 1), kind=KIND, **fields):
    ones = np.full(3, 1 << 30, np.int32)
    fields = {"bias": np.zeros(3, np.int32), "multiplier": ones, "shift": np.array([0, 0, 18], np.int32)} | fields
    return Layer(**{"name": "sum", "op": "add", "inputs": inputs, "output": kind, "weights": np.zeros(0, np.int8)}
                 | fields)


def softmax(kind=KIND, **fields):
    fields = {"output": replace(kind, scale=1 / 256, zero_point=-128), "multiplier": np.array([1 << 30], np.int32),
              "shift": np.array([24], np.int32)} | fields
    return Layer(**{"name": "last", "op": "softmax", "weights": np.zeros(0, np.int8), "bias": EMPTY} | fields)


def requantize(kind=KIND, **fields):
    fields = {"output": kind, "multiplier": np.array([1 << 30], np.int32), "shift": np.array([-1], np.int32)} | fields
    return Layer(**{"name": "again", "op": "requantize", "weights": np.zeros(0, np.int8), "bias": EMPTY} | fields)


def wide(channels):
    return replace(KIND, shape=(1, 1, channels))


def pool(op="maxpool", kernel=(2, 2), padding=(0, 0, 0, 0), shape=(3, 3, 6), **kind):
    return Layer(name="pool", op=op, weights=np.zeros((*kernel, 0), np.int8), bias=EMPTY, multiplier=EMPTY, shift=EMPTY,
                 output=replace(KIND, shape=shape, **kind), padding=padding)


def graph(*layers, taken=KIND):
    return Graph(name="net", inputs=(taken,), layers=layers)


def narrow(zero_point=0):
    return replace(KIND, bits=4, zero_point=zero_point)


def test_a_layer_reads_the_tensor_before_it_unless_it_says():
    net = graph(conv(), conv(), add(inputs=(1, 2)), softmax()).check()
    assert [net.inputs_of(index) for index in range(4)] == [(0,), (1,), (1, 2), (3,)]
    assert net.taken(2) == (net.layers[0].output, net.layers[1].output)
    assert (net.chain, graph(conv(), conv()).chain, graph(conv(), conv(inputs=(0,))).chain) == (False, True, False)


def test_an_operator_may_be_anywhere():
    net = graph(requantize(), softmax(), conv(), requantize(), softmax()).check()
    assert net.types()[2] == replace(KIND, scale=1 / 256, zero_point=-128)


def test_only_weights_count_as_macs():
    net = graph(conv(kernel=(3, 3), padding=(1, 1, 1, 1)), conv(), add(inputs=(1, 2)), pool())
    assert [net.macs(index) for index in range(4)] == [16 * 6 * 9 * 6, 16 * 6 * 6, 0, 0]
    assert [net.taps(index) for index in range(4)] == [16 * 6 * 9 * 6, 16 * 6 * 6, 0, 9 * 6 * 4]


def test_macs_of_a_depth_multiplier():
    layer = random_layer(np.random.default_rng(1), "depthwise", KIND, depth_multiplier=3)
    assert graph(layer).check().macs(0) == 2 * 2 * 18 * 9


@pytest.mark.parametrize("seed", range(4))
def test_a_saved_graph_loads_as_it_was(tmp_path, seed):
    rng = np.random.default_rng(seed)
    net = random_residual(rng, weight_bits=1, act_bits=4) if seed < 2 else random_graph(rng, ops=("maxpool", "add"))
    net.save(tmp_path / "model.npz")
    loaded = Graph.load(tmp_path / "model.npz")
    assert (loaded.name, loaded.input) == (net.name, net.input)
    for one, other in zip(net.layers, loaded.layers, strict=True):
        assert {**vars(one), **dict.fromkeys(ARRAYS)} == {**vars(other), **dict.fromkeys(ARRAYS)}
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)


def test_another_format_is_refused(tmp_path):
    with (tmp_path / "model.npz").open("wb") as file:
        np.savez(file, header=np.array(json.dumps({"format": 1})))
    with pytest.raises(GraphError, match=r"model.npz: model format 1, this Heddle reads 3; train again"):
        Graph.load(tmp_path / "model.npz")


@pytest.mark.parametrize("net, text", [
    (graph(), "net: no layers; a network needs at least one"),
    (graph(conv(), add(inputs=(1, 3))), r"layer 1 sum \(add\): reads tensor 3; it can read 0 \(the input\) to 1 \(of "
                                        r"the layer before\), so put layers in the order"),
    (graph(conv(inputs=(1,))), r"layer 0 conv \(conv\): reads tensor 1; it can read 0"),
    (graph(conv(inputs=(-1,))), "reads tensor -1"),
    (graph(conv(), conv(), add(inputs=(0, 2))), None),
    (graph(conv(), conv(inputs=(0,))), "net: no layer reads tensor 1, of layer 0 conv; remove it, or make it the last"),
    (graph(conv(), conv(), add(inputs=(1, 1))), "net: no layer reads tensor 2, of layer 1 conv"),
    (graph(conv(), add(inputs=(1,))), r"layer 1 sum \(add\): reads 1 tensors; it takes 2"),
    (graph(conv(), conv(inputs=(0, 1))), r"layer 1 conv \(conv\): reads 2 tensors; it takes 1"),
    (graph(conv(outputs=7), add()), r"layer 1 sum \(add\): operands of shapes \(4, 4, 6\) and \(4, 4, 7\) do not"),
    (graph(conv(), add(kind=replace(KIND, shape=(4, 4, 1)))), r"output shape is \(4, 4, 1\), but the operands give"),
    (graph(conv(outputs=1), add(inputs=(0, 1))), None),
    (graph(conv(), add(bias=np.ones(3, np.int32))), r"layer 1 sum \(add\): the bias of add is zero"),
    (graph(conv(), add(shift=np.zeros(2, np.int32))), r"shift is int32\(2,\); expected int32\(3,\)"),
    (graph(conv(), add(shift=np.full(3, 32, np.int32))), "shift 32 to 32: a right shift is -22 to 31"),
    (graph(conv(), add(act_max=200)), "clamp -128 to 200 is not inside -128 to 127"),
    (graph(softmax(), conv()), None),
    (graph(softmax(wide(4096)), taken=wide(4096)), "4096 channels; a softmax takes 4095 at most"),
    (graph(softmax(wide(4095)), taken=wide(4095)), None),
    (graph(requantize(output=replace(KIND, shape=(4, 4, 5)))), r"output shape is \(4, 4, 5\), but the input has"),
    (graph(requantize(multiplier=EMPTY)), r"multiplier is int32\(0,\); expected int32\(1,\)"),
    (graph(requantize(shift=np.array([-23], np.int32))), r"shift \[-23\] is out of range; .* a right shift -22 to 31"),
    (graph(requantize(shift=np.array([32], np.int32))), r"shift \[32\] is out of range"),
    (graph(requantize(act_min=-129)), "clamp -129 to 127 is not inside"),
    (graph(conv(), softmax(output=KIND)), "a softmax gives 1/256, -128 and 8 bits"),
    (graph(conv(), softmax(shift=np.array([32], np.int32))), "left shift 32 is out of range"),
    (graph(conv(), softmax(shift=EMPTY)), r"shift is int32\(0,\); expected int32\(1,\)"),
    (graph(pool(kernel=(2, 2), padding=(1, 0, 0, 0), shape=(4, 3, 6))), None),
    (graph(pool(kernel=(2, 2), padding=(2, 0, 0, 0), shape=(5, 3, 6))), "a window would see nothing but padding"),
    (graph(pool(op="avgpool", padding=(1, 0, 0, 0), shape=(4, 3, 6))), None),
    (graph(pool(scale=0.3)), "max pooling keeps its input's scale, zero point and bits"),
    (graph(pool(bits=4)), "max pooling keeps its input's scale, zero point and bits|clamp -128 to 127"),
    (graph(conv(), taken=replace(KIND, zero_point=128)), "net: input: zero point 128 is not inside -128 to 127"),
    (graph(conv(), taken=replace(KIND, bits=5)), "net: input: activations of 5 bits; choose 8 or 4"),
    (graph(conv(narrow(), act_bits=4), taken=narrow()), None),
    (graph(replace(conv(narrow(), act_bits=4), act_max=8), taken=narrow()), "to 8 is not inside -8 to 7"),
    (graph(replace(conv(narrow(), act_bits=4), output=narrow(-9)), taken=narrow()), "zero point -9 is not inside"),
    (graph(conv(weight_bits=1)), None),
    (graph(replace(conv(weight_bits=1), weights=np.zeros((6, 1, 1, 6), np.int8))), r"binary weights \(weight_bits=1\)"),
    (graph(replace(conv(weight_bits=2), weights=np.full((6, 1, 1, 6), 2, np.int8))), "weights exceed 2 bits"),
    (graph(replace(conv(), weight_bits=0)), "weight_bits=0: choose 1 to 8"),
    (graph(replace(conv(), op="lstm")), "unknown operator; Heddle runs conv, depthwise, dense, avgpool, maxpool"),
    (graph(Layer(**{**vars(conv()), "op": "depthwise", "weights": np.zeros((1, 1, 8), np.int8)})),
     "weights take 8 channels, but the tensor before has 6; a depthwise layer has a multiple"),
])
def test_what_does_not_fit_is_named(net, text):
    if text is None:
        assert net.check() is net
        return
    with pytest.raises(GraphError, match=text):
        net.check()


def test_random_graphs_have_what_was_asked_for():
    rng = np.random.default_rng(3)
    nets = [random_graph(rng, ops=("add", "maxpool", "depthwise"), depth_multiplier=3, weight_bits=1, act_bits=4)
            for _ in range(30)]
    layers = [layer for net in nets for layer in net.layers]
    assert {layer.op for layer in layers} == {"add", "conv", "maxpool", "depthwise"}
    assert all(set(np.unique(layer.weights)) <= {-1, 1} for layer in layers)
    assert any(layer.output.shape[2] > net.taken(index)[0].shape[2] for net in nets
               for index, layer in enumerate(net.layers) if layer.op == "depthwise")
    assert {np.abs(random_inputs(rng, net, 3)).max() for net in nets} == {8}


def test_random_residuals_meet_every_order():
    rng = np.random.default_rng(4)
    shapes = set()
    for _ in range(60):
        net = random_residual(rng)
        index = [layer.op for layer in net.layers].index("add")
        operands = net.inputs_of(index)
        shapes.add((operands.index(index), 0 in operands))      # which one was made just before; the input itself
    assert shapes == {(0, False), (1, False), (0, True), (1, True)}
