"""Where the SoC's clock comes from: ports of a simulation, or a PLL behind a board's oscillator."""

from typing import Any

from litex.build.generic_platform import GenericPlatform
from litex.gen import LiteXModule
from litex.soc.cores.clock import ECP5PLL, iCE40PLL
from migen import ClockDomain, Instance, Signal
from migen.genlib.resetsync import AsyncResetSynchronizer

__all__ = ["CLOCKS", "SimClock"]

PLL_MARGINS = (1e-6, 1e-3, 2e-3, 5e-3, 1e-2)


class SimClock(LiteXModule):
    def __init__(self, platform: GenericPlatform, clock_mhz: float, board: dict[str, Any],
                 sdram: dict[str, Any] | None = None) -> None:
        self.cd_sys = ClockDomain()
        self.clock_mhz = clock_mhz
        self.comb += [self.cd_sys.clk.eq(platform.request("clk")), self.cd_sys.rst.eq(platform.request("rst"))]


class Ecp5Clock(LiteXModule):
    """With the clock of the chip too where there is an ``sdram``."""

    def __init__(self, platform: GenericPlatform, clock_mhz: float, board: dict[str, Any],
                 sdram: dict[str, Any] | None = None) -> None:
        self.cd_sys = ClockDomain()
        self.pll = pll = ECP5PLL()
        pll.register_clkin(platform.request("clk"), board["clock_in_mhz"] * 1e6)
        pll.create_clkout(self.cd_sys, clock_mhz * 1e6)
        if sdram:
            self.cd_sdram = ClockDomain(reset_less=True)
            pll.create_clkout(self.cd_sdram, clock_mhz * 1e6, phase=sdram["clock_degrees"], with_reset=False)
        config = _closest(pll, clock_mhz)
        self.clock_mhz = config["clko0_freq"] / 1e6
        pll.compute_config = lambda: config


class Ddr3Clock(LiteXModule):
    """For a chip of DDR3 at an ECP5, in which all clocks of its PHY stop and start together.

    The PLL makes the chip's clock (``sys2x``), which passes a gate and a divider to become the system's; while the PHY
    starts (``ECP5DDRPHYInit``) it stops one and resets the other, in a domain ``init`` of half the system's clock.
    """

    def __init__(self, platform: GenericPlatform, clock_mhz: float, board: dict[str, Any],
                 sdram: dict[str, Any]) -> None:
        self.cd_sys = ClockDomain()
        self.cd_init = ClockDomain()
        self.cd_sys2x = ClockDomain(reset_less=True)
        self.cd_sys2x_i = ClockDomain(reset_less=True)
        self.stop, self.reset, clock = Signal(), Signal(), self.cd_sys2x_i.clk
        self.pll = pll = ECP5PLL()
        pll.register_clkin(platform.request("clk"), board["clock_in_mhz"] * 1e6)
        pll.create_clkout(self.cd_sys2x_i, 2 * clock_mhz * 1e6, with_reset=False)
        pll.create_clkout(self.cd_init, clock_mhz / 2 * 1e6)
        if sdram["bridged"]:
            clock = Signal()
            self.specials += Instance("ECLKBRIDGECS", i_CLK0=self.cd_sys2x_i.clk, i_SEL=0, o_ECSOUT=clock)
        self.specials += [
            Instance("ECLKSYNCB", i_ECLKI=clock, i_STOP=self.stop, o_ECLKO=self.cd_sys2x.clk),
            Instance("CLKDIVF", p_DIV="2.0", i_ALIGNWD=0, i_CLKI=self.cd_sys2x.clk, i_RST=self.reset,
                     o_CDIVX=self.cd_sys.clk),
            AsyncResetSynchronizer(self.cd_sys, ~pll.locked | self.reset),
        ]
        config = _closest(pll, clock_mhz)
        self.clock_mhz = config["clko0_freq"] / 2e6
        pll.compute_config = lambda: config


class Ice40Clock(LiteXModule):
    """The oscillator's pin may be the PLL's own, which nothing else can read then."""

    def __init__(self, platform: GenericPlatform, clock_mhz: float, board: dict[str, Any],
                 sdram: dict[str, Any] | None = None) -> None:
        self.cd_sys = ClockDomain()
        primitive = "SB_PLL40_PAD" if board["clock_pin"] == board["pll_pad"] else "SB_PLL40_CORE"
        self.pll = pll = iCE40PLL(primitive=primitive)
        pll.register_clkin(platform.request("clk"), board["clock_in_mhz"] * 1e6)
        pll.create_clkout(self.cd_sys, clock_mhz * 1e6)
        config = _closest(pll, clock_mhz)
        self.clock_mhz = config["clkout_freq"] / 1e6
        pll.compute_config = lambda: config


def _closest(pll: ECP5PLL | iCE40PLL, clock_mhz: float) -> dict[str, Any]:
    """The PLL's dividers for the frequency nearest to the wanted one; LiteX takes the first within a margin."""
    wanted = dict(pll.clkouts)
    for margin in PLL_MARGINS:
        for number, (signal, hz, phase, _, *others) in wanted.items():
            pll.clkouts[number] = (signal, hz, phase, margin, *others)
        try:
            config: dict[str, Any] = pll.compute_config()
            return config
        except ValueError:
            continue
    raise ValueError(f"clock_mhz={clock_mhz:g}: the PLL makes nothing within {PLL_MARGINS[-1]:.0%}")


#: By the family of the board's device, or the kind of memory that has its own.
CLOCKS: dict[str, Any] = {"ecp5": Ecp5Clock, "ice40": Ice40Clock, "ddr3": Ddr3Clock}
