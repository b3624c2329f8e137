"""The bare array under cocotb: every tile of every layer, fed as the sequencer would feed it.

What is fed comes from the program's commands and weights, as ``hw.spec.commands`` defines them; what comes out are the
accumulators of each output, before bias and requantization.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cosim.bench import build_bench, run_bench
from hw.emit.verilog import array_verilog
from hw.spec.design import DesignPoint
from hw.spec.timing import ELEMENT_LATENCY
from sw.compiler import Program

__all__ = ["build_array", "run_array"]

VALID, FIRST, LAST, FRESH = 1, 2, 4, 8     # bits of hw.gateware.array.Step
STALL_CYCLES = 4                           # longest random pause between two segments


@dataclass(kw_only=True)
class _Stimulus:
    """What the array's ports get in each cycle, and which sum is which output."""

    step: list[int] = field(default_factory=list)
    depthwise: list[int] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    word: list[np.ndarray] = field(default_factory=list)
    seen: list[tuple[int, int, tuple[int, int, int, int]]] = field(default_factory=list)   # cycle, element, output

    def add(self, step: int, depthwise: int, weights: np.ndarray, word: np.ndarray) -> None:
        self.step.append(step)
        self.depthwise.append(depthwise)
        self.weights.append(weights)
        self.word.append(word)


def build_array(design: DesignPoint, out: Path) -> Path:
    """Generate the array of ``design`` and compile it for cocotb in folder ``out``; returns ``out``."""
    return build_bench(array_verilog(design), "heddle_array", out)


def run_array(directory: Path, program: Program, tensors: Sequence[np.ndarray], *,
              stalls: int | None = None) -> list[np.ndarray]:
    """Run every layer's tiles.

    Parameters
    ----------
    directory : what :func:`build_array` returned.
    tensors : int8 ``(N, H, W, C)`` for each layer what it reads: ``sw.golden.run`` gives them.
    stalls : seed of random pauses between segments; none without it.

    Returns
    -------
    For each layer int64 ``(N, *output shape)``: the elements' sums.

    Raises SimulationError if the bench fails.
    """
    design, stimulus = program.design, _Stimulus()
    rng = np.random.default_rng(stalls)
    feeder = _Feeder(program, stimulus, rng if stalls is not None else None)
    for index in range(len(program.layers)):
        for number, tensor in enumerate(tensors[index]):
            feeder.layer(index, number, tensor)
    looks = sorted({cycle for cycle, _, _ in stimulus.seen})
    answer = run_bench(directory, "heddle_array", "cosim.array_bench", {
        "step": np.array(stimulus.step), "depthwise": np.array(stimulus.depthwise),
        "weights": np.array(stimulus.weights), "word": np.array(stimulus.word), "looks": np.array(looks),
        "sums": np.array(design.rows * design.cols), "sum_bits": np.array(design.acc_bits)})
    return _gather(program, len(tensors[0]), stimulus, looks, answer["totals"])


def _gather(program: Program, count: int, stimulus: _Stimulus, looks: list[int],
            totals: np.ndarray) -> list[np.ndarray]:
    place = {cycle: row for row, cycle in enumerate(looks)}
    got = [np.zeros((count, *layer.output.shape), np.int64) for layer in program.graph.layers]
    for cycle, element, (index, number, pixel, channel) in stimulus.seen:
        got[index][number].reshape(-1, got[index].shape[-1])[pixel, channel] = totals[place[cycle], element]
    return got


class _Feeder:
    """Turns layers into port values, one command after the other."""

    def __init__(self, program: Program, stimulus: _Stimulus, pauses: np.random.Generator | None):
        self.program, self.design, self.stimulus, self.pauses = program, program.design, stimulus, pauses
        bits = np.unpackbits(np.frombuffer(program.image, np.uint8), bitorder="little")
        width = self.design.weight_word_bits
        self.words = np.packbits(bits[:len(bits) // width * width].reshape(-1, width), axis=1, bitorder="little")
        # Whatever lies beside a tensor must not matter.
        self.memory = np.random.default_rng(1).integers(-128, 128, self.design.act_bytes).astype(np.int8)

    def layer(self, index: int, number: int, tensor: np.ndarray) -> None:
        """Feed one layer for one input."""
        plan = self.program.layers[index]
        command = plan.command
        address = self.program.tensors[index].address
        self.memory[address:address + tensor.size] = tensor.reshape(-1)
        tiles = self._depthwise_tiles if command["depthwise"] else self._tiles
        tiles(command, index, number)
        for _ in range(self.design.rows + self.design.cols + ELEMENT_LATENCY):
            self._idle(command["depthwise"])

    def _tiles(self, command: Mapping[str, int], index: int, number: int) -> None:
        """Convolution: a row's word comes as many cycles after the fresh step as the row's number."""
        design, rows, segments = self.design, self.design.rows, command["segments"]
        steps_per_row = (segments - 1) * rows + command["tail_steps"]
        base = command["weight_base"]
        for block in range(command["blocks"]):
            base += design.param_words
            for group in range(command["groups"]):
                for ky in range(command["kernel_rows"]):
                    for segment in range(segments):
                        self._pause(0)
                        last = ky == command["kernel_rows"] - 1 and segment == segments - 1
                        steps = command["tail_steps"] if segment == segments - 1 else rows
                        for phase in range(rows):
                            step = 0
                            if phase < steps:
                                step = (VALID | FRESH * (phase == 0) | FIRST * (phase == ky == segment == 0)
                                        | LAST * (last and phase == steps - 1))
                            weights = self.words[base + ky * steps_per_row + segment * rows + min(phase, steps - 1)]
                            word = self._fetch(command, group * rows + phase, ky, segment, 0)
                            if step & LAST:
                                self._expect_tile(command, index, number, block, group)
                            self.stimulus.add(step, 0, weights, word)
            base += command["kernel_rows"] * steps_per_row

    def _depthwise_tiles(self, command: Mapping[str, int], index: int, number: int) -> None:
        """Depthwise: every step is fresh, one tap of ``depthwise_channels`` channels."""
        design, taps = self.design, command["kernel_rows"] * command["segments"]
        base = command["weight_base"]
        for block in range(command["blocks"]):
            base += design.depthwise_rows * design.param_words
            for pixel in range(command["groups"]):
                for tap in range(taps):
                    self._pause(1)
                    step = VALID | FRESH | FIRST * (tap == 0) | LAST * (tap == taps - 1)
                    ky, kx = divmod(tap, command["segments"])
                    word = self._fetch(command, pixel, ky, kx, block * command["block_bytes"])
                    if step & LAST:
                        self._expect_channels(command, index, number, block, pixel)
                    self.stimulus.add(step, 1, self.words[base + tap], word)
            base += taps

    def _fetch(self, command: Mapping[str, int], pixel: int, ky: int, segment: int, channel: int) -> np.ndarray:
        """The word of ``fetch_bytes`` that the activation scratchpad gives for one tap or segment."""
        oy, ox = divmod(pixel, command["out_width"])
        offset = segment * command["segment_bytes"] + channel
        x = command["first_x_bytes"] + ox * command["step_x_bytes"] + offset + np.arange(self.design.fetch_bytes)
        y = command["first_y"] + oy * command["stride_y"] + ky
        address = command["in_base"] + y * command["in_row_bytes"] + x
        inside = (x >= 0) & (x < command["in_row_bytes"]) & (0 <= y < command["in_height"])
        return np.where(inside, self.memory[address % self.design.act_bytes], command["in_zero"]).astype(np.int8)

    def _expect_tile(self, command: Mapping[str, int], index: int, number: int, block: int, group: int) -> None:
        """The step that comes next is the last of a tile of ``rows`` pixels and ``cols`` channels."""
        design = self.design
        rows = command["tail_rows"] if group == command["groups"] - 1 else design.rows
        cols = command["tail_cols"] if block == command["blocks"] - 1 else design.cols
        for r, c in np.ndindex(rows, cols):
            self._expect(r, c, (index, number, group * design.rows + r, block * design.cols + c))

    def _expect_channels(self, command: Mapping[str, int], index: int, number: int, block: int, pixel: int) -> None:
        for r, c in self._channels(command, block):
            channel = block * self.design.depthwise_channels + r * self.design.depthwise_cols + c
            self._expect(r, c, (index, number, pixel, channel))

    def _channels(self, command: Mapping[str, int], block: int) -> Iterator[tuple[int, int]]:
        """Elements (r, c) that have a channel."""
        last = block == command["blocks"] - 1
        rows = command["tail_rows"] if last else self.design.depthwise_rows
        for r in range(rows):
            short = last and r == rows - 1
            for c in range(command["tail_cols"] if short else self.design.depthwise_cols):
                yield r, c

    def _expect(self, r: int, c: int, output: tuple[int, int, int, int]) -> None:
        cycle = len(self.stimulus.step) + r + c + ELEMENT_LATENCY
        self.stimulus.seen.append((cycle, r * self.design.cols + c, output))

    def _pause(self, depthwise: int) -> None:
        if self.pauses is not None and self.pauses.random() < 0.2:
            for _ in range(int(self.pauses.integers(1, STALL_CYCLES + 1))):
                self._idle(depthwise)

    def _idle(self, depthwise: int) -> None:
        """A cycle without a step; what is on the other ports must not matter."""
        noise = self.stimulus.word[-1] ^ 0x55 if self.stimulus.word else np.zeros(self.design.fetch_bytes, np.int8)
        self.stimulus.add(0, depthwise, self.words[0], noise)
