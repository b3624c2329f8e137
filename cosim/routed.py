"""A SoC as it was placed and routed, in Verilator: driven at its pads, in the same harness as the SoC's own Verilog."""

from collections.abc import Mapping
from pathlib import Path
from shutil import copyfile

import numpy as np

from cosim.cells import MODELS
from cosim.netlist import Simulable, simulable
from cosim.soc import FIRMWARE_FILE, HARNESS, harness_defines
from cosim.verilate import verilate
from hw.soc.generate import FACTS, SocFiles

__all__ = ["build_routed_sim", "memories_of"]

MEMORIES = "memories.npz"
COMPILE_LIMIT_S = 3600          # some minutes of an idle core for every ten thousand cells


def build_routed_sim(routed: Path, soc: SocFiles, family: str, out: Path, *, firmware: Path,
                     trace: bool = False) -> Simulable:
    """Compile a simulator of what nextpnr wrote in folder ``out``, for ``cosim.soc.run_soc`` with ``memories_of(out)``.

    Parameters
    ----------
    routed : what nextpnr wrote, gzipped.
    soc : what was routed.
    family : of the device, "ecp5" or "ice40".
    firmware : of a SoC that boots from a flash, what is in there; else it is in the netlist.
    trace : whether it can write waves; it is several times slower then.

    Raises
    ------
    NetlistError
        If the netlist has a cell, or a setting of one, without a model.
    ToolError
        If a tool is missing or fails.
    """
    netlist, facts = simulable(routed), out / "soc"
    facts.mkdir(parents=True, exist_ok=True)
    copyfile(soc.folder / FACTS, facts / FACTS)
    copyfile(firmware, facts / FIRMWARE_FILE)
    np.savez_compressed(out / MEMORIES, **netlist.memories)  # type: ignore[arg-type]
    source = out / "netlist.v"
    source.write_text(netlist.verilog, encoding="utf-8")
    bit_cycles = round(soc.clock_mhz * 1e6 / soc.memory.baud)
    verilate([source, MODELS[family]], netlist.top, [HARNESS], out, trace=trace, limit_s=COMPILE_LIMIT_S,
             defines=[*harness_defines(soc.memory), f"BIT_CYCLES={bit_cycles}"])
    source.unlink()
    return netlist


def memories_of(directory: Path) -> Mapping[str, np.ndarray]:
    """What each memory of a simulator in ``directory`` holds after configuration: uint16 (words,) by file."""
    with np.load(directory / MEMORIES) as arrays:
        return {name: arrays[name] for name in arrays.files}
