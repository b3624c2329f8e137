"""Vectors beside a model, or random ones."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from flows.verify.inputs import choose_inputs, read_vectors, vectors_beside
from hw.spec.errors import SpecError
from sw.graph.graph import Graph, Layer, TensorType
from tests.support.layers import random_layer


@pytest.fixture(scope="module")
def graph():
    start = TensorType(shape=(5, 6, 3), scale=0.05, zero_point=9)
    return Graph(name="all", inputs=(start,), layers=(
        random_layer(np.random.default_rng(5), "dense", start, outputs=3, name="dense"),)).check()


def test_at_most_so_many_of_a_file(graph, tmp_path):
    file = vectors_beside(tmp_path / "net.tflite")
    assert file.name == "net_vectors.npz"
    stored = {"inputs": np.arange(4 * 90).astype(np.int8).reshape(4, 90), "outputs": np.zeros((4, 3), np.int8)}
    np.savez(file, **stored)
    (inputs,), (outputs,) = choose_inputs(graph, file, 3)
    assert np.array_equal(inputs.reshape(3, 90), stored["inputs"][:3]) and outputs.shape == (3, 1, 1, 3)
    np.savez(file, inputs=stored["inputs"])
    assert choose_inputs(graph, file, 9)[1] is None


def test_random_inputs_repeat(graph):
    (inputs,), outputs = choose_inputs(graph, None, 7)
    assert outputs is None and inputs.shape == (7, 5, 6, 3) and inputs.dtype == np.int8
    assert (inputs.min(), inputs.max()) == (-128, 127)
    assert np.array_equal(inputs, choose_inputs(graph, None, 7)[0][0])


@pytest.mark.parametrize("arrays, message", [
    ({"outputs": np.zeros((1, 3), np.int8)}, "has no array 'inputs'"),
    ({"inputs": np.zeros((2, 89), np.int8)}, r"'inputs' is int8\(2, 89\); all has int8 \(N, 5, 6, 3\) there"),
    ({"inputs": np.zeros((2, 90), np.uint8)}, r"'inputs' is uint8\(2, 90\)"),
    ({"inputs": np.zeros((8, 3, 5, 6), np.int8)},       # channels first
     r"'inputs' is int8\(8, 3, 5, 6\); all has int8 \(N, 5, 6, 3\) there, or flat \(N, 90\)"),
    ({"inputs": np.zeros((8, 30, 3), np.int8)}, r"'inputs' is int8\(8, 30, 3\); all has"),
    ({"inputs": np.zeros(90, np.int8)}, r"'inputs' is int8\(90,\); all has"),
    ({"inputs": np.zeros((2, 90), np.int8), "outputs": np.zeros((1, 3), np.int8)}, r"'outputs' is int8\(1, 3\)"),
])
def test_wrong_vectors(graph, tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(SpecError, match=message):
        read_vectors(tmp_path / "x.npz", graph)


@pytest.mark.parametrize("shape", [(49, 10, 1), (49, 10), (1, 49, 10), (490,)])
def test_ones_may_be_missing_and_values_flat(shape, tmp_path):
    start = TensorType(shape=(49, 10, 1), scale=0.05, zero_point=9)
    net = Graph(name="net", inputs=(start,), layers=(
        random_layer(np.random.default_rng(5), "dense", start, outputs=3, name="dense"),)).check()
    values = np.arange(2 * 490).astype(np.int8)
    np.savez(tmp_path / "x.npz", inputs=values.reshape(2, *shape), outputs=np.zeros((2, 1, 3), np.int8))
    (inputs,), (outputs,) = read_vectors(tmp_path / "x.npz", net)
    assert np.array_equal(inputs.ravel(), values) and inputs.shape == (2, 49, 10, 1)
    assert outputs.shape == (2, 1, 1, 3)


def test_the_shapes_of_the_networks_own_file_are_right_too(graph, tmp_path):
    own = replace(graph, input_shapes=((1, 3, 30),), output_shapes=((1, 3),))
    values = np.arange(2 * 90).astype(np.int8)
    np.savez(tmp_path / "x.npz", inputs=values.reshape(2, 1, 3, 30), outputs=np.zeros((2, 1, 3), np.int8))
    (inputs,), _ = read_vectors(tmp_path / "x.npz", own)
    assert np.array_equal(inputs.ravel(), values) and inputs.shape == (2, 5, 6, 3)
    with pytest.raises(SpecError, match="'inputs' is int8"):
        read_vectors(tmp_path / "x.npz", graph)


@pytest.mark.parametrize("content, why", [
    (b"no", "damaged, or no .npz archive of plain arrays"), (b"", "damaged, or no .npz archive of plain arrays"),
    (pickle.dumps([1]), "damaged, or no .npz archive of plain arrays"), (None, "No such file or directory")])
def test_no_vectors(graph, tmp_path, content, why):
    if content is not None:
        (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_vectors(tmp_path / "x.npz", graph)
    assert str(caught.value) == (
        f"{tmp_path}/x.npz: no vectors ({why}); give an .npz file with an int8 array 'inputs'")


def ends():
    """A network of a uint8 and a float32 input and of two outputs, one of them float32."""
    none, empty = np.zeros(0, np.int32), np.zeros(0, np.int8)
    kind = TensorType(shape=(1, 2, 3), scale=0.5, zero_point=-10)

    def layer(op, output, source, weights=empty):
        return Layer(name=op, op=op, output=output, weights=weights, bias=none, multiplier=none, shift=none,
                     inputs=(source,))

    return Graph(name="ends", inputs=(replace(kind, dtype="uint8", zero_point=118),
                                      TensorType(shape=(1, 2, 3), scale=1.0, zero_point=0, dtype="float32")), layers=(
        layer("table", kind, 0, np.arange(256).astype(np.uint8).view(np.int8)), layer("quantize", kind, 1),
        layer("dequantize", TensorType(shape=(1, 2, 3), scale=1.0, zero_point=0, dtype="float32"), 3)),
        outputs=(2, 4)).check()


def test_several_ends_in_their_own_types(tmp_path):
    graph, rng = ends(), np.random.default_rng(0)
    given, none = choose_inputs(graph, None, 50)
    assert none is None and [values.dtype for values in given] == [np.uint8, np.float32]
    assert given[0].min() < 20 and given[0].max() > 235
    assert given[1].min() < -50 and given[1].max() > 60         # from (-128 + 10) / 2 to (127 + 10) / 2
    arrays = {"input_0": rng.integers(0, 256, (4, 6)).astype(np.uint8), "input_1": rng.random((4, 2, 3), np.float32),
              "output_0": np.zeros((4, 6), np.int8), "output_1": np.ones((4, 1, 2, 3), np.float32)}
    np.savez(tmp_path / "x.npz", **arrays)
    inputs, outputs = read_vectors(tmp_path / "x.npz", graph)
    assert [values.shape for values in (*inputs, *outputs)] == [(4, 1, 2, 3)] * 4
    np.savez(tmp_path / "x.npz", **{**arrays, "input_1": arrays["input_1"].astype(np.float64)})
    with pytest.raises(SpecError, match=r"'input_1' is float64\(4, 2, 3\); ends has float32 \(N, 1, 2, 3\) there, or"):
        read_vectors(tmp_path / "x.npz", graph)
    np.savez(tmp_path / "x.npz", input_0=arrays["input_0"])
    with pytest.raises(SpecError, match="has no array 'input_1'; give an .npz file with a uint8 array 'input_0' and a"):
        read_vectors(tmp_path / "x.npz", graph)
