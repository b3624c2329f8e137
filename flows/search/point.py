"""A point of the design space, from the search to the report: what is known of it grows, its type stays."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flows.estimate.runners import Assignment
from flows.search.candidate import Candidate
from flows.train.intervals import Spread, Wilson, spread_of
from hw.spec.design import DesignPoint

__all__ = ["Check", "Failed", "MeasuredLayer", "Measurement", "Metrics", "Point", "Repeat"]


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What a point is judged by; the names are those of ``pareto.json``."""

    accuracy: float | None          # integer, on the test split, 0 to 1: shown, chooses nothing; None without data
    test_interval: Wilson | None    # of ``accuracy``, 95%
    valid_accuracy: float | None    # integer, on the validation split, 0 to 1: chooses
    cycles: int                 # of the engine, for one inference: exact
    cpu_cycles: int             # of the layers that the CPU runs: estimated; measured: as the SoC counted them
    latency_s: float            # of both, at ``clock_mhz``
    clock_mhz: float            # measured: that the routed design runs at
    fmax_mhz: float
    timing_met: bool
    lut: int                    # of the whole SoC, as all that follow
    ff: int
    dsp: int
    bram: int
    spram: int
    energy_j: float | None      # of the engine, always an estimate; None for a device without published figures


@dataclass(frozen=True, kw_only=True)
class Check:
    """One rung of the ladder, passed."""

    level: str
    inputs: int
    mismatches: int
    engine_cycles: int          # the most of any input
    predicted_cycles: int
    cycles: int                 # as the level counts them, the most of any input


@dataclass(frozen=True, kw_only=True)
class MeasuredLayer:
    """What a layer took, and the least that it could have taken."""

    name: str
    op: str
    macs: int
    cycles: int
    predicted_cycles: int
    roof: int                   # cycles
    bound: str                  # what sets the roof


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What simulating, routing and packing a point gave."""

    metrics: Metrics
    checks: tuple[Check, ...]
    layers: tuple[MeasuredLayer, ...]
    assignment: Assignment      # who runs what, and why
    seed: int                   # of the placer
    bitstream: str              # name of its file; where a board boots from its flash all that is in there


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """What a training with a seed gave."""

    seed: int
    accuracy: float             # as that of the point: integer, on the test split, with its multiplier


@dataclass(frozen=True, kw_only=True)
class Failed:
    """Why something has no result."""

    id: str                     # of a point, or what was trained
    doing: str                  # what was being done
    reason: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """A candidate and what is known of it: the reason why it failed, or an estimate, and where it was measured, that.

    ``violations`` names each limit that is exceeded, and by which share of it; a point that has one may not be in the
    front. ``learned`` is the estimate after other points were measured, ``repeats`` what the network's trainings with
    several seeds gave, its own first; nothing was chosen by them.
    """

    candidate: Candidate
    design: DesignPoint | None = None           # with the memories that the network needs
    estimated: Metrics | None = None
    violations: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""
    learned: Metrics | None = None
    measurement: Measurement | None = None
    repeats: tuple[Repeat, ...] = ()

    @property
    def id(self) -> str:
        return self.candidate.id

    @property
    def feasible(self) -> bool:
        return not self.failure and not self.violations

    @property
    def estimate(self) -> Metrics:
        """What the search assumed. Raises ValueError for a point that failed."""
        if self.estimated is None:
            raise ValueError(f"{self.id}: failed, there is no estimate: {self.failure}")
        return self.estimated

    @property
    def metrics(self) -> Metrics:
        """The best that is known: measured, else learned, else estimated."""
        return self.measurement.metrics if self.measurement else self.learned or self.estimate

    @property
    def built(self) -> DesignPoint:
        """The design. Raises ValueError for a point that failed."""
        if self.design is None:
            raise ValueError(f"{self.id}: failed, there is no design: {self.failure}")
        return self.design

    @property
    def over_seeds(self) -> Spread | None:
        """Accuracy on the test split over the repeats, if there are any."""
        return spread_of([repeat.accuracy for repeat in self.repeats]) if self.repeats else None

    @property
    def fidelity(self) -> str:
        return "measured" if self.measurement else "estimated"

    def learn(self, lut_factor: float) -> "Point":
        """With logic scaled as the measured points have shown; a measured point stays as it is."""
        if self.measurement:
            return self
        return replace(self, learned=replace(self.estimate, lut=round(lut_factor * self.estimate.lut)))
