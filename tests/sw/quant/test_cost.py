from dataclasses import replace

import numpy as np
import pytest

from flows.train.latency import latency_entry
from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.models import NETWORKS
from sw.models.coupling import coupling
from sw.models.shrink import shrunk
from sw.quant import TrainConfig
from sw.quant.cost import Cost
from sw.quant.lower import lower
from sw.quant.network import QuantNetwork
from sw.quant.training import draft, traced_of
from tests.support.networks import digits_for
from tests.sw.models.test_shrink import chosen

DESIGN = replace(PRESETS["ecp5-25"], rows=4, weight_bytes=524288)


def fewer(found, rng, step):
    """All units but some of each group, of which a multiple of ``step`` stays."""
    alive = np.ones(found.count, bool)
    for group in found.groups:
        left = step * int(rng.integers(1, len(group.units) // step + 1))
        alive[rng.permutation(group.units)[left:]] = False
    return alive


def cycles_and_count(config, digits, seed):
    """What the compiler says of a network with random channel counts, and what its whole table does."""
    traced, rng = traced_of(config, digits), np.random.default_rng(seed)
    found = coupling(traced.nodes)
    entry = latency_entry(config, compile_graph(draft(config, digits), DESIGN))
    alive = fewer(found, rng, entry.step)
    network = QuantNetwork(shrunk(traced, found, alive), digits.input_type, 8, np.random)
    for layer in network._units:
        layer.range.high = 4.0
    return compile_graph(lower(network, "small"), DESIGN).cycles, Cost(traced, found, entry).of(alive), entry


@pytest.mark.parametrize("network", NETWORKS)
def test_cycles_are_those_of_the_compiled_network(network):
    digits = digits_for(network)
    for seed in range(1 if network in ("resnet8", "mobilenet") else 2):
        measured, counted, entry = cycles_and_count(TrainConfig(network=network, width=0.5), digits, seed)
        assert measured == counted <= entry.cycles


def test_products_are_those_of_the_network_that_is_left():
    for network in NETWORKS:
        traced, rng = traced_of(TrainConfig(network=network, width=0.5), digits_for(network)), np.random.default_rng(1)
        found = coupling(traced.nodes)
        cost = Cost(traced, found, None)
        assert cost.of(np.ones(found.count, bool)) == traced.macs and cost.unit == "multiply-accumulates"
        alive = chosen(found, rng)
        assert cost.of(alive) == shrunk(traced, found, alive).macs
