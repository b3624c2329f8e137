"""The cocotb build of a design's bare array, from the store; nothing that compares is in its key."""

from dataclasses import dataclass
from pathlib import Path

from cosim.array import build_array
from flows.run.step import Step, keyed
from flows.run.store import Store
from hw.spec.design import DesignPoint

__all__ = ["ArraySimulator"]


@dataclass(frozen=True, kw_only=True)
class ArraySimulator(Step[Path]):
    """The cocotb build of a design's bare array."""

    kind = "array-sim"
    design: DesignPoint = keyed(DesignPoint.hardware)

    def make(self, folder: Path, store: Store) -> None:
        build_array(self.design, folder)

    def load(self, folder: Path) -> Path:
        return folder
