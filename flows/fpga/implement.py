"""From a design point to a routed SoC and bitstreams of it, every step from the store where it was made before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from boards import Board
from flows.fpga.bitstream import Bitstream
from flows.fpga.families import FAMILIES
from flows.fpga.firmware import Firmware
from flows.fpga.fit import check_fit
from flows.fpga.flash import FlashContent
from flows.fpga.netlist import Netlist, Synthesis
from flows.fpga.placing import Placed, Placing
from flows.fpga.routing import Routed, Routing
from flows.fpga.seeds import Seeds, route_seeds
from flows.fpga.soc import SocSources
from flows.run.progress import tell
from flows.run.store import Store
from hw.soc.generate import SocFiles
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.image import resident_part
from hw.spec.soc import memory_map
from hw.tools import PACKAGED, VARIABLE, choice, locate
from sw.compiler import Program
from sw.firmware.header import STANDARD

__all__ = ["SEEDS", "Implementation", "implement"]

SEEDS = (1, 2, 3, 4, 5)          # of the placer, tried in this order where nobody asks for others
OUTSIDE_ROUTER = "router2"       # with the controller of a memory outside: the usual one finds no end (docs/sdram.md)


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """A SoC, routed with one seed or several; ``routed`` is the best of them."""

    design: DesignPoint
    board: Board
    firmware: Path
    soc: SocFiles
    netlist: Netlist      # as it was synthesized
    placed: Placed        # what was routed
    seeds: Seeds

    @property
    def routed(self) -> Routed:
        return self.seeds.best

    @property
    def clock_mhz(self) -> float:
        """The clock that the SoC runs at."""
        return self.soc.clock_mhz

    def routing(self, seed: int) -> Routing:
        """With any seed, whether it was tried or not."""
        return _routing(self.placed, self.soc, self.board, seed)

    def bitstream(self, store: Store, program: Program) -> Path:
        """The bitstream with a network's model image in the weight memory; of a SoC that boots from a flash, all that
        is in there.

        Raises
        ------
        PatchError
            If the weight memory is not found in the routed design.
        ToolError
            If packing fails.
        """
        tell("packing")
        if self.soc.memory.image:
            return FlashContent(textcfg=self.routed.textcfg, family=self.board.family, firmware=self.firmware,
                                image=program.image, memory=self.soc.memory).value(store)
        return Bitstream(textcfg=self.routed.textcfg, image=resident_part(program.image),
                         memory_bytes=self.design.weight_bytes, word_bits=self.design.weight_port_bits).value(store)


def implement(store: Store, design: DesignPoint, board: Board, clock_mhz: float, *, seeds: Sequence[int] = SEEDS,
              functions: tuple[str, ...] = STANDARD, jobs: int = 1, streams: bool = False) -> Implementation:
    """Generate, synthesize and route, with one seed after the other, ``jobs`` at once, until timing is met.

    The ROM holds these ``functions`` (``sw.firmware.build.functions_of``). ``streams``: with the board's memory that
    weights stream from.

    Raises
    ------
    DoesNotFitError
        If the design is larger than the board's device.
    HeddleError
        If a tool is missing or fails.
    """
    for name in ("yosys", FAMILIES[board.family].nextpnr, FAMILIES[board.family].pack[0]):
        locate(name)        # the last of them is needed after a quarter of an hour
    _check_router(board, streams=streams)
    memory = memory_map(design, streams=streams)
    firmware = Firmware(cpu=design.cpu, functions=functions, memory=memory).value(store)
    tell(f"firmware: {firmware.stat().st_size:,} bytes of a ROM of {memory.rom.size:,}")
    tell("generating the SoC")
    soc = SocSources(design=design, board=board, clock_mhz=clock_mhz, firmware=firmware,
                     memory=memory).value(store)
    tell("synthesizing")
    netlist = Synthesis(verilog=soc.verilog, top=soc.top, data=(soc.rom,) if soc.rom else (),
                        family=board.family).value(store)
    placed = Placing(netlist=netlist, board=board, freq_mhz=soc.clock_mhz, pins=soc.pins).value(store)
    try:
        found = route_seeds(store, [_routing(placed, soc, board, seed) for seed in seeds], jobs=jobs)
    except HeddleError:
        check_fit(netlist, board, design.label, pins=soc.pins)
        raise
    return Implementation(design=design, board=board, firmware=firmware, soc=soc, netlist=netlist,
                          placed=placed, seeds=found)


def _check_router(board: Board, *, streams: bool) -> None:
    """Raises HeddleError for a nextpnr that would crash at its end: Debian's 0.7 and 0.11.1 do, where an input needs a
    reference voltage, as those of a DDR3 do."""
    router = FAMILIES[board.family].nextpnr
    if streams and board.sdram and board.sdram.kind == "ddr3" and choice(router).native:
        raise HeddleError(f"board {board.name!r}: the native {router} may crash as it writes the inputs of a DDR3; set "
                          f"{VARIABLE}={PACKAGED}")


def _routing(placed: Placed, soc: SocFiles, board: Board, seed: int) -> Routing:
    return Routing(netlist=placed.netlist, board=board, freq_mhz=soc.clock_mhz, seed=seed, pins=soc.pins,
                   router=placed.router or (OUTSIDE_ROUTER if soc.memory.outside else None))
