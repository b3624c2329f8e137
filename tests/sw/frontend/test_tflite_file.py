"""A file's records: what its numbers may not say, by name."""

import numpy as np
import pytest

from sw.frontend import tflite_file
from sw.frontend.tflite_file import File, Tensor
from sw.graph.graph import GraphError
from tests.sw.frontend.files import build, operator, subgraph, tensor, write

RELU = operator("RELU", [0], 1)
PAIR = [tensor((1, 4), name="in"), tensor((1, 4))]


def one(**fields):
    return Tensor(**{"index": 3, "name": "", "kind": "INT8", "shape": (2, 2), "scale": np.ones(1, np.float32),
                     "zero": np.zeros(1, np.int64), "axis": 0, "data": None} | fields)


def test_records(tmp_path):
    path = write(tmp_path / "net.tflite", [*PAIR, tensor((2,), data=np.array([5, -6], np.int8))], [
        operator("LEAKY_RELU", [0, -1], 1, "LeakyReluOptions", Alpha=0.5)])
    graph, = File(path).subgraphs
    assert (graph.inputs, graph.outputs, len(graph.tensors)) == ((0,), (1,), 3)
    assert (graph.operators[0].name, graph.operators[0].inputs, graph.operators[0].options.alpha) == (
        "LEAKY_RELU", (0, -1), 0.5)
    assert (str(graph.tensors[0]), str(graph.tensors[1])) == ("tensor 0 'in'", "tensor 1")
    assert graph.tensors[2].values().tolist() == [5, -6]


def test_a_custom_operator_has_its_own_name(tmp_path):
    custom = operator("CUSTOM", [0], 1, custom="TFLite_Detection")
    graph, = File(write(tmp_path / "net.tflite", PAIR, [custom])).subgraphs
    assert graph.operators[0].name == "CUSTOM 'TFLite_Detection'"


def test_int4_values_lie_low_half_first():
    data = np.array([0x21, 0xF8, 0x07], np.uint8)
    assert one(kind="INT4", shape=(5,), data=data).values().tolist() == [1, 2, -8, -1, 7]


@pytest.mark.parametrize("fields, text", [
    ({"foreign": "is sparse; convert"}, "tensor 3 is sparse; convert"),
    ({"data": np.zeros(3, np.uint8)}, r"tensor 3 has 3 bytes of INT8 for a shape of \(2, 2\); the file is damaged"),
    ({"data": np.zeros(6, np.uint8), "kind": "INT32"}, "tensor 3 has 6 bytes of INT32 for a shape of"),
    ({"data": np.zeros(3, np.uint8), "kind": "INT4"}, "tensor 3 has 3 bytes of INT4 for a shape of"),
    ({"data": np.zeros(4, np.uint8), "kind": "STRING"}, "tensor 3 is STRING; Heddle reads constants of INT8, UINT8"),
    ({}, "tensor 3 is not constant; Heddle takes constant values here"),
])
def test_values_that_are_not_there_are_named(fields, text):
    with pytest.raises(GraphError, match=text):
        one(**{"data": np.zeros(4, np.uint8)} | fields if "data" in fields or "foreign" in fields else fields).values()


def test_a_long_name_is_cut():
    assert str(one(name="a" * 100)) == f"tensor 3 {'a' * 60 + '...'!r}"


@pytest.mark.parametrize("change, text", [
    ({"inputs": (2,)}, "is damaged: an input of the network is tensor 2 of 2; get it again"),
    ({"outputs": (-1,)}, "is damaged: an output of the network is tensor -1 of 2; get it again"),
    ({"operators": [operator("RELU", [7], 1)]}, "is damaged: an input of operator 0 RELU is tensor 7 of 2; get it"),
    ({"operators": [operator("RELU", [0], -1)]}, "is damaged: an output of operator 0 RELU is tensor -1 of 2"),
])
def test_references_beyond_what_there_is_are_named(tmp_path, change, text):
    fields = {"tensors": PAIR, "operators": [RELU]} | change
    graph = subgraph(fields["tensors"], fields["operators"], inputs=fields.get("inputs", (0,)),
                     outputs=fields.get("outputs", (1,)))
    (tmp_path / "net.tflite").write_bytes(build(graph))
    with pytest.raises(GraphError, match=text):
        File(tmp_path / "net.tflite")


def test_limits(tmp_path, monkeypatch):
    path = write(tmp_path / "net.tflite", PAIR, [RELU] * 3)
    monkeypatch.setattr(tflite_file, "MOST_OPERATORS", 2)
    with pytest.raises(GraphError, match="has 3 operators; Heddle takes 2 at most: use a smaller network"):
        File(path)
    monkeypatch.setattr(tflite_file, "MOST_BYTES", 100)
    with pytest.raises(GraphError, match=r"has \d+ bytes; no board has the memory for a network of more than 100"):
        File(path)


def test_a_file_without_a_network(tmp_path):
    (tmp_path / "net.tflite").write_bytes(build())
    with pytest.raises(GraphError, match="holds no network"):
        File(tmp_path / "net.tflite")
