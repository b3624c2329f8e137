"""Bitstreams with a network's model image: in the weight memory of a routed design, or behind it in the flash."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from flows.fpga.families import FAMILIES
from flows.fpga.patch import patch_memory, placeholder
from flows.run.step import Step
from flows.run.store import Store
from hw.spec.soc import MemoryMap
from hw.tools import run
from sw.firmware.build import flash_content

__all__ = ["BITSTREAM", "FLASH", "Bitstream", "FlashContent", "pack"]

BITSTREAM = "heddle.bit"
FLASH = "heddle.bin"        # all of a board's flash
PACK_TIMEOUT_S = 300.0


def pack(textcfg: Path, out: Path, *, family: str = "ecp5", timeout_s: float = PACK_TIMEOUT_S) -> Path:
    """``out``, a bitstream of a routed design, written whole or not at all. Raises ToolError."""
    folder = out.parent
    folder.mkdir(parents=True, exist_ok=True)
    config, partial = folder / f"{out.name}.config", folder / f"{out.name}.partial"
    shutil.copyfile(textcfg, config)
    try:
        run([*FAMILIES[family].pack, config.name, partial.name], cwd=folder, timeout_s=timeout_s,
            log=folder / f"{out.name}.log")
    finally:
        config.unlink()
    partial.replace(out)
    return out


@dataclass(frozen=True, kw_only=True)
class Bitstream(Step[Path]):
    """A routed design, packed, with ``image`` in a memory that was routed with a placeholder.

    Raises PatchError where the memory is not found in the design.
    """

    kind = "bitstream"
    textcfg: Path
    image: bytes
    memory_bytes: int
    word_bits: int          # of the memory

    def make(self, folder: Path, store: Store) -> None:
        patched = folder / "patched.config"
        patch_memory(self.textcfg, before=placeholder(self.memory_bytes),
                     after=self.image.ljust(self.memory_bytes, b"\0"), word_bits=self.word_bits, out=patched)
        pack(patched, folder / BITSTREAM)
        patched.unlink()

    def load(self, folder: Path) -> Path:
        return folder / BITSTREAM


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
