"""What many designs take at once is what the compiled program takes on each."""

from dataclasses import replace

import numpy as np
import pytest

from flows.estimate.kernels import cpu_cycles
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from sw.compiler import compile_graph, costs
from sw.compiler.costs import FAILED, ROOMY, network_costs
from sw.graph.graph import Graph, TensorType
from tests.support.branches import random_branches
from tests.support.layers import random_cut, random_graph, random_layer, random_residual, with_tables
from tests.support.mlperf import needs_mlperf, network
from tests.sw.compiler.test_designs import random_design

MADE = {"chain": random_graph, "residual": random_residual,
        "tables": lambda rng, weight_bits: with_tables(rng, random_graph(rng, weight_bits=weight_bits)),
        "cut": lambda rng, weight_bits: random_cut(rng, weight_bits=weight_bits),
        "branches": lambda rng, weight_bits: random_branches(rng, "any", weight_bits=weight_bits)}


def compiled(graph, design):
    """Cycles of engine and CPU, and bytes of the image."""
    try:
        found = compile_graph(graph, replace(design, **ROOMY))
    except HeddleError:
        return FAILED, FAILED, FAILED
    return found.cycles, cpu_cycles(found), len(found.image)


def asked(graph, points):
    found = network_costs(graph, points)
    return list(zip(*(each.tolist() for each in (found.cycles, found.cpu_cycles, found.image_bytes)), strict=True))


def differ(graph, points):
    """Designs for which the two models say something else."""
    return [(point, found, wanted) for point, found in zip(points, asked(graph, points), strict=True)
            if (wanted := compiled(graph, point)) != found]


def hold(kind, networks, count, seed):
    rng, ran = np.random.default_rng(seed), 0
    for _ in range(networks):
        graph = MADE[kind](rng, weight_bits=int(rng.choice([8, 4, 2])))
        points = [random_design(rng) for _ in range(count)]
        assert differ(graph, points) == []
        ran += sum(network_costs(graph, points).cycles != FAILED)
    return ran


@pytest.mark.parametrize("kind", MADE)
def test_random_networks_on_random_designs(kind):
    assert hold(kind, 4, 12, 1) > 10, "most run"


@pytest.mark.slow
@pytest.mark.parametrize("kind", MADE)
def test_many_random_networks_on_random_designs(kind):
    assert hold(kind, 40, 30, 2) > 400


def test_commands_of_the_same_content_share_their_words():
    """Some of these networks copy twice; their images are smaller than the sum of all commands."""
    rng, design = np.random.default_rng(2), DesignPoint(rows=2, cols=4, lanes=8)
    graphs = [MADE["branches"](rng, weight_bits=int(rng.choice([8, 4, 2]))) for _ in range(40)]
    assert [found for graph in graphs for found in differ(graph, [design])] == []
    assert any(shares(compile_graph(graph, design)) for graph in graphs)


def shares(program):
    """Whether two commands read the same words."""
    places = [plan.command["weight_base"] for plan in program.layers]
    return len(set(places)) < len(places)


@needs_mlperf
@pytest.mark.parametrize("name, count", [("kws", 60), pytest.param("kws", 2000, marks=pytest.mark.slow),
                                         pytest.param("ic", 500, marks=pytest.mark.slow)])
def test_networks_of_the_field_on_random_designs(name, count):
    rng = np.random.default_rng(5)
    assert differ(network(name), [random_design(rng) for _ in range(count)]) == []


def test_designs_that_differ_in_little_are_asked_together(monkeypatch):
    """One lowering for all that share their commands; and each still has its own cycles."""
    lowered = []
    lower = costs.works_of
    monkeypatch.setattr(costs, "works_of", lambda graph, design: lowered.append(design) or lower(graph, design))
    graph = random_graph(np.random.default_rng(4))
    points = [DesignPoint(rows=4, cols=8, lanes=4, multiplier=kind, requantizers=count, depthwise_taps=taps,
                          dataflow=flow, act_bytes=size)
              for kind in ("dsp", "lut") for count in (1, 2, 4, 8) for taps in (1, 4) for flow in ("output", "weight")
              for size in (4096, 8192)]
    found = asked(graph, points)
    assert len(lowered) == 1 and len(set(found)) > 2
    assert found == [compiled(graph, point) for point in points]


@pytest.mark.parametrize("broken", ["keeps_columns", "keeps_weights", "slot_wait", "drain_cycles"])
def test_each_part_of_it_matters(monkeypatch, broken):
    """Without one of them some design has other cycles."""
    instead = {"keeps_columns": lambda design, count: True, "keeps_weights": lambda design: np.array(True),
               "slot_wait": lambda design, command, own: 0,
               "drain_cycles": lambda design, rows, cols, **where: rows * cols}
    rng = np.random.default_rng(8)
    points = [DesignPoint(rows=rows, cols=8, lanes=4, requantizers=count, depthwise_taps=taps, dataflow=flow)
              for rows in (1, 4) for count in (1, 4) for taps in (1, 4) for flow in ("output", "weight")]
    cases = [(random_residual(rng), points) for _ in range(8)]
    kind = TensorType(shape=(8, 8, 8), scale=0.05, zero_point=3)
    window = random_layer(rng, "depthwise", kind, kernel=(3, 3))
    cases.append((Graph(name="window", inputs=(kind,), layers=(window,)).check(), points))
    monkeypatch.setattr(costs, broken, instead[broken])
    assert any(differ(graph, points) for graph, points in cases)


def test_what_needs_a_compilation_for_each_design_gets_it():
    rng = np.random.default_rng(9)
    spram = DesignPoint(memory="spram", rows=1, cols=4, lanes=4, weight_bytes=8192, act_bytes=131072)
    graph = random_graph(rng)
    assert asked(graph, [spram]) == [compiled(graph, spram)]


def test_what_no_design_runs_has_failed():
    graph = random_residual(np.random.default_rng(2))
    narrow = DesignPoint(rows=4, cols=2, lanes=4)
    assert compiled(graph, narrow) == 3 * (FAILED,) and asked(graph, [narrow]) == [3 * (FAILED,)]
