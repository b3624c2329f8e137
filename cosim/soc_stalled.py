"""The SoC under cocotb, with pauses on its UART: slower than :mod:`cosim.soc`, and every port at the bench's hands."""

import re
from pathlib import Path

import numpy as np

from cosim.bench import build_bench, run_bench
from hw.soc.generate import TOP, SocFiles
from hw.spec.errors import HeddleError

__all__ = ["build_soc_bench", "converse_stalled"]


def build_soc_bench(files: SocFiles, out: Path) -> Path:
    """Compile a simulation SoC (``hw.soc.generate(..., sim=True)``) for cocotb in folder ``out``; returns ``out``.

    Raises HeddleError for one that boots from a flash.
    """
    if files.rom is None:
        raise HeddleError("a SoC that boots from a flash: this bench has none")
    text = "\n".join(path.read_text(encoding="utf-8") for path in files.verilog)
    # The bench runs in a folder of its own, so the ROM's content goes into the Verilog.
    words = files.rom.read_text(encoding="utf-8").split()
    content = "\n".join(f"rom[{index}] = 32'h{word};" for index, word in enumerate(words))
    return build_bench(re.sub(rf'\$readmemh\("{files.rom.name}", rom\);', lambda _: content, text), TOP, out)


def converse_stalled(directory: Path, data: bytes, wanted: int, *, stall: float = 0.5, seed: int = 0,
                     cycle_limit: int = 500_000) -> bytes:
    """Send ``data`` and receive ``wanted`` bytes, with a pause on either side in each cycle by chance ``stall``.

    Raises SimulationError if that takes more than ``cycle_limit`` cycles.
    """
    answer = run_bench(directory, TOP, "cosim.soc_bench", {
        "data": np.frombuffer(data, np.uint8), "wanted": np.array(wanted), "stall": np.array(stall),
        "seed": np.array(seed), "limit": np.array(cycle_limit)})
    return answer["data"].tobytes()
