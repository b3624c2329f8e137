from dataclasses import replace

import pytest

from hw.spec.commands import COMMAND_FIELDS, COUNTS, OPCODES, decode, encode
from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.fields import command_fields, counts, encode_for, taken, undefined
from hw.spec.presets import PRESETS
from hw.spec.timing import drain_cycles

COMPACT, WIDE, SCALABLE = PRESETS["up5k"], DesignPoint(), DesignPoint(multiplier="scalable")
#: One pixel of one channel.
LAYER = dict.fromkeys(COUNTS, 1) | {"opcode": OPCODES["LAYER"], "in_height": 1, "in_row_bytes": 1}
WHOLE = {
    COMPACT: LAYER | {"tile_cols": 4, "spacing": drain_cycles(COMPACT, depthwise=False), "port_cycles": 8},
    WIDE: LAYER | {"tile_rows": 2, "tile_cols": 4, "spacing": drain_cycles(WIDE, depthwise=False)},
}


def test_a_wide_engine_with_all_units_has_every_field_whole():
    everything = replace(WIDE, table_unit=True, multiplier="scalable")
    assert command_fields(everything) == {name: bits for name, (bits, _) in COMMAND_FIELDS.items()}
    assert counts(WIDE) == COUNTS


@pytest.mark.parametrize("design", [WIDE, COMPACT], ids=lambda design: design.engine)
def test_a_unit_adds_its_field(design):
    assert set(command_fields(replace(design, table_unit=True))) - set(command_fields(design)) == {"table"}
    assert taken(design, decode(encode(LAYER | {"table": 1})))["table"] == 0
    assert taken(replace(design, table_unit=True), decode(encode(LAYER | {"table": 1})))["table"] == 1


def test_a_compact_engine_has_fewer():
    fields = command_fields(COMPACT)
    assert set(COMMAND_FIELDS) - set(fields) == {
        "window", "broadcast", "local", "local_words", "tail_rows", "tail_lanes", "out_row_bytes", "first_segments",
        "tile_rows", "tile_cols", "spacing", "distance", "table", "split"}
    assert {name: bits for name, bits in fields.items() if bits != COMMAND_FIELDS[name][0]} == {
        "tail_steps": 2, "segment_steps": 2, "tail_cols": 5, "in_start": 17, "out_base": 17, "step_y_bytes": 17,
        "out_group_bytes": 17, "out_band_bytes": 17}
    assert counts(COMPACT) == ()


@pytest.mark.parametrize("design", WHOLE, ids=lambda design: design.engine)
def test_a_whole_command_is_taken_as_it_is(design):
    word = encode_for(design, WHOLE[design])
    command = decode(word)
    assert word == encode(WHOLE[design])
    assert {name for name in command if taken(design, command)[name] != command[name]} <= {"distance"}
    assert undefined(design, taken(design, command)) is None


def test_what_a_compact_engine_does_not_look_at_changes_nothing():
    command = decode(encode(WHOLE[COMPACT]))
    seen = taken(COMPACT, command)
    for name in set(COMMAND_FIELDS) - set(command_fields(COMPACT)):
        assert taken(COMPACT, command | {name: command[name] ^ 1}) == seen, name
    assert taken(COMPACT, command | {"tail_steps": 1 + (1 << 2)}) == seen
    assert taken(COMPACT, command | {"depthwise": 1})["spacing"] == drain_cycles(COMPACT, depthwise=True)


def test_a_design_without_a_stream_takes_no_notice_of_it():
    assert taken(WIDE, decode(encode(LAYER | {"stream": 1})))["stream"] == 0
    assert taken(replace(WIDE, stream_bytes=2), decode(encode(LAYER | {"stream": 1})))["stream"] == 1


@pytest.mark.parametrize("design, changes, text", [
    (COMPACT, {"tile_cols": 2}, "tile_cols=2: the compact engine of this design takes 4 there, whatever the command "
                                "says; write 4"),
    (COMPACT, {"window": 1}, "window=1: the compact engine of this design takes 0 there, whatever the command says; "
                             "write 0"),
    (COMPACT, {"tail_steps": 5}, "tail_steps=5: the compact engine of this design takes 1 there, whatever the command "
                                 "says; write 1"),
    (WIDE, {"stream": 1}, "stream=1: the wide engine of this design takes 0 there, whatever the command says; write 0"),
    (WIDE, {"table": 1}, "table=1: the wide engine of this design takes 0 there, whatever the command says; write 0"),
    (COMPACT, {"table": 1}, "table=1: the compact engine of this design takes 0 there, whatever the command says; "
                            "write 0"),
    (COMPACT, {"groups": 0}, "groups=0: the engine counts to it; write 1 or more"),
    (WIDE, {"groups": 0}, "groups=0: the engine refuses it; write 1 or more"),
    (WIDE, {"first_segments": 0}, "first_segments=0: the engine refuses it; write 1 or more"),
    (COMPACT, {"depthwise": 1, "kernel_rows": 3, "segments": 3, "port_cycles": 0},
     "port_cycles=0: outputs need the memory's port for 1 cycles of a tile; raise it"),
    (WIDE, {"tile_rows": 3}, "tile_rows=3: the array has 2 for this layer; choose 1 to 2"),
    (WIDE, {"tile_cols": 5}, "tile_cols=5: the array has 4 for this layer; choose 1 to 4"),
    (WIDE, {"split": 1}, "split=1: the wide engine of this design takes 0 there, whatever the command says; write 0"),
    (SCALABLE, {"split": 3}, "split=3: weights are halved 2 times; choose no more"),
    (replace(SCALABLE, multiplier="scalable-dsp"), {"split": 2}, "split=2: weights are halved 1 times; choose no more"),
    (SCALABLE, {"split": 1, "depthwise": 1}, "split=1: an element of a depthwise layer has one channel; set split=0"),
    (SCALABLE, {"maximum": 1}, "maximum=1: elements of digits compare in pools only; set depthwise=1 and window=0"),
    (SCALABLE, {"split": 1, "tile_cols": 9}, "tile_cols=9: the array has 8 for this layer; choose 1 to 8"),
    (SCALABLE, {"add": 1, "split": 2, "tile_cols": 9},
     "tile_cols=9: what is added comes in one fetch of 8; choose no more"),
    (replace(SCALABLE, requantizers=8), {"tail_cols": 5},
     "tail_cols=5: a tile has parameters for 4 channels; choose no more"),
    (WIDE, {"spacing": 2}, "spacing=2: the sums of a tile of 2x4 are read for 8 cycles; choose 8 to 32"),
    (WIDE, {"tail_steps": 3}, "tail_steps=3: a fetched word has 2 steps; choose no more"),
    (WIDE, {"segments": 2, "segment_steps": 3}, "segment_steps=3: a fetched word has 2 steps; choose no more"),
    (WIDE, {"local": 1}, "local=1: the elements have no memory for these weights; choose dataflow='weight' or local=0"),
    (replace(WIDE, dataflow="weight"), {"local": 1, "local_words": 2},
     "local_words=2: a tile has 1 steps; load as many"),
    (replace(WIDE, dataflow="weight"), {"local": 1, "local_words": 17, "kernel_rows": 17},
     "local=1: an element keeps 16 words, a tile has 17 steps; set local=0"),
    (replace(WIDE, dataflow="weight"), {"local": 1, "depthwise": 1, "local_words": 1},
     "local=1: a depthwise layer keeps weights by columns only; set window=1 or local=0"),
    (WIDE, {"window": 1}, "window=1: goes with depthwise=1 and local=1; set both"),
    (replace(WIDE, weight_bits=4, multiplier="packed", dataflow="weight"),
     {"window": 1, "local": 1, "depthwise": 1, "local_words": 2},
     "window=1: columns share multipliers, multiplier='packed'; set window=0"),
    (replace(WIDE, cols=2), {"add": 1, "tile_cols": 2}, "add=1: its parameters need 3 columns, and cols=2; raise cols"),
])
def test_a_command_that_the_engine_does_not_run_as_it_says(design, changes, text):
    base = WHOLE[COMPACT] if design is COMPACT else WHOLE[WIDE] | {"spacing": 30}
    with pytest.raises(SpecError) as caught:
        encode_for(design, base | changes)
    assert str(caught.value) == text
