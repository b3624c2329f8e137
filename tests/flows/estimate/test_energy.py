import pytest

from boards import BOARDS
from flows.estimate.energy import CORE_VOLTS, energy_j
from hw.spec.design import DesignPoint
from sw.compiler import compile_graph
from tests.sw.golden.nets import small_net

BOARD = BOARDS["ulx3s-25"]


def joules(clock_mhz=50.0, bits=8, board=BOARD, **design):
    program = compile_graph(small_net(1, bits), DesignPoint(multiplier="lut", weight_bits=bits, **design))
    return energy_j(program, board, clock_mhz), program


def test_half_the_clock_adds_the_standby_current_of_the_time_that_it_takes():
    slow, program = joules(25.0)
    fast, _ = joules(50.0)
    assert slow - fast == pytest.approx(CORE_VOLTS * BOARD.standby_a * program.cycles / 50e6, rel=1e-9)
    assert 0 < fast < 1e-3


def test_narrow_weights_take_less():
    """Of so fast a clock, that no standby current counts."""
    wide, narrow = (joules(1e9, bits)[0] for bits in (8, 4))
    assert 0 < narrow < wide


def test_a_device_without_published_figures_has_no_estimate():
    board = next(board for board in BOARDS.values() if board.standby_a is None)
    assert joules(board=board)[0] is None
