"""The Verilated engine of a design, from the store; nothing that compares is in its key.

There is one interface for few inputs and for many: a folder, which :func:`cosim.engine.run_engine` takes. For many it
has a simulator that takes several side by side, and as many of these work at once as there are processors.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from cosim.engine import build_engine, takes_lanes
from cosim.lanes import ONE, Lanes, lanes_here
from flows.run.step import Step, keyed
from flows.run.store import Store
from hw.spec.design import DesignPoint

__all__ = ["MANY", "EngineSimulator", "jobs_for", "simulator_for"]

#: So many inputs are worth the build of a simulator that takes several side by side: 20 s.
MANY = 256


@dataclass(frozen=True, kw_only=True)
class EngineSimulator(Step[Path]):
    """The Verilated engine of a design, with a layer log, which changes nothing else."""

    kind = "engine-sim"
    design: DesignPoint = keyed(lambda design: design.logged.hardware())
    trace: bool = False
    lanes: Lanes = ONE

    def make(self, folder: Path, store: Store) -> None:
        build_engine(self.design.logged, folder, trace=self.trace, lanes=self.lanes)

    def load(self, folder: Path) -> Path:
        return folder


def simulator_for(design: DesignPoint, inputs: int) -> EngineSimulator:
    """The simulator that is soonest done with so many inputs."""
    return EngineSimulator(design=design, lanes=lanes_here() if inputs >= MANY and takes_lanes(design) else ONE)


def jobs_for(inputs: int) -> int:
    """How many simulators should share so many inputs on this machine."""
    return len(os.sched_getaffinity(0)) if inputs >= MANY else 1
