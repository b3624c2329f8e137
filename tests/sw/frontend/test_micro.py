"""Models that are made at random, against TensorFlow Lite Micro: equal in every output, or refused in one line."""

import numpy as np
import pytest

from sw.frontend import load_tflite
from sw.golden import run
from tests.support.micro import micro_answers, needs_micro
from tests.sw.frontend.models import STEPS, network, one_operator

pytestmark = needs_micro
COUNT = 3


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


def check(path, data, seed):
    path.write_bytes(data)
    graph = load_tflite(path)
    inputs = inputs_of(graph, seed)
    tensors = run(graph, [values.reshape(len(values), *kind.shape)
                          for values, kind in zip(inputs, graph.inputs, strict=True)])
    wanted = micro_answers(data, inputs, len(graph.answers))
    for number, answers, shape in zip(graph.answers, wanted, graph.output_shapes, strict=True):
        assert tensors[number].reshape(len(answers), *shape).tolist() == answers.reshape(len(answers), *shape).tolist()


@pytest.mark.parametrize("name", sorted(STEPS))
def test_a_model_of_one_operator(tmp_path, name):
    for seed in range(2):
        check(tmp_path / "net.tflite", one_operator(name, seed)[0], seed)


@pytest.mark.parametrize("start", range(0, 70, 10))
def test_a_random_network(tmp_path, start):
    for seed in range(start, start + 10):
        check(tmp_path / "net.tflite", network(seed)[0], seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(STEPS))
def test_many_models_of_one_operator(tmp_path, name):
    for seed in range(100, 115):
        check(tmp_path / "net.tflite", one_operator(name, seed)[0], seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(1000, 2000, 50))
def test_many_random_networks(tmp_path, start):
    for seed in range(start, start + 50):
        check(tmp_path / "net.tflite", network(seed, 8)[0], seed)
