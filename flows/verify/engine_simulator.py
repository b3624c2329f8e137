"""The Verilated engine of a design, from the store; nothing that compares is in its key."""

from dataclasses import dataclass
from pathlib import Path

from cosim.engine import build_engine
from flows.run.step import Step, keyed
from flows.run.store import Store
from hw.spec.design import DesignPoint

__all__ = ["EngineSimulator"]


@dataclass(frozen=True, kw_only=True)
class EngineSimulator(Step[Path]):
    """The Verilated engine of a design."""

    kind = "engine-sim"
    design: DesignPoint = keyed(DesignPoint.hardware)
    trace: bool = False

    def make(self, folder: Path, store: Store) -> None:
        build_engine(self.design, folder, trace=self.trace)

    def load(self, folder: Path) -> Path:
        return folder
