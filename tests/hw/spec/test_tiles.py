from dataclasses import replace

import pytest

from hw.spec.commands import COUNTS
from hw.spec.design import DesignPoint
from hw.spec.fields import taken
from hw.spec.presets import PRESETS
from hw.spec.tiles import port_cycles, tiles_of

WIDE = DesignPoint(rows=4)
LAYER = dict.fromkeys(COUNTS, 1) | dict.fromkeys(
    ("depthwise", "window", "broadcast", "add", "port_cycles", "stream", "block_words"), 0) | {
    "tile_rows": 4, "kernel_rows": 3, "segments": 2, "segment_steps": 4, "tail_steps": 2, "groups": 5}


def test_a_tile_takes_its_steps_and_no_fewer_than_rows_fetch():
    tiles = tiles_of(WIDE, LAYER)
    assert (tiles.first, tiles.others, tiles.idle, tiles.groups) == (3 * (4 + 4), 3 * (4 + 4), 2, 5)
    assert tiles_of(WIDE, LAYER | {"tile_rows": 1}).others == 3 * (4 + 2)
    assert tiles_of(WIDE, LAYER | {"broadcast": 1}).others == tiles_of(WIDE, LAYER | {"depthwise": 1}).others == 3 * 2
    assert tiles_of(WIDE, LAYER | {"window": 1, "first_segments": 3}).first == 3 * 3
    assert tiles_of(WIDE, LAYER | {"add": 1, "port_cycles": 2}).extra == 4 + 2


@pytest.mark.parametrize("changes, wanted", [
    ({}, 0),                                                             # a segment of two steps fetches once
    ({"depthwise": 1}, 3),                                               # six steps, each with its fetch
    ({"depthwise": 1, "kernel_rows": 5}, 1),                             # long enough, but without a pause
    ({"depthwise": 1, "kernel_rows": 1, "segments": 1}, 0),              # the next tile waits longer for the drain
])
def test_outputs_have_the_port_of_a_single_port_memory_once_a_tile(changes, wanted):
    design = PRESETS["up5k"]
    command = taken(design, LAYER | {"tail_lanes": 0, "segment_steps": 2} | changes)
    assert port_cycles(design, command) == wanted
    assert port_cycles(replace(WIDE, rows=1), command) == 0
