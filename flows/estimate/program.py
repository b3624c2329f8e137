"""What a network will do on a design, without building it: cycles exactly, logic and Fmax by a calibrated model."""

from dataclasses import dataclass

from boards import Board
from flows.estimate.energy import energy_j
from flows.estimate.kernels import cpu_cycles
from flows.estimate.resources import estimate_resources
from sw.compiler import Program

__all__ = ["Estimate", "estimate_program"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Of one network on one design and board; all but ``cycles`` are estimates."""

    cycles: int                 # of the engine, for one inference: exact
    cpu_cycles: int | None      # of what the CPU runs before, between and after; None where nobody has counted
    latency_s: float            # of both at ``clock_mhz``, of the engine alone where the CPU's are unknown
    clock_mhz: float            # that is asked for
    fmax_mhz: float
    timing_met: bool
    lut: int
    ff: int
    dsp: int
    bram: int
    spram: int
    energy_j: float | None      # of the engine, of one inference; None for a device without published figures


def estimate_program(program: Program, board: Board, clock_mhz: float) -> Estimate:
    """Of a compiled network at a clock. Raises HeddleError for a device without a resource model."""
    logic, beside = estimate_resources(program.design, board, streams=program.streams_outside), cpu_cycles(program)
    return Estimate(cycles=program.cycles, cpu_cycles=beside,
                    latency_s=(program.cycles + (beside or 0)) / (clock_mhz * 1e6), clock_mhz=clock_mhz,
                    fmax_mhz=logic.fmax_mhz, timing_met=logic.fmax_mhz >= clock_mhz, lut=logic.lut, ff=logic.ff,
                    dsp=logic.dsp, bram=logic.bram, spram=logic.spram,
                    energy_j=energy_j(program, board, clock_mhz))
