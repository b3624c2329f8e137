"""The engine's RTL against golden and the cycle model: bus traffic, a stalling bus, and faults that must be noticed."""

import numpy as np
import pytest

from cosim.engine import build_engine, build_engine_bench, run_engine_bench
from cosim.process import SimulationError
from hw.spec.design import DesignPoint
from hw.spec.timing import drain_cycles, element_latency, requantize_latency
from sw.golden import run
from tests.support.engines import check_exact, check_outputs, random_programs

pytestmark = pytest.mark.sim

DESIGN = DesignPoint(rows=2, cols=4, lanes=2, multiplier="trunc", act_bytes=4096, weight_bytes=16384)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return build_engine(DESIGN, tmp_path_factory.mktemp("truncated"))


def test_every_bit_cycle_and_counter(engine):
    for program, inputs in random_programs(DESIGN, 30, seed=1, inputs=6):
        check_exact(engine, program, inputs)


def test_bus_traffic_changes_no_bit(engine):
    slower = 0
    for seed, (program, inputs) in enumerate(random_programs(DESIGN, 40, seed=2, inputs=6), 1):
        got = check_outputs(engine, program, inputs, traffic=seed)
        slower += int((got.cycles > program.cycles).sum())
    assert slower


def test_under_cocotb_on_a_stalling_bus(tmp_path):
    build_engine_bench(DESIGN, tmp_path)
    for seed, (program, inputs) in enumerate(random_programs(DESIGN, 3, seed=3)):
        got = run_engine_bench(tmp_path, program.image, inputs, seed=seed)
        assert np.array_equal(got, run(program.graph, inputs, DESIGN)[-1].reshape(3, -1))


def less(function):
    return lambda design, **options: function(design, **options) - 1


#: what is changed while the Verilog is made
FAULTS = {
    "sums are read a cycle early": ("hw.gateware.drain.element_latency", less(element_latency)),
    "a requantizer answers a cycle late": ("hw.gateware.drain.requantize_latency", less(requantize_latency)),
    "tiles are too close": ("hw.gateware.sequencer.drain_cycles", less(drain_cycles)),
    "parameters are kept for one block": ("hw.gateware.params.SETS", 1),
    "operands of one tile wait for the add": ("hw.gateware.residual.RESIDUAL_TILES", 1),
    "a write is believed done a cycle early": ("hw.gateware.store.WRITE_LATENCY", 1),
    "the log takes a cycle more": ("hw.gateware.sequencer.LOG_CYCLES", 6),
}
QUICK = "tiles are too close"


@pytest.mark.parametrize("fault", [pytest.param(name, marks=() if name == QUICK else pytest.mark.slow)
                                   for name in FAULTS])
def test_a_fault_in_the_gateware_is_noticed(fault, tmp_path, monkeypatch):
    monkeypatch.setattr(*FAULTS[fault])
    wrong = build_engine(DESIGN, tmp_path)
    monkeypatch.undo()
    noticed = 0
    for program, inputs in random_programs(DESIGN, 30, seed=1):
        try:
            check_exact(wrong, program, inputs)
        except (AssertionError, SimulationError):
            noticed += 1
    assert noticed
