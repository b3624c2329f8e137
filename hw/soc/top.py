"""The LiteX side of :mod:`hw.soc.generate`, run as a program: ``python -m hw.soc.top REQUEST FACTS``."""

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from litex.soc.integration.soc import SoCRegion
from litex.soc.integration.soc_core import SoCCore
from litex.soc.interconnect import wishbone
from migen import ClockSignal, Instance, ResetSignal, Signal

from hw.soc.clocks import CLOCKS, SimClock
from hw.soc.ddr3 import Ddr3
from hw.soc.flash import SpiFlash
from hw.soc.peripheral import Peripheral
from hw.soc.platforms import CONSTRAINTS, board_platform, sim_platform
from hw.soc.ram import Ram
from hw.soc.sdram import Sdram
from hw.spec.soc import FLASH, Region

__all__ = ["Soc", "main"]

BUS_TIMEOUT_CYCLES = 4096
NO_STREAM = {"i_memory__request__ready": 0, "i_memory__data__valid": 0, "i_memory__data__payload": 0}     # never taken


class Soc(SoCCore):
    """CPU, ROM, RAM, engine, custom instructions and one peripheral on a shared Wishbone bus. ``small``: the ROM is the
    board's serial flash, no access is timed, and bytes of the UART do not wait.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        memory, cpu, small = request["memory"], request["cpu"], request["memory"]["image"] is not None
        platform = sim_platform(flash=small) if request["sim"] else board_platform(request["board"])
        sdram = request["board"]["sdram"] if memory["outside"] else None
        clock = SimClock if request["sim"] else CLOCKS["ddr3" if _is_ddr3(sdram) else request["board"]["family"]]
        crg = clock(platform, request["clock_mhz"], request["board"], sdram)
        self.clock_mhz = crg.clock_mhz
        super().__init__(
            platform, int(crg.clock_mhz * 1e6), cpu_type=cpu["type"], cpu_variant=cpu["variant"], cpu_cfu=cpu["cfu"],
            cpu_reset_address=memory["rom"]["origin"], integrated_sram_size=0,
            bus_timeout=None if small else BUS_TIMEOUT_CYCLES,
            with_uart=False, with_timer=False, with_ctrl=False)
        self.crg = crg
        if small:
            self.flash = SpiFlash(platform.request("flash"))
            self.bus.add_slave("rom", self.flash.bus, SoCRegion(origin=FLASH.origin, size=FLASH.size, mode="rx"))
        else:
            self.add_rom("rom", contents=request["rom"], **memory["rom"])
        if small:
            self.ram = Ram(memory["sram"]["size"])
            self.bus.add_slave("sram", self.ram.bus, SoCRegion(**memory["sram"]))
        else:
            self.add_ram("sram", contents=None, **memory["sram"])
        self.add_module("peripheral", Peripheral(platform, int(crg.clock_mhz * 1e6), request["baud"],
                                                 streams=request["sim"], cycles=not cpu["counts_cycles"], small=small))
        if self.irq.enabled:
            self.irq.add("peripheral")
        self._slave("peripheral", self.peripheral.bus, memory["io"])
        stream = NO_STREAM if request["stream_bits"] else {}
        if sdram:
            stream = self._add_sdram(sdram, Region(**memory["outside"]), request)
        self._add_engine(memory["engine"], stream, ResetSignal("sys") if not small else 0)

    def add_csr_bridge(self, *arguments: Any, **keywords: Any) -> None:
        """Nothing: no module here has control and status registers of LiteX's kind, and LiteX cannot connect none."""

    def _slave(self, name: str, bus: wishbone.Interface, region: dict[str, int]) -> None:
        self.bus.add_slave(name, bus, SoCRegion(origin=region["origin"], size=region["size"], cached=False))

    def _add_sdram(self, facts: dict[str, Any], region: Region, request: dict[str, Any]) -> dict[str, Signal]:
        """The CPU waits until it is ready; returns what the engine's stream is connected to."""
        kind = Ddr3 if _is_ddr3(facts) else Sdram
        self.sdram = kind(self.platform, facts, region, clock_hz=int(self.clock_mhz * 1e6),
                          port_bits=request["stream_bits"], sim=request["sim"])
        if _is_ddr3(facts) and not request["sim"]:
            self.comb += [self.crg.stop.eq(self.sdram.stop), self.crg.reset.eq(self.sdram.reset)]
        self._slave("outside", self.sdram.bus, asdict(region))
        self.comb += self.cpu.reset.eq(~self.sdram.ready)
        reader = self.sdram.stream
        return {"o_memory__request__valid": reader.request_valid, "i_memory__request__ready": reader.request_ready,
                "o_memory__request__payload__address": reader.address,
                "o_memory__request__payload__beats": reader.beats, "i_memory__data__valid": reader.data_valid,
                "i_memory__data__payload": reader.data}

    def _add_engine(self, region: dict[str, int], stream: dict[str, Any], reset: Signal | int) -> None:
        """Without a reset it starts as it was configured, and rests until the CPU, which has one, writes to it. A
        second reset for each enable that its registers have would keep them from sharing the tiles of an iCE40.
        """
        bus = wishbone.Interface(data_width=32, address_width=32, addressing="word")
        self.specials += Instance(
            "heddle_engine", i_clk=ClockSignal("sys"), i_rst=reset,
            i_bus__cyc=bus.cyc, i_bus__stb=bus.stb, i_bus__we=bus.we, i_bus__sel=bus.sel,
            i_bus__adr=bus.adr[:(region["size"] // 4 - 1).bit_length()], i_bus__dat_w=bus.dat_w,
            o_bus__dat_r=bus.dat_r, o_bus__ack=bus.ack, **stream)
        self._slave("engine", bus, region)


def _is_ddr3(sdram: dict[str, Any] | None) -> bool:
    return sdram is not None and sdram["kind"] == "ddr3"


def _steady(verilog: str) -> str:
    """Without the comments that differ from day to day and from run to run."""
    verilog = re.sub(r"^//\s+(Date\s+:|LiteX sha1 :|Auto-Generated by LiteX on).*\n", "", verilog, flags=re.MULTILINE)
    return re.sub(r"^/\*\n.*?^\*/\n", "", verilog, count=1, flags=re.MULTILINE | re.DOTALL)


def main(argv: list[str]) -> int:
    request = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    soc = Soc(request)
    soc.finalize()
    output = soc.platform.get_verilog(soc.get_fragment(), name=request["top"])
    output.set_main_source(_steady(output.main_source))
    output.write(f"{request['top']}.v")
    if not request["sim"]:
        board = request["board"]
        Path(request["pins"]).write_text(CONSTRAINTS[board["family"]](soc.platform, output.ns, board["clock_in_mhz"]),
                                         encoding="utf-8")
    facts = {name: request[name] for name in ("sim", "verilog", "pins", "memory")} | {"clock_mhz": soc.clock_mhz}
    Path(argv[1]).write_text(json.dumps(facts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
