"""The bare array under cocotb: every tile of every layer, fed as the sequencer would feed it.

What is fed comes from the program's commands and weights, as ``hw.spec.commands`` defines them; what comes out are the
accumulators of each output, before bias and requantization.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from cosim.bench import build_bench, run_bench
from hw.emit.verilog import array_verilog
from hw.gateware.array import Step
from hw.spec.design import LOCAL_WORDS, DesignPoint
from hw.spec.digits import POOL_WEIGHT
from hw.spec.timing import MODE_LEAD_CYCLES, element_latency, param_sets
from sw.compiler import LayerPlan, Placement, Program
from sw.golden import layers
from sw.golden.words import Words
from sw.graph.layer import POOLS, WEIGHTED

__all__ = ["build_array", "run_array"]

STALL_CYCLES = 4                           # longest random pause between two segments
CONSTANTS = ("modes", "single", "distance", "tail_lanes", "split")
MODES = ("depthwise", "window", "maximum", "local")     # hw.gateware.element.Modes, lowest bit first


@lru_cache
def _step(**fields: int) -> int:
    """The value of a Step; those that are fields of its token go there."""
    values: dict[str, object] = {name: fields.pop(name) for name in ("fresh", "tail") if name in fields}
    return Step.const(values | {"token": fields}).as_bits()


@dataclass(kw_only=True)
class _Stimulus:
    """What the array's ports get in each cycle, and which sum is which output."""

    constants: list[tuple[int, ...]] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    word: list[np.ndarray] = field(default_factory=list)
    seen: list["_Sum"] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Sum:
    """Which sum of the array is which output."""

    cycle: int
    element: int
    address: int
    split: int
    piece: int        # of the element's weights
    largest: bool     # an element of digits has it apart from its sums


@dataclass(frozen=True, kw_only=True)
class _Cycle:
    """What the sequencer does in a cycle of a tile."""

    step: int                 # 0: none
    kept: int                 # place of its weights among the tile's
    row: int                  # the array row that a word is fetched for; beyond the array nothing is
    ky: int                   # kernel row of the fetch
    offset: int               # of the fetch, bytes from the pixel's first tap
    begins: bool              # a segment
    last: bool                # of the tile's steps


def build_array(design: DesignPoint, out: Path) -> Path:
    """Generate the array of ``design`` and compile it for cocotb in folder ``out``; returns ``out``."""
    return build_bench(array_verilog(design), "heddle_array", out)


def run_array(directory: Path, program: Program, tensors: Sequence[np.ndarray], *,
              stalls: int | None = None) -> list[np.ndarray | None]:
    """Run every layer's tiles.

    Parameters
    ----------
    directory : what :func:`build_array` returned.
    tensors : int8 ``(N, H, W, C)``, the graph's tensors: ``sw.golden.run`` gives them. Layers read these, whatever
        the array answered.
    stalls : seed of random pauses between segments; none without it.

    Returns
    -------
    For each layer of the graph int64 ``(N, *output shape)``: the elements' sums. None for a layer that has none there:
    an add, a softmax.

    Raises SimulationError if the bench fails.
    """
    design, stimulus = program.design, _Stimulus()
    feeder = _Feeder(design, stimulus, None if stalls is None else np.random.default_rng(stalls))
    graph = program.graph
    sums: list[np.ndarray | None] = [None] * len(graph.layers)
    for plan in program.layers:
        if (number := plan.stage.layer) is not None and graph.layers[number].op in (*WEIGHTED, *POOLS):
            sums[number] = np.zeros((len(tensors[0]), *graph.layers[number].output.shape), np.int64)
    fed = [part for number in range(len(tensors[0])) for part in _feed(
        feeder, program, [tensor[number] for tensor in tensors],
        [None if mine is None else mine[number] for mine in sums])]
    looks = sorted({one.cycle for one in stimulus.seen})
    widths = [design.digit_bits] * design.digits + [design.act_bits] if design.splits else [design.acc_bits]
    answer = run_bench(directory, "heddle_array", "cosim.array_bench", {
        "constants": np.array(stimulus.constants)[:, :len(CONSTANTS) - (not design.splits)],
        "names": np.array(CONSTANTS[:len(CONSTANTS) - (not design.splits)]), "step": np.array(stimulus.step),
        "weights": np.array(stimulus.weights), "word": np.array(stimulus.word), "looks": np.array(looks),
        "widths": np.array(widths * (design.rows * design.cols))})
    totals = answer["totals"].reshape(len(looks), -1, len(widths))
    row = {cycle: row for row, cycle in enumerate(looks)}
    for target, place, first, seen in fed:
        for one in stimulus.seen[seen]:
            target[place.element(one.address - first)] = _total(design, totals[row[one.cycle], one.element], one)
    return sums


def _total(design: DesignPoint, parts: np.ndarray, one: _Sum) -> int:
    """What the drain makes of an element's sum, or of its sums of digits."""
    if len(parts) == 1:
        return int(parts[0])
    if one.largest:
        return int(parts[-1]) * POOL_WEIGHT
    digits = design.digits >> one.split
    return sum(int(part) << design.place_bits * place
               for place, part in enumerate(parts[digits * one.piece:digits * (one.piece + 1)]))


def _feed(feeder: "_Feeder", program: Program, tensors: Sequence[np.ndarray],
          sums: Sequence[np.ndarray | None]) -> Iterator[tuple[np.ndarray, Placement, int, slice]]:
    """One input through the whole program, on a memory full of rubbish: what lies beside a tensor must not matter.

    Yields for each command the sums of its layer, their place, the address at which they begin, and the part of what is
    seen.
    """
    act = bytearray(np.random.default_rng(1).integers(0, 256, program.design.act_bytes, np.uint8).tobytes())
    memory, source, seen = np.frombuffer(act, np.int8), program.input, feeder.stimulus.seen
    memory[source.address:source.address + source.size] = tensors[0].reshape(-1)
    before: LayerPlan | None = None
    for plan, (command, words) in zip(program.layers, layers(program.design, program.image, act), strict=True):
        if before is not None and before.tensor is not None:
            memory[before.output.address + before.output.places] = tensors[before.tensor].reshape(-1)
        before, layer, rows = plan, plan.stage.layer, plan.stage.rows
        mine = None if layer is None else sums[layer]
        if mine is None:      # copies, or an add on its own
            continue
        start, first = len(seen), plan.output.address
        if rows is not None:
            first += rows.out_offset - rows.out_first * mine[0].size
        feeder.layer(command, words, memory)
        yield mine.reshape(-1), plan.output, first, slice(start, len(seen))


class _Feeder:
    """Turns commands into port values, one after the other."""

    def __init__(self, design: DesignPoint, stimulus: _Stimulus, pauses: np.random.Generator | None):
        self.design, self.stimulus, self.pauses = design, stimulus, pauses
        self.ways = design.ways
        self.latency = element_latency(design)

    def layer(self, command: Mapping[str, int], words: Words, memory: np.ndarray) -> None:
        """Feed one LAYER, that reads ``words`` and ``memory``."""
        design, self.command, self.memory = self.design, command, memory
        self.constants = (sum(command[name] << bit for bit, name in enumerate(MODES)),
                          command["depthwise"] | command["broadcast"],
                          command["distance"], command["tail_lanes"], command["split"])
        for _ in range(MODE_LEAD_CYCLES):
            self._idle()
        steps = [list(self._tile(first)) for first in (True, False)]
        counted = sum(step.step != 0 for step in steps[1])
        for block in range(command["blocks"]):
            for _ in range(command["add"] + param_sets(design, command)):
                words.params()
            count = command["local_words"] if command["local"] else 1 if command["uniform"] else counted
            weights = np.packbits(words.take(count), axis=1, bitorder="little")
            if command["local"]:
                self._keep(weights)
            for tile in range(command["bands"] * command["groups"]):
                self._run(steps[tile % command["groups"] > 0], weights, block, tile)
        for _ in range(design.rows + design.cols + self.latency + 1):
            self._idle()

    def _keep(self, weights: np.ndarray) -> None:
        """The elements' own memories take their weights."""
        height = self.command["kernel_rows"] if self.command["depthwise"] else len(weights)
        for index, word in enumerate(weights):
            row, tap = divmod(index, height)
            self._add(_step(load=1, row=row, tap=tap), word, self._noise())

    def _tile(self, first: bool) -> Iterator[_Cycle]:
        """A tile, its band's first one or not."""
        command, rows = self.command, self.command["tile_rows"]
        height, width = command["kernel_rows"], command["segments"]
        if command["window"]:
            columns = command["first_segments"] if first else width
            for column in range(columns):
                for ky in range(height):
                    newest, last = column == columns - 1, column == columns - 1 and ky == height - 1
                    yield _Cycle(step=_step(valid=newest, push=1, fresh=1, tail=1, tap=ky, first=ky == 0, last=last),
                                 kept=0, row=0, ky=ky, offset=column * command["segment_bytes"], begins=True, last=last)
            return
        single, kept = command["depthwise"] | command["broadcast"], 0
        for ky in range(height):
            for segment in range(width):
                tail = segment == width - 1
                steps = 1 if single else command["tail_steps"] if tail else command["segment_steps"]
                for phase in range(1 if single else max(rows, steps)):
                    last = tail and ky == height - 1 and phase == steps - 1
                    step = _step(valid=1, fresh=phase == 0, tail=tail and phase == steps - 1, tap=kept % LOCAL_WORDS,
                                 first=phase == ky == segment == 0, last=last)
                    yield _Cycle(step=step if phase < steps else 0, kept=kept, row=phase, ky=ky,
                                 offset=segment * command["segment_bytes"], begins=phase == 0, last=last)
                    kept += phase < steps

    def _run(self, cycles: Sequence[_Cycle], weights: np.ndarray, block: int, tile: int) -> None:
        """Feed one tile, with random pauses between its segments."""
        command, rows = self.command, self.command["tile_rows"]
        band, group = divmod(tile, command["groups"])
        before = 0      # columns of the band that came with earlier tiles
        if command["window"] and group:
            before = command["first_segments"] + (group - 1) * command["segments"]
        for cycle in cycles:
            if cycle.begins:
                self._pause()
            position = tile if command["depthwise"] | command["broadcast"] else tile * rows + cycle.row
            if cycle.row < rows:
                self.fetched = self._fetch(block, band if command["window"] else position, cycle.ky,
                                           cycle.offset + before * command["segment_bytes"])
            word = self.fetched if cycle.row < rows or self.design.word_stays else self._noise()
            if cycle.last:
                self._expect(block, band, group)
            self._add(cycle.step, weights[min(cycle.kept, len(weights) - 1)], word)

    def _fetch(self, block: int, position: int, ky: int, offset: int) -> np.ndarray:
        """The word of ``fetch_bytes`` that the activation scratchpad gives for one segment."""
        command = self.command
        oy, ox = divmod(position, command["out_width"])
        along = (ox * command["step_x_bytes"]
                 + block * command["block_bytes"] + offset + np.arange(self.design.fetch_bytes))
        y, x = command["first_y"] + oy * command["stride_y"] + ky, command["first_x_bytes"] + along
        address = command["in_start"] + oy * command["step_y_bytes"] + ky * command["in_row_bytes"] + along
        inside = (x >= 0) & (x < command["in_row_bytes"]) & (0 <= y < command["in_height"])
        return np.where(inside, self.memory[address % (1 << 24) % len(self.memory)], command["in_zero"])

    def _expect(self, block: int, band: int, group: int) -> None:
        """The step that comes next is the last of a tile."""
        design, command = self.design, self.command
        start = (command["out_base"] + block * command["out_block_bytes"] + group * command["out_group_bytes"]
                 + band * ((command["groups"] - 1) * command["out_group_bytes"] + command["out_band_bytes"]))
        for r, c in self._elements(block, group):
            piece, col = divmod(c, design.cols)
            largest = bool(command["maximum"] and design.splits)
            late = design.select_stages - 1 if largest else 0
            self.stimulus.seen.append(_Sum(
                cycle=len(self.stimulus.step) + r + col // design.ways + self.latency + late,
                element=r * design.cols + col, address=start + r * command["out_row_bytes"] + c,
                split=command["split"], piece=piece, largest=largest))

    def _elements(self, block: int, group: int) -> Iterator[tuple[int, int]]:
        """Those of a tile that have an output."""
        command = self.command
        last_block, depthwise = block == command["blocks"] - 1, command["depthwise"]
        rows, cols = command["tile_rows"], command["tile_cols"]
        if last_block if depthwise else group == command["groups"] - 1:
            rows = command["tail_rows"]
        for r in range(rows):
            short = last_block and (r == command["tail_rows"] - 1 or not depthwise)
            for c in range(command["tail_cols"] if short else cols):
                yield r, c

    def _add(self, step: int, weights: np.ndarray, word: np.ndarray) -> None:
        stimulus, bits = self.stimulus, self.design.act_bits
        planes = word.astype(np.int64)[:, None] >> np.arange(bits) & 1
        stimulus.constants.append(self.constants)
        stimulus.step.append(step)
        stimulus.weights.append(weights)
        stimulus.word.append(np.packbits(planes.astype(np.uint8).reshape(-1), bitorder="little"))

    def _pause(self) -> None:
        if self.pauses is not None and self.pauses.random() < 0.2:
            for _ in range(int(self.pauses.integers(1, STALL_CYCLES + 1))):
                self._idle()

    def _idle(self) -> None:
        """A cycle without a step; what is on the other ports must not matter."""
        width = -(-self.design.weight_word_bits // 8)
        noise = np.full(width, 0x5A + len(self.stimulus.step) % 7, np.uint8)
        self._add(0, noise, self._noise())

    def _noise(self) -> np.ndarray:
        return np.arange(self.design.fetch_bytes) * 37 + 11 * len(self.stimulus.step)
