"""The firmware: the same for every design with one CPU, but for networks that call what few do."""

from dataclasses import dataclass
from pathlib import Path

from flows.run.step import Step, keyed
from flows.run.store import Store
from hw.soc.cpus import find_cpu
from hw.spec.soc import MemoryMap
from sw.firmware import build
from sw.firmware.header import STANDARD

__all__ = ["FIRMWARE", "Firmware"]

FIRMWARE = "firmware.bin"


def _facts(cpu: str) -> str:
    return find_cpu(cpu).digest


@dataclass(frozen=True, kw_only=True)
class Firmware(Step[Path]):
    """The content of the ROM."""

    kind = "firmware"
    cpu: str = keyed(_facts)
    functions: tuple[str, ...] = STANDARD
    memory: MemoryMap = MemoryMap()

    def make(self, folder: Path, store: Store) -> None:
        build(folder, cpu=self.cpu, functions=self.functions, memory=self.memory)

    def load(self, folder: Path) -> Path:
        return folder / FIRMWARE
