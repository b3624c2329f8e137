"""The Verilated SoC of a design on a board, from the store; nothing that compares is in its key."""

from dataclasses import dataclass
from pathlib import Path

from boards import Board
from cosim.soc import build_soc_sim
from flows.run.step import Step, keyed
from flows.run.store import Store
from hw.soc.target import soc_facts
from hw.spec.design import DesignPoint
from hw.spec.soc import MemoryMap

__all__ = ["SocSimulator"]


@dataclass(frozen=True, kw_only=True)
class SocSimulator(Step[Path]):
    """The Verilated SoC of a design on a board."""

    kind = "soc-sim"
    design: DesignPoint = keyed(soc_facts)
    board: Board
    firmware: Path
    memory: MemoryMap
    trace: bool = False

    def make(self, folder: Path, store: Store) -> None:
        build_soc_sim(self.design, self.board, folder, firmware=self.firmware, memory=self.memory,
                      trace=self.trace)

    def load(self, folder: Path) -> Path:
        return folder
