"""Files as the reader finds them."""

import numpy as np

from sw.frontend.tflite_file import File
from sw.frontend.tflite_writer import ALIGNMENT, Writer


def written(path, writer, *ends):
    path.write_bytes(writer.content(*ends, "made by a test"))
    return File(path)


def test_tensors_and_operators_are_what_was_said(tmp_path):
    writer = Writer()
    source = writer.tensor((1, 2, 3), "INT8", name="in", scale=0.5, zero=-3)
    weights = writer.tensor((2, 3), "INT8", scale=[0.1, 0.2], zero=[0, 0], axis=0, data=bytes(range(6)))
    output = writer.tensor((1, 2, 2), "FLOAT32")
    writer.operator("FULLY_CONNECTED", [source, weights, -1], output, "FullyConnectedOptions",
                    FusedActivationFunction=3)
    file = written(tmp_path / "net.tflite", writer, [source], [output])
    subgraph, = file.subgraphs
    first, second, third = subgraph.tensors
    assert (first.name, first.kind, first.shape, first.scale.tolist(), first.zero.tolist(), first.data) == (
        "in", "INT8", (1, 2, 3), [0.5], [-3], None)
    assert (second.values().tolist(), second.scale.tolist(), second.axis) == (
        [[0, 1, 2], [3, 4, 5]], np.float32([0.1, 0.2]).tolist(), 0)
    assert (third.kind, third.scale.size) == ("FLOAT32", 0)
    operator, = subgraph.operators
    assert (operator.name, operator.inputs, operator.outputs, operator.options.fused_activation_function) == (
        "FULLY_CONNECTED", (0, 1, -1), (2,), 3)
    assert (subgraph.inputs, subgraph.outputs) == ((0,), (2,))


def test_values_lie_where_runtimes_can_read_them_in_place(tmp_path):
    writer = Writer()
    for size in (3, 17, 100):
        writer.tensor((size,), "INT8", data=bytes(range(1, size + 1)))
    source = writer.tensor((1,), "INT8", scale=1, zero=0)
    writer.operator("RELU", [source], source)
    data = written(tmp_path / "net.tflite", writer, [source], [source]).data
    for size in (3, 17, 100):
        place = data.find(bytes(range(1, size + 1)) + (b"\0" if size < 100 else b""))
        assert place > 0 and place % ALIGNMENT == 0


def test_operators_of_a_kind_share_their_code(tmp_path):
    writer = Writer()
    tensors = [writer.tensor((1,), "INT8", scale=1, zero=0) for _ in range(4)]
    for name, (taken, given) in zip(("RELU", "LOGISTIC", "RELU"), zip(tensors, tensors[1:], strict=False), strict=True):
        writer.operator(name, [taken], given)
    file = written(tmp_path / "net.tflite", writer, tensors[:1], tensors[-1:])
    assert file.codes == ["RELU", "LOGISTIC"]
    assert [operator.name for operator in file.subgraphs[0].operators] == ["RELU", "LOGISTIC", "RELU"]
