"""Rung 1 of the verification ladder: the golden model against vectors of TFLite's reference kernels."""

from pathlib import Path

import numpy as np
import pytest

from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.frontend import load_tflite
from sw.frontend.tflite import quantize_multiplier
from sw.golden import run
from sw.graph.graph import GraphError

VECTORS = Path(__file__).parents[4] / "shared" / "data" / "mlperf_tiny"
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason="the MLPerf Tiny vectors are not beside the checkout")


@needs_vectors
@pytest.mark.parametrize("name, count", [("kws", 11), ("vww", 29), ("ad", 10)])
def test_every_tensor_equals_the_reference_kernels(name, count):
    graph = load_tflite(VECTORS / f"{name}.tflite")
    layers = np.load(VECTORS / f"{name}_layers.npz")
    tensors = run(graph, np.load(VECTORS / f"{name}_vectors.npz")["inputs"][:1].reshape(1, *graph.input.shape))
    known = [layers[key].ravel() for key in layers.files]
    assert len(graph.layers) == count
    for layer, tensor in zip(graph.layers, tensors[1:], strict=True):
        assert any(np.array_equal(tensor.ravel(), other) for other in known), layer.name


@needs_vectors
def test_outputs_equal_the_reference_kernels():
    graph, vectors = load_tflite(VECTORS / "ad.tflite"), np.load(VECTORS / "ad_vectors.npz")
    outputs = run(graph, vectors["inputs"].reshape(-1, *graph.input.shape))[-1]
    assert np.array_equal(outputs.reshape(len(outputs), -1), vectors["outputs"].reshape(len(outputs), -1))


@needs_vectors
@pytest.mark.parametrize("name", ["kws", "vww"])
def test_class_equals_the_reference_kernels(name):
    graph, vectors = load_tflite(VECTORS / f"{name}.tflite"), np.load(VECTORS / f"{name}_vectors.npz")
    outputs = run(graph, vectors["inputs"].reshape(-1, *graph.input.shape))[-1]
    want = vectors["outputs"].reshape(len(outputs), -1).argmax(1)
    assert np.array_equal(outputs.reshape(len(outputs), -1).argmax(1), want)


@needs_vectors
def test_an_operator_that_heddle_lacks_is_named():
    with pytest.raises(GraphError, match=r"ic.tflite: operator 3 ADD: does not follow|operator 3 ADD: not supported"):
        load_tflite(VECTORS / "ic.tflite")


@needs_vectors
def test_kws_compiles_for_a_preset():
    program = compile_graph(load_tflite(VECTORS / "kws.tflite"), PRESETS["ecp5-85"])
    assert program.macs == 2_656_768 + 64 * 125      # the pool's sums are work of the array too


def test_a_file_of_another_kind_is_one_line(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"hello world")
    with pytest.raises(GraphError, match="x.tflite: not a TFLite file"):
        load_tflite(tmp_path / "x.tflite")
    with pytest.raises(GraphError, match=r"y.tflite: cannot be read \(No such file"):
        load_tflite(tmp_path / "y.tflite")


def test_multiplier_is_tflites():
    multiplier, shift = quantize_multiplier(np.array([0.5, 0.25, 0.3, 2.0**-40, 1 - 2.0**-40]) * 0.999999999)
    assert shift.tolist()[:3] == [1, 2, 1]
    assert multiplier.tolist()[3] == 0
    with pytest.raises(GraphError, match="output scale factor 1.5"):
        quantize_multiplier(np.array([1.5]))
