"""Models that are made at random, against TensorFlow Lite Micro: golden is equal in every output, and so is the RTL."""

import numpy as np
import pytest

from cosim.engine import build_engine, run_engine
from hw.spec.design import DesignPoint
from sw.compiler import compile_graph
from sw.frontend import load_tflite
from sw.golden import run
from tests.support.micro import micro_answers, needs_micro
from tests.sw.frontend.models import STEPS, network, one_operator

pytestmark = [needs_micro, pytest.mark.sim]
COUNT = 3
#: The least array that can add, which compiles fast, with memories for all of the networks.
DESIGN = DesignPoint(rows=2, cols=4, lanes=2, act_bytes=131072, weight_bytes=131072)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    return build_engine(DESIGN, tmp_path_factory.mktemp("engine"))


def inputs_of(graph, seed, count=COUNT):
    """Random inputs of a graph's kinds in the file's shapes, the corners of int8 among them."""
    rng = np.random.default_rng(seed)
    found = []
    for kind, shape in zip(graph.inputs, graph.input_shapes, strict=True):
        if kind.dtype == "float32":
            values = rng.normal(0, 20, (count, *shape)).astype(np.float32)
        else:
            values = rng.integers(0, 256, (count, *shape)).astype(np.uint8).view(kind.dtype)
        found.append(values)
    return found


def check(path, data, seed, simulator):
    """Golden's outputs are the runtime's, and the simulated engine's golden's."""
    path.write_bytes(data)
    graph = load_tflite(path)
    inputs = inputs_of(graph, seed)
    given = [values.reshape(len(values), *kind.shape) for values, kind in zip(inputs, graph.inputs, strict=True)]
    tensors = run(graph, given)
    wanted = micro_answers(data, inputs, len(graph.answers))
    for number, answers, shape in zip(graph.answers, wanted, graph.output_shapes, strict=True):
        assert tensors[number].reshape(len(answers), *shape).tolist() == answers.reshape(len(answers), *shape).tolist()
    program = compile_graph(graph, DESIGN)
    got = run_engine(simulator, program.image, program.pack_inputs(given), cycle_limit=60 * program.cycles + 20_000)
    for number, answers in zip(graph.answers, program.unpack_outputs(got.outputs), strict=True):
        assert answers.tolist() == tensors[number].tolist()
    assert set(got.cycles.tolist()) == {program.cycles}


@pytest.mark.parametrize("name", sorted(STEPS))
def test_a_model_of_one_operator(tmp_path, simulator, name):
    for seed in range(2):
        check(tmp_path / "net.tflite", one_operator(name, seed)[0], seed, simulator)


@pytest.mark.parametrize("start", range(0, 70, 10))
def test_a_random_network(tmp_path, simulator, start):
    for seed in range(start, start + 10):
        check(tmp_path / "net.tflite", network(seed, 6)[0], seed, simulator)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(STEPS))
def test_many_models_of_one_operator(tmp_path, simulator, name):
    for seed in range(100, 115):
        check(tmp_path / "net.tflite", one_operator(name, seed)[0], seed, simulator)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 2000, 50))
def test_many_random_networks(tmp_path, simulator, start):
    for seed in range(start, start + 50):
        check(tmp_path / "net.tflite", network(seed, 8)[0], seed, simulator)
