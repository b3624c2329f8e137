"""What the tests of every rung share."""

import numpy as np
import pytest

from flows.run.store import Store
from sw.compiler import compile_graph
from tests.support.ladder import DESIGN, every_operator, sum_and_softmax
from tests.support.layers import random_inputs


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def graph():
    return every_operator()


@pytest.fixture(scope="module")
def inputs(graph):
    return random_inputs(np.random.default_rng(3), graph, 5)


@pytest.fixture
def program(graph):
    return compile_graph(graph, DESIGN)


@pytest.fixture(scope="module")
def residual():
    return sum_and_softmax()
