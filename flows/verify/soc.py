"""The rung ``soc``: the whole SoC in Verilator, CPU and firmware included."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from boards import Board
from cosim.soc import run_soc
from flows.fpga.firmware import Firmware
from flows.run.store import Store
from flows.verify.images import ImageRung, Observed
from flows.verify.soc_simulator import SocSimulator
from hw.spec.design import DesignPoint
from hw.spec.image import ENGINE, streams_outside, unpack_calls, unpack_header
from hw.spec.soc import MemoryMap, memory_map
from hw.spec.stream import SDRAM_SLACK
from sw.firmware.build import functions_of
from sw.firmware.header import STANDARD
from sw.golden.kernels import call_cycles

__all__ = ["SocRung", "slack_of", "soc_rung", "with_software"]

SOFTWARE_CYCLES = 10_000_000        # the firmware's part of an inference stays far below
LONGEST = 1 << 31                   # the firmware counts in 32 bits
SLOWEST = 50                        # times what VexRiscv is estimated to take, that another CPU may


def with_software(image: bytes, engine_cycles: int) -> int:
    """Clock cycles that an inference may take, what the CPU runs of the network included."""
    calls = unpack_calls(image, unpack_header(image))
    software = SOFTWARE_CYCLES + SLOWEST * round(sum(call_cycles(call) for call in calls if call.runner != ENGINE))
    return min(engine_cycles + software, LONGEST)


def slack_of(image: bytes) -> float:
    """Share of the predicted cycles by which the engine may differ: of weights from a chip of SDRAM."""
    return SDRAM_SLACK if streams_outside(unpack_header(image)) else 0.0


class SocRung(ImageRung):
    """Programs started by the firmware; the bus traffic is what CPU and firmware make of it."""

    level = "soc"
    stops_anywhere = False

    def __init__(self, simulator: Callable[[bytes, bool], Path],
                 firmware: Callable[[bytes], Path | None] = lambda image: None, *, logs: bool = True) -> None:
        self.simulator, self.firmware, self.logs = simulator, firmware, logs

    def run(self, image: bytes, inputs: np.ndarray, *, cycle_limit: int, traffic: int = 0) -> Observed:
        got = run_soc(self.simulator(image, False), image, inputs, cycle_limit=with_software(image, cycle_limit),
                      firmware=self.firmware(image))
        return Observed(outputs=got.outputs, cycles=got.cycles, engine_cycles=got.engine_cycles,
                        layer_cycles=got.layer_cycles if self.logs else None, kernel_cycles=got.kernel_cycles,
                        slack=slack_of(image))

    def waves(self, image: bytes, inputs: np.ndarray, file: Path) -> None:
        run_soc(self.simulator(image, True), image, inputs[:1], trace=file, firmware=self.firmware(image))


def soc_rung(store: Store, design: DesignPoint, board: Board) -> SocRung:
    """With firmware and simulators from the store."""
    def memory(image: bytes) -> MemoryMap:
        return memory_map(design, streams=streams_outside(unpack_header(image)))

    def made(image: bytes, functions: tuple[str, ...]) -> Path:
        return Firmware(cpu=design.cpu, functions=functions, memory=memory(image)).value(store)

    def simulator(image: bytes, trace: bool) -> Path:
        return SocSimulator(design=design, board=board, firmware=made(image, STANDARD), memory=memory(image),
                            trace=trace).value(store)

    def firmware(image: bytes) -> Path | None:
        """Another one than the simulator has, where the image needs it."""
        functions = functions_of(image)
        return None if functions == STANDARD else made(image, functions)
    return SocRung(simulator, firmware, logs=design.layer_log)
