"""What a rung of the ladder found: the first difference from the golden model, and what each layer took."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["KernelReport", "LayerReport", "Mismatch", "RoutedBuild", "VerifyReport", "differences"]


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """The first difference: in a value (then with channel and position), or in clock cycles."""

    input: int
    layer: str
    what: str                             # "value", "accumulator", "value under bus traffic", "cycles" or of a counter
    channel: int | None = None
    position: tuple[int, int] | None = None   # y, x
    expected: int | float
    got: int | float

    def __str__(self) -> str:
        place = "" if self.position is None else f", channel {self.channel}, position {self.position}"
        return f"input {self.input}, layer {self.layer}{place}: {self.what} {self.got}, expected {self.expected}"


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """One layer's cycles: of the first input that differs from the prediction, else of the first one.

    Counters are by the names of ``hw.spec.commands.COUNTERS``; what a level does not count is None.
    """

    name: str
    op: str
    macs: int
    cycles: int | None
    predicted_cycles: int
    counters: dict[str, int] | None
    predicted_counters: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class KernelReport:
    """One layer that the CPU runs, and its cycles with the first input; None at a level without a CPU."""

    name: str
    op: str
    cycles: int | None


@dataclass(frozen=True, kw_only=True)
class RoutedBuild:
    """What was placed and routed, and how long its simulation was and took."""

    seed: int
    clock_mhz: float
    fmax_mhz: float
    timing_met: bool
    simulated_cycles: int                 # clock cycles, boot and the transfer of inputs included
    cycles_per_s: int


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What a rung gave; ``document()`` is the ``--json`` of the command."""

    model: str
    design: str
    board: str
    level: str
    inputs: int
    mismatches: int                       # elements of the compared tensors
    first_mismatch: Mismatch | None
    cycles: tuple[int, ...]
    engine_cycles: tuple[int, ...]
    predicted_cycles: int
    layers: tuple[LayerReport, ...]       # what the engine runs
    kernels: tuple[KernelReport, ...] = ()    # what the CPU runs
    build: RoutedBuild | None = None      # at level netlist

    @property
    def ok(self) -> bool:
        """Every bit and, where the level counts them, every cycle is as predicted."""
        return self.first_mismatch is None

    def document(self) -> dict[str, Any]:
        return asdict(self)


def differences(layer: str, wanted: np.ndarray, got: np.ndarray, what: str) -> tuple[int, Mismatch | None]:
    """How many elements differ, and the first that does: ``(N, height, width, channels)``.

    Axes beyond three count as rows.
    """
    rows = (len(wanted), -1, *wanted.shape[-2:]) if wanted.ndim > 4 else wanted.shape
    wanted, got = wanted.reshape(rows), got.reshape(rows)
    places = np.argwhere(wanted != got)
    if not len(places):
        return 0, None
    index, y, x, channel = places[0].tolist()
    return len(places), Mismatch(input=index, layer=layer, what=what, channel=channel, position=(y, x),
                                 expected=wanted[index, y, x, channel].item(), got=got[index, y, x, channel].item())
