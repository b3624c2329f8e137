"""A memory beside the device, by LiteDRAM: a chip of SDRAM that the CPU writes and weights stream from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litedram import modules
from litedram.core.controller import LiteDRAMController
from litedram.core.crossbar import LiteDRAMCrossbar
from litedram.frontend.wishbone import LiteDRAMWishbone2Native
from litedram.init import get_sdram_phy_init_sequence
from litedram.phy import GENSDRPHY
from litedram.phy.dfi import Interface
from litedram.phy.model import SDRAM_VERBOSE_STD, SDRAMPHYModel
from litex.build.generic_platform import GenericPlatform
from litex.build.io import DDROutput
from litex.gen import LiteXModule
from litex.soc.interconnect import wishbone
from migen import Array, Cat, ClockSignal, If, ResetInserter, Signal

from hw.soc.readers import reader
from hw.spec.soc import Region

__all__ = ["POWER_UP_S", "Command", "Sdram", "Start", "commands"]

POWER_UP_S = 200e-6       # JEDEC 21-C: that the clock runs before the first command
LEAST_CYCLES = 16         # behind every command of the initialization, more than any chip takes at 200 MHz


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command of the initialization, and the clock cycles before the next."""

    address: int = 0
    bank: int = 0
    command: tuple[str, ...] = ()     # the lines that are low
    cycles: int
    reset_n: int = 1                  # these two stay for all of them
    cke: int = 1


class Sdram(LiteXModule):
    """The chip with its controller; from reset on it is brought up without a CPU, then ``ready`` rises and stays.

    Parameters
    ----------
    facts : dict
        ``boards.Sdram``.
    region : Region
        Where the bus has it.
    clock_hz : float
        Of the system, and so of the chip.
    port_bits : int
        Of the engine's stream.
    sim : bool
        LiteDRAM's model stands for the chip and its pins. It reports every time of the chip that is not kept.

    Attributes
    ----------
    bus : wishbone.Interface
        32 bits; whole words only, as a chip's mask may not be connected.
    stream : StreamReader or WideReader
    ready : Signal
        Nothing may be asked for before.
    """

    def __init__(self, platform: GenericPlatform, facts: dict[str, Any], region: Region, *, clock_hz: float,
                 port_bits: int, sim: bool) -> None:
        chip = getattr(modules, facts["chip"])(clock_hz, "1:1")
        if sim:
            self.phy = phy = SDRAMPHYModel(chip, data_width=len(facts["data"]), clk_freq=clock_hz,
                                           verbosity=SDRAM_VERBOSE_STD)
        else:
            self.phy = phy = GENSDRPHY(platform.request("sdram"), clock_hz)
            self.specials += DDROutput(1, 0, platform.request("sdram_clock"), ClockSignal("sdram"))
        controller = LiteDRAMController(phy.settings, chip.geom_settings, chip.timing_settings, clock_hz)
        self.start = start = Start(_sequence(phy, chip, clock_hz), controller.dfi, phy.dfi)
        self.ready = start.done
        self.controller = ResetInserter()(controller)
        self.crossbar = LiteDRAMCrossbar(controller.interface)
        self.bus = wishbone.Interface(data_width=32, address_width=32, addressing="word")
        self.native = LiteDRAMWishbone2Native(self.bus, self.crossbar.get_port(data_width=32), region.origin)
        self.stream = reader(self.crossbar.get_port(mode="read"), port_bits)
        self.comb += controller.reset.eq(~start.done)


def _sequence(phy: Any, chip: Any, clock_hz: float) -> list[Command]:
    return [Command(cycles=round(POWER_UP_S * clock_hz)), *commands(phy, chip, LEAST_CYCLES)]


def commands(phy: Any, chip: Any, least_cycles: int) -> list[Command]:
    """LiteDRAM's initialization of a chip, which waits in turns of a loop of its software, in cycles."""
    steps = [Command(address=address, bank=bank, cycles=max(least_cycles, cycles),
                     command=tuple(line for line in ("RAS", "CAS", "WE", "CS") if f"COMMAND_{line}" in command))
             for _, address, bank, command, cycles in get_sdram_phy_init_sequence(
                 phy.settings, chip.timing_settings)[0]]
    return [step for step in steps if step.command]


class Start(LiteXModule):
    """Gives the chip its first commands, and then the controller's."""

    def __init__(self, steps: Sequence[Command], controller: Interface, chip: Interface) -> None:
        self.done = done = Signal()
        step, count, lines = Signal(max=len(steps)), Signal(max=max(each.cycles for each in steps) + 1), Signal(4)
        words = {name: Array([getattr(each, name) for each in steps]) for name in ("address", "bank", "cycles")}
        low = Array([sum(1 << n for n, line in enumerate(("RAS", "CAS", "WE", "CS")) if line in each.command)
                     for each in steps])
        cke, reset_n, first = _held(steps, "cke", step), _held(steps, "reset_n", step), chip.p0
        self.comb += [
            If(count == 0, lines.eq(low[step])),
            If(done, controller.connect(chip)).Else(
                *(line for phase in chip.phases for line in (phase.cke.eq(cke), phase.reset_n.eq(reset_n))),
                first.address.eq(words["address"][step]), first.bank.eq(words["bank"][step]),
                Cat(first.ras_n, first.cas_n, first.we_n, first.cs_n).eq(~lines)),
        ]
        self.sync += If(~done, count.eq(count + 1), If(
            count == words["cycles"][step], count.eq(0), step.eq(step + 1), done.eq(step == len(steps) - 1)))


def _held(steps: Sequence[Command], name: str, step: Signal) -> Any:
    levels = [getattr(each, name) for each in steps]
    return Array(levels)[step] if 0 in levels else 1
