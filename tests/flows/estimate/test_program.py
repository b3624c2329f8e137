from dataclasses import replace

import pytest

from boards import BOARDS
from flows.estimate import kernels
from flows.estimate.energy import energy_j
from flows.estimate.kernels import cpu_cycles
from flows.estimate.program import estimate_program
from flows.estimate.resources import estimate_resources
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from sw.compiler import compile_graph
from tests.support.mixed import mixed_net
from tests.sw.golden.nets import small_net

BOARD = BOARDS["ulx3s-25"]
PROGRAM = compile_graph(small_net(1), DesignPoint(multiplier="lut"))


def test_an_estimate_is_the_programs_cycles_and_the_models_logic():
    found, logic = estimate_program(PROGRAM, BOARD, 40.0), estimate_resources(PROGRAM.design, BOARD)
    assert (found.cycles, found.clock_mhz) == (PROGRAM.cycles, 40.0)
    assert found.latency_s == pytest.approx(PROGRAM.cycles / 40e6)
    assert (found.lut, found.ff, found.dsp, found.bram, found.fmax_mhz) == (
        logic.lut, logic.ff, logic.dsp, logic.bram, logic.fmax_mhz)
    assert found.energy_j == energy_j(PROGRAM, BOARD, 40.0)


def test_latency_has_the_cycles_of_the_cpu_that_are_known(monkeypatch):
    mixed = compile_graph(mixed_net(), DesignPoint(multiplier="lut"))
    found = estimate_program(mixed, BOARD, 40.0)
    assert (found.cycles, found.cpu_cycles) == (mixed.cycles, cpu_cycles(mixed)) and found.cpu_cycles > 1000
    assert found.latency_s == pytest.approx((mixed.cycles + found.cpu_cycles) / 40e6)
    monkeypatch.setattr(kernels, "_call_cycles", lambda design, call: None)
    unknown, alone = (estimate_program(program, BOARD, 40.0) for program in (mixed, PROGRAM))
    assert unknown.cpu_cycles is None and unknown.latency_s == pytest.approx(mixed.cycles / 40e6)
    assert (alone.cpu_cycles, alone.latency_s) == (0, pytest.approx(PROGRAM.cycles / 40e6))


def test_timing_is_met_up_to_fmax():
    fmax_mhz = estimate_resources(PROGRAM.design, BOARD).fmax_mhz
    assert estimate_program(PROGRAM, BOARD, fmax_mhz).timing_met
    assert not estimate_program(PROGRAM, BOARD, fmax_mhz + 0.1).timing_met


def test_a_design_without_a_resource_model_is_refused():
    other = replace(PROGRAM, design=replace(PROGRAM.design, cpu="serv"))
    with pytest.raises(HeddleError, match="^cpu='serv' on board .* is known for engine='wide' with cpu='vexriscv' o"):
        estimate_program(other, BOARD, 50.0)
