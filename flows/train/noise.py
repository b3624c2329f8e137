"""Errors of a multiplier, measured on its RTL."""

from dataclasses import dataclass
from pathlib import Path

from flows.run.step import Step
from flows.run.store import Store
from flows.run.typed import read_typed, write_typed
from hw.spec.feedback import NoiseProfile

__all__ = ["MultiplierNoise"]

RECORD = "noise.json"


@dataclass(frozen=True, kw_only=True)
class MultiplierNoise(Step[NoiseProfile]):
    """The multiplier's RTL, run over every pair of operands."""

    kind = "noise"
    multiplier: str
    weight_bits: int

    def make(self, folder: Path, store: Store) -> None:
        from cosim.multiplier import multiplier_table, noise_profile

        table = multiplier_table(self.multiplier, self.weight_bits, folder / "build")
        write_typed(folder / RECORD, noise_profile(self.multiplier, table))

    def load(self, folder: Path) -> NoiseProfile:
        return read_typed(NoiseProfile, folder / RECORD)
