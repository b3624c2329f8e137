"""The rung ``board``: the firmware of a real board, asked over its serial port."""

from pathlib import Path

import numpy as np

from boards import Board
from flows.run.progress import advance, work
from flows.verify.images import ImageRung, Observed
from flows.verify.serial_line import PATIENCE_S, SerialLine
from flows.verify.soc import slack_of, with_software
from hw.soc.pll import CLOCK_MHZ
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.image import unpack_header
from hw.spec.soc import memory_map
from sw.firmware.host import OPEN_CYCLES, plan_run, read_opening, read_run
from sw.firmware.protocol import DeviceError, Info, Op

__all__ = ["BoardRung"]


class BoardRung(ImageRung):
    """Programs started by the firmware on a board. One that boots from its flash runs what is in there.

    Parameters
    ----------
    port : device file of the board's serial port.
    patience_s : how long the board may be silent beyond what it was asked to do.
    """

    level = "board"
    stops_anywhere = False

    def __init__(self, design: DesignPoint, board: Board, port: str, *, patience_s: float = PATIENCE_S) -> None:
        self.design, self.port, self.patience_s = design, port, patience_s
        self.memory = memory_map(design)
        self.reloads = self.memory.image is None
        self.slowest_hz = CLOCK_MHZ[board.family][0] * 1e6

    def run(self, image: bytes, inputs: np.ndarray, *, cycle_limit: int, traffic: int = 0) -> Observed:
        limit = with_software(image, cycle_limit)
        plan = plan_run(image, inputs, in_flash=not self.reloads, limit_cycles=limit)
        seconds = {Op.INFER: limit / self.slowest_hz, Op.OPEN: OPEN_CYCLES * len(image) / self.slowest_hz}
        frames = []
        with SerialLine(self.port, self.memory.baud, patience_s=self.patience_s) as line, \
                work(f"asking the board at {self.port}", len(plan.requests)):
            self._check_design(line.greet())
            for op, payload in plan.requests:
                frames.append(line.ask(op, payload, seconds.get(op, 0.0)))
                if len(frames) == plan.opening:
                    self._check_network(read_opening(plan, frames), image)
                advance()
        got = read_run(plan, frames)
        return Observed(outputs=got.outputs, cycles=got.cycles, engine_cycles=got.engine_cycles,
                        layer_cycles=got.layer_cycles if self.design.layer_log else None,
                        kernel_cycles=got.kernel_cycles, slack=slack_of(image))

    def waves(self, image: bytes, inputs: np.ndarray, file: Path) -> None:
        raise HeddleError("level 'board': writes no waves; trace the level soc")

    def _check_design(self, info: Info) -> None:
        if info.fingerprint != self.design.fingerprint:
            raise DeviceError(f"port {self.port}: the board has another design ({info.fingerprint:#010x}, this is "
                              f"{self.design.fingerprint:#010x}); name that one with --design, or build and flash this")

    def _check_network(self, info: Info, image: bytes) -> None:
        if info.header != unpack_header(image):
            raise DeviceError(f"port {self.port}: the board's flash has another network; write this one with "
                              f"`heddle build`, then `heddle flash DIR --weights`")
