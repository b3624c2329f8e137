"""The engine's RTL against the golden model: whole random programs, in the fast harness and under cocotb."""

import numpy as np
import pytest

from cosim.engine import build_engine, build_engine_bench, run_engine, run_engine_bench
from hw.spec.design import DesignPoint
from sw.compiler import CompileError, compile_graph
from sw.golden import run
from tests.support.layers import random_graph, random_inputs

pytestmark = pytest.mark.sim

DESIGNS = {
    "truncated": DesignPoint(rows=2, cols=4, lanes=2, multiplier="trunc", act_bytes=4096, weight_bytes=16384),
    "narrow": DesignPoint(rows=4, cols=2, lanes=4, weight_bits=2, multiplier="lut", requantizers=2, act_bytes=4096,
                          weight_bytes=16384),
}


@pytest.fixture(scope="module", params=DESIGNS)
def engine(request, tmp_path_factory):
    design = DESIGNS[request.param]
    return design, build_engine(design, tmp_path_factory.mktemp(request.param))


def programs(design, count, seed):
    """Random networks that fit the design."""
    rng = np.random.default_rng(seed)
    while count:
        graph = random_graph(rng, weight_bits=design.weight_bits)
        try:
            yield compile_graph(graph, design), random_inputs(rng, graph, 6)
            count -= 1
        except CompileError:
            continue


def test_every_bit_and_every_cycle(engine):
    design, simulator = engine
    for program, inputs in programs(design, 30, seed=1):
        got = run_engine(simulator, program.image, inputs)
        wanted = run(program.graph, inputs, design)[-1]
        assert np.array_equal(got.outputs, wanted.reshape(len(inputs), -1))
        assert set(got.cycles.tolist()) == {program.cycles}
        assert (got.layer_cycles == [layer.cycles for layer in program.layers]).all()


def test_bus_traffic_changes_no_bit(engine):
    design, simulator = engine
    slower = 0
    for seed, (program, inputs) in enumerate(programs(design, 40, seed=2), 1):
        got = run_engine(simulator, program.image, inputs, traffic=seed, cycle_limit=50 * program.cycles)
        assert np.array_equal(got.outputs, run(program.graph, inputs, design)[-1].reshape(len(inputs), -1))
        slower += int((got.cycles > program.cycles).sum())
    assert slower


def test_under_cocotb_on_a_stalling_bus(tmp_path):
    design = DESIGNS["truncated"]
    build_engine_bench(design, tmp_path)
    for seed, (program, inputs) in enumerate(programs(design, 3, seed=3)):
        got = run_engine_bench(tmp_path, program.image, inputs[:3], seed=seed)
        assert np.array_equal(got, run(program.graph, inputs[:3], design)[-1].reshape(3, -1))
