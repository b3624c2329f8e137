"""Latencies that gateware and cycle model share, in clock cycles.

The gateware delays what goes with its data by these; the cycle counters of the RTL are tested equal to the model.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

from hw.spec.commands import COMMAND_BITS
from hw.spec.design import DesignPoint

__all__ = ["ADD_PASSES", "DRAIN_MODES", "LOG_CYCLES", "MODE_LEAD_CYCLES", "READ_LATENCY", "RESIDUAL_TILES",
           "TABLE_ENTRIES", "TABLE_LATENCY", "WEIGHT_BUS_LATENCY", "WRITE_LATENCY", "AddPasses", "DrainTurns",
           "add_passes", "add_slot_cycles", "command_words", "drain_cycles", "drain_lag_cycles", "drain_turns",
           "element_latency", "lane_skew", "last_output_cycles", "longest_spacing", "param_sets", "requantize_latency",
           "requantizer_latency", "select_latency", "settle_cycles", "table_cycles", "table_words",
           "tile_start_cycles"]

READ_LATENCY = 4          # scratchpad: request to word
WEIGHT_BUS_LATENCY = READ_LATENCY + 1    # weights: the bus's request to its word, one of all banks'
MODE_LEAD_CYCLES = READ_LATENCY + 3    # a layer's modes to its first word: its block begins, a parameter, a fetch
TABLE_LATENCY = 2         # output to what the table has for it, where the design has a table
WRITE_LATENCY = 2         # output byte to the first read that sees it
SPRAM_WRITE_CYCLES = 2    # that a row of outputs takes longer to the single-port memory
LOG_CYCLES = 5            # counters of a layer to the layer log
RESIDUAL_TILES = 4        # whose operands of a residual add are kept
TABLE_ENTRIES = 256       # bytes of a table
ADD_PASSES = 4            # times that a residual add uses a requantizer, its convolution included
#: Kinds of layers for the drain: depthwise, with an add.
DRAIN_MODES = [(depthwise, add) for depthwise in (False, True) for add in (False, True)]


def requantizer_latency(*, cycles: int, dsps: int) -> int:
    """Of one requantizer, accumulator to output byte."""
    return cycles + 5 if cycles > 1 else {4: 7, 2: 9, 0: 9}[dsps]


def requantize_latency(design: DesignPoint) -> int:
    """Accumulator to output byte."""
    return requantizer_latency(cycles=design.requantizer_cycles, dsps=design.requantizer_dsps)


def element_latency(design: DesignPoint) -> int:
    """Processing element: last operands to finished sum."""
    return design.element_stages


def select_latency(design: DesignPoint) -> int:
    """Finished sum to requantizer."""
    return design.select_stages


def param_sets(design: DesignPoint, command: Mapping[str, int]) -> int:
    """Sets of parameters of a LAYER's block, each for ``cols`` channels; those of a residual add aside."""
    return command["tile_rows"] if command["depthwise"] else -(-command["tile_cols"] // design.cols)


def command_words(design: DesignPoint) -> int:
    """Weight words that one command takes."""
    return COMMAND_BITS // design.weight_word_bits


def table_words(design: DesignPoint) -> int:
    """Weight words that a table takes."""
    return 8 * TABLE_ENTRIES // design.weight_word_bits


def table_cycles(design: DesignPoint) -> int:
    """Cycles in which a LAYER loads its table."""
    return TABLE_ENTRIES // design.table_entries


@dataclass(frozen=True, kw_only=True)
class DrainTurns:
    """How the sums of one tile go through the requantizers: row by row, some columns in a turn."""

    add: bool
    rows: int
    width: int      # columns of a row
    turns: int      # per row
    columns: int    # per turn
    cycles: int     # per turn

    @property
    def total(self) -> int:
        """Cycles from the first turn of a tile to the end of its last one."""
        return self.rows * self.turns * self.cycles


def drain_turns(design: DesignPoint, *, depthwise: bool, add: bool = False, rows: int = 0, cols: int = 0) -> DrainTurns:
    """Of tiles of ``rows`` and ``cols``; 0: all that there are.

    A residual add takes four passes per output, so requantizers work in groups of four, or four times.
    """
    rows = rows or (design.depthwise_rows if depthwise else design.rows)
    most = design.most_added_cols if add and design.splits else design.most_tile_cols
    cols = cols or (design.depthwise_cols if depthwise else most)
    if add:
        return DrainTurns(add=add, rows=rows, width=cols, turns=cols, columns=1,
                          cycles=design.requantizer_cycles * max(1, ADD_PASSES // design.requantizers))
    return DrainTurns(add=add, rows=rows, width=cols, turns=-(-cols // design.requantizers),
                      columns=design.requantizers, cycles=design.requantizer_cycles)


def lane_skew(design: DesignPoint, lane: int) -> int:
    """Cycles by which requantizer ``lane`` works behind the first: as its column of the array does."""
    return lane % design.cols // design.ways


def _reads(design: DesignPoint, mode: DrainTurns) -> Iterator[tuple[int, int]]:
    """For each element, cycles after the first one's: when its sum is there, when it is read in a drain without lag."""
    for row, column in product(range(mode.rows), range(mode.width)):
        turn, lane = divmod(column, mode.columns)
        yield (row + column % design.cols // design.ways,
               (row * mode.turns + turn) * mode.cycles + lane_skew(design, lane)
               + (select_latency(design) if design.shifts_totals else 0))


@cache
def drain_lag_cycles(design: DesignPoint, *, turns: int, add: bool = False) -> int:
    """Cycles from the first element's finished sum to its turn: no element is then read before its sum arrives.

    Later rows wait longer for their turn than for their sums, so it depends on the turns per row alone.
    """
    mode = drain_turns(design, depthwise=False, add=add, rows=1, cols=turns * (1 if add else design.requantizers))
    return max(there - read for there, read in _reads(design, mode))


def _late_cycles(design: DesignPoint, mode: DrainTurns) -> int:
    """Most cycles from the first element's finished sum to its turn."""
    return (drain_lag_cycles(design, turns=mode.turns, add=mode.add)
            + (add_slot_cycles(design) - 1 if mode.add else 0))


@cache
def drain_cycles(design: DesignPoint, *, depthwise: bool, add: bool = False, rows: int = 0, cols: int = 0) -> int:
    """Shortest distance of two tiles: the requantizers are done, and no sum is replaced before it was read.

    Nor is what a residual add adds to: its words are kept for ``RESIDUAL_TILES`` tiles, from a tile's beginning.
    """
    mode = drain_turns(design, depthwise=depthwise, add=add, rows=rows, cols=cols)
    late = _late_cycles(design, mode)
    kept = 0
    if add:
        last_taken = (tile_start_cycles(design, mode) + add_slot_cycles(design) + add_passes(design).residual
                      + select_latency(design) - 1 + mode.total)
        kept = -(-(last_taken + 1 - READ_LATENCY) // (RESIDUAL_TILES - 1))
    return max(mode.total, kept, *(late + read - there + 1 for there, read in _reads(design, mode)))


def longest_spacing(design: DesignPoint) -> int:
    """Largest distance of tiles that any layer needs; the engine counts up to it."""
    return max(drain_cycles(design, depthwise=depthwise, add=add) for depthwise, add in DRAIN_MODES)


def add_slot_cycles(design: DesignPoint) -> int:
    """Cycles after which the passes of residual adds take turns anew in a requantizer; tiles begin at multiples."""
    slots = max(1, ADD_PASSES // design.requantizers)
    return slots * design.requantizer_cycles if slots > 1 else 1


@dataclass(frozen=True, kw_only=True)
class AddPasses:
    """When an output of a residual add enters a requantizer, in cycles behind its first pass.

    The requantizers' slots are shared so that two passes never meet: ``(lane, slot)`` of each differ, a slot being
    the cycle modulo ``DrainTurns.cycles``, in units of ``requantizer_cycles``.
    """

    residual: int    # the other operand is scaled
    operand: int     # the convolution's own output is scaled
    final: int       # the sum is scaled
    lanes: tuple[int, ...]    # requantizer of each pass: convolution, residual, operand, final


def add_passes(design: DesignPoint) -> AddPasses:
    """Earliest times that keep the passes apart; see :class:`AddPasses`."""
    unit, slots = design.requantizer_cycles, max(1, ADD_PASSES // design.requantizers)
    needed = requantize_latency(design) + 2

    def first(remainder: int) -> int:
        return next(n * unit for n in range(-(-needed // unit), needed + slots + 1) if n % slots == remainder % slots)

    operand = first(2)
    per_lane = min(design.requantizers, ADD_PASSES)
    return AddPasses(residual=operand - unit, operand=operand, final=operand + first(1),
                     lanes=tuple(p * per_lane // ADD_PASSES for p in range(ADD_PASSES)))


def tile_start_cycles(design: DesignPoint, mode: DrainTurns) -> int:
    """Cycles from a tile's last step to the one in which its drain may begin."""
    return READ_LATENCY + element_latency(design) + drain_lag_cycles(design, turns=mode.turns, add=mode.add)


@cache
def last_output_cycles(design: DesignPoint, *, depthwise: bool, add: bool, rows: int = 0, cols: int = 0) -> int:
    """Cycles from a tile's last step to the end of its last write, if its drain need not wait for its slot."""
    mode = drain_turns(design, depthwise=depthwise, add=add, rows=rows, cols=cols)
    return (1 + tile_start_cycles(design, mode) + mode.total - mode.cycles
            + select_latency(design) + requantize_latency(design)
            + (add_passes(design).final if add else lane_skew(design, design.requantizers - 1))
            + (TABLE_LATENCY if design.table_unit else 0)
            + WRITE_LATENCY - 1 + (SPRAM_WRITE_CYCLES if design.memory == "spram" else 0))


def settle_cycles(design: DesignPoint, *, depthwise: bool, add: bool) -> int:
    """Cycles after a block in which weights do not load yet, because its outputs need the same memory."""
    if design.memory != "spram":
        return 0
    return last_output_cycles(design, depthwise=depthwise, add=add) + (add_slot_cycles(design) - 1 if add else 0)
