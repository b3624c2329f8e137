"""What the functions of the CPU cost: estimated, by the counts of one CPU (``sw.golden.costs``)."""

from math import ceil

from hw.spec.design import DesignPoint
from hw.spec.image import Call
from sw.compiler import KernelPlan, Program
from sw.golden.kernels import call_cycles

__all__ = ["CALIBRATED_CPU", "cpu_cycles", "plan_cycles", "uncounted"]

CALIBRATED_CPU = "vexriscv"      # with caches, from the activation scratchpad to the activation scratchpad


def plan_cycles(design: DesignPoint, plan: KernelPlan) -> int | None:
    """Estimated clock cycles of a layer on the design's CPU; None where nobody has counted."""
    return _whole([_call_cycles(design, call) for call in plan.calls])


def cpu_cycles(program: Program) -> int | None:
    """Estimated clock cycles of all that the CPU runs of an inference; None where one of them is unknown."""
    return _whole([_call_cycles(program.design, call) for plan in program.kernels for call in plan.calls])


def uncounted(design: DesignPoint) -> str:
    """Why a network some of whose layers are the CPU's has no time on the design; "" where it has one."""
    return "" if design.cpu == CALIBRATED_CPU else (
        f"nobody has counted what layers of the CPU take on {design.cpu!r}; set cpu = {CALIBRATED_CPU!r}, or take a "
        f"network that the engine runs alone")


def _whole(counts: list[float | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return ceil(sum(known)) if len(known) == len(counts) else None


def _call_cycles(design: DesignPoint, call: Call) -> float | None:
    return call_cycles(call) if design.cpu == CALIBRATED_CPU else None
