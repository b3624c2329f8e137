"""Random networks on the RTL: every bit equals the golden model, every cycle count the cycle model."""

import numpy as np
import pytest

from cosim.engine import build_engine, run_engine
from hw.spec.design import DesignPoint
from sw.compiler import compile_graph
from sw.golden import run
from tests.support.layers import random_graph, random_inputs

DESIGNS = [
    DesignPoint(rows=2, cols=4, lanes=4, multiplier="lut", requantizers=2, act_bytes=8192, weight_bytes=65536),
    DesignPoint(rows=4, cols=4, lanes=2, weight_bits=4, multiplier="trunc", requantizers=4, act_bytes=8192),
    DesignPoint(rows=2, cols=4, lanes=2, weight_bits=2, multiplier="lut", requantizers=1, act_bytes=8192),
    DesignPoint(rows=1, cols=8, lanes=4, multiplier="dsp", requantizers=1, act_bytes=8192, weight_bytes=65536),
]
MORE = [
    DesignPoint(rows=8, cols=2, lanes=4, multiplier="trunc", requantizers=2, act_bytes=8192, weight_bytes=65536),
    DesignPoint(rows=4, cols=8, lanes=4, multiplier="dsp", requantizers=4, act_bytes=8192, weight_bytes=65536),
    DesignPoint(rows=4, cols=1, lanes=4, multiplier="dsp", requantizers=1, act_bytes=8192, weight_bytes=65536),
    DesignPoint(rows=4, cols=4, lanes=4, multiplier="dsp", requantizers=1, act_bytes=8192, weight_bytes=65536),
]


@pytest.mark.sim
@pytest.mark.parametrize("design, networks", [
    *((design, 15) for design in DESIGNS),
    *(pytest.param(design, 80, marks=pytest.mark.slow) for design in DESIGNS + MORE),
], ids=lambda value: value.label.replace(" ", "_") if isinstance(value, DesignPoint) else str(value))
def test_bits_and_cycles(design, networks, tmp_path):
    simulator = build_engine(design, tmp_path)
    seen = set()
    for seed in range(networks):
        rng = np.random.default_rng(seed)
        graph = random_graph(rng, weight_bits=design.weight_bits)
        inputs = random_inputs(rng, graph, 3)
        program = compile_graph(graph, design)
        answer = run_engine(simulator, program.image, inputs, cycle_limit=2_000_000)
        assert np.array_equal(answer.outputs, run(graph, inputs, design)[-1].reshape(3, -1)), f"network {seed}"
        assert (answer.layer_cycles == [layer.cycles for layer in program.layers]).all(), f"network {seed}"
        assert (answer.cycles == program.cycles).all(), f"network {seed}"
        seen |= {layer.op for layer in graph.layers}
    assert seen >= {"conv", "depthwise", "dense"}
