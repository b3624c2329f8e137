"""ONNX networks are graphs whose answers lie as near to ONNX's as docs/onnx.md says, or are refused in one line."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from hw.spec.presets import PRESETS
from sw.compiler import CompileError, compile_graph
from sw.frontend import load_file
from sw.frontend.onnx import load_onnx
from sw.golden import interpret, run
from sw.graph.graph import GraphError
from tests.support.onnx_answers import onnx_answers
from tests.sw.frontend.onnx_models import STEPS, Model, network, one_node

COUNT = 3
DOCUMENT = Path(__file__).parents[3] / "docs/onnx.md"
#: steps of the output that a node's answer may lie away, of the same inputs; docs/onnx.md has the reasons
FARTHEST = {"softmax": 2, "logsoftmax": 2, "averagepool": 2}


def load(path, data):
    path.write_bytes(data)
    return load_onnx(path)


def orders(values):
    """An array of the file in both orders that a graph may have it in."""
    return [values, np.moveaxis(values, 2, -1)] if values.ndim > 3 else [values]


def apart(graph, data, seed, shape):
    """How many steps of the output lie between the graph's answers and ONNX Runtime's, at most."""
    best, values = np.inf, np.random.default_rng(seed).normal(0, 3, (COUNT, *shape)).astype(np.float32)
    wanted = onnx_answers(data, values)
    scale = graph.types()[graph.inputs_of(len(graph.layers) - 1)[0]].scale
    for laid in orders(values):
        if laid.shape[1:] != graph.input_shapes[0]:
            continue
        found = run(graph, [laid.reshape(COUNT, *graph.input.shape)])[graph.answers[0]]
        found = found.reshape(COUNT, *graph.output_shapes[0])
        for other in orders(wanted):      # where sizes are equal, shapes do not tell the orders apart
            if other.shape == found.shape:
                best = min(best, np.abs(found - other).max() / scale)
    return best


def input_shape(data):
    kind = onnx.load_model_from_string(data).graph.input[0].type.tensor_type
    return tuple(dim.dim_value for dim in kind.shape.dim)


@pytest.mark.parametrize("name", sorted(STEPS))
def test_a_node_lies_no_farther_away_than_the_document_says(tmp_path, name):
    most = 0 if STEPS[name][2] else FARTHEST.get(name, 1)
    for seed in range(5):
        data = one_node(name, seed)
        graph = load(tmp_path / "net.onnx", data)
        assert apart(graph, data, seed, input_shape(data)) <= most + 1e-3


def test_the_bounds_are_the_documents():
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([A-Z][^|]+) \| (\d) \|", text, re.MULTILINE))
    bound = {kind: int(steps) for kinds, steps in rows.items() for kind in kinds.split(", ")}
    assert (bound["Softmax"], bound["AveragePool"]) == (FARTHEST["softmax"], FARTHEST["averagepool"])
    assert {bound[kind] for kind in ("Conv", "Gemm", "MatMul", "Add", "Sub", "Mul", "GlobalAveragePool",
                                     "ReduceMean")} == {1}
    assert {bound[kind] for kind in ("MaxPool", "Sigmoid", "Max", "Concat", "Transpose", "Pad", "Resize")} == {0}


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_random_networks_differ_by_what_their_nodes_do(tmp_path, start):
    for seed in range(start, start + 10):
        data = network(seed)
        graph = load(tmp_path / "net.onnx", data)
        assert apart(graph, data, seed, input_shape(data)) <= 12


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 1600, 50))
def test_many_random_networks(tmp_path, start):
    for seed in range(start, start + 50):
        data = network(seed, 8)
        graph = load(tmp_path / "net.onnx", data)
        assert apart(graph, data, seed, input_shape(data)) <= 24


@pytest.mark.parametrize("preset", ["ecp5-85", "ecp5-25"])
def test_networks_compile_and_the_interpreter_answers_as_the_graph_does(tmp_path, preset):
    design, compiled = PRESETS[preset], 0
    for seed in range(25):
        graph = load(tmp_path / "net.onnx", network(seed))
        try:
            program = compile_graph(graph, design)
        except CompileError as error:
            assert "\n" not in str(error)
            continue
        compiled += 1
        values = np.random.default_rng(seed).normal(0, 3, (1, *graph.input.shape)).astype(np.float32)
        act = bytearray(design.act_bytes)
        act[program.input.address:program.input.address + program.input.size] = values.tobytes()
        interpret(design, program.image, act)
        found = np.frombuffer(act, np.float32, graph.output.size, program.output.address)
        assert found.tolist() == run(graph, [values])[graph.answers[0]].reshape(-1).tolist()
    assert compiled >= 20


def small(*, opset=18, scale=0.1, shape=(1, 3, 4, 5), kind=TensorProto.FLOAT):
    model = Model(np.random.default_rng(0), opset)
    return model, model.quantize(model.input(shape, kind, "in"), scale, 3)


def refused(path, model, *outputs):
    path.write_bytes(model.bytes(*outputs or [(model.nodes[-1].output[0], TensorProto.FLOAT)]))
    with pytest.raises(GraphError) as caught:
        load_onnx(path)
    assert str(caught.value).startswith(f"{path.name}: ") and "\n" not in str(caught.value)
    return str(caught.value)


def test_images_are_taken_with_their_channels_last(tmp_path):
    model, source = small()
    weights, _ = model.weights(model.integers(2, 3, 3, 3))
    output = model.quantize(model.node("Conv", [source, weights], (1, 2, 2, 3)))
    graph = load(tmp_path / "net.onnx", model.bytes((output, TensorProto.FLOAT)))
    assert [layer.op for layer in graph.layers] == ["quantize", "conv", "dequantize"]
    assert (graph.input_shapes, graph.output_shapes) == (((1, 4, 5, 3),), ((1, 2, 3, 2),))


def test_what_no_image_reads_keeps_its_order(tmp_path):
    model, source = small(shape=(1, 6, 4))
    weights, _ = model.weights(model.integers(4, 5))
    output = model.quantize(model.node("MatMul", [source, weights], (1, 6, 5)))
    graph = load(tmp_path / "net.onnx", model.bytes((output, TensorProto.FLOAT)))
    assert (graph.input_shapes, graph.output_shapes) == (((1, 6, 4),), ((1, 6, 5),))


def test_a_flatten_of_the_input_itself(tmp_path):
    model = Model(np.random.default_rng(0))
    flat = model.node("Flatten", [model.input((1, 2, 3))], (1, 6))
    weights, _ = model.weights(model.integers(6, 5))
    output = model.quantize(model.node("MatMul", [model.quantize(flat), weights], (1, 5)))
    graph = load(tmp_path / "net.onnx", model.bytes((output, TensorProto.FLOAT)))
    assert [layer.op for layer in graph.layers] == ["quantize", "dense", "dequantize"]
    assert graph.input_shapes == ((1, 2, 3),)


def test_a_transpose_in_front_of_a_convolution_moves_nothing(tmp_path):
    """As networks come from TensorFlow."""
    model, source = small(shape=(1, 4, 5, 3))
    turned = model.node("Transpose", [source], (1, 3, 4, 5), perm=[0, 3, 1, 2])
    weights, _ = model.weights(model.integers(2, 3, 1, 1))
    value = model.quantize(model.node("Conv", [turned, weights], (1, 2, 4, 5)))
    output = model.node("Transpose", [value], (1, 4, 5, 2), perm=[0, 2, 3, 1])
    graph = load(tmp_path / "net.onnx", model.bytes((output, TensorProto.FLOAT)))
    assert [layer.op for layer in graph.layers] == ["quantize", "conv", "dequantize"]
    assert (graph.input_shapes, graph.output_shapes) == (((1, 4, 5, 3),), ((1, 4, 5, 2),))


def test_a_flatten_of_an_image_turns_the_weights(tmp_path):
    model, source = small()
    pooled = model.node("MaxPool", [source], (1, 3, 3, 4), kernel_shape=[2, 2])
    flat = model.node("Flatten", [pooled], (1, 36))
    values = model.integers(36, 2)
    weights, _ = model.weights(values)
    output = model.quantize(model.node("Gemm", [flat, weights], (1, 2)))
    graph = load(tmp_path / "net.onnx", model.bytes((output, TensorProto.FLOAT)))
    assert [layer.op for layer in graph.layers] == ["quantize", "maxpool", "dense", "dequantize"]
    wanted = values.T.reshape(2, 3, 3, 4).transpose(0, 2, 3, 1).reshape(2, 36)
    assert graph.layers[2].weights.tolist() == wanted.tolist()


@pytest.mark.parametrize("kind, number", [(np.int8, TensorProto.INT8), (np.uint8, TensorProto.UINT8)])
def test_ends_of_bytes_are_the_files_own(tmp_path, kind, number):
    model = Model(np.random.default_rng(0))
    source = model.input((1, 4), number, "in")
    operands = [model.constant(np.float32(0.25)), model.constant(kind(7))]
    value = model.node("DequantizeLinear", [source, *operands], (1, 4))
    value = model.node("Relu", [value], (1, 4))
    output = model.node("QuantizeLinear", [value, *operands], (1, 4))
    graph = load(tmp_path / "net.onnx", model.bytes((output, number)))
    assert (graph.input.dtype, graph.output.dtype, graph.input.zero_point) == (kind.__name__, kind.__name__, 7)
    inputs = np.array([[0, 7, 8, 100]], kind)
    answers = run(graph, [inputs.reshape(1, 1, 1, 4)])[graph.answers[0]]
    assert answers.reshape(-1).tolist() == [7, 7, 8, 100]


def test_a_free_batch_is_one_and_other_free_dimensions_are_refused(tmp_path):
    for shape, text in ((("N", 4), None), ((1, "length"), "with dimensions that are not fixed; fix them"),
                        ((2, 4), "is a batch of 2; Heddle runs one inference at a time")):
        model, source = small(shape=shape)
        model.shapes[source] = (1, 4)
        output = model.quantize(model.node("Relu", [source], (1, 4)))
        if text is None:
            assert load(tmp_path / "net.onnx", model.bytes((output, TensorProto.FLOAT))).input_shapes == ((1, 4),)
        else:
            assert text in refused(tmp_path / "net.onnx", model)


def test_networks_that_are_no_qdq_are_told_how(tmp_path):
    model = Model(np.random.default_rng(0))
    model.node("Relu", [model.input((1, 4))])
    assert "is not quantized; quantize it by onnxruntime.quantization.quantize_static(" in refused(
        tmp_path / "net.onnx", model)
    model.node("QLinearConv", [model.constant(np.float32(1))] * 8)
    assert "is of the QOperator format (QLinearConv)" in refused(tmp_path / "net.onnx", model)
    model, _ = small()
    model.node("DynamicQuantizeLinear", [model.constant(np.float32(1))], outputs=3)
    assert "finds its scales while it runs (DynamicQuantizeLinear)" in refused(tmp_path / "net.onnx", model)


def test_what_is_not_quantized_inside_is_named(tmp_path):
    model, source = small(shape=(1, 4))
    weights, _ = model.weights(model.integers(4, 4))
    value = model.node("MatMul", [source, weights], (1, 4))
    assert re.search(r"its output 't\d+' is computed in float32 by node \d+ MatMul; end the network before that, or ",
                     refused(tmp_path / "net.onnx", model))
    model.node("MatMul", [value, weights], (1, 4))
    assert re.search(r"node \d+ MatMul: reads 't\d+', which is computed in float32: no QuantizeLinear follows it; "
                     r"quantize it as well, by onnx", refused(tmp_path / "net.onnx", model))


def test_an_operator_that_heddle_lacks_is_named(tmp_path):
    model, source = small()
    model.node("LSTM", [source, source, source])
    line = refused(tmp_path / "net.onnx", model)
    assert re.search(r"node \d+ LSTM: not supported; use a convolution over time$", line)


def test_nodes_that_no_output_needs_do_not_matter(tmp_path):
    model, source = small(shape=(1, 4))
    model.node("LSTM", [source, source, source])
    output = model.quantize(model.node("Relu", [source], (1, 4)))
    assert [layer.op for layer in load_onnx_of(tmp_path, model, output).layers] == ["quantize", "table", "dequantize"]


def load_onnx_of(path, model, output):
    (path / "net.onnx").write_bytes(model.bytes((output, TensorProto.FLOAT)))
    return load_onnx(path / "net.onnx")


def test_files_are_known_by_their_content(tmp_path):
    data = one_node("conv", 0)
    (tmp_path / "net.bin").write_bytes(data)
    assert load_file(tmp_path / "net.bin").layers
    (tmp_path / "cut.onnx").write_bytes(data[:len(data) // 2])
    with pytest.raises(GraphError, match="^cut.onnx: is damaged or cut short: it is no protocol buffer of ONNX"):
        load_file(tmp_path / "cut.onnx")
