"""Bitstreams, with a network's model image in the weight memory of a routed design."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from flows.fpga.families import FAMILIES
from flows.fpga.patch import patch_memory, placeholder
from flows.run.step import Step
from flows.run.store import Store
from hw.tools import run

__all__ = ["BITSTREAM", "Bitstream", "pack"]

BITSTREAM = "heddle.bit"
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
