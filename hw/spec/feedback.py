"""The saved record through which measured hardware reaches training: the co-design loop closes here."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hw.spec.errors import SpecError

__all__ = ["Feedback", "LatencyEntry", "NoiseProfile"]


@dataclass(frozen=True, kw_only=True)
class NoiseProfile:
    """Error of one multiplier, measured on its RTL over every pair of operands.

    ``mean[i]`` and ``variance[i]`` are of ``rtl product - exact product`` for the weight value
    ``i - 2**(weight_bits - 1)``, over all 256 activations; products are in units of one LSB x LSB.
    """

    multiplier: str
    weight_bits: int
    mean: tuple[float, ...]
    variance: tuple[float, ...]
    pairs: int                # operand pairs that were run through the RTL
    simulator: str            # what ran it, with its version

    def __post_init__(self) -> None:
        for name in ("mean", "variance"):
            if len(getattr(self, name)) != 1 << self.weight_bits:
                raise SpecError(f"{name}: {len(getattr(self, name))} entries; {self.weight_bits}-bit weights need "
                                f"{1 << self.weight_bits}; measure the multiplier again")


@dataclass(frozen=True, kw_only=True)
class LatencyEntry:
    """Engine cycles of one network as the cycle model gives them."""

    network: str
    width: float              # width multiplier
    weight_bits: int
    cycles: int


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """Noise and latency of one design."""

    design: str               # DesignPoint.label
    fingerprint: int
    clock_mhz: float
    noise: NoiseProfile
    latency: tuple[LatencyEntry, ...]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True), encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "Feedback":
        """Raises SpecError where the file is not a feedback record."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            noise = {**record["noise"], **{k: tuple(record["noise"][k]) for k in ("mean", "variance")}}
            return Feedback(**{**record, "noise": NoiseProfile(**noise),
                               "latency": tuple(LatencyEntry(**entry) for entry in record["latency"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SpecError(f"{path}: not a feedback record ({error}); make one with `heddle explore`") from error
