from dataclasses import replace

import pytest

from boards import BOARDS
from flows.estimate.calibrate import UP5K_SAMPLES
from flows.estimate.compact import features, soc_bram, soc_dsp, soc_spram
from flows.estimate.resources import estimate_resources, load_model
from hw.spec.presets import PRESETS

UP5K = PRESETS["up5k"]


def test_blocks_are_those_of_the_samples():
    for design, row in zip(UP5K_SAMPLES, load_model("ice40")["samples"], strict=True):
        assert (soc_dsp(design), soc_bram(design), soc_spram(design)) == (row["dsp"], row["bram"], row["spram"])


def test_a_multiplier_block_has_two_products():
    assert [soc_dsp(replace(UP5K, **change)) for change in ({}, {"lanes": 8}, {"multiplier": "lut"})] == [8, 16, 0]


@pytest.mark.parametrize("change, blocks", [({"table_unit": True}, 1), ({"layer_log": True}, 6),
                                            ({"weight_bytes": 8192}, 8), ({"weight_bytes": 2048}, 0)])
def test_what_is_more_takes_blocks(change, blocks):
    assert soc_bram(replace(UP5K, **change)) - soc_bram(UP5K) == blocks


def test_what_only_some_designs_have_is_in_two_samples_or_more():
    shapes = [features(design)[kind] for design in UP5K_SAMPLES for kind in ("lut", "ff")]
    for name in {name for shape in shapes for name in shape}:
        assert sum(name in shape for shape in shapes) >= 2, name


@pytest.mark.parametrize("change, cells", [({}, 6850), ({"lanes": 8, "weight_bits": 4}, 7374)])
def test_a_kind_without_samples_is_near_what_was_packed(change, cells):
    """By the size of its products alone; the cells are of nextpnr 0.11.1, November 2026."""
    design = replace(UP5K, multiplier="trunc", **change)
    assert estimate_resources(design, BOARDS["icebreaker"]).lut == pytest.approx(cells, rel=0.02)
