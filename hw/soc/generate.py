"""Files of one SoC: Verilog, ROM content and pin constraints."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfile

from boards import Board, check_design, check_stream
from hw.emit.cfu import cfu_verilog
from hw.emit.verilog import engine_verilog
from hw.soc.cpus import find_cpu
from hw.soc.pll import CLOCK_MHZ
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError, SpecError
from hw.spec.soc import MemoryMap, Region, memory_map
from hw.tools import run
from sw.firmware import rom_words

__all__ = ["FACTS", "NO_ENGINE", "TOP", "SocFiles", "generate", "load_soc"]

TOP = "heddle_soc"
FACTS = "soc.facts.json"
PINS = {"ecp5": f"{TOP}.lpf", "ice40": f"{TOP}.pcf"}
CFU_FILE, ENGINE_FILE = "Cfu.v", "heddle_engine.v"
#: In place of the engine's Verilog: a SoC without one. Its region reads as zeros.
NO_ENGINE = """module heddle_engine(
    input clk, input rst, input bus__cyc, input bus__stb, input bus__we, input [3:0] bus__sel, input [18:0] bus__adr,
    input [31:0] bus__dat_w, output [31:0] bus__dat_r, output reg bus__ack
);
    assign bus__dat_r = 0;
    always @(posedge clk) bus__ack <= bus__cyc & bus__stb & ~bus__ack & ~rst;
endmodule
"""


@dataclass(frozen=True, kw_only=True)
class SocFiles:
    """A generated SoC. Tools must run in ``folder``: the Verilog names ``rom`` relative to it."""

    folder: Path
    top: str                  # name of the top module
    verilog: tuple[Path, ...]
    rom: Path | None          # content of the ROM for $readmemh, one 32-bit word a line; None where it is a flash
    pins: Path | None         # constraints; None in a simulation
    clock_mhz: float          # of the whole SoC, as the PLL really makes it
    memory: MemoryMap


def generate(design: DesignPoint, board: Board, *, clock_mhz: float, firmware: Path, out: Path, sim: bool = False,
             weight_init: bytes = b"", memory: MemoryMap | None = None, engine: str | None = None,
             timeout_s: float = 120) -> SocFiles:
    """Write the SoC into ``out``; no synthesis runs. The same arguments give the same bytes, wherever they lie.

    Parameters
    ----------
    design : DesignPoint
    board : Board
    clock_mhz : float
        Wanted clock, MHz; the PLL makes it within 1 %.
    firmware : Path
        What ``sw.firmware.build`` returned, for the same ``memory``.
    out : Path
        Folder, made if missing.
    sim : bool
        For a simulator: no PLL but ports ``clk`` and ``rst``, and the UART's bytes as two streams
        (``serial_rx_*`` in, ``serial_tx_*`` out, each ``valid``, ``ready``, ``data``) instead of two wires.
    weight_init : bytes
        Model image in the weight scratchpad after configuration.
    engine : str
        Verilog of a module ``heddle_engine`` in place of the design's: ``NO_ENGINE``, or one for tests.

    Raises
    ------
    SpecError
        If the clock cannot be made, the board is none with an ECP5, or the design is not for one or has an unknown
        CPU.
    HeddleError
        If the firmware is missing or larger than the ROM, the CPU is not installed, or LiteX fails.
    """
    memory = memory or memory_map(design)
    small = memory.image is not None
    check_design(design, board)
    cpu = find_cpu(design.cpu)
    devices = [region for region in (memory.engine, memory.io, memory.outside) if region]
    if min(region.origin for region in devices) < cpu.uncached_base:
        raise SpecError(f"cpu={cpu.name!r}: caches below {cpu.uncached_base:#x}; move engine, io and outside there or "
                        f"higher")
    if memory.outside:
        check_stream(design, board)
    low, high = CLOCK_MHZ[board.family]
    if not sim and not low <= clock_mhz <= high:
        raise SpecError(f"clock_mhz={clock_mhz:g}: choose {low:g} to {high:g}")
    out.mkdir(parents=True, exist_ok=True)
    (out / ENGINE_FILE).write_text(engine_verilog(design, weight_init) if engine is None else engine, encoding="utf-8")
    for path in cpu.files():
        copyfile(path, out / path.name)
    if cpu.custom:
        (out / CFU_FILE).write_text(cfu_verilog(), encoding="utf-8")
    rom = rom_words(firmware, memory)
    request = {"top": TOP, "clock_mhz": clock_mhz, "sim": sim, "baud": memory.baud,
               "memory": asdict(memory), "rom": [] if small else rom, "pins": PINS[board.family],
               "board": asdict(board) | {"family": board.family, "pll_pad": board.pll_pad},
               "cpu": {"type": cpu.litex_type, "variant": cpu.litex_variant, "cfu": CFU_FILE if cpu.custom else None,
                       "counts_cycles": cpu.cycle_csr is not None},
               "verilog": [f"{TOP}.v", *(path.name for path in cpu.files()), *([CFU_FILE] if cpu.custom else []),
                           ENGINE_FILE],
               "stream_bits": 8 * design.stream_bytes if engine is None else 0}
    (out / "soc.json").write_text(json.dumps(request, indent=1, sort_keys=True), encoding="utf-8")
    # A process of its own: LiteX names signals after the order of objects in memory and talks on standard error.
    root = Path(__file__).parents[2]
    run([sys.executable, "-W", "ignore", "-m", "hw.soc.top", "soc.json", FACTS], cwd=out, timeout_s=timeout_s,
        log=out / "litex.log", env={"PYTHONHASHSEED": "0", "PYTHONPATH": str(root)})
    for scratch in ("soc.json", "litex.log"):  # the log has a date in it
        (out / scratch).unlink()
    return load_soc(out)


def load_soc(folder: Path) -> SocFiles:
    """What :func:`generate` returned for ``folder``; raises HeddleError if it is not such a folder."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        sim, clock_mhz, pins = bool(facts["sim"]), float(facts["clock_mhz"]), facts["pins"]
        memory = MemoryMap(**{name: region and Region(**region) for name, region in facts["memory"].items()})
        verilog = tuple(folder / name for name in facts["verilog"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HeddleError(f"{folder}: not a generated SoC ({error}); generate it again") from error
    return SocFiles(folder=folder, top=TOP, memory=memory, rom=None if memory.image else folder / f"{TOP}_rom.init",
                    verilog=verilog, pins=None if sim else folder / pins, clock_mhz=clock_mhz)
