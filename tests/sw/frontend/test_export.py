"""A graph as a TFLite file: read again it is the same graph, and TensorFlow Lite Micro answers as Heddle does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sw.frontend import export_tflite, load_tflite
from sw.frontend.export import differences
from sw.golden import run
from sw.graph.graph import Graph, GraphError, Layer, State, TensorType
from sw.graph.padding import fold_pads
from sw.models import build
from sw.quant.lower import lower
from sw.quant.network import QuantNetwork
from tests.support import mlperf
from tests.support.layers import random_layer
from tests.support.micro import micro_answers, needs_micro
from tests.sw.frontend.files import operator, tensor, write
from tests.sw.frontend.models import STEPS, network, one_operator
from tests.sw.frontend.test_micro import inputs_of

#: what random models may hold that no TFLite file says in the same layers
EXPECTED = ("number of layers", "number of constants", "as no operator of TFLite does", "of no operator of TFLite",
            "of no slope", "puts values between others", "would read other tensors", "no scale of 32 bits gives",
            "across its axes", "is neither VALID nor SAME, and TFLite's pools")


def trained(name, bits, shape=(8, 8, 1)):
    """As a training leaves a network, without the training."""
    taken = TensorType(shape=shape, scale=0.013, zero_point=-20)
    made = QuantNetwork(build(name, shape, 10), taken, bits, torch.Generator().manual_seed(bits))
    with torch.no_grad():
        for _ in range(5):
            made(torch.randn(16, shape[2], *shape[:2], generator=torch.Generator().manual_seed(1)))
    return lower(made.eval(), name)


def again(path, graph):
    path.write_bytes(export_tflite(graph))
    return load_tflite(path)


def fields(graph):
    """Everything that a graph says but for names and the width in which weights are kept."""
    layers = [{name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(layer).items()
               if name not in ("name", "weight_bits", "inputs", "views")}
              | {"inputs": graph.inputs_of(index), "taken": graph.taken(index)}
              for index, layer in enumerate(graph.layers)]
    return [graph.inputs, graph.answers, [(one.type, one.values.tolist()) for one in graph.constants], layers]


def answers(graph, inputs):
    tensors = run(graph, [values.reshape(len(values), *kind.shape)
                          for values, kind in zip(inputs, graph.inputs, strict=True)])
    return [tensors[number] for number in graph.answers]


def check_answers(path, graph, seed=0):
    """Of TensorFlow Lite Micro, to the file at ``path``, which was loaded as ``graph``."""
    inputs = inputs_of(graph, seed)
    wanted = answers(graph, inputs)
    for ours, theirs in zip(wanted, micro_answers(path.read_bytes(), inputs, len(wanted)), strict=True):
        assert ours.reshape(theirs.shape).tolist() == theirs.tolist()


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("name", ["mlp", "dscnn"])
def test_what_is_trained_comes_back(tmp_path, name, bits):
    graph = trained(name, bits)
    found = again(tmp_path / "net.tflite", graph)
    assert fields(found) == fields(graph)
    kept = {layer.weight_bits for layer in found.layers if layer.weights.size}
    assert kept == {4 if bits == 4 else 8}, "int4 is TFLite's only narrow type"


@needs_micro
@pytest.mark.parametrize("name, bits", [("mlp", 8), ("dscnn", 8), ("dscnn", 4), ("dscnn", 2)])
def test_tensorflow_lite_micro_answers_as_heddle_does(tmp_path, name, bits):
    path = tmp_path / "net.tflite"
    check_answers(path, again(path, trained(name, bits)))


@mlperf.needs_mlperf
@pytest.mark.parametrize("name", ["kws", "vww", "ic", "ad"])
def test_networks_from_elsewhere_come_back(tmp_path, name):
    graph = mlperf.network(name)
    assert fields(again(tmp_path / "net.tflite", graph)) == fields(graph)


@pytest.mark.parametrize("name", [*sorted(STEPS), "network"])
def test_random_models_come_back_or_are_refused_in_a_line(tmp_path, name):
    for seed in range(30 if name == "network" else 3):
        path = tmp_path / "net.tflite"
        path.write_bytes((network(seed) if name == "network" else one_operator(name, seed))[0])
        graph = load_tflite(path)
        try:
            found = again(path, graph)
        except GraphError as error:
            assert str(error).startswith("net: cannot be a TFLite file: ") and "\n" not in str(error)
            assert any(text in str(error) for text in EXPECTED), error
            continue
        assert fields(fold_pads(found)) == fields(fold_pads(graph))
        assert (found.input_shapes, found.output_shapes) == (graph.input_shapes, graph.output_shapes)


@needs_micro
@pytest.mark.parametrize("start", range(0, 40, 20))
def test_exported_random_networks_run_in_tensorflow_lite_micro(tmp_path, start):
    exported = 0
    for seed in range(start, start + 20):
        path = tmp_path / "net.tflite"
        path.write_bytes(network(seed)[0])
        try:
            found = again(path, load_tflite(path))
        except GraphError:
            continue
        exported += 1
        check_answers(path, found, seed)
    assert exported >= 5


def windowed(op, padding):
    """A layer with a window of 3x3 whose scales give its multipliers."""
    rng, taken = np.random.default_rng(2), TensorType(shape=(6, 7, 4), scale=0.25, zero_point=-7)
    layer = random_layer(rng, op, taken, outputs=4, padding=padding)
    if op != "maxpool":
        layer = replace(layer, multiplier=np.full(4, 1 << 30, np.int32), act_min=-128,
                        output=replace(layer.output, scale=0.5))
    return Graph(name="net", inputs=(taken,), layers=(layer,)).check()


@needs_micro
@pytest.mark.parametrize("op", ["conv", "depthwise"])
@pytest.mark.parametrize("padding", [(2, 0, 0, 1), (2, 2, 2, 2), (0, 1, 2, 0)], ids=str)
def test_padding_that_tflite_does_not_have_is_a_pad_in_front(tmp_path, op, padding):
    path, graph = tmp_path / "net.tflite", windowed(op, padding)
    found = again(path, graph)
    assert [layer.op for layer in found.layers] == ["pad", op]
    assert fields(fold_pads(found)) == fields(graph)
    check_answers(path, found)


def test_padding_that_tflites_pools_do_not_have_is_refused():
    with pytest.raises(GraphError, match=r"\(maxpool\): padding \(2, 0, 0, 1\) is neither VALID nor SAME, and TFLite's "
                                         r"pools have no other$"):
        export_tflite(windowed("maxpool", (2, 0, 0, 1)))


def dense(**changed):
    """A dense layer of two outputs whose scales give its multipliers."""
    fields = {"name": "fc", "op": "dense", "output": TensorType(shape=(1, 1, 2), scale=0.5, zero_point=3),
              "weights": np.array([[1, 2], [3, -4]], np.int8), "bias": np.array([5, -6], np.int32),
              "multiplier": np.full(2, 1 << 30, np.int32), "shift": np.full(2, 3, np.int32)}
    return Graph(name="net", inputs=(TensorType(shape=(1, 1, 2), scale=0.25, zero_point=0),),
                 layers=(Layer(**fields | changed),)).check()


@pytest.mark.parametrize("changed, text", [
    ({"multiplier": np.array([1 << 30, (1 << 30) + 1], np.int32)},
     r"layer 0 fc \(dense\): no scale of 32 bits gives channel 1 the multiplier 1073741825 and shift 3; train it again "
     r"with this Heddle"),
    ({"act_min": -100}, r"layer 0 fc \(dense\): clamps to -100 to 127; TFLite has none, RELU, RELU6 and RELU_N1_TO_1,"),
    ({"output": TensorType(shape=(1, 1, 2), scale=0.5, zero_point=3, bits=4), "act_min": -8, "act_max": 7},
     "tensor 1 has activations of 4 bits; TFLite has 8: keep model.npz$"),
    ({"output": TensorType(shape=(1, 1, 2), scale=0.1, zero_point=3)},
     "tensor 1 has a scale of 0.1, which is no number of 32 bits; train it again with this Heddle, or keep model.npz$"),
])
def test_what_tflite_cannot_say_is_refused_in_one_line(changed, text):
    assert export_tflite(dense())[4:8] == b"TFL3"
    with pytest.raises(GraphError, match=rf"^net: cannot be a TFLite file: {text}"):
        export_tflite(dense(**changed))


@pytest.mark.parametrize("multiplier, shift", [(0, 0), (1 << 30, 31), ((1 << 31) - 128, -3), (1234567936, 12)])
def test_all_multipliers_of_scales_come_back(tmp_path, multiplier, shift):
    graph = dense(multiplier=np.array([multiplier, 1 << 30], np.int32), shift=np.array([shift, 3], np.int32))
    assert fields(again(tmp_path / "net.tflite", graph)) == fields(graph)


def test_a_difference_of_any_field_is_seen():
    graph = dense()
    assert list(differences(graph, dense())) == []
    for changed in ({"weights": graph.layers[0].weights + 1}, {"bias": graph.layers[0].bias + 1}, {"act_max": 5},
                    {"multiplier": graph.layers[0].multiplier + 1}, {"shift": graph.layers[0].shift + 1}):
        assert list(differences(graph, dense(**changed))), changed
    other = replace(graph, inputs=(replace(graph.inputs[0], zero_point=1),))
    assert list(differences(graph, other)) == [f"inputs {graph.inputs} would be {other.inputs}"]


def test_a_slope_is_found_that_gives_the_table(tmp_path):
    for slope in (0.01, 0.1, 0.3, 0.137, 0.9):
        graph = load_tflite(write(tmp_path / "net.tflite", [tensor((1, 1, 1, 5), zero=-3), tensor((1, 1, 1, 5))],
                                  [operator("LEAKY_RELU", [0], 1, "LeakyReluOptions", Alpha=slope)]))
        assert fields(again(tmp_path / "net.tflite", graph)) == fields(graph)


def test_states_are_refused():
    graph = dense()
    state = {"name": "memory", "type": graph.inputs[0], "initial": np.zeros((1, 1, 2), np.int8), "next": 2}
    with pytest.raises(GraphError, match=r"^net: has states, which Heddle writes to no TFLite file; keep model.npz$"):
        export_tflite(replace(graph, states=(State(**state),)))
