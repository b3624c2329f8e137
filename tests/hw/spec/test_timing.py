"""Distances in time that keep sums, parameters and residual operands apart, for many designs."""

from itertools import product

import pytest

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.presets import PRESETS
from hw.spec.requant import VARIANTS
from hw.spec.timing import (
    ADD_PASSES,
    READ_LATENCY,
    RESIDUAL_TILES,
    add_passes,
    add_slot_cycles,
    drain_cycles,
    drain_lag_cycles,
    drain_turns,
    lane_skew,
    last_output_cycles,
    requantize_latency,
    select_latency,
    settle_cycles,
    tile_start_cycles,
)


def designs():
    for (rows, cols, lanes), requantizers, (cycles, dsps), multiplier in product(
            ((1, 4, 4), (2, 4, 4), (4, 4, 4), (4, 8, 4), (8, 2, 2), (1, 16, 4), (16, 1, 4)), (1, 2, 4, 8), VARIANTS,
            ("dsp", "packed")):
        try:
            yield DesignPoint(rows=rows, cols=cols, lanes=lanes, requantizers=requantizers, requantizer_cycles=cycles,
                              requantizer_dsps=dsps, multiplier=multiplier, weight_bits=4)
        except SpecError:
            continue


SPLIT = [DesignPoint(rows=rows, cols=cols, lanes=lanes, multiplier=kind, requantizers=requantizers)
         for (rows, cols, lanes), requantizers, kind in product(
             ((2, 4, 4), (4, 4, 4), (4, 8, 4)), (1, 2, 4, 8), ("scalable", "scalable-dsp"))]
DESIGNS = [*designs(), *SPLIT, *PRESETS.values()]
MODES = list(product((False, True), (False, True)))


def tiles(design, depthwise):
    """Rows and columns of some tiles; 0: all."""
    return [(0, 0), (1, 1), (1, 0), (0, 1), (0, max(1, (design.depthwise_cols if depthwise else design.cols) - 1)),
            *((0, cols) for cols in range(design.cols, 0 if depthwise else design.most_added_cols + 1))]


def reads(design, depthwise, add, rows=0, cols=0):
    """Of each element: when its sum is there and when it is read, in cycles behind element 0's sum."""
    mode = drain_turns(design, depthwise=depthwise, add=add, rows=rows, cols=cols)
    lag = drain_lag_cycles(design, turns=mode.turns, add=add) + (select_latency(design) if design.shifts_totals else 0)
    ways = design.ways
    for row in range(mode.rows):
        for column in range(mode.width):
            turn, lane = divmod(column, mode.columns)
            there = row + column % design.cols // ways
            yield there, lag + (row * mode.turns + turn) * mode.cycles + lane_skew(design, lane)


@pytest.mark.parametrize("depthwise, add", MODES)
def test_sums_are_read_between_their_arrival_and_the_next_ones(depthwise, add):
    for design in DESIGNS:
        late = add_slot_cycles(design) - 1 if add else 0     # that a tile's drain may begin later
        for rows, cols in tiles(design, depthwise):
            distance = drain_cycles(design, depthwise=depthwise, add=add, rows=rows, cols=cols)
            for there, read in reads(design, depthwise, add, rows, cols):
                assert there <= read, design
                assert read + late < there + distance, design
            assert distance >= drain_turns(design, depthwise=depthwise, add=add, rows=rows, cols=cols).total


def test_some_element_is_read_at_once():
    for design in DESIGNS:
        assert min(read - there for mode in MODES for there, read in reads(design, *mode)) == 0


def test_passes_of_a_residual_add_never_meet():
    for design in DESIGNS:
        passes, turn = add_passes(design), drain_turns(design, depthwise=False, add=True)
        ages = (0, passes.residual, passes.operand, passes.final)
        taken = {(lane, age % turn.cycles) for lane, age in zip(passes.lanes, ages, strict=True)}
        assert len(taken) == ADD_PASSES, design
        for lane in set(passes.lanes):
            mine = sorted(age % turn.cycles for one, age in zip(passes.lanes, ages, strict=True) if one == lane)
            gaps = [later - earlier for earlier, later in zip(mine, [*mine[1:], mine[0] + turn.cycles], strict=True)]
            assert min(gaps) >= design.requantizer_cycles, design
        result = requantize_latency(design) + 1
        assert passes.operand > result and passes.final > passes.operand + result and passes.residual < passes.operand


@pytest.mark.parametrize("depthwise", [False, True])
def test_residual_operands_are_kept_until_they_are_taken(depthwise):
    for design in DESIGNS:
        for rows, cols in tiles(design, depthwise):
            tile = {"depthwise": depthwise, "add": True, "rows": rows, "cols": cols}
            distance, mode = drain_cycles(design, **tile), drain_turns(design, **tile)
            # a tile as short as its distance to the next: from the arrival of its first word to the last take
            last_take = (distance + 1 + tile_start_cycles(design, mode) + add_slot_cycles(design) - 1
                         + add_passes(design).residual + select_latency(design) - 1 + mode.total - 1 - READ_LATENCY)
            assert last_take < RESIDUAL_TILES * distance, design


def test_only_a_single_port_settles():
    for design in DESIGNS:
        for depthwise, add in MODES:
            settles = settle_cycles(design, depthwise=depthwise, add=add)
            assert (settles >= last_output_cycles(design, depthwise=depthwise, add=add)) == (design.memory == "spram")
            assert design.memory == "spram" or settles == 0
