"""The rung ``netlist``: the SoC that ``heddle build`` makes, as nextpnr wrote it after place and route."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from boards import Board
from cosim.netlist import memory_file
from cosim.routed import memories_of
from cosim.soc import SocRun, run_soc
from flows.fpga.implement import SEEDS, Implementation, implement
from flows.fpga.patch import block_of, patch_blocks, placeholder, words_of
from flows.fpga.seeds import most_at_once
from flows.run.progress import tell
from flows.run.store import Store
from flows.verify.images import ImageRung, Observed
from flows.verify.netlist_simulator import NetlistSimulator
from flows.verify.rungs import Case, Findings, RoutedBuild
from flows.verify.soc import with_software
from hw.soc.generate import FACTS, load_soc
from hw.spec.design import DesignPoint
from hw.spec.errors import HeddleError
from hw.spec.image import resident_part
from sw.firmware.build import functions_of

__all__ = ["NetlistRung", "configured"]


class NetlistRung(ImageRung):
    """Programs started by the firmware of the routed SoC, asked over the wires of its UART.

    It is the build that ``heddle build`` makes of a network with the same design, board and clock, made here unless the
    store has it. A network's weights are in its memories, or in the flash that it boots from, as they are on the board.
    """

    level = "netlist"
    stops_anywhere = False

    def __init__(self, store: Store, design: DesignPoint, board: Board, *, clock_mhz: float | None = None) -> None:
        self.store, self.design, self.board = store, design, board
        self.clock_mhz = clock_mhz or board.soc_mhz
        self.build: Implementation | None = None
        self.simulated_cycles, self.wall_s = 0, 0.0

    def check(self, case: Case) -> Findings:
        if case.program.streams_outside:
            raise HeddleError(f"level 'netlist': weights of {case.program.graph.name} stream from the SDRAM of "
                              f"{self.board.name}, and pads that go both ways have no model; verify at level soc")
        self.build = self._made(case.program.image)
        found = super().check(case)
        routed = self.build.routed
        return replace(found, build=RoutedBuild(
            seed=routed.seed, clock_mhz=self.build.clock_mhz, fmax_mhz=routed.fmax_mhz, timing_met=routed.timing_met,
            simulated_cycles=self.simulated_cycles, cycles_per_s=round(self.simulated_cycles / self.wall_s)))

    def run(self, image: bytes, inputs: np.ndarray, *, cycle_limit: int, traffic: int = 0) -> Observed:
        got = self._asked(image, inputs, cycle_limit=with_software(image, cycle_limit))
        self.simulated_cycles += got.simulated_cycles
        self.wall_s += got.wall_s
        return Observed(outputs=got.outputs, cycles=got.cycles, engine_cycles=got.engine_cycles,
                        layer_cycles=got.layer_cycles if self.design.layer_log else None,
                        kernel_cycles=got.kernel_cycles)

    def waves(self, image: bytes, inputs: np.ndarray, file: Path) -> None:
        self._asked(image, inputs[:1], trace=file)

    def _asked(self, image: bytes, inputs: np.ndarray, *, trace: Path | None = None, **options: Any) -> SocRun:
        directory = self._simulator(self.build or self._made(image), trace is not None)
        return run_soc(directory, image, inputs, contents=self._contents(directory, image), upload=False, trace=trace,
                       **options)

    def _made(self, image: bytes) -> Implementation:
        return implement(self.store, self.design, self.board, self.clock_mhz, functions=functions_of(image),
                         seeds=SEEDS, jobs=most_at_once())

    def _simulator(self, build: Implementation, trace: bool) -> Path:
        tell("compiling what was routed")
        return NetlistSimulator(netlist=build.routed.netlist, facts=build.soc.folder / FACTS, family=self.board.family,
                                firmware=build.firmware, trace=trace).value(self.store)

    def _contents(self, directory: Path, image: bytes) -> dict[str, bytes]:
        memories = memories_of(directory)
        if load_soc(directory / "soc").memory.image is None:
            memories = configured(memories, image, self.design)
        return {file: memory_file(words) for file, words in memories.items()}


def configured(memories: Mapping[str, np.ndarray], image: bytes, design: DesignPoint) -> dict[str, np.ndarray]:
    """Contents of block RAMs with a model image where the bitstream has it, which was routed with a placeholder.

    Raises PatchError where they do not hold the placeholder.
    """
    blocks = {file: block_of(words) for file, words in memories.items()}
    patch_blocks(list(blocks.values()), before=placeholder(design.weight_bytes), word_bits=design.weight_port_bits,
                 after=resident_part(image).ljust(design.weight_bytes, b"\0"), where="routed netlist")
    return {file: words_of(block) for file, block in blocks.items()}
