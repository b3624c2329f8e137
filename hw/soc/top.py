"""The LiteX side of :mod:`hw.soc.generate`, run as a program: ``python -m hw.soc.top REQUEST FACTS``."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from litex.build.generic_platform import GenericPlatform, IOStandard, Pins, Subsignal
from litex.build.lattice import LatticeECP5Platform
from litex.gen import LiteXModule
from litex.soc.cores.clock import ECP5PLL
from litex.soc.integration.soc import SoCRegion
from litex.soc.integration.soc_core import SoCCore
from litex.soc.interconnect import wishbone
from migen import ClockDomain, ClockSignal, Instance, ResetSignal

from hw.soc.peripheral import Peripheral

__all__ = ["Soc", "main"]

BUS_TIMEOUT_CYCLES = 4096
PLL_MARGINS = (1e-6, 1e-3, 2e-3, 5e-3, 1e-2)
NO_STREAM = {"i_memory__request__ready": 0, "i_memory__data__valid": 0, "i_memory__data__payload": 0}
BYTE_STREAM = ("valid", "ready", "data")


def _sim_platform() -> GenericPlatform:
    streams = [Subsignal(name, Pins(8 if name == "data" else 1)) for name in BYTE_STREAM]
    return GenericPlatform("sim", [("clk", 0, Pins(1)), ("rst", 0, Pins(1)), ("leds", 0, Pins(8)),
                                   ("serial_rx", 0, *streams), ("serial_tx", 0, *streams)], name="sim")


def _board_platform(board: dict[str, Any]) -> LatticeECP5Platform:
    standard = IOStandard(board["io_standard"])
    return LatticeECP5Platform(
        board["part"],
        [("clk", 0, Pins(board["clock_pin"]), standard), ("leds", 0, Pins(" ".join(board["led_pins"])), standard),
         ("serial", 0, Subsignal("tx", Pins(board["serial_tx_pin"])), Subsignal("rx", Pins(board["serial_rx_pin"])),
          standard)], toolchain="trellis")


class SimClock(LiteXModule):
    def __init__(self, platform: GenericPlatform, clock_mhz: float) -> None:
        self.cd_sys = ClockDomain()
        self.clock_mhz = clock_mhz
        self.comb += [self.cd_sys.clk.eq(platform.request("clk")), self.cd_sys.rst.eq(platform.request("rst"))]


class BoardClock(LiteXModule):
    def __init__(self, platform: LatticeECP5Platform, clock_mhz: float, clock_in_mhz: float) -> None:
        self.cd_sys = ClockDomain()
        self.pll = pll = ECP5PLL()
        pll.register_clkin(platform.request("clk"), clock_in_mhz * 1e6)
        pll.create_clkout(self.cd_sys, clock_mhz * 1e6)
        config = _closest(pll, clock_mhz)
        self.clock_mhz = config["clko0_freq"] / 1e6
        pll.compute_config = lambda: config


def _closest(pll: ECP5PLL, clock_mhz: float) -> dict[str, Any]:
    """The PLL's dividers for the frequency nearest to the wanted one; LiteX takes the first within a margin."""
    signal, _, phase, _, dpa = pll.clkouts[0]
    for margin in PLL_MARGINS:
        pll.clkouts[0] = (signal, clock_mhz * 1e6, phase, margin, dpa)
        try:
            return pll.compute_config()
        except ValueError:
            continue
    raise ValueError(f"clock_mhz={clock_mhz:g}: the PLL makes nothing within {PLL_MARGINS[-1]:.0%}")


class Soc(SoCCore):
    """CPU, ROM, RAM, engine, custom instructions and one peripheral on a shared Wishbone bus."""

    def __init__(self, request: dict[str, Any]) -> None:
        memory, cpu = request["memory"], request["cpu"]
        platform = _sim_platform() if request["sim"] else _board_platform(request["board"])
        if request["sim"]:
            crg = SimClock(platform, request["clock_mhz"])
        else:
            crg = BoardClock(platform, request["clock_mhz"], request["board"]["clock_in_mhz"])
        self.clock_mhz = crg.clock_mhz
        super().__init__(
            platform, int(crg.clock_mhz * 1e6), cpu_type=cpu["type"], cpu_variant=cpu["variant"], cpu_cfu=cpu["cfu"],
            cpu_reset_address=memory["rom"]["origin"], integrated_sram_size=0, bus_timeout=BUS_TIMEOUT_CYCLES,
            with_uart=False, with_timer=False, with_ctrl=False)
        self.crg = crg
        self.add_rom("rom", contents=request["rom"], **memory["rom"])
        self.add_ram("sram", contents=None, **memory["sram"])
        self.add_module("peripheral", Peripheral(platform, int(crg.clock_mhz * 1e6), request["baud"],
                                                 streams=request["sim"], cycles=not cpu["counts_cycles"]))
        if self.irq.enabled:
            self.irq.add("peripheral")
        self._slave("peripheral", self.peripheral.bus, memory["io"])
        self._add_engine(memory["engine"], request["streams"])

    def add_csr_bridge(self, *arguments: Any, **keywords: Any) -> None:
        """Nothing: no module here has control and status registers of LiteX's kind, and LiteX cannot connect none."""

    def _slave(self, name: str, bus: wishbone.Interface, region: dict[str, int]) -> None:
        self.bus.add_slave(name, bus, SoCRegion(origin=region["origin"], size=region["size"], cached=False))

    def _add_engine(self, region: dict[str, int], streams: bool) -> None:
        """``streams``: it has a port to a memory outside, which no memory is at yet: requests are never taken."""
        bus = wishbone.Interface(data_width=32, address_width=32, addressing="word")
        self.specials += Instance(
            "heddle_engine", i_clk=ClockSignal("sys"), i_rst=ResetSignal("sys"),
            i_bus__cyc=bus.cyc, i_bus__stb=bus.stb, i_bus__we=bus.we, i_bus__sel=bus.sel,
            i_bus__adr=bus.adr[:(region["size"] // 4 - 1).bit_length()], i_bus__dat_w=bus.dat_w,
            o_bus__dat_r=bus.dat_r, o_bus__ack=bus.ack, **(NO_STREAM if streams else {}))
        self._slave("engine", bus, region)


def _steady(verilog: str) -> str:
    """Without the comments that differ from day to day and from run to run."""
    verilog = re.sub(r"^//\s+(Date\s+:|LiteX sha1 :|Auto-Generated by LiteX on).*\n", "", verilog, flags=re.MULTILINE)
    return re.sub(r"^/\*\n.*?^\*/\n", "", verilog, count=1, flags=re.MULTILINE | re.DOTALL)


def _constraints(platform: GenericPlatform, names: Any, clock_in_mhz: float) -> str:
    """Pin constraints in Lattice's format."""
    lines = ["BLOCK RESETPATHS;", "BLOCK ASYNCPATHS;"]
    for signal, pins, others, _ in platform.resolve_signals(names)[0]:
        for index, pin in enumerate(pins):
            port = f"{signal}[{index}]" if len(pins) > 1 else signal
            lines.append(f'LOCATE COMP "{port}" SITE "{pin}";')
            lines += [f'IOBUF PORT "{port}" IO_TYPE={other.name};' for other in others
                      if isinstance(other, IOStandard)]
    return "\n".join([*lines, f'FREQUENCY PORT "clk" {clock_in_mhz:g} MHZ;', ""])


def main(argv: list[str]) -> int:
    request = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    soc = Soc(request)
    soc.finalize()
    output = soc.platform.get_verilog(soc.get_fragment(), name=request["top"])
    output.set_main_source(_steady(output.main_source))
    output.write(f"{request['top']}.v")
    if not request["sim"]:
        Path(f"{request['top']}.lpf").write_text(
            _constraints(soc.platform, output.ns, request["board"]["clock_in_mhz"]), encoding="utf-8")
    facts = {"clock_mhz": soc.clock_mhz, "sim": request["sim"], "verilog": request["verilog"]}
    Path(argv[1]).write_text(json.dumps(facts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
