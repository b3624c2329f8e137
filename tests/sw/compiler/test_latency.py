from dataclasses import replace

import numpy as np
import pytest

from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.compiler.latency import layer_latencies
from sw.data import load_dataset
from sw.models import NETWORKS
from sw.quant.config import TrainConfig
from sw.quant.training import draft
from tests.support.networks import digits_for

DESIGNS = {"ecp5-85": replace(PRESETS["ecp5-85"], cols=4, requantizers=4),
           "ecp5-25": replace(PRESETS["ecp5-25"], weight_bytes=524288)}

DEEP = ("resnet8", "mobilenet")       # on one design, to save time


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def program(digits, network, design, width=1.0):
    return compile_graph(draft(TrainConfig(network=network, width=width), digits), design)


def wrong(table, compiled):
    """Layers of a program that do not take what another one's table says of so many channels."""
    rows = {row.name: row for row in table}
    types = compiled.graph.types()
    for plan in compiled.layers:
        row = rows[plan.name]
        taken = types[plan.stage.source].size // (row.taken[0] * row.taken[1])
        given = types[plan.stage.output].shape[-1]
        if row.cycles_of(taken, given) != plan.cycles:
            yield plan.name, taken, given, row.cycles_of(taken, given), plan.cycles


@pytest.mark.parametrize("network", NETWORKS)
def test_the_table_is_what_the_compiler_says_of_the_network_and_of_narrower_ones(network):
    digits = digits_for(network)
    for design in list(DESIGNS.values())[:1 if network in DEEP else 2]:
        whole = program(digits, network, design, 0.75)
        table = layer_latencies(whole, step=4)
        assert all(row.exact for row in table)
        assert [row.cycles[0] for row in table] == [plan.cycles for plan in whole.layers]
        for width in (0.5, 0.25):
            assert not list(wrong(table, program(digits, network, design, width)))


def test_a_wrong_table_is_seen(digits):
    whole = program(digits, "dscnn", DESIGNS["ecp5-85"], 0.5)
    table = layer_latencies(whole, step=4)
    bent = [replace(row, cycles=tuple(cycles + (row.op == "avgpool") for cycles in row.cycles)) for row in table]
    assert [name for name, *_ in wrong(bent, whole)] == ["5.mean"]


def test_layers_take_fewer_cycles_with_fewer_channels(digits):
    for row in layer_latencies(program(digits, "dscnn", DESIGNS["ecp5-25"]), step=4):
        cycles = dict(zip(row.channels, row.cycles, strict=True))
        assert all(cycles[pair] <= cycles[other] for pair in cycles for other in cycles
                   if np.all(np.array(pair) <= other)), row.name


def test_input_and_answers_keep_their_channels(digits):
    table = layer_latencies(program(digits, "dscnn", DESIGNS["ecp5-25"], 0.5), step=4)
    assert {taken for taken, _ in table[0].channels} == {1} and {given for _, given in table[-1].channels} == {10}
    assert table[0].channels == ((1, 8), (1, 4))


def test_layers_whose_weights_stream_are_not_exact(digits):
    table = layer_latencies(program(digits, "mlp", PRESETS["up5k"]), step=4)
    assert {row.name: row.exact for row in table} == {"1": True, "3": False, "5": False}
    assert len(table[1].channels) == 8 * 8
