"""Clocks behind the PLLs of both families; what they make is in ``test_generate.py``."""

import pytest
from litex.build.generic_platform import GenericPlatform, Pins

from hw.soc.clocks import CLOCKS

BOARD = {"clock_in_mhz": 12.0, "clock_pin": "35", "pll_pad": "35"}


def clock(family, clock_mhz, **changes):
    return CLOCKS[family](GenericPlatform("p", [("clk", 0, Pins(1))], name="p"), clock_mhz, BOARD | changes)


@pytest.mark.parametrize("pin, primitive", [("35", "SB_PLL40_PAD"), ("20", "SB_PLL40_CORE")])
def test_the_plls_own_pin_is_read_by_it_alone(pin, primitive):
    made = clock("ice40", 24, clock_pin=pin)
    assert made.clock_mhz == 24.0
    assert made.pll.primitive == primitive


@pytest.mark.parametrize("family, wanted, made", [("ice40", 25, 25.125), ("ice40", 16.5, 16.5), ("ecp5", 50, 50.0)])
def test_the_nearest_that_there_is(family, wanted, made):
    assert clock(family, wanted).clock_mhz == pytest.approx(made)


@pytest.mark.parametrize("clock_in_mhz, wanted", [(48.0, 50), (48.0, 48), (100.0, 60), (100.0, 62.5)])
def test_a_chip_of_ddr3_has_twice_the_systems_clock(clock_in_mhz, wanted):
    platform = GenericPlatform("p", [("clk", 0, Pins(1))], name="p")
    made = CLOCKS["ddr3"](platform, wanted, {"clock_in_mhz": clock_in_mhz}, {"bridged": False})
    config = made.pll.compute_config()
    assert made.clock_mhz == pytest.approx(wanted, rel=1e-3)
    assert config["clko0_freq"] == 2e6 * made.clock_mhz
    assert config["clko1_freq"] == pytest.approx(0.5e6 * made.clock_mhz, rel=1e-3)
