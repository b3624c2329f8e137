"""The baselines: networks on the SoC's CPU alone, and with its custom instructions."""

import numpy as np
import pytest

from boards import BOARDS
from cosim.soc import build_soc_sim, run_soc
from hw.soc.generate import NO_ENGINE
from hw.spec.design import DesignPoint
from sw.firmware import SOFTWARE_MEMORY, DeviceError, build_software
from sw.golden import run
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_graph, random_inputs, random_kernel, random_layer

pytestmark = pytest.mark.soc


@pytest.fixture(scope="module")
def soc(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soc")
    firmware = build_software(random_graph(np.random.default_rng(0), weight_bits=8), folder / "firmware", simd=False)
    return build_soc_sim(DesignPoint(), BOARDS["ulx3s-85"], folder, firmware=firmware, memory=SOFTWARE_MEMORY,
                         engine=NO_ENGINE)


def run_software(soc, graph, data, folder, **options):
    firmware = build_software(graph, folder, **options)
    return run_soc(soc, None, data, firmware=firmware, memory=SOFTWARE_MEMORY)


@pytest.mark.parametrize("weight_bits", [8, 4])
@pytest.mark.parametrize("seed", range(6))
def test_both_equal_golden(soc, tmp_path, seed, weight_bits):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, weight_bits=weight_bits)
    data = random_inputs(rng, graph, 2)
    expected = run(graph, data)[-1].reshape(2, -1)
    plain = run_software(soc, graph, data, tmp_path / "plain", simd=False)
    simd = run_software(soc, graph, data, tmp_path / "simd", simd=True)
    assert np.array_equal(plain.outputs, expected)
    assert np.array_equal(simd.outputs, expected)
    assert plain.engine_cycles.tolist() == [0, 0]
    assert (plain.layer_cycles.sum(axis=1) < plain.cycles).all()
    assert simd.cycles.sum() < plain.cycles.sum()


def test_padded_maxima_and_several_outputs_per_channel(soc, tmp_path):
    rng = np.random.default_rng(3)
    kind = TensorType(shape=(5, 4, 3), scale=0.1, zero_point=-7)
    depthwise = random_layer(rng, "depthwise", kind, depth_multiplier=3, padding=(1, 1, 1, 1), name="depthwise")
    pool = random_layer(rng, "maxpool", depthwise.output, kernel=(2, 3), stride=(2, 1), padding=(1, 1, 0, 1),
                        name="pool")
    graph = Graph(name="maxima", inputs=(kind,), layers=(depthwise, pool))
    data = random_inputs(rng, graph, 4)
    for simd in (False, True):
        got = run_software(soc, graph, data, tmp_path / str(simd), simd=simd)
        assert np.array_equal(got.outputs, run(graph, data)[-1].reshape(4, -1))


def test_functions_of_the_cpu_anywhere(soc, tmp_path):
    rng = np.random.default_rng(3)
    kind = TensorType(shape=(5, 4, 3), scale=0.1, zero_point=-7)
    layers = [random_kernel(rng, "softmax", kind)]
    layers.append(random_layer(rng, "conv", layers[-1].output, outputs=5, name="conv"))
    layers.append(random_kernel(rng, "requantize", layers[-1].output))
    layers.append(random_kernel(rng, "softmax", layers[-1].output))
    graph = Graph(name="functions", inputs=(kind,), layers=tuple(layers)).check()
    data = random_inputs(rng, graph, 4)
    for simd in (False, True):
        got = run_software(soc, graph, data, tmp_path / str(simd), simd=simd)
        assert np.array_equal(got.outputs, run(graph, data)[-1].reshape(4, -1))
        assert got.layer_cycles.shape == (4, 4) and (got.layer_cycles > 100).all()


def test_a_network_that_takes_too_long_is_an_error(soc, tmp_path):
    rng = np.random.default_rng(1)
    graph = random_graph(rng, weight_bits=8)
    firmware = build_software(graph, tmp_path, simd=False)
    with pytest.raises(DeviceError, match="input 0: TIMEOUT"):
        run_soc(soc, None, random_inputs(rng, graph, 1), firmware=firmware, memory=SOFTWARE_MEMORY, cycle_limit=100)
