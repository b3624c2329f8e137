"""What a rung of the ladder is: it runs a program on hardware and compares with the golden model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from flows.verify.compare import KernelReport, LayerReport, Mismatch, RoutedBuild
from sw.compiler import Program

__all__ = ["TRAFFIC_SEED", "Case", "Findings", "Rung"]

TRAFFIC_SEED = 1        # of pauses and of meddling on the bus, where a rung has such


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One program, N inputs to it, and what is right."""

    program: Program
    inputs: Sequence[np.ndarray]          # (N, ...) of each input, in its own type
    tensors: Sequence[np.ndarray]         # (N, ...) each: the program's graph's, by the golden model
    answers: Sequence[np.ndarray]         # (N, ...) of each output: what the network must answer
    thorough: bool = True                 # also what is inside the network, and under traffic, where a rung can


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a rung saw; cycles are one per input, none where it counts none."""

    mismatches: int                       # elements of the compared tensors
    first: Mismatch | None
    cycles: tuple[int, ...]
    engine_cycles: tuple[int, ...]
    layers: tuple[LayerReport, ...]       # what the engine runs
    kernels: tuple[KernelReport, ...] = ()    # what the CPU runs
    build: RoutedBuild | None = None      # what was simulated, of a level after place and route


class Rung(Protocol):
    """One level of the ladder, for one design."""

    level: str

    def check(self, case: Case) -> Findings:
        """Run the case and compare. Raises HeddleError if a tool or the simulation fails."""

    def trace(self, case: Case, first: Mismatch | None, file: Path) -> None:
        """Write the waves of the input with the first mismatch, up to the layer that has it (else of input 0).

        Raises HeddleError where the level has no waves.
        """
