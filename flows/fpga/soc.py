"""The sources of a design's SoC on a board, with a placeholder in the weight memory.

A network's weights are put into the routed design afterwards, so new weights need neither synthesis nor routing.
"""

from dataclasses import dataclass
from pathlib import Path

from boards import Board
from flows.fpga.patch import placeholder
from flows.run.step import Step, keyed
from flows.run.store import Store
from hw.soc.generate import SocFiles, generate, load_soc
from hw.soc.target import soc_facts
from hw.spec.design import DesignPoint
from hw.spec.soc import MemoryMap

__all__ = ["SocSources"]


@dataclass(frozen=True, kw_only=True)
class SocSources(Step[SocFiles]):
    """Verilog, ROM content and pin constraints."""

    kind = "soc"
    design: DesignPoint = keyed(soc_facts)
    board: Board
    clock_mhz: float
    firmware: Path
    memory: MemoryMap

    def make(self, folder: Path, store: Store) -> None:
        generate(self.design, self.board, clock_mhz=self.clock_mhz, firmware=self.firmware, out=folder,
                 memory=self.memory,
                 weight_init=b"" if self.memory.image else placeholder(self.design.weight_bytes))

    def load(self, folder: Path) -> SocFiles:
        return load_soc(folder)
