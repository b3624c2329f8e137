"""The highest clock that a SoC meets: every trial is generated, routed and timed for its own, dividers included."""

from collections.abc import Callable, Sequence

from flows.fpga.implement import Implementation
from flows.run.progress import note

__all__ = ["highest_met"]

TRIALS = 4
WORTH = 1.01          # a trial that can gain less than a hundredth is left out


def highest_met(trial: Callable[[float], Implementation], legal: Sequence[float], first: float) -> list[Implementation]:
    """Trials in their order; of those that met timing the one with the highest clock is the answer.

    The next one is at the highest legal clock up to the Fmax of the one before, below all that were missed and above
    all that were met, so a trial that is met is followed by a faster one, and one that is missed by a slower one.

    Parameters
    ----------
    trial : a SoC for a clock, routed.
    legal : clocks that the PLL makes, MHz, ascending.
    first : the clock to begin with; the legal one below it is taken, else the lowest.
    """
    made: list[Implementation] = []
    met, missed = 0.0, float("inf")
    clock: float | None = _below(legal, first) or legal[0]
    while clock is not None and len(made) < TRIALS:
        made.append(trial(clock))
        routed = made[-1].routed
        note(f"{made[-1].clock_mhz:g} MHz: {'met' if routed.timing_met else 'missed'}, Fmax {routed.fmax_mhz:.1f} MHz")
        if routed.timing_met:
            met = clock
        else:
            missed = clock
        reach = [each for each in legal if met * WORTH < each < missed]
        clock = _below(reach, routed.fmax_mhz)
    return made


def _below(legal: Sequence[float], clock: float) -> float | None:
    """The highest that is not above it."""
    return max((each for each in legal if each <= clock), default=None)
