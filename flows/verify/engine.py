"""The rung ``engine``: the engine alone, in the fast harness; golden does what the compiler leaves to the CPU."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cosim.engine import EngineRun, run_engine
from flows.run.store import Store
from flows.verify.engine_simulator import MANY, EngineSimulator, jobs_for, simulator_for
from flows.verify.images import ImageRung, Observed
from hw.spec.design import DesignPoint

__all__ = ["EngineRung", "Simulator", "engine_rung"]

Simulator = Callable[[bool], Path]     # the folder of a simulator, for True of one that writes waves


class EngineRung(ImageRung):
    """Programs in the engine's own RTL, with traffic on its bus where it is asked for.

    ``many`` gives a simulator for many inputs, where that is another one.
    """

    level = "engine"
    stops_anywhere = True

    def __init__(self, simulator: Simulator, many: Callable[[], Path] | None = None) -> None:
        self.simulator = simulator
        self.many = many or (lambda: simulator(False))
        self.known: dict[bytes, EngineRun] = {}      # runs that were simulated, for those that have the same beginning

    def run(self, image: bytes, inputs: np.ndarray, *, cycle_limit: int, traffic: int = 0) -> Observed:
        simulator = self.many() if len(inputs) >= MANY else self.simulator(False)
        got = run_engine(simulator, image, inputs, cycle_limit=cycle_limit, traffic=traffic, stalls=traffic,
                         known=None if traffic else self.known, jobs=jobs_for(len(inputs)))
        return Observed(outputs=got.outputs, cycles=got.cycles, engine_cycles=got.cycles,
                        layer_cycles=got.layer_cycles, counters=got.counters)

    def waves(self, image: bytes, inputs: np.ndarray, file: Path) -> None:
        run_engine(self.simulator(True), image, inputs[:1], trace=file)


def engine_rung(store: Store, design: DesignPoint) -> EngineRung:
    """With simulators from the store."""
    return EngineRung(lambda trace: EngineSimulator(design=design, trace=trace).value(store),
                      lambda: simulator_for(design, MANY).value(store))
