import numpy as np

from flows.run.store import Store
from flows.train.data import DataSource
from flows.train.untrained import Untrained
from sw.graph.graph import Graph
from sw.models import build
from sw.quant.config import TrainConfig

SMALL = TrainConfig(network="mlp", width=0.25)


def test_an_untrained_network_has_the_shapes_of_a_trained_one_and_random_weights(tmp_path):
    graph = Graph.load(Untrained(config=SMALL, data=DataSource.of("digits")).value(Store(tmp_path)))
    made = build("mlp", (8, 8, 1), 10, width=0.25)
    assert sum(layer.weights.size for layer in graph.layers) == made.weights
    assert sum(map(graph.macs, range(len(graph.layers)))) == made.macs
    assert graph.input.shape == (8, 8, 1) and graph.output.shape == (1, 1, 10)
    assert all(len(np.unique(layer.weights)) > 20 for layer in graph.layers)
