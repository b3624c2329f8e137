"""The MLPerf Tiny networks on the RTL: outputs equal TFLite's, tensors golden's, cycles and counters the model's."""

from functools import cache

import numpy as np
import pytest

from cosim.engine import build_engine, run_engine
from hw.spec.presets import PRESETS
from sw.compiler import CompileError, compile_graph
from sw.golden import run
from tests.support.engines import predicted_counters
from tests.support.mlperf import MLPERF, needs_mlperf, network

SIZES = {"kws": 12, "ic": 10, "vww": 4, "ad": 6}       # inputs in each file
TOO_LARGE = [("up5k", "vww"), ("up5k", "ad")]
ALL = [(design, model) for design in PRESETS for model in SIZES if (design, model) not in TOO_LARGE]
pytestmark = [pytest.mark.sim, needs_mlperf]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    """A simulator for each preset, built once."""
    return cache(lambda design: build_engine(PRESETS[design].logged, tmp_path_factory.mktemp(design)))


def check_vectors(simulator, design, model):
    graph, vectors = network(model), np.load(MLPERF / f"{model}_vectors.npz")
    program = compile_graph(graph, PRESETS[design])
    inputs = vectors["inputs"].reshape(-1, *graph.input.shape)
    got = run_engine(simulator(design), program.image, inputs)
    assert np.array_equal(got.outputs, vectors["outputs"].reshape(len(inputs), -1))
    assert set(got.cycles.tolist()) == {program.cycles}
    assert (got.counters == predicted_counters(program)).all()
    assert len(inputs) == SIZES[model]


def test_keyword_spotting(simulator):
    check_vectors(simulator, "ecp5-45", "kws")


@pytest.mark.slow
@pytest.mark.parametrize("design, model", ALL)
def test_every_input(simulator, design, model):
    check_vectors(simulator, design, model)


@pytest.mark.slow
@pytest.mark.parametrize("design, model", ALL)
def test_every_tensor(simulator, design, model):
    graph = network(model)
    program = compile_graph(graph, PRESETS[design])
    first = np.load(MLPERF / f"{model}_vectors.npz")["inputs"].reshape(-1, *graph.input.shape)[:1]
    tensors, seen = run(graph, first, PRESETS[design]), []
    for number, layer in enumerate(program.plans, 1):
        if layer.tensor is not None:
            got = run_engine(simulator(design), program.prefix(number).image, first).outputs
            assert np.array_equal(got, tensors[layer.tensor].reshape(1, -1)), layer.name
            seen.append(layer.tensor)
    assert seen[-1] == len(graph.layers) and len(seen) >= len(program.plans) // 2


@pytest.mark.parametrize("design, model", TOO_LARGE)
def test_what_a_preset_is_too_small_for(design, model):
    with pytest.raises(CompileError, match="act_bytes=131072 holds both and 5120 of the firmware; "):
        compile_graph(network(model), PRESETS[design])
