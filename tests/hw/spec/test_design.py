from dataclasses import replace

import pytest

from hw.spec.design import DesignPoint
from hw.spec.errors import SpecError
from hw.spec.presets import PRESETS


@pytest.mark.parametrize("fields, text", [
    ({"rows": 3}, r"rows=3: choose a power of two, one of 1, 2, 4, 8, 16"),
    ({"rows": "4"}, r"rows='4': expected int, got str; write it as a plain whole number"),
    ({"rows": True}, r"rows=True: expected int, got bool"),
    ({"weight_bits": 3}, r"weight_bits=3: choose 8, 4, 2, 1"),
    ({"multiplier": "booth"}, r"multiplier='booth': choose dsp or lut or packed or mac16 or scalable or "
     r"scalable-dsp or ternary or"),
    ({"acc_bits": 12}, r"acc_bits=12: 4 products of 8x8 bits need 18 and the requantizer takes 32"),
    ({"rows": 1, "lanes": 2}, r"rows=1, lanes=2: the activation port is rows\*lanes = 2 bytes wide and must be 4"),
    ({"cols": 16, "lanes": 8}, r"cols=16, lanes=8: the weight port is 1024 bits wide and must be 16 to 512"),
    ({"cols": 1, "lanes": 4, "weight_bits": 2}, r"the weight port is 8 bits wide and must be 16 to 512"),
    ({"rows": 4, "weight_bits": 1, "multiplier": "lut", "stream_bytes": 2},
     r"stream_bytes=2: streamed weights need a weight port of 32 bits or more, this one has 16; raise cols, lanes or"),
    ({"rows": 1, "weight_bits": 1, "multiplier": "lut", "memory": "spram"},
     r"memory='spram': streamed weights need a weight port of 32 bits or more, this one has 16; raise"),
    ({"requantizers": 8}, r"requantizers=8: choose a power of two, one of 1, 2, 4$"),
    ({"requantizers": 16, "cols": 2, "multiplier": "scalable"},
     r"requantizers=16: choose a power of two, one of 1, 2, 4, 8$"),
    ({"acc_bits": 32, "multiplier": "scalable"},
     r"acc_bits=32: 4 sums of digits make one of 33 bits and the requantizer takes 32; lower acc_bits to 31$"),
    ({"acc_bits": 32, "multiplier": "scalable-dsp"},
     r"acc_bits=32: 2 sums of digits make one of 33 bits and the requantizer takes 32; lower acc_bits to 31$"),
    ({"weight_bits": 4, "multiplier": "scalable"}, r"multiplier='scalable': takes weight_bits 8, not 4; change"),
    ({"act_bits": 6}, r"act_bits=6: choose 8, 4"),
    ({"memory": "spram", "rows": 1, "act_bytes": 4096},
     r"act_bytes=4096: with memory='spram' 5120 of them are the firmware's; choose 8192 or more"),
    ({"memory": "spram", "rows": 1, "stream_bytes": 4},
     r"stream_bytes=4: with memory='spram' weights stream from there; set stream_bytes to 0"),
    ({"memory": "spram"}, r"memory='spram', rows=2: the port has time for the outputs of one row per tile; lower rows"),
    ({"memory": "spram", "rows": 1, "cols": 8}, r"memory='spram', cols=8: the outputs of an array row .* lower cols"),
    ({"engine": "small"}, r"engine='small': choose 'wide', 'compact'"),
    ({"table_unit": 1}, r"^table_unit=1: expected bool, got int; write it as true or false$"),
    ({"cpu": "Arm 7"}, r"^cpu='Arm 7': give the name of a CPU, in lower case$"),
])
def test_impossible_design_says_what_to_do(fields, text):
    with pytest.raises(SpecError, match=text):
        DesignPoint(**fields)


COMPACT = {"engine": "compact", "rows": 1, "cols": 4, "lanes": 4, "memory": "spram", "act_bytes": 131072,
           "requantizer_cycles": 2, "requantizer_dsps": 0}


@pytest.mark.parametrize("fields, text", [
    ({"memory": "bram"}, "memory='bram': the compact engine lies around the single-port memory; "
                         "set memory='spram', or set engine='wide'"),
    ({"weight_bits": 1, "lanes": 8}, "weight_bits=1: the compact engine has no binary weights; "
                                     "raise weight_bits, or set engine='wide'"),
    ({"multiplier": "packed", "weight_bits": 4, "lanes": 8},
     "multiplier='packed': the compact engine takes a product of each multiplier, and this one gives 2; "
     "choose another multiplier, or set engine='wide'"),
    ({"multiplier": "scalable"}, "multiplier='scalable': the compact engine has elements of one precision; "
                                 "choose another multiplier, or set engine='wide'"),
    ({"dataflow": "weight"}, "dataflow='weight': the compact engine has no memories in its elements; "
                             "set dataflow='output', or set engine='wide'"),
    ({"depthwise_taps": 4}, "depthwise_taps=4: the compact engine has no memories in its elements; "
                            "set depthwise_taps=1, or set engine='wide'"),
    ({"requantizers": 2}, "requantizers=2: the compact engine has one requantizer; "
                          "set requantizers=1, or set engine='wide'"),
    ({"requantizer_cycles": 1}, "requantizer_cycles=1: the compact engine has a requantizer of several cycles; "
                                "raise requantizer_cycles to 2 or 4, or set engine='wide'"),
    ({"weight_bits": 4}, "weight_bits=4: the compact engine takes a channel's 72 bits of parameters from one weight "
                         "word, and with cols=4, lanes=4 this one has 64; raise weight_bits, cols or lanes, "
                         "or set engine='wide'"),
])
def test_what_does_not_go_with_the_compact_engine(fields, text):
    assert DesignPoint(**COMPACT).ways == DesignPoint(**COMPACT).cols
    assert DesignPoint(**{**COMPACT, **fields, "engine": "wide"}).engine == "wide"
    with pytest.raises(SpecError) as caught:
        DesignPoint(**{**COMPACT, **fields})
    assert str(caught.value) == text


def test_the_preset_is_compact_or_an_error():
    assert PRESETS["up5k"].engine == "compact"
    with pytest.raises(SpecError, match=r"^weight_bits=4: the compact engine takes"):
        replace(PRESETS["up5k"], weight_bits=4)


def test_a_column_of_split_weights_has_an_output_channel_for_each_piece():
    design = DesignPoint(rows=4, cols=4, lanes=4, multiplier="scalable", requantizers=8)
    assert (design.most_tile_cols, design.param_slots, design.digit_bits, design.sum_bits) == (16, 8, 20, 27)
    assert replace(design, rows=2).most_added_cols == 8     # one fetch
    blocks = replace(design, multiplier="scalable-dsp")
    assert (blocks.most_tile_cols, blocks.param_slots, blocks.digit_bits, blocks.sum_bits) == (8, 8, 22, 27)
    assert replace(design, multiplier="lut", requantizers=4).most_tile_cols == 4


@pytest.mark.parametrize("fields, bits", [
    ({}, (8,)), ({"multiplier": "lut"}, (8,)), ({"multiplier": "lut", "weight_bits": 4}, (4,)),
    ({"multiplier": "packed", "weight_bits": 2}, (2,)), ({"multiplier": "lut", "weight_bits": 1, "lanes": 8}, (1,)),
    ({"multiplier": "scalable"}, (8, 4, 2)), ({"multiplier": "scalable-dsp"}, (8, 4)),
])
def test_bits_that_pay_on_a_design(fields, bits):
    assert DesignPoint(**fields).paying_bits == bits


def test_fingerprint_is_of_the_engine():
    elsewhere = DesignPoint(board="ulx3s-85", cpu="picorv32")
    assert elsewhere.fingerprint == DesignPoint().fingerprint != DesignPoint(rows=4).fingerprint


def test_a_unit_that_a_design_lacks_leaves_its_fingerprint_alone():
    assert "table_unit" not in DesignPoint().hardware()
    assert DesignPoint(table_unit=True).hardware() == {**DesignPoint().hardware(), "table_unit": True}
    assert DesignPoint(table_unit=True).fingerprint != DesignPoint().fingerprint
