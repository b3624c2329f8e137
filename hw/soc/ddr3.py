"""A chip of DDR3 beside the device, by LiteDRAM and its ECP5DDRPHY.

The system's clock is half the chip's, so a burst of eight is one word of LiteDRAM: 16 bytes of a chip of 16 bits.
"""

from copy import copy
from types import SimpleNamespace
from typing import Any

from litedram import modules
from litedram.core.controller import LiteDRAMController
from litedram.core.crossbar import LiteDRAMCrossbar
from litedram.frontend.wishbone import LiteDRAMWishbone2Native
from litedram.phy import ECP5DDRPHY
from litex.build.generic_platform import GenericPlatform
from litex.gen import LiteXModule
from litex.soc.interconnect import wishbone
from migen import Replicate, ResetInserter, Signal

from hw.soc.ddr3_model import Ddr3Model
from hw.soc.leveling import Leveling, ReadControls
from hw.soc.readers import reader
from hw.soc.sdram import POWER_UP_S, Command, Start, commands
from hw.spec.soc import Region

__all__ = ["Ddr3", "chip_at", "start_sequence"]

RATIO = "1:2"             # the system's clock to the chip's
RELEASE_S = 500e-6        # JEDEC 79-3: from the end of the reset until the clock is enabled
BANKS = 2
GRADE = "1600"            # of the chips, transfers in a microsecond
LEAST_CYCLES = 512        # behind every command of the initialization; the longest that a chip takes are 512 of its own
SLOW_HZ = 64e6            # of the system, up to which a board delays its commands


class Ddr3(LiteXModule):
    """The chip with its controller; from reset on it is brought up and leveled without a CPU, then ``ready`` rises.

    Parameters
    ----------
    facts : dict
        ``boards.Ddr3``.
    region : Region
        Where the bus has it.
    clock_hz : float
        Of the system.
    port_bits : int
        Of the engine's stream.
    sim : bool
        LiteDRAM's model stands for the chip and its pins, behind one of the PHY's reads (``hw.soc.ddr3_model``).

    Attributes
    ----------
    bus : wishbone.Interface
        32 bits.
    stream : WideReader
    ready : Signal
        Nothing may be asked for before.
    stop, reset : Signal
        For the clock (``hw.soc.clocks.Ddr3Clock``).
    """

    def get_csrs(self) -> list[Any]:
        """None: the registers of the PHY are not on the bus."""
        return []

    def __init__(self, platform: GenericPlatform, facts: dict[str, Any], region: Region, *, clock_hz: float,
                 port_bits: int, sim: bool) -> None:
        chip, controls = chip_at(facts["chip"], clock_hz), ReadControls(lanes=len(facts["strobe"]))
        self.stop, self.reset = Signal(), Signal()
        if sim:
            self.phy = phy = Ddr3Model(chip, _phy(_pads(facts), facts, clock_hz).settings, controls, clock_hz=clock_hz,
                                       size=region.size)
        else:
            self.phy = phy = _phy(platform.request("ddr3"), facts, clock_hz)
            self.comb += [*_controlled(phy, controls), self.stop.eq(phy.init.stop), self.reset.eq(phy.init.reset)]
            for name, level in (("high", 1), ("low", 0)):
                if (pins := platform.request(f"ddr3_{name}", loose=True)) is not None:
                    self.comb += pins.eq(Replicate(level, len(pins)))
        controller = LiteDRAMController(phy.settings, chip.geom_settings, chip.timing_settings, clock_hz)
        self.start = start = Start(start_sequence(phy, chip, clock_hz), controller.dfi, phy.dfi)
        self.controller = ResetInserter()(controller)
        self.crossbar = LiteDRAMCrossbar(controller.interface)
        port = self.crossbar.get_port()
        word_bytes = port.data_width // 8
        self.leveling = leveling = Leveling(controls, region.origin // word_bytes)
        self.bus = wishbone.Interface(data_width=32, address_width=32, addressing="word")
        wide, chosen = (wishbone.Interface(data_width=port.data_width, address_width=32, addressing="word")
                        for _ in range(2))
        self.widened = wishbone.UpConverter(self.bus, wide)
        self.arbiter = wishbone.Arbiter([leveling.bus, wide], chosen)
        self.native = LiteDRAMWishbone2Native(chosen, port, region.origin)
        self.stream = reader(self.crossbar.get_port(mode="read"), port_bits)
        self.ready = leveling.done
        self.comb += [controller.reset.eq(~start.done), leveling.start.eq(start.done)]


def chip_at(name: str, clock_hz: float) -> Any:
    """LiteDRAM's chip of that name, with less for the controller to do: two banks hold all that a SoC uses.

    LiteDRAM has the time of a refresh in clocks of the fastest grade, which are as many nanoseconds at any clock.
    """
    kind = getattr(modules, name)
    times = copy(kind.speedgrade_timings[GRADE])
    times.tRFC = (None, times.tRFC[0] * 2e3 / int(GRADE))
    return type(name, (kind,), {"nbanks": BANKS, "speedgrade_timings": {"default": times}})(clock_hz, RATIO)


def _phy(pads: Any, facts: dict[str, Any], clock_hz: float) -> ECP5DDRPHY:
    phy = ECP5DDRPHY(pads, sys_clk_freq=clock_hz, cmd_delay=facts["slow_delay"] if clock_hz <= SLOW_HZ else 0,
                     dm_remapping={0: 1, 1: 0} if facts["swapped_masks"] else None)
    phy.settings.rtt_nom = facts["chip_termination"]
    return phy


def _pads(facts: dict[str, Any]) -> Any:
    """Pins of nothing, of which the PHY's settings follow."""
    lanes = len(facts["strobe"])
    return SimpleNamespace(
        a=Signal(len(facts["address"])), ba=Signal(len(facts["bank"])), dq=Signal(8 * lanes), dm=Signal(lanes),
        dqs_p=Signal(lanes), **{name: Signal() for name in ("clk_p", "ras_n", "cas_n", "we_n", "cke", "odt")})


def _controlled(phy: ECP5DDRPHY, controls: ReadControls) -> list[Any]:
    """The PHY has registers of LiteX's for it, which no bus has here."""
    return [phy._dly_sel.storage.eq(controls.select), phy._rdly_dq_inc.re.eq(controls.delay),
            phy._rdly_dq_bitslip.re.eq(controls.slip), phy._burstdet_clr.re.eq(controls.clear),
            controls.seen.eq(phy._burstdet_seen.status)]


def start_sequence(phy: Any, chip: Any, clock_hz: float) -> list[Command]:
    """JEDEC 79-3's: reset, then the clock without a command, then LiteDRAM's commands."""
    return [Command(cycles=round(POWER_UP_S * clock_hz), reset_n=0, cke=0),
            Command(cycles=round(RELEASE_S * clock_hz), cke=0), Command(cycles=LEAST_CYCLES),
            *commands(phy, chip, LEAST_CYCLES)]
