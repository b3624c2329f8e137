"""The saved record through which measured hardware reaches training: the co-design loop closes here."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.faults import Faults, faults_of

__all__ = ["Feedback", "LatencyEntry", "LayerLatency", "NoiseProfile"]

PAIRS = ("kernel", "stride", "taken", "given")


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

    @property
    def design(self) -> DesignPoint:
        """One with this multiplier; what else it has does not matter to accuracy."""
        return DesignPoint(multiplier=self.multiplier, weight_bits=self.weight_bits, lanes=16)

    def __post_init__(self) -> None:
        for name in ("mean", "variance"):
            if len(getattr(self, name)) != 1 << self.weight_bits:
                raise SpecError(f"{name}: {len(getattr(self, name))} entries; {self.weight_bits}-bit weights need "
                                f"{1 << self.weight_bits}; measure the multiplier again")


@dataclass(frozen=True, kw_only=True)
class LayerLatency:
    """Engine cycles of one layer of a network, by the channels that it reads and writes.

    Each is what the cycle model gives for the command that computes such a layer alone, its weights and activations in
    the engine's memories; as many as it takes within a network whose weights do not stream.
    """

    name: str                               # of the network's layers that the command runs, joined by "+"
    op: str                                 # operator of the integer graph, the first where several are fused
    kernel: tuple[int, int]                 # taps: y, x
    stride: tuple[int, int]                 # y, x
    taken: tuple[int, int]                  # height and width of its input; of a dense layer 1 and 1
    given: tuple[int, int]                  # height and width of its output
    exact: bool                             # whether it takes as many in the network as it does alone
    channels: tuple[tuple[int, int], ...]   # read and written, as they are and then all smaller ones
    cycles: tuple[int, ...]                 # for each of these

    def cycles_of(self, taken: int, given: int) -> int:
        """With so many channels read and written: of the least pair of the table that holds them.

        >>> layer = LayerLatency(name="conv", op="conv", kernel=(1, 1), stride=(1, 1), taken=(4, 4), given=(4, 4),
        ...                      exact=True, channels=((8, 8), (8, 4), (4, 8), (4, 4)), cycles=(90, 50, 70, 40))
        >>> layer.cycles_of(4, 8), layer.cycles_of(3, 4)
        (70, 40)
        """
        found = [(pair, cycles) for pair, cycles in zip(self.channels, self.cycles, strict=True)
                 if pair[0] >= taken and pair[1] >= given]
        if not found:
            raise SpecError(f"layer {self.name}: the table has no {taken} and {given} channels or more; make it for "
                            f"the network as it is")
        return min(found)[1]


@dataclass(frozen=True, kw_only=True)
class LatencyEntry:
    """Engine cycles of one network as the cycle model gives them."""

    network: str
    width: float              # width multiplier
    weight_bits: int
    cycles: int               # of all layers, and of what lies between them
    design: str = ""          # DesignPoint.label
    step: int = 1             # by which the channels of the layers' tables go: the array's columns
    layers: tuple[LayerLatency, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What hardware does to a network. One that is measured says of which design it is, one that is written by hand
    may hold faults alone: ``{"faults": {"weights": {"rate": 0.01}}}``.

    Raises
    ------
    SpecError
        If nothing is in it, or multipliers and something else err.
    """

    design: str = ""          # DesignPoint.label
    fingerprint: int = 0
    clock_mhz: float = 0.0
    noise: NoiseProfile | None = None
    latency: tuple[LatencyEntry, ...] = ()
    faults: Faults | None = None

    def __post_init__(self) -> None:
        if self.noise and self.faults:
            raise SpecError("noise, faults: both are there; a record has the noise of a multiplier, or the faults of "
                            "hardware whose multipliers are exact")
        if not (self.noise or self.faults or self.latency):
            raise SpecError("nothing is in it; give it noise, faults or latency")

    @property
    def errs(self) -> bool:
        """Whether it holds any error."""
        return bool(self.noise or self.faults)

    @property
    def label(self) -> str:
        """What errs, for tables."""
        if self.noise:
            return f"multiplier {self.noise.multiplier}, {self.noise.weight_bits} bits"
        return self.faults.label if self.faults else ""

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True), encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "Feedback":
        """Raises SpecError where the file is not a feedback record."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if found := record.get("noise"):
                arrays = {name: tuple(found[name]) for name in ("mean", "variance")}
                record["noise"] = NoiseProfile(**{**found, **arrays})
            if (faults := record.get("faults")) is not None:
                record["faults"] = faults_of(faults)
            record["latency"] = tuple(map(_entry, record.get("latency", ())))
            return Feedback(**record)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise SpecError(f"{path}: not a feedback record ({error}); make one with `heddle explore`, or write one as "
                            f"in docs/feedback.md") from error


def _entry(record: dict[str, Any]) -> LatencyEntry:
    layers = tuple(LayerLatency(**{**layer, **{name: tuple(layer[name]) for name in PAIRS},
                                   "channels": tuple(map(tuple, layer["channels"])), "cycles": tuple(layer["cycles"])})
                   for layer in record["layers"])
    return LatencyEntry(**{**record, "layers": layers})
