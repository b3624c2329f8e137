"""All that is in the flash of a board whose SoC boots from there: bitstream, firmware, model image."""

from dataclasses import dataclass
from pathlib import Path

from flows.fpga.bitstream import BITSTREAM, pack
from flows.run.step import Step
from flows.run.store import Store
from hw.spec.soc import MemoryMap
from sw.firmware.build import flash_content

__all__ = ["FLASH", "FlashContent"]

FLASH = "heddle.bin"


@dataclass(frozen=True, kw_only=True)
class FlashContent(Step[Path]):
    """What a board's flash holds from its beginning on: a routed design, its firmware and a model image.

    Raises HeddleError where one of them is larger than its place.
    """

    kind = "flash"
    textcfg: Path
    family: str
    firmware: Path
    image: bytes
    memory: MemoryMap

    def make(self, folder: Path, store: Store) -> None:
        stream = pack(self.textcfg, folder / BITSTREAM, family=self.family)
        (folder / FLASH).write_bytes(flash_content(stream.read_bytes(), self.firmware, self.image, self.memory))
        stream.unlink()

    def load(self, folder: Path) -> Path:
        return folder / FLASH
