from dataclasses import replace

import numpy as np
import pytest

from flows.estimate.memories import fit_memories
from flows.estimate.roofline import roofline, written
from hw.spec.design import DesignPoint
from hw.spec.presets import PRESETS
from sw.compiler import compile_graph
from sw.graph.graph import Graph, TensorType
from tests.support.layers import random_graph, random_layer, random_residual
from tests.sw.golden.nets import small_net

ROOMY = DesignPoint(rows=2, cols=4, lanes=4, act_bytes=65536, weight_bytes=131072)
DESIGNS = (ROOMY, replace(ROOMY, depthwise_taps=4, requantizers=4), replace(ROOMY, rows=1, dataflow="weight"),
           replace(ROOMY, requantizer_cycles=4, requantizer_dsps=0), PRESETS["ecp5-45"], PRESETS["up5k"])


def even_net(rng):
    """Of channels that a memory with even addresses can hold."""
    kind = TensorType(shape=(6, 6, 4), scale=0.1, zero_point=3)
    conv = random_layer(rng, "conv", kind, name="conv")
    depthwise = random_layer(rng, "depthwise", conv.output, stride=(2, 1), name="depthwise")
    return Graph(name="even", inputs=(kind,), layers=(conv, depthwise))


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.label)
@pytest.mark.parametrize("seed", range(4))
def test_the_roof_is_below_what_the_engine_takes(design, seed):
    rng = np.random.default_rng(seed)
    for graph in [even_net(rng)] if design.memory == "spram" else [random_graph(rng), random_residual(rng)]:
        plans = compile_graph(graph, design).layers
        assert all(0 < roofline(plan, design).cycles <= plan.cycles for plan in plans)
        assert sum(written(plan.command) for plan in plans) \
            == sum(plan.output.size for plan in plans if plan.tensor is not None)


def test_the_bound_is_the_limit_that_binds():
    def first(design):
        return roofline(fit_memories(small_net(2), design).layers[0], design)

    # conv: 5 channels of 3x3x3 at 24 places are 3240 products and 120 outputs
    assert first(DesignPoint(rows=2, cols=4, lanes=4)).bound == "requantizers"
    wide = first(DesignPoint(rows=1, cols=2, lanes=4))
    assert (wide.cycles, wide.bound) == (405, "multipliers")
    slow = first(DesignPoint(rows=1, cols=2, lanes=4, requantizer_cycles=4, requantizer_dsps=0))
    assert (slow.cycles, slow.bound) == (480, "requantizers")
