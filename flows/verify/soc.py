"""The rung ``soc``: the whole SoC in Verilator, CPU and firmware included."""

from pathlib import Path

import numpy as np

from boards import Board
from cosim.soc import run_soc
from flows.fpga.firmware import Firmware
from flows.run.store import Store
from flows.verify.engine import Simulator
from flows.verify.images import ImageRung, Observed
from flows.verify.soc_simulator import SocSimulator
from hw.spec.design import DesignPoint

__all__ = ["SocRung", "soc_rung"]

SOFTWARE_CYCLES = 10_000_000        # the CPU's part of an inference stays far below


class SocRung(ImageRung):
    """Programs started by the firmware; the bus traffic is what CPU and firmware make of it."""

    level = "soc"
    stops_anywhere = False

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def run(self, image: bytes, inputs: np.ndarray, *, cycle_limit: int, traffic: int = 0) -> Observed:
        got = run_soc(self.simulator(False), image, inputs, cycle_limit=cycle_limit + SOFTWARE_CYCLES)
        return Observed(outputs=got.outputs, cycles=got.cycles, engine_cycles=got.engine_cycles,
                        layer_cycles=got.layer_cycles, kernel_cycles=got.kernel_cycles)

    def waves(self, image: bytes, inputs: np.ndarray, file: Path) -> None:
        run_soc(self.simulator(True), image, inputs[:1], trace=file)


def soc_rung(store: Store, design: DesignPoint, board: Board) -> SocRung:
    """With firmware and simulators from the store."""
    firmware = Firmware(cpu=design.cpu).value(store)
    return SocRung(lambda trace: SocSimulator(design=design, board=board, firmware=firmware, trace=trace).value(store))
