from dataclasses import replace

import pytest

from flows.search.candidate import Candidate, Chip, NetworkChoice, word
from hw.spec.errors import SpecError

CHIP = Chip(rows=2, cols=4, lanes=4, multiplier="dsp", requantizers=2, depthwise_taps=4)
CHOICE = NetworkChoice(name="nets/small.py:tiny", settings=(("width", 0.5), ("act", "relu"), ("skip", True)),
                       weight_bits=4, layers=(("*classifier", 8),), data=(("size", "8x8"),),
                       recipe=(("quantize.act_bits", 4), ("passes", 2.5), ("steps", ("pretrain", "quantize"))))


def test_an_id_is_a_folders_name_that_says_everything():
    assert CHOICE.id == ("small-tiny-0.5-actrelu-skipTrue-w4-_classifier8-size8x8-quantize.act_bits4-passes2.5"
                         "-stepspretrain-quantize")
    candidate = Candidate(network=NetworkChoice(name="mlp"), chip=CHIP, board="ulx3s-25")
    assert candidate.id == "mlp-w8-2x4x4-dsp-r2-t4-ulx3s-25"
    assert replace(CHIP, requantizer_dsps=0).id == "2x4x4-dsp-r2d0-t4"


@pytest.mark.parametrize("change", [
    {"name": "mlp"}, {"settings": (("width", 1.0),)}, {"settings": (("width", 0.5), ("act", "relu6"), ("skip", True))},
    {"weight_bits": 8}, {"layers": ()}, {"layers": (("*classifier", 2),)}, {"data": (("size", "9x9"),)},
    {"recipe": (("passes", 2.5),)},
], ids=str)
def test_whatever_differs_has_another_id(change):
    assert replace(CHOICE, **change).id != CHOICE.id


def test_axes_have_the_names_that_conditions_have():
    assert CHOICE.values == {"network": "nets/small.py:tiny", "width": 0.5, "act": "relu", "skip": True,
                             "weight_bits": 4, "size": "8x8", "_classifier_bits": 8, "quantize_act_bits": 4,
                             "passes": 2.5, "steps": ("pretrain", "quantize")}
    assert word("quantize.layers.*x") == "quantize_layers__x"
    assert CHIP.values == {"rows": 2, "cols": 4, "lanes": 4, "multiplier": "dsp", "requantizers": 2,
                           "requantizer_dsps": 4, "depthwise_taps": 4, "macs_per_cycle": 32}


@pytest.mark.parametrize("bits, layers, widest", [(4, (), 4), (4, (("a", 8), ("b", 2)), 8), (8, (("a", 2),), 8)])
def test_the_widest_weights_decide_a_design(bits, layers, widest):
    choice = NetworkChoice(name="mlp", weight_bits=bits, layers=layers)
    assert choice.widest == widest
    assert replace(CHIP, multiplier="lut").design(choice.widest).weight_bits == widest


def test_a_design_has_the_chips_values_and_the_largest_memories():
    design = CHIP.design(4)
    assert {name: getattr(design, name) for name in vars(CHIP)} == vars(CHIP)
    assert (design.act_bytes, design.weight_bytes, design.weight_bits) == (131072, 524288, 4)
    assert replace(CHIP, multiplier="scalable").design(2).weight_bits == 8     # splits them


def test_what_cannot_be_built_says_so():
    with pytest.raises(SpecError, match=r"^requantizers=8: "):
        replace(CHIP, requantizers=8).design(8)
