"""The Verilated SoC as it was placed and routed, from the store; nothing that compares is in its key."""

from dataclasses import dataclass
from pathlib import Path

from cosim.routed import build_routed_sim
from flows.run.step import Step
from flows.run.store import Store
from hw.soc.generate import load_soc

__all__ = ["NetlistSimulator"]


@dataclass(frozen=True, kw_only=True)
class NetlistSimulator(Step[Path]):
    """The Verilated SoC as it was placed and routed."""

    kind = "netlist-sim"
    netlist: Path           # what nextpnr wrote
    facts: Path             # of the SoC that was routed
    family: str
    firmware: Path
    trace: bool = False

    def make(self, folder: Path, store: Store) -> None:
        build_routed_sim(self.netlist, load_soc(self.facts.parent), self.family, folder, firmware=self.firmware,
                         trace=self.trace)

    def load(self, folder: Path) -> Path:
        return folder
