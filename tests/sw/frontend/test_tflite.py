"""Rung 1 of the verification ladder: the golden model against vectors of TFLite's reference kernels."""

import re
from dataclasses import replace

import numpy as np
import pytest
import tflite

from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.frontend import load_tflite
from sw.golden import run
from sw.graph.graph import Graph, GraphError
from tests.support.mlperf import MLPERF, needs_mlperf, network

#: For each network: layers, the file's number of the first operator's output, multiply-accumulates.
NETWORKS = {"kws": (12, 22, 2_656_768), "ic": (15, 22, 12_501_632), "vww": (30, 58, 7_489_664),
            "ad": (10, 21, 264_192)}
OVERWRITTEN = {"ic": {"t024", "t028", "t032"}}     # by the interpreter that made the vectors


@needs_mlperf
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_equals_the_reference_kernels(name):
    graph = network(name)
    count, first, _ = NETWORKS[name]
    stored = np.load(MLPERF / f"{name}_layers.npz")
    tensors = run(graph, stored["input"].reshape(1, *graph.input.shape))
    assert len(graph.layers) == count
    left_out = set()
    for layer, tensor in zip(graph.layers, tensors[1:], strict=True):
        key = f"t{first + int(re.search(r'[0-9]+$', layer.name)[0]):03}"     # operators make tensors one by one
        if key not in stored:
            left_out.add(key)
            continue
        assert np.array_equal(tensor.ravel(), stored[key].ravel()), layer.name
    assert left_out == OVERWRITTEN.get(name, set())


@needs_mlperf
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_equal_the_reference_kernels(name):
    graph, vectors = network(name), np.load(MLPERF / f"{name}_vectors.npz")
    tensors = run(graph, vectors["inputs"].reshape(-1, *graph.input.shape))
    wanted = vectors["outputs"].reshape(tensors[-1].shape)
    assert np.array_equal(tensors[-1], wanted)


@needs_mlperf
@pytest.mark.parametrize("name", NETWORKS)
def test_macs_are_those_of_the_networks(name, tmp_path):
    graph = network(name)
    assert sum(map(graph.macs, range(len(graph.layers)))) == NETWORKS[name][2]
    graph.save(tmp_path / "model.npz")
    assert Graph.load(tmp_path / "model.npz").types() == graph.types()


@needs_mlperf
def test_a_residual_network_is_no_chain():
    graph = network("ic")
    assert [graph.inputs_of(index) for index, layer in enumerate(graph.layers) if layer.op == "add"] == [
        (1, 3), (7, 6), (11, 10)]
    assert {layer.act_min for layer in graph.layers if layer.op == "add"} == {-128}


@needs_mlperf
@pytest.mark.parametrize("name, macs", [("kws", 2_656_768), ("ad", 264_192)])
def test_networks_compile_for_a_preset(name, macs):
    graph = network(name)
    program = compile_graph(graph, replace(PRESETS["ecp5-85"], weight_bytes=524288))
    assert (program.macs, len(program.plans)) == (macs, len(graph.layers))


@needs_mlperf
@pytest.mark.parametrize("old, new, error", [
    ("AVERAGE_POOL_2D", "L2_POOL_2D", "operator 12 L2_POOL_2D: not supported; use operators that docs/tflite.md lists"),
    ("SOFTMAX", "SVDF", "copy.tflite: operator 15 SVDF: not supported; use a depthwise convolution over time"),
])
def test_an_operator_that_heddle_lacks_is_named(tmp_path, old, new, error):
    data = bytearray((MLPERF / "ic.tflite").read_bytes())
    model = tflite.Model.GetRootAsModel(data, 0)
    for code in map(model.OperatorCodes, range(model.OperatorCodesLength())):
        if tflite.opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode())) == old:
            for field in (4, 10):    # where an OperatorCode's table says its code, old and new style
                if offset := code._tab.Offset(field):
                    data[code._tab.Pos + offset] = getattr(tflite.BuiltinOperator, new)
    (tmp_path / "copy.tflite").write_bytes(data)
    with pytest.raises(GraphError, match=error):
        load_tflite(tmp_path / "copy.tflite")


@needs_mlperf
def test_a_broken_order_is_named(tmp_path):
    data = bytearray((MLPERF / "ic.tflite").read_bytes())
    operators = tflite.Model.GetRootAsModel(data, 0).Subgraphs(0).Operators
    data[operators(3)._tab.Vector(operators(3)._tab.Offset(6))] = 25      # the first operand of the add
    (tmp_path / "copy.tflite").write_bytes(data)
    with pytest.raises(GraphError, match="operator 3 ADD: reads tensor 25 .*, which no operator before it makes"):
        load_tflite(tmp_path / "copy.tflite")


def test_a_file_of_another_kind_is_one_line(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"hello world")
    with pytest.raises(GraphError, match="x.tflite: is not a TFLite file"):
        load_tflite(tmp_path / "x.tflite")
    with pytest.raises(GraphError, match=r"y.tflite: cannot be read \(No such file"):
        load_tflite(tmp_path / "y.tflite")
